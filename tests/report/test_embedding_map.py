"""The page with a map of crops: all is in it, nothing is fetched, and it stays small."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest

from unstained.report.embedding_map import encoded, menu_of, write_map

TABLE = pd.DataFrame(
    {
        "well": ["A01", "A02", "A03"], "field": 0, "top_px": 0, "left_px": 0, "side_px": 32, "kind": "clean",
        "severity": 0, "strength": 0.0, "saturated": 0.0, "confluence": [0.1, 0.5, 0.9], "plate": "p",
        "clone": ["a", "a", "</script><b>"], "day": [0.0, 60.0, np.nan], "x": [0.0, 1, 2], "y": [0.0, 1, 4],
        "cluster": [0, 0, -1],
    }
)  # fmt: skip


def noise(number: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (number, 96, 96), dtype=np.uint8)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "map.html"
    return write_map(out, TABLE, noise(3), menu_of(TABLE), "a < b").read_text(encoding="utf-8")


def test_nothing_is_fetched_and_the_page_forbids_it(page):
    own = page.replace(page[page.index("<script>") : page.index("</script>", page.index("<script>"))], "")
    assert not re.search(r"(src|href|url\()\s*=?\s*[\"'(]?\s*(https?:)?//", own)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert len(page) < 6_000_000


def test_every_crop_has_its_picture_and_what_is_known_of_it(page):
    crops = json.loads(re.search(r'id="crops">(.*?)</script>', page)[1])
    assert [base64.b64decode(picture)[8:12] for picture in crops["pictures"]] == [b"WEBP"] * 3
    assert crops["told"][1].startswith("well A02, field 0")
    assert "day –" in crops["told"][2]
    assert "clone </script><b>" in crops["told"][2]  # and yet the page isn't broken:
    assert page.count("<b>") == 0


def test_the_menu_has_what_differs_and_one_colouring_is_seen_at_a_time(page):
    assert menu_of(TABLE) == ["cluster", "confluence", "well", "clone", "day"]
    figure = json.JSONDecoder().raw_decode(page, page.rindex("figure = ") + 9)[0]
    buttons = figure["layout"]["updatemenus"][0]["buttons"]
    assert [button["label"] for button in buttons] == menu_of(TABLE)
    visible = [trace["visible"] for trace in figure["data"]]
    assert visible == buttons[0]["args"][0]["visible"] == [True, True, *[False] * 7]
    shown = np.array([button["args"][0]["visible"] for button in buttons])
    assert (shown.sum(axis=0) == 1).all()  # each trace belongs to one entry
    assert shown.sum(axis=1).tolist() == [2, 1, 3, 2, 1]


def test_pictures_together_stay_within_their_bytes():
    pictures = noise(40)
    large = encoded(pictures)
    assert None not in large
    whole = sum(map(len, large))
    smaller = encoded(pictures, most_bytes=whole // 2)
    assert None not in smaller
    assert sum(map(len, smaller)) < 0.6 * whole
    few = encoded(pictures, most_bytes=whole // 40)
    assert 0 < sum(picture is not None for picture in few) < 40
    assert sum(len(picture) for picture in few if picture) <= 1.5 * whole // 40

"""`unstained embed` from a plate to a map, and what it refuses."""

import re
import sys

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def embedded(tmp_path_factory, run, plate, model):
    out = tmp_path_factory.mktemp("embedded") / "map of crops"
    ran = run("embed", plate, "--model", model, "--out", out, "--embedding", "together", "--crop-px", 32,
              "--crops", 6, "--kinds", "defocus", "--severities", "5", "--scale", "clean", "--device", "cpu",
              "--smallest", 5, "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    return out, ran


def test_embed_writes_points_pictures_and_says_what_it_found(embedded):
    out, ran = embedded
    assert {path.name for path in out.iterdir()} == {
        "points.parquet", "points.csv", "embedding.parquet", "embedding.csv",
        "map.png", "map.html", "run.json",
    }  # fmt: skip
    points = pd.read_parquet(out / "points.parquet")
    assert list(points.columns[:3]) == ["plate", "well", "field"]
    assert len(points) == 4 * 6 * 2 == ran.last["crops"] == len(pd.read_parquet(out / "embedding.parquet"))
    assert points["kind"].value_counts().to_dict() == {"clean": 24, "defocus": 24}
    assert ran.last["clusters"] == points["cluster"].max() + 1
    assert ran.last["silhouettes"]["corrupted"] > 0
    assert str(out) == ran.last["out"]


def test_the_map_reaches_out_to_nothing_and_holds_every_crop(embedded):
    page = (embedded[0] / "map.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page)
    assert "default-src 'none'" in page
    assert len(page) < 15_000_000
    assert page.count("UklGR") >= 48  # how WebP begins in base 64


def test_embedding_again_is_refused_and_overwriting_gives_the_same(embedded, run, plate, model):
    out, _ = embedded
    again = ("embed", plate, "--model", model, "--out", out, "--crop-px", 32, "--device", "cpu")
    refused = run("embed", plate, "--model", model, "--out", out)  # said before its crops are found too large
    assert refused.code == 1
    assert "exists already" in refused.err
    tables = []
    for _ in range(2):
        assert run(*again, "--overwrite").code == 0
        tables.append(pd.read_parquet(out / "points.parquet"))
    pd.testing.assert_frame_equal(*tables)


@pytest.fixture
def without_umap(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reducer", "tsne"], "'tsne' is none; there are: pca, "),
        (["--embedding", "latent"], "'latent' is none; there are: bottleneck"),
        (["--crop-px", "32", "--kinds", "fog"], "'fog' is none"),
        (["--crop-px", "32", "--kinds", "defocus", "--severities", "9"], "severities are 1 to 5"),
        (["--scale", "half"], "scale"),
        ([], "take smaller ones: --crop-px 96"),
        (["--crop-px", "32", "--input", "PH"], "no channel 'PH'"),
        (["--crop-px", "32", "--fields", "H12"], "no well or field 'H12'"),
        (["--crop-px", "32", "--reducer", "pca50-umap"], "pip install 'unstained[embed]'"),
    ],
)
@pytest.mark.usefixtures("without_umap")
def test_embed_refuses_in_one_line(words, said, run, plate, model, tmp_path):
    ran = run("embed", plate, "--model", model, "--out", tmp_path / "out", "--device", "cpu", *words)
    assert ran.code == 1
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()

"""Pictures: bright stays bright, outlines lie at borders, and a bar is as long as it says."""

import base64

import numpy as np
import pytest
from imagecodecs import webp_decode

from unstained.report.figures import (
    GREY,
    MOST_BYTES,
    PREDICTED_OUTLINE,
    REAL_OUTLINE,
    SHARED_OUTLINE,
    STAINED,
    coloured,
    data_url,
    field_panels,
    limits_of,
    outlined,
    outlines,
    scale_bar,
    shrunk,
)


def test_limits_become_black_and_white_and_what_lies_beyond_is_cut():
    picture = coloured(np.array([[0.0, 10], [15, 20], [30, np.nan]]), (10, 20))
    assert picture[:, :, 0].tolist() == [[0, 0], [128, 255], [255, 0]]
    assert (picture == picture[:, :, :1]).all()


@pytest.mark.parametrize("stops", [GREY, STAINED])
def test_brighter_pixels_look_brighter(stops):
    picture = coloured(np.arange(256.0)[None], (0, 255), stops).astype(int)
    assert (np.diff(picture.sum(axis=-1)[0]) >= 0).all()
    assert picture[0, 0].tolist() == list(stops[0])
    assert picture[0, -1].tolist() == list(stops[-1])


def test_limits_ignore_what_is_no_number_and_allow_flat_planes():
    assert limits_of(np.full((4, 4), 7)) == (7, 8)
    assert limits_of(np.array([[np.nan, np.inf]])) == (0, 1)
    low, high = limits_of(np.append(np.arange(1000.0), np.nan)[None])
    assert (low, high) == pytest.approx((10, 996), abs=0.5)


@pytest.mark.parametrize("shape", [(2048, 2048), (1001, 333), (3000, 50), (7, 2000), (20, 30)])
def test_shrinking_keeps_the_mean_and_the_side_below_its_limit(shape):
    plane = np.random.default_rng(0).random(shape)
    small = shrunk(plane)
    assert max(small.shape) <= 1024
    assert small.mean() == pytest.approx(plane.mean(), rel=0.02)


def test_outlines_lie_at_the_border_and_show_who_drew_them():
    predicted, real = np.zeros((60, 90), np.int32), np.zeros((60, 90), np.int32)
    predicted[10:30, 10:30] = 1
    real[10:30, 10:30] = 4
    real[40:50, 60:80] = 9
    predicted[40:50, 5:15] = 2
    drawn = outlined(np.zeros((60, 90, 3), np.uint8), predicted, real)
    assert tuple(drawn[10, 20]) == SHARED_OUTLINE
    assert tuple(drawn[40, 70]) == REAL_OUTLINE
    assert tuple(drawn[40, 10]) == PREDICTED_OUTLINE
    assert drawn[20, 20].sum() == drawn[0, 0].sum() == 0
    assert outlines(predicted, (30, 45)).sum() > 0


def test_a_data_url_holds_the_picture():
    picture = np.zeros((40, 50, 3), np.uint8)
    picture[:, 25:] = 255
    head, _, code = data_url(picture).partition(",")
    assert head == "data:image/webp;base64"
    back = webp_decode(base64.b64decode(code))
    assert back.shape[:2] == (40, 50)
    assert back[:, :20].mean() < 10 < 245 < back[:, 30:, :3].mean()


def test_a_field_of_cells_stays_small():
    rng = np.random.default_rng(0)
    plane = np.kron(rng.random((64, 64)), np.ones((32, 32))) * 1000 + rng.normal(0, 20, (2048, 2048))
    url = data_url(coloured(shrunk(plane), limits_of(plane)))
    assert len(url) < 4 / 3 * MOST_BYTES + 100


def test_even_noise_stays_small_and_keeps_its_shape():
    noise = np.random.default_rng(0).integers(0, 256, (1024, 768, 3)).astype(np.uint8)
    code = data_url(noise).partition(",")[2]
    assert len(code) <= 4 / 3 * MOST_BYTES + 4
    rows, columns = webp_decode(base64.b64decode(code)).shape[:2]
    assert rows / columns == pytest.approx(1024 / 768, rel=0.02)


@pytest.mark.parametrize(("width", "size"), [(2048, 0.325), (1000, 1.0), (576, 0.619), (90, 0.01)])
def test_a_bar_is_as_long_as_it_says(width, size):
    bar = scale_bar(width, size)
    length = float(bar.label.split()[0])
    assert bar.percent == pytest.approx(100 * length / (width * size))
    assert 8 <= bar.percent <= 20


def test_without_a_pixel_size_there_is_no_bar():
    assert scale_bar(100, None) is None


def test_only_what_is_known_is_drawn():
    plane, labels = np.random.default_rng(0).random((30, 40)), np.ones((30, 40), np.int32)
    assert [panel.title for panel in field_panels(plane, labels)] == ["predicted", "outlines"]
    full = field_panels(plane, labels, label_free=plane, real=plane, real_labels=labels)
    assert [panel.title for panel in full] == [
        "label-free",
        "predicted",
        "real",
        "outlines on the real stain",
    ]
    assert full[1].url == full[2].url


def test_predicted_and_real_are_shown_on_one_scale():
    real = np.random.default_rng(0).random((30, 40)) * 1000
    panels = field_panels(0.3 * real, np.zeros((30, 40), np.int32), real=real)
    predicted, truth = (webp_decode(base64.b64decode(panel.url.partition(",")[2])) for panel in panels[:2])
    assert predicted.mean() < 0.6 * truth.mean()

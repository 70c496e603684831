"""Pictures say what the pixels say: contrast on all bits, overlays, outlines."""

import base64

import imagecodecs
import numpy as np
import pytest

from unstained.app.pictures import (
    SHOWN_PX,
    STAINED,
    Contrast,
    data_url,
    grey,
    overlaid,
    span_of,
    stained,
    with_outlines,
)
from unstained.report.figures import PREDICTED_OUTLINE


def test_contrast_by_hand_works_on_the_full_16_bits():
    plane = np.array([[1000, 1050, 1100]], np.uint16)
    shown = grey(plane, Contrast(1000, 1100, by_hand=True))[0, :, 0]
    np.testing.assert_allclose(shown, [0, 127, 255], atol=1)
    assert len(np.unique(grey(plane, Contrast(0, 65535, by_hand=True)))) == 1  # all nearly black


def test_percentiles_are_of_the_plane():
    plane = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    low, high = Contrast(10, 90).limits(plane)
    assert (low, high) == (pytest.approx(0.1, abs=1e-3), pytest.approx(0.9, abs=1e-3))


def test_a_contrast_without_width_is_none_that_divides_by_zero():
    assert Contrast(5, 5, by_hand=True).limits(np.zeros((2, 2))) == (5, 6)


def test_spans_are_the_cameras_or_those_of_the_plane():
    assert span_of(np.zeros((2, 2), np.uint16)) == (0, 65535)
    assert span_of(np.zeros((2, 2), np.uint8)) == (0, 255)
    assert span_of(np.array([[-1, 3, np.nan]], np.float32)) == (-1, 3)


def test_an_overlay_shows_the_image_where_there_is_no_stain_and_the_stain_where_it_is_bright():
    under = np.full((2, 2, 3), 100, np.uint8)
    stain = np.array([[0, 0], [0, 10]], np.float32)
    mixed = overlaid(under, stain, Contrast(0, 10, by_hand=True), "#0000ff")
    np.testing.assert_array_equal(mixed[0, 0], 100)
    red, _, blue = mixed[1, 1]
    assert blue > 200 > 50 > red


def test_outlines_are_drawn_on_borders_alone():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 1
    drawn = with_outlines(np.zeros((20, 20, 3), np.uint8), labels)
    assert tuple(drawn[5, 10]) == PREDICTED_OUTLINE
    assert not drawn[10, 10].any()
    assert not drawn[0, 0].any()


def test_large_fields_are_shrunk_to_what_is_shown_and_encoded():
    picture = stained(np.random.default_rng(0).random((2048, 3000)).astype(np.float32), STAINED, "#3c8cff")
    assert max(picture.shape) <= SHOWN_PX
    kind, _, content = data_url(picture).partition(",")
    assert kind == "data:image/jpeg;base64"
    assert imagecodecs.jpeg8_decode(base64.b64decode(content)).shape == picture.shape

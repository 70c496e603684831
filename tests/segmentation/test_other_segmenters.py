"""Somebody else's function finds nuclei in place of the one built in."""

import numpy as np
import pytest

from unstained.errors import BadInput, BadSettings
from unstained.segmentation.others import OtherSettings, find_function
from unstained.segmentation.recipes import segment

STAND_IN = """
import numpy as np
from scipy.ndimage import label

def squares(plane, pixel_size_um):
    assert plane.dtype == np.float32 and plane.ndim == 2
    plane[:] = plane > 500 / (pixel_size_um or 1.0)
    return label(plane)[0] * 10          # with gaps: 10, 20, ...

def broken(plane, pixel_size_um):
    raise RuntimeError("no model at hand")

def small(plane, pixel_size_um):
    return np.zeros((2, 2), int)

def fractions(plane, pixel_size_um):
    return plane / 7

NUMBER = 3
"""


@pytest.fixture
def stand_in(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(STAND_IN)
    return str(path)


@pytest.fixture
def plane():
    field = np.full((30, 40), 100, np.uint16)
    field[3:8, 3:8] = field[20:25, 30:38] = 1000
    return field


def test_a_function_of_a_file_finds_objects_which_are_numbered_anew(stand_in, plane):
    labels = segment(plane, OtherSettings(function=f"{stand_in}:squares"), pixel_size_um=None)
    assert labels.dtype == np.int32
    assert np.unique(labels).tolist() == [0, 1, 2]
    assert (labels > 0).sum() == 25 + 40
    assert plane.max() == 1000  # the function had a copy
    none = segment(plane, OtherSettings(function=f"{stand_in}:squares"), pixel_size_um=0.4)
    assert not none.any()  # it was told the pixel size: 1000 isn't over 1250


def test_a_function_of_a_module_is_found():
    assert find_function("skimage.measure:label").__name__ == "label"


@pytest.mark.parametrize("name", ["nowhere.py:f", "no_such_module:f", "{}:missing", "{}:NUMBER"])
def test_what_cant_be_called_is_refused(stand_in, name):
    with pytest.raises(BadSettings, match="segmenter"):
        find_function(name.format(stand_in))


@pytest.mark.parametrize(
    ("function", "said"),
    [("broken", "RuntimeError: no model at hand"), ("small", r"shape \(2, 2\)"), ("fractions", "float32")],
)
def test_what_gives_no_labels_is_told_in_a_line(stand_in, plane, function, said):
    with pytest.raises(BadInput, match=said):
        segment(plane, OtherSettings(function=f"{stand_in}:{function}"), pixel_size_um=None)

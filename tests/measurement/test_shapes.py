"""Properties of all objects at once are those that scikit-image finds one by one."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label
from skimage.measure import regionprops_table

from unstained.measurement import shapes
from unstained.measurement.shapes import object_properties

PROPERTIES = (
    "label",
    "centroid",
    "area",
    "equivalent_diameter_area",
    "perimeter",
    "eccentricity",
    "solidity",
    "intensity_mean",
    "intensity_max",
)
RNG = np.random.default_rng(0)
PLANE = RNG.normal(500, 80, (130, 150)).astype(np.float32)


def blobs(sigma):
    return label(gaussian_filter(RNG.random(PLANE.shape), sigma) > 0.5)[0].astype(np.int32)


def few_pixels():
    """Draw a point, lines, a diagonal, two pieces of one label, and objects at every edge."""
    labels = np.zeros(PLANE.shape, np.int32)
    labels[5, 5] = 4
    labels[20, 3:9], labels[30:36, 8] = 7, 8
    labels[np.arange(40, 50), np.arange(40, 50)] = 9
    labels[60:64, 60:64], labels[70, 75] = 12, 12
    labels[0, :4], labels[-1, 90:99], labels[80:90, 0], labels[80:83, -1] = 30, 31, 32, 1000
    return labels


DRAWN = {
    "many small ones": blobs(1.0),
    "few large ones": blobs(5.0),
    "few pixels": few_pixels(),
    "labels strewn about": RNG.integers(0, 60, PLANE.shape).astype(np.int32),
    "everything": np.ones(PLANE.shape, np.int32),
}


@pytest.mark.parametrize("drawn", DRAWN)
def test_they_are_scikit_images(drawn):
    found = object_properties(DRAWN[drawn], PLANE)
    slow = regionprops_table(DRAWN[drawn], PLANE.astype(np.float64), properties=PROPERTIES)
    assert list(found) == list(slow)
    for name, values in slow.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-7, err_msg=name)


def test_hulls_done_in_small_batches_are_the_same(monkeypatch):
    labels = DRAWN["many small ones"]
    whole = object_properties(labels, PLANE)["solidity"]
    monkeypatch.setattr(shapes, "HULL_CELLS", 50)
    np.testing.assert_array_equal(object_properties(labels, PLANE)["solidity"], whole)

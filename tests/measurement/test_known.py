"""What a model knows of its stain decides how objects are found in the plates that it predicts."""

import numpy as np

from unstained.measurement.known import KnownStain
from unstained.segmentation.spots import SpotSettings
from unstained.stains.catalogue import STAINS

ER = KnownStain(STAINS["er"], {"pixel_size_um": 0.5}, diameter_px=30, contrast=200, background=110)


def test_fields_of_cells_share_background_and_first_threshold():
    recipe = ER.recipe(0.25, predicted=True)
    assert (recipe.background, recipe.threshold) == (110, 80)  # 0.4 of a faint cell
    assert recipe.diameter_um == 15
    assert recipe.least_contrast == 100  # predicted: at least as likely there as not
    assert ER.recipe(0.25, predicted=False).least_contrast == 0


def test_nuclei_are_found_field_by_field():
    nuclei = KnownStain(STAINS["nuclei"], {}, diameter_px=30, contrast=200, background=110)
    assert nuclei.recipe(None, predicted=True).threshold is None


def test_where_nothing_is_known_each_field_tells():
    assert KnownStain(STAINS["er"], {}).recipe(0.25, predicted=True) == STAINS["er"].objects


def test_spots_keep_their_lengths_and_are_found_where_they_are_likeliest():
    golgi = KnownStain(STAINS["golgi"], {}, diameter_px=6, contrast=300)
    assert golgi.recipe(0.25, predicted=True) == SpotSettings()


def test_what_was_learnt_as_a_mask_is_compared_with_the_mask():
    gfp = KnownStain(STAINS["gfp"], {"units": "probability"}, contrast=1.0, background=0.0, mask_level=600)
    real = np.array([[100, 599, 601, 4000]], np.uint16)
    assert gfp.learnt(real, None).tolist() == [[0, 0, 1, 1]]
    er = np.array([[100, 599]], np.uint16)
    assert ER.learnt(er, None) is er

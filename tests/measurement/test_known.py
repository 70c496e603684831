"""What a model knows of its stain decides how objects are found in the plates that it predicts."""

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

"""What the views show of plates, fields and models is what the stages say of them."""

import numpy as np
import pytest
import tifffile

from unstained.app import labelling, live
from unstained.app.labelling import label_image, labelled_field, objects_of
from unstained.app.opened import compared, evaluations_in, measures_of, open_place, stamp_of
from unstained.errors import BadInput
from unstained.measurement.plates import stored_tables
from unstained.plates.plate import FieldName
from unstained.prediction.labeller import load_model

FIRST = FieldName("A01", 0)


@pytest.fixture(scope="module")
def labeller(app_model):
    return load_model(app_model, "cpu")


def test_a_folder_of_results_opens_with_all_that_belongs_together(app_results, app_plate):
    opened = open_place(str(app_results))
    assert opened.predicted is not None
    assert opened.source is not None
    assert opened.source.path == app_plate.path
    assert opened.slug != open_place(str(app_plate.path)).slug
    assert opened.verdict(FIRST)["verdict"] in ("trust", "caution", "refuse")
    recorded = open_place(str(app_plate.path))
    assert recorded.predicted is None
    assert recorded.verdict(FIRST) is None


def test_where_nothing_is_one_line_says_so(tmp_path):
    with pytest.raises(BadInput, match="doesn't exist"):
        open_place(str(tmp_path / "nothing"))


def test_a_stamp_changes_when_a_plate_is_written_to(app_results, app_plate):
    before = stamp_of(str(app_results))
    assert before == stamp_of(str(app_results))
    opened = open_place(str(app_results))
    opened.predicted.update_info(looked_at=True)
    assert stamp_of(str(app_results)) != before


def test_the_map_shows_what_was_measured_judged_and_known(app_results):
    opened = open_place(str(app_results))
    measures = measures_of(opened)
    wells = stored_tables(opened.predicted)["wells"].set_index("well")
    np.testing.assert_array_equal(measures["nuclei count"], wells["count"])
    assert list(measures["clone"]) == ["K1", "K1", "K2", "K2", "K3", "K3"]
    assert set(measures["verdict"]) <= {"trust", "caution", "refuse"}


def test_predicted_and_real_are_those_of_the_evaluation(app_results):
    evaluation = evaluations_in(app_results / "evaluation", ["nuclei"])["nuclei"]
    table = compared(evaluation)["count"]
    first = evaluation["fields"][0]
    assert (table["real"][0], table["predicted"][0]) == (first["count_true"], first["count_predicted"])
    assert evaluations_in(app_results / "nowhere", ["nuclei"]) == {}


def test_a_stored_field_is_what_predicting_it_anew_gives(app_results, app_plate, labeller):
    opened = open_place(str(app_results))
    stored = labelled_field(opened, FIRST)
    anew = labelling.predict_field(labeller, open_place(str(app_plate.path)), FIRST)
    np.testing.assert_array_equal(stored.stains["nuclei"], anew.stains["nuclei"])
    np.testing.assert_array_equal(stored.label_free, anew.label_free)
    np.testing.assert_array_equal(objects_of(stored, "nuclei")[0], objects_of(anew, "nuclei")[0])
    assert stored.verdict == anew.verdict
    assert stored.pcc("nuclei") == pytest.approx(anew.pcc("nuclei"))
    assert stored.pcc("nuclei") > 0.9


def test_downloads_hold_the_numbers(app_plate, labeller, tmp_path):
    image = app_plate.read(FIRST, "TL")
    found = label_image(labeller, image, 0.5, "image")
    labels, table = objects_of(found, "nuclei")
    (tmp_path / "stains.tif").write_bytes(labelling.stains_file(found))
    (tmp_path / "labels.tif").write_bytes(labelling.labels_file(labels))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "stains.tif"), found.stains["nuclei"])
    with tifffile.TiffFile(tmp_path / "stains.tif") as tif:
        assert 'PhysicalSizeX="0.5"' in tif.ome_metadata
        assert 'Name="nuclei"' in tif.ome_metadata
    written = tifffile.imread(tmp_path / "labels.tif")
    assert written.dtype == np.uint16
    np.testing.assert_array_equal(written, labels)
    assert labelling.table_file(table).decode().count("\n") == len(table) + 1
    assert labelling.labels_file(np.full((2, 2), 70_000, np.int32)) != b""


def test_the_same_image_has_the_same_key_and_another_pixel_size_has_not(app_plate, labeller):
    image = app_plate.read(FIRST, "TL")
    keys = [label_image(labeller, image, size, "image").key for size in (0.5, 0.5, 0.6)]
    assert keys[0] == keys[1] != keys[2]


def test_sliders_at_rest_change_nothing_and_defocus_costs_agreement(app_plate, labeller):
    crop = live.cut(labeller, app_plate, FIRST)
    plane, saturated = live.worsened(crop, live.neutral())
    assert plane is crop.plane
    assert saturated == 0
    clean = live.try_out(labeller, crop, live.neutral())
    blurred = live.try_out(labeller, crop, {**live.neutral(), "defocus": 5.0})
    assert blurred.pcc[0] < clean.pcc[0] - 0.1
    assert blurred.verdict["expected_pcc"] < clean.verdict["expected_pcc"]
    predicted, real = live.measured(crop, clean, 0)
    assert predicted["count"] == pytest.approx(real["count"], abs=2)


def test_a_slider_that_is_moved_back_gives_the_same_image(app_plate, labeller):
    crop = live.cut(labeller, app_plate, FIRST)
    dim = {**live.neutral(), "lamp": 0.4}
    first, _ = live.worsened(crop, dim)
    assert first.dtype == crop.plane.dtype
    np.testing.assert_array_equal(first, live.worsened(crop, dim)[0])
    assert first.mean() < crop.plane.mean()


def test_strong_gain_saturates(app_plate, labeller):
    crop = live.cut(labeller, app_plate, FIRST)
    assert live.worsened(crop, {"contrast": 3.5})[1] > 0.5


@pytest.mark.parametrize("kind", live.SLIDERS)
def test_a_slider_holds_its_neutral_strength_between_its_ends(kind):
    low, high = live.ends_of(kind)
    assert low <= live.neutral()[kind] <= high
    assert low < high

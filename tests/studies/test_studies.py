"""Studies on a tiny twin: each trains once, is kept, and gives tables that say what they should."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from unstained import pipeline
from unstained.errors import BadInput, OutputExists
from unstained.networks.unet import UNetSettings
from unstained.plates.plate import FieldName, create_plate, open_plate
from unstained.stains.catalogue import STAINS
from unstained.studies import phenotypes, scale, tiling
from unstained.studies.catalogue import STUDIES
from unstained.studies.scale import seen_larger
from unstained.studies.study import as_text, markdown_table
from unstained.studies.workbench import Variant, Workbench, some_of
from unstained.training.recipes import TrainingSettings
from unstained.twin.plate import make_twin
from unstained.twin.wells import TwinSettings

TINY = TrainingSettings(
    network=UNetSettings(width=2, depth=2, dropout=False, batch_norm=True), crops={"side": 64}
)
LARGE = ("drift-power", "embeddings")
"""These need more wells or larger fields; they have tests of their own."""

CPU = {"accelerator": "cpu", "devices": 1}


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    settings = TwinSettings(wells=8, fields=1, side_px=192, clones=4, days=(0.0,), seed=5)
    return make_twin(tmp_path_factory.mktemp("twin") / "cho.zarr", settings)


@pytest.fixture(scope="module")
def bench(plate, tmp_path_factory):
    targets = {"nuclei": "DNA", "er": "ER", "golgi": "GOLGI", "gfp": "GFP"}
    cache = tmp_path_factory.mktemp("cache")
    return Workbench(
        plate, "DIC", targets, STAINS, cache, test=("A07", "A08"), steps=2, seeds=(0,), base=TINY, devices=CPU
    )


def test_a_variant_is_trained_once_and_another_seed_or_setting_is_another_model(bench):
    told = []
    bench = Workbench(**{**{name: getattr(bench, name) for name in bench.__dataclass_fields__
                            if name != "_last"}, "tell": told.append})  # fmt: skip
    first = bench.model(bench.variant("a", "nuclei"), 0)
    again = bench.model(bench.variant("another label", "nuclei"), 0)
    assert [line.split(",")[0] for line in told] == ["train a"]
    assert again.card.weights_sha256 == first.card.weights_sha256
    for variant, seed in ((bench.variant("a", "nuclei", loss="mse"), 0), (bench.variant("a", "nuclei"), 1)):
        assert bench.model(variant, seed).card.weights_sha256 != first.card.weights_sha256
    assert len(told) == 3


def test_only_test_fields_are_scored_and_none_of_them_was_learnt_from(bench):
    scored = bench.score(bench.variant("a", "nuclei"), 0)
    assert {row.well for row in scored.evaluation.fields} == {"A07", "A08"}
    prints = bench.model(bench.variant("a", "nuclei"), 0).card.fingerprints
    assert not {"A07/0", "A08/0"} & {*prints["train"], *prints["validation"]}


def test_few_fields_are_learnt_from_alone_and_without_validation(bench):
    chosen = some_of(bench.training_fields, 2, 0)
    variant = Variant("two", bench.stain("nuclei"), TINY, fields=chosen)
    prints = bench.model(variant, 0).card.fingerprints
    assert set(prints["train"]) == set(map(str, chosen))
    assert prints["validation"] == {}


def test_more_fields_hold_those_of_fewer_and_another_seed_draws_others():
    fields = [FieldName("A01", index) for index in range(10)]
    assert [len(some_of(fields, number, 0)) for number in (1, 2, 4, 99)] == [1, 2, 4, 10]
    assert set(some_of(fields, 2, 0)) < set(some_of(fields, 4, 0))
    assert some_of(fields, 4, 0) != some_of(fields, 4, 1)


def test_other_pixels_or_another_pixel_size_are_another_model(bench, tmp_path):
    def made(path, size_um, add):
        writer = create_plate(path, name="p", channels=("DIC", "DNA"), pixel_size_um=size_um)
        for well in ("A01", "A02", "A03"):
            planes = np.random.default_rng(0).normal(100, 9, (2, 64, 64)) + add
            writer.write_field(FieldName(well, 0), planes.astype(np.float32))
        return Workbench(writer.finish(), "DIC", {"nuclei": "DNA"}, STAINS, tmp_path, test=("A03",))

    several = [made(tmp_path / "a.zarr", 0.3, 0), made(tmp_path / "b.zarr", 0.3, 0),
               made(tmp_path / "c.zarr", 0.6, 0), made(tmp_path / "d.zarr", 0.3, 1)]  # fmt: skip
    contents = [each.content for each in several]
    assert contents[0] == contents[1]
    assert len(set(contents)) == 3


def test_one_place_is_too_little(tmp_path):
    writer = create_plate(tmp_path / "p.zarr", name="p", channels=("DIC", "DNA"), pixel_size_um=0.3)
    planes = np.random.default_rng(0).normal(100, 9, (2, 512, 512))
    writer.write_field(FieldName("A01", 0), planes.astype(np.float32))
    one = Workbench(writer.finish(), "DIC", {"nuclei": "DNA"}, STAINS, tmp_path)
    with pytest.raises(BadInput, match="shows one place"):
        one.split  # noqa: B018


def test_no_fields_are_not_all_fields(bench):
    with pytest.raises(BadInput):
        bench.score(bench.variant("a", "nuclei"), 0, fields=())


def test_seen_larger_keeps_the_mean_and_moves_the_size():
    plane = gaussian_filter(np.random.default_rng(0).normal(100, 10, (90, 120)), 3).astype(np.float32)
    for factor in (0.7, 1.3):
        larger = seen_larger(plane, factor)
        assert larger.shape == (round(90 * factor), round(120 * factor))
        assert larger.mean() == pytest.approx(plane.mean(), rel=1e-3)
        back = seen_larger(larger, 1 / factor)[:88, :118]
        assert np.corrcoef(back.ravel(), plane[:88, :118].ravel())[0, 1] > 0.98


def test_a_resized_plate_knows_its_pixel_size_or_not(bench):
    for known, size in ((True, 0.325 / 1.3), (False, 0.325)):
        resized = scale._resized(bench, 1.3, known=known)
        assert resized.plate.pixel_size_um == pytest.approx(size)
        assert resized.plate.shape(resized.plate.fields[0]) == (250, 250)
        for role in ("train", "validation", "test"):
            own, other = ([region.field for region in each.split.regions(role)] for each in (bench, resized))
            assert own == other


def test_exact_windows_equal_one_pass_and_those_without_border_do_not(bench):
    rows = {row["windows"]: row for row in tiling.tiling(bench).tables["windows"]}
    assert rows["whole"]["rms"] == 0
    assert rows["exact"]["rms"] < 1e-4
    assert rows["64 px, overlap 0 px"]["rms"] > 1e-2
    assert rows["exact"]["f1"] == 1


def test_batch_norm_re_estimated_on_the_same_fields_changes_little_on_others_more(bench):
    model = bench.model(bench.variant("a", "nuclei"), 0)
    light = bench.plate.read(bench.training_fields[0], "DIC")
    dark = create_plate(bench.folder / "noise.zarr", name="n", channels=("DIC",), pixel_size_um=0.325)
    noise = np.random.default_rng(0).normal(1000, 300, light.shape).astype(np.float32)
    dark.write_field(FieldName("A01", 0), noise[None])
    other = Workbench(dark.finish(), "DIC", {}, STAINS, bench.folder)
    changes = []
    for which, fields in ((bench, bench.training_fields), (other, (FieldName("A01", 0),))):
        state = phenotypes.re_estimated(model, which, fields).network.state_dict()
        name = next(key for key in state if key.endswith("running_var"))
        changes.append(float((state[name] / model.network.state_dict()[name]).log().abs().max()))
    assert changes[0] < 0.2 * changes[1]


def test_a_plate_without_phenotypes_or_a_stain_says_so(bench, tmp_path):
    writer = create_plate(tmp_path / "p.zarr", name="p", channels=("DIC", "DNA"), pixel_size_um=0.3)
    for well in ("A01", "A02", "A03"):
        planes = np.random.default_rng(0).normal(100, 9, (2, 128, 128))
        writer.write_field(FieldName(well, 0), planes.astype(np.float32))
    bare = Workbench(writer.finish(), "DIC", {"nuclei": "DNA"}, STAINS, tmp_path / "cache", test=("A03",))
    with pytest.raises(BadInput, match="no two phenotypes"):
        STUDIES["phenotypes"].run(bare)
    with pytest.raises(BadInput, match="no channel shows 'gfp'"):
        STUDIES["gfp"].run(bare)
    with pytest.raises(BadInput, match="composites need nuclei and another stain"):
        STUDIES["composites"].run(bare)
    with pytest.raises(BadInput, match="at least 50 of 9"):
        STUDIES["drift-power"].run(replace(bare, base=TINY, steps=1, devices=CPU))
    with pytest.raises(BadInput, match="no study 'yield'"):
        pipeline.study("yield", bare, tmp_path / "out")


def test_one_test_well_has_no_table_over_wells_and_harm_refuses_it(bench):
    one = replace(bench, test=("A08",))
    rows = STUDIES["downstream"].run(one).tables["table-4"]
    assert {row["over"] for row in rows} == {"fields"}
    given = replace(one.split, validation=())
    with pytest.raises(BadInput, match="one well; harm needs two"):
        STUDIES["harm"].run(replace(bench, given=given))


def test_correlations_that_few_fields_dont_have_stay_empty(bench):
    rows = STUDIES["background"].run(replace(bench, targets={"golgi": "GOLGI"})).tables["golgi"]
    assert [row["number_reference"] for row in rows] == [None] * len(rows)  # two test fields


def test_a_plate_of_another_program_has_no_fingerprints_and_is_studied_all_the_same(bench, tmp_path):
    copied = shutil.copytree(bench.plate.path, tmp_path / "other.zarr")
    for field in copied.glob("*/*/*/zarr.json"):
        described = json.loads(field.read_text())
        if described["attributes"].get("unstained", {}).pop("fingerprints", None):
            field.write_text(json.dumps(described))
    other = open_plate(copied)
    assert "fingerprints" not in other.field_info(other.fields[0])
    assert replace(bench, plate=other).content == bench.content


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STUDIES if name not in LARGE])
def test_every_study_runs_and_writes_tables_sentences_and_pictures(bench, tmp_path, name):
    out = tmp_path / name
    found = pipeline.study(name, bench, out)
    assert found.tables
    assert all(rows for rows in found.tables.values())
    assert found.findings
    assert "plate cho, simulated: 2 test fields of 2 wells" in found.data
    kept = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert kept["name"] == name
    for table, rows in found.tables.items():
        assert len(pd.read_csv(out / f"{table}.csv")) == len(rows)
    pictures = list(out.glob("*.png"))
    assert pictures
    text = (out / "study.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in text for path in pictures)
    with pytest.raises(OutputExists):
        pipeline.study(name, bench, out)
    assert open_plate(bench.plate.path).channels == bench.plate.channels


def test_tables_of_rows_with_other_columns_and_nothing():
    assert markdown_table([]) == []
    assert markdown_table([{"a": 1.23456, "b": None}, {"a": "x", "c": 12345.6}]) == [
        "| a | b | c |", "|---|---|---|", "| 1.235 | – | – |", "| x | – | 12346 |",
    ]  # fmt: skip


def test_the_thesis_numbers_stand_apart(bench):
    answer = STUDIES["downstream"].run(bench)
    from unstained.studies.study import framed

    text = as_text(framed("downstream", "t", bench, answer))
    assert text.index("## table 4") < text.index("## The thesis' numbers")
    assert "never like for like" in text
    assert "0.995" in text

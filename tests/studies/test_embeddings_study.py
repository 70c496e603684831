"""The study of embeddings on a tiny twin: its tables, and that what is scored decides nothing."""

from dataclasses import replace

import numpy as np
import pytest

from unstained.errors import BadInput
from unstained.networks.autoencoder import AutoencoderSettings
from unstained.networks.unet import UNetSettings
from unstained.plates.plate import open_plate
from unstained.prediction.engine import Engine
from unstained.stains.catalogue import STAINS
from unstained.studies import embedding_tables
from unstained.studies.catalogue import STUDIES
from unstained.studies.embedding_clusters import find_clusters
from unstained.studies.embedding_tables import conditions_of
from unstained.studies.embeddings import EmbeddingSettings, answer, hold, study_embeddings
from unstained.studies.workbench import Workbench
from unstained.training.autoencoding import AutoencodingSettings
from unstained.training.recipes import TrainingSettings
from unstained.trust import embeddings
from unstained.trust.crops import CropSettings, take_crops
from unstained.trust.reducing import Block
from unstained.twin.plate import make_twin
from unstained.twin.wells import TwinSettings

TINY = TrainingSettings(
    network=UNetSettings(width=2, depth=2, dropout=False, batch_norm=True), crops={"side": 64}
)
SETTINGS = EmbeddingSettings(
    crops=CropSettings(side_px=64, each_field=4, kinds=("thesis_defocus", "brightness"), changes=5),
    autoencoding=AutoencodingSettings(epochs=2), reducers=("pca",), shown=("pca",), shown_code="pca",
    embeddings=("bottleneck", "pooled", "autoencoder-200", "plain", "together"),
)  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    settings = TwinSettings(wells=8, fields=2, side_px=192, clones=4, days=(0.0,), seed=5)
    plate = make_twin(tmp_path_factory.mktemp("twin") / "cho.zarr", settings)
    return Workbench(
        plate, "DIC", {"nuclei": "DNA"}, STAINS, tmp_path_factory.mktemp("cache"), test=("A05", "A06", "A07"),
        steps=2, seeds=(0,), base=TINY, devices={"accelerator": "cpu", "devices": 1},
    )  # fmt: skip


@pytest.fixture(scope="module")
def held(bench, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    small = AutoencoderSettings(code=20, width=2, depth=4)
    patch.setitem(embeddings.AUTOENCODERS, "autoencoder-200", small)
    model = bench.model(bench.variant("default", "nuclei"), 0)
    plate = open_plate(bench.plate.path)
    crops = take_crops(Engine(model), plate, plate.fields, SETTINGS.crops, tmp_path_factory.mktemp("crops"))
    found = hold(model, plate, crops, {"A01", "A02", "A03", "A04", "A08"}, SETTINGS)
    patch.undo()
    return found


@pytest.fixture(scope="module")
def answered(held):
    return answer(held, SETTINGS)


def test_every_way_is_scored_on_the_wells_of_the_other_side(held, answered):
    rows = answered.tables["corrupted"]
    assert [(row["embedding"], row["scaled_by"]) for row in rows] == [
        (name, scale) for name in SETTINGS.embeddings for scale in ("clean", "all")
    ]
    for row in rows:
        assert 0 <= row["f1_chosen"] <= 1
        assert 0 <= row["f1_low"] <= row["f1"] <= row["f1_high"] <= 1
        assert {f"f1_{level}" for level in range(1, 6)} <= set(row)
    scored = find_clusters(held, "plain", "pca", "clean").strong
    assert set(held.wells[scored.rows]) == {"A05", "A06", "A07"}
    assert len(scored.said) == scored.rows.sum()


def test_strong_brightness_is_told_from_clean_by_plain_features(answered):
    (plain,) = (row for row in answered.tables["kinds"] if row["embedding"] == "plain")
    assert plain["brightness"] >= plain["clean"] + 0.4


def test_what_is_scored_decides_nothing(held):
    before = find_clusters(held, "plain", "pca", "clean")
    values = held.blocks["plain"][0].values.copy()
    values[~held.chosen] = np.random.default_rng(0).permutation(values[~held.chosen])
    other = replace(held, blocks={**held.blocks, "plain": (Block(values),)})
    after = find_clusters(other, "plain", "pca", "clean")
    assert after.strong.clustering == before.strong.clustering
    assert after.strong.f1_chosen == before.strong.f1_chosen
    np.testing.assert_array_equal(after.strong.clusters.labels, before.strong.clusters.labels)
    assert after.strong.f1 != before.strong.f1


def test_what_an_embedding_carries_is_found_where_it_is_put(held):
    third = np.unique(held.conditions["confluence"], return_inverse=True)[1]
    noise = np.random.default_rng(0).normal(size=(len(third), 1))
    known = np.hstack([noise, *(5.0 * (third == each)[:, None] for each in range(3))])
    other = replace(held, blocks={"told": (Block(known),), "noise": (Block(noise),)})
    told, silent = (embedding_tables.carried_row(other, name) for name in ("told", "noise"))
    assert told["f1_confluence"] == 1
    assert told["s_confluence"] > 0.3 > silent["s_confluence"]
    assert silent["f1_confluence"] < 0.7


def test_clusters_are_described_and_none_is_left_out(held, answered):
    rows = answered.tables["clusters"]
    strong = held.chosen & held.with_severities((3, 4, 5))
    assert sum(row["crops"] for row in rows) == strong.sum()
    assert {row["called"] for row in rows} <= {"clean", "corrupted"}
    assert all({"kinds", "severity", "phenotype", "confluence"} <= set(row) for row in rows)


def test_the_autoencoder_is_described_and_its_figures_are_drawn(answered):
    (row,) = answered.tables["autoencoders"]
    assert row["layers"] == "1×64² → 2×32² → 4×16² → 8×8² → 16×4² → 20, and back"
    assert row["epochs"] == 2
    assert row["explained_other_wells"] == pytest.approx(1, abs=2)
    assert set(answered.figures) == {
        "map", "severities", "exemplars", "bottleneck", "autoencoder-course", "autoencoder-samples",
        "autoencoder-epochs",
    }  # fmt: skip


def test_a_well_can_not_be_chosen_on_and_scored(bench):
    model = bench.model(bench.variant("default", "nuclei"), 0)
    fields = bench.plate.fields
    with pytest.raises(BadInput, match="A03"):
        study_embeddings(model, bench.plate, (fields[:5], fields[5:]), SETTINGS)


def test_the_study_has_its_name():
    assert STUDIES["embeddings"].run.__name__ == "embeddings"


def test_conditions_that_some_wells_lack_are_no_classes(held, bench):
    plate = open_plate(bench.plate.path)
    known = plate.conditions
    told = ["a", "b"] * (len(known) // 2)
    plate.__dict__["conditions"] = known.assign(whole=told, partly=[None, *told[1:]])
    found = conditions_of(plate, held.crops, held.chosen)
    assert "whole" in found
    assert "partly" not in found

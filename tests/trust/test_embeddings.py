"""Crops, their points and maps, and clusters in them: known structure is found, and new points find it."""

import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA

from unstained.errors import BadInput, BadSettings, MissingExtra
from unstained.networks.bundle import Model, ModelCard
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.plates.plate import FieldName, create_plate
from unstained.prediction.engine import Engine
from unstained.trust import embeddings, mapping, reducing
from unstained.trust.clusters import (
    NONE,
    Clustering,
    Clusters,
    Half,
    balanced_f1,
    called,
    choose,
    clusters_f1,
    half_of,
    nearest_to_middle,
    silhouette,
)
from unstained.trust.crops import PLAIN_NAMES, Crops, CropSettings, planned_changes, take_crops
from unstained.trust.embeddings import (
    NETWORK_ROWS,
    PCA_ROWS,
    bottlenecks,
    embed_crops,
    embed_unet,
    incremental_pca,
)
from unstained.trust.mapping import MapSettings, map_crops
from unstained.trust.reducing import REDUCERS, Block, Reduction, mapped, need_packages, scaled

NETWORK = UNetSettings(width=2, depth=1, dropout=False)


def two_blobs(number: int, features: int = 2, seed: int = 0, apart: float = 10.0):
    """Give points of two Gaussians, and which are of the second."""
    rng = np.random.default_rng(seed)
    second = np.arange(number) % 2 == 1
    return rng.normal(size=(number, features)) + apart * second[:, None], second


# Clusters


@pytest.mark.parametrize("clustering", [Clustering("dbscan", 5, 2.0), Clustering("hdbscan", 10)])
def test_two_blobs_are_parted_and_new_points_find_theirs(clustering):
    points, second = two_blobs(200)
    new, of_second = two_blobs(60, seed=1)
    clusters = clustering.find(points)
    assert clusters.number == 2
    assert clusters_f1(clusters, second, new, of_second, otherwise=True) >= 0.98  # a few lie beyond reach
    first, other = clusters.place(np.array([[0.0, 0.0], [10.0, 10.0]]))
    calls = called(clusters.labels, second)
    assert (calls[first], calls[other]) == (False, True)
    assert clusters.place(np.array([[5.0, 5.0], [99.0, 0.0]])).tolist() == [NONE, NONE]


@pytest.mark.parametrize("clustering", [Clustering("dbscan", 5, 2.0), Clustering("hdbscan", 10)])
def test_points_in_which_clusters_were_found_are_placed_where_they_were(clustering):
    points, _ = two_blobs(100)
    clusters = clustering.find(points)
    inside = clusters.labels != NONE
    np.testing.assert_array_equal(clusters.place(points)[inside], clusters.labels[inside])


def test_without_clusters_all_new_points_are_in_none():
    clusters = Clustering("dbscan", 5, 0.001).find(two_blobs(20)[0])
    assert clusters.number == 0
    assert clusters.place(np.zeros((2, 2))).tolist() == [NONE, NONE]


def test_a_cluster_stands_for_the_class_of_which_it_holds_the_larger_share():
    # 6 of 40 corrupted and 3 of 4 clean: more corrupted crops, yet it is where clean ones are
    labels = np.array([0] * 9 + [1] * 35)
    corrupted = np.array([True] * 6 + [False] * 3 + [True] * 34 + [False])
    assert called(labels, corrupted) == {0: False, 1: True}


def test_f1_counts_both_sides_alike():
    truth = np.array([True] * 4 + [False] * 2)
    said = np.array([True, True, True, False, True, False])
    assert balanced_f1(truth, said) == pytest.approx(2 * 0.75 / (1 + 0.75 + 0.5))
    more = np.concatenate([np.repeat(truth, 1), np.repeat(truth[4:], 50)])
    assert balanced_f1(more, np.concatenate([said, np.repeat(said[4:], 50)])) == pytest.approx(2 / 3)
    assert balanced_f1(truth, np.ones(6, bool)) == pytest.approx(2 / 3)
    assert balanced_f1(truth, truth) == 1
    assert balanced_f1(np.ones(3, bool), np.ones(3, bool)) is None


def test_new_points_in_none_are_called_as_said_where_no_known_point_was():
    points, second = two_blobs(200)
    clusters = Clusters(second.astype(int), points, second.astype(int), np.full(200, 1.0))
    far, corrupted = np.full((2, 2), 50.0), np.array([True, False])
    assert clusters_f1(clusters, second, far, corrupted, otherwise=True) == pytest.approx(2 / 3)
    assert clusters_f1(clusters, second, far, corrupted, otherwise=False) == 0


def test_the_choice_is_the_one_that_holds_on_the_other_half():
    points, second = two_blobs(200)
    wells = np.repeat([f"A{well:02d}" for well in range(10)], 20)
    first = np.isin(wells, half_of(wells, np.random.default_rng(0)))
    assert first.sum() == 100
    halves = [Half(points, first, ~first), Half(points, ~first, first)]
    good, bad = Clustering("dbscan", 5, 2.0), Clustering("dbscan", 60, 9.0)  # the latter joins all
    for choices in ((good, bad), (bad, good)):
        chosen, value = choose(halves, second, True, choices)
        assert chosen == good
        assert value > 0.98


def test_several_classes_are_scored_each_against_the_others():
    points = np.repeat(np.array([[0.0, 0], [10, 0], [0, 10]]), 20, axis=0)
    points = points + np.random.default_rng(0).normal(0, 0.1, points.shape)
    classes = np.repeat(["a", "b", "c"], 20)
    clusters = Clustering("dbscan", 5, 5.0).find(points)
    assert clusters_f1(clusters, classes, points, classes, otherwise="") == pytest.approx(1, abs=0.03)
    mixed = np.repeat(["a", "b", "b"], 20)
    assert clusters_f1(clusters, mixed, points, classes, otherwise="") < 0.8


def test_the_middle_of_a_cluster_and_silhouettes():
    points, second = two_blobs(100)
    nearest = nearest_to_middle(points, second, 3)
    assert second[nearest].all()
    assert np.linalg.norm(points[nearest] - 10, axis=1).max() < 1
    assert silhouette(points, second) > 0.8
    assert abs(silhouette(points, np.arange(100) % 4 < 2)) < 0.1
    assert silhouette(points, np.zeros(100)) is None


# Scales and maps


def test_scaled_by_clean_what_clean_points_vary_by_together_counts_little():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 5, 400)
    values = np.stack([common, common + rng.normal(0, 0.1, 400)], axis=1)
    values[200:, 1] += 2.0  # far less than clean points vary by, but across it
    clean, fitted = np.arange(400) < 200, np.ones(400, bool)
    apart = {
        scale: silhouette(scaled([Block(values)], clean, fitted, scale), clean) for scale in ("all", "clean")
    }
    assert apart["all"] < 0.1
    assert apart["clean"] > 0.5


@pytest.mark.parametrize("scale", ["all", "clean"])
@pytest.mark.parametrize("reducer", ["pca", "pca10"])
def test_points_that_are_not_fitted_decide_nothing(scale, reducer):
    rng = np.random.default_rng(0)
    values, other = rng.normal(size=(60, 12)), rng.normal(size=(60, 7))
    fitted, clean = np.arange(60) < 40, np.arange(60) % 2 == 0
    before = mapped([Block(values), Block(other)], clean, fitted, reducer, scale)
    values[50:] += 100
    after = mapped([Block(values), Block(other)], clean, fitted, reducer, scale)
    np.testing.assert_allclose(after[:50], before[:50], rtol=1e-9, atol=1e-12)
    assert np.abs(after[50:] - before[50:]).min() > 0


def test_blocks_weigh_the_same_and_a_constant_feature_nothing():
    rng = np.random.default_rng(0)
    small, large = rng.normal(size=(300, 2)), 1e6 * rng.normal(size=(300, 50))
    large[:, 7] = 3.0
    every = np.ones(300, bool)
    points = scaled([Block(small), Block(large)], every, every)
    assert np.var(points[:, :2], axis=0).sum() == pytest.approx(np.var(points[:, 2:], axis=0).sum(), rel=0.1)
    assert not points[:, 9].any()


def test_components_share_their_scale():
    values = np.random.default_rng(0).normal(size=(500, 2)) * [3.0, 1.0]
    every = np.ones(500, bool)
    ratios = [np.divide(*scaled([Block(values, alike)], every, every).std(axis=0)) for alike in (True, False)]
    assert ratios[0] > 2
    assert ratios[1] == pytest.approx(1, rel=0.05)


def test_few_clean_crops_give_no_scale_and_few_points_no_map():
    values = [Block(np.random.default_rng(0).normal(size=(9, 3)))]
    with pytest.raises(BadInput, match="3 clean crops"):
        scaled(values, np.arange(9) < 3, np.ones(9, bool), "clean")
    with pytest.raises(BadInput, match="3 points make no map"):
        Reduction.fit("pca", np.zeros((3, 2)))
    with pytest.raises(BadSettings, match="'tsne' is none"):
        Reduction.fit("tsne", np.zeros((9, 2)))


@pytest.mark.parametrize("reducer", ["pca", "pca10"])
def test_pca_places_known_points_where_they_are(reducer):
    points, _ = two_blobs(50, features=20)
    reduction = Reduction.fit(reducer, points)
    assert reduction.points.shape == (50, 10 if reducer == "pca10" else 2)
    np.testing.assert_allclose(reduction.place(points), reduction.points, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("reducer", [name for name in REDUCERS if "umap" in name or "pacmap" in name])
def test_umap_and_pacmap_part_two_blobs_and_place_new_points(reducer):
    pytest.importorskip("pacmap" if "pacmap" in reducer else "umap")
    points, second = two_blobs(120, features=30, apart=4.0)
    new, of_second = two_blobs(30, features=30, seed=1, apart=4.0)
    reduction = Reduction.fit(reducer, points)
    placed = reduction.place(new)
    assert silhouette(reduction.points, second) > 0.7
    middles = np.stack([reduction.points[second == side].mean(axis=0) for side in (False, True)])
    nearest = np.linalg.norm(placed[:, None] - middles, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest == 1, of_second)


@pytest.mark.parametrize(("reducer", "package"), [("pca10-umap", "umap-learn"), ("pacmap", "pacmap")])
def test_a_missing_package_is_said_before_any_work(reducer, package, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setitem(sys.modules, "pacmap", None)
    with pytest.raises(MissingExtra, match=rf"{package} is not installed; run: .*unstained\[embed\]"):
        need_packages("pca", reducer)
    need_packages("pca", "pca10")


# The flattened bottleneck


class Fake(torch.nn.Module):
    """Gives crops of 32 px a bottleneck (B 16 16 16) of low rank."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.linspace(-1, 1, 16).reshape(1, 16, 1, 1))

    def embed(self, planes: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(planes, 2) * self.weights


def crops_of(planes: np.ndarray) -> Crops:
    """Give planes (N Y X) as crops of which nothing else is known."""
    return Crops(pd.DataFrame(), planes.astype(np.float16), np.zeros((len(planes), 1)), np.zeros((0, 1, 1)))


def waves(number: int) -> np.ndarray:
    """Mix three waves in crops of 32 px, the first the strongest."""
    y, x = np.mgrid[:32, :32] / 32
    patterns = np.stack([np.sin(2 * np.pi * y), np.cos(2 * np.pi * x), np.sin(4 * np.pi * x)])
    weights = np.random.default_rng(0).normal(size=(number, 3)) * [3, 2, 1]
    return np.einsum("np,pyx->nyx", weights, patterns)


def test_components_found_in_batches_span_those_found_at_once(monkeypatch):
    monkeypatch.setattr(embeddings, "COMPONENTS", 3)
    crops = crops_of(waves(200))
    found = embed_unet(Fake(), crops, np.ones(200, bool))["bottleneck"].values
    with torch.inference_mode():
        flat = Fake().embed(torch.from_numpy(crops.seen.astype(np.float32))[:, None]).flatten(1).numpy()
    whole = PCA(3).fit_transform(flat.astype(float))
    assert found.shape == (200, 3)
    np.testing.assert_allclose(np.abs(found), np.abs(whole), rtol=0.01, atol=0.01 * np.abs(whole).max())


def test_incremental_components_equal_full_ones():
    values = np.random.default_rng(0).normal(size=(150, 5)) @ np.random.default_rng(1).normal(size=(5, 40))
    found = incremental_pca(np.array_split(values, 5), 5)
    full = PCA(5).fit(values)
    overlap = np.linalg.svd(found.components_ @ full.components_.T)[1]  # cosines between the subspaces
    np.testing.assert_allclose(overlap, 1, atol=1e-9)


def test_only_fitted_crops_decide_components():
    planes, fitted = waves(160), np.arange(160) < 80
    before = embed_unet(Fake(), crops_of(planes), fitted)["bottleneck"].values
    planes[120:] = 5
    after = embed_unet(Fake(), crops_of(planes), fitted)["bottleneck"].values
    np.testing.assert_allclose(after[:120], before[:120], atol=1e-4)


def test_bottlenecks_come_in_batches_and_the_network_sees_few_crops_at_once():
    class Watched(Fake):
        most = 0

        def embed(self, planes: torch.Tensor) -> torch.Tensor:
            self.most = max(self.most, len(planes))
            return super().embed(planes)

    network, crops = Watched(), crops_of(waves(300))
    sizes = [len(batch) for batch in bottlenecks(network, crops, np.arange(300))]
    assert sum(sizes) == 300
    assert PCA_ROWS <= min(sizes) <= max(sizes) < 2 * PCA_ROWS
    assert network.most <= NETWORK_ROWS


def peak_bytes(number: int) -> int:
    """Give the most memory that embedding so many crops takes."""
    crops = crops_of(waves(number))
    tracemalloc.start()
    try:
        embed_unet(Fake(), crops, np.arange(number) < 100)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_flattened_bottleneck_is_never_held_for_all_crops():
    few, many = peak_bytes(300), peak_bytes(1500)
    whole = (1500 - 300) * 16 * 16 * 16 * 4
    assert many - few < 0.15 * whole


# Crops of a plate


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    writer = create_plate(
        tmp_path_factory.mktemp("plate") / "p.zarr", name="p", channels=("TL",), pixel_size_um=0.5,
        conditions=pd.DataFrame({"well": ["A01", "A02", "A03"], "phenotype": ["a", "b", "b"]}),
    )  # fmt: skip
    y, x = np.mgrid[:96, :112]
    for index, well in enumerate(("A01", "A02", "A03")):
        rng = np.random.default_rng(index)
        plane = 1000 + rng.normal(0, 10, (96, 112))
        for _ in range(12):
            plane += 300 * (np.hypot(y - rng.uniform(0, 96), x - rng.uniform(0, 56)) < 6)
        writer.write_field(FieldName(well, 0), plane[None].astype(np.uint16))
    return writer.finish()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    card = ModelCard(name="m", stains=("nuclei",), input="TL", targets=("DNA",), network=NETWORK,
                     scales=(StainScale(offset=0, gain=1),), pixel_size_um=0.5)  # fmt: skip
    return Model(card, UNet(NETWORK).eval())


SMALL = CropSettings(side_px=32, each_field=12, kinds=("defocus", "brightness"), severities=(5,), seed=1)


@pytest.fixture(scope="module")
def crops(plate, model, tmp_path_factory):
    return take_crops(Engine(model), plate, plate.fields, SMALL, tmp_path_factory.mktemp("scratch"))


def test_crops_cover_their_field_and_are_cut_as_the_network_sees_it(plate, model, crops):
    assert len(crops.table) == len(crops.seen) == 3 * 3 * 12
    seen = Engine(model).seen(plate.read(FieldName("A01", 0), "TL"), 0.5).plane
    covered = np.zeros(seen.shape, bool)
    rows = crops.table.query("well == 'A01' and kind == 'clean'")
    assert len(rows) == 12
    for index, row in rows.iterrows():
        box = np.s_[row.top_px : row.top_px + 32, row.left_px : row.left_px + 32]
        covered[box] = True
        np.testing.assert_allclose(crops.seen[index].astype(np.float32), seen[box], atol=2e-3)
    assert covered.all()


def test_a_corrupted_crop_keeps_its_place_and_confluence_and_the_left_half_has_the_cells(crops):
    table = crops.table
    by_place = table.groupby(["well", "top_px", "left_px"])
    assert (by_place["confluence"].nunique() == 1).all()
    assert (by_place["kind"].nunique() == 3).all()
    clean = table[table["kind"] == "clean"]
    by_column = clean.groupby("left_px")["confluence"].mean()
    assert by_column.iloc[0] > by_column.iloc[-1] + 0.3
    assert set(crops.severity[~crops.clean]) == {5}


def test_fewer_crops_are_spread_out_and_a_field_smaller_than_one_is_refused(plate, model, tmp_path):
    two = take_crops(Engine(model), plate, plate.fields, CropSettings(side_px=32, each_field=2), tmp_path)
    corners = two.table[["top_px", "left_px"]].drop_duplicates().to_numpy().tolist()
    assert corners == [[0, 0], [64, 80]]
    with pytest.raises(BadInput, match=r"96 × 112 px .* --crop-px 96"):
        take_crops(Engine(model), plate, plate.fields, CropSettings(), tmp_path)


def test_changes_are_dealt_out_evenly():
    settings = CropSettings(kinds=("defocus", "contrast"), severities=(1, 3, 5), changes=2)
    plans = planned_changes(9, settings)
    assert all(plan[0].kind == "clean" and len(plan) == 3 for plan in plans)
    dealt = [(each.kind, abs(each.severity)) for plan in plans for each in plan[1:]]
    assert {cell: dealt.count(cell) for cell in dealt} == {
        (kind, level): 3 for kind in ("defocus", "contrast") for level in (1, 3, 5)
    }
    signs = {each.severity > 0 for plan in plans for each in plan if each.kind == "contrast"}
    assert signs == {True, False}
    assert [len(plan) for plan in planned_changes(2, CropSettings())] == [1, 1]


def test_defocus_and_brightness_show_in_the_plain_features(crops):
    plain = pd.DataFrame(crops.plain, columns=PLAIN_NAMES).groupby(crops.table["kind"].to_numpy()).mean()
    assert plain.loc["defocus", "laplacian"] < plain.loc["clean", "laplacian"] - 0.4
    assert abs(plain.loc["brightness", "level"] - plain.loc["clean", "level"]) > 0.3


@pytest.mark.parametrize("name", ["bottleneck", "pooled", "plain", "together"])
def test_every_embedding_gives_each_crop_a_point(name, crops, model):
    blocks = embed_crops([name], crops, crops.clean, model.network)[name]
    assert all(len(block.values) == len(crops.table) for block in blocks)
    assert len(blocks) == (2 if name == "together" else 1)


def test_an_embedding_that_is_none_or_lacks_its_autoencoder_is_refused(crops, model):
    with pytest.raises(BadSettings, match="'latent' is none"):
        embed_crops(["latent"], crops, crops.clean, model.network)
    with pytest.raises(BadSettings, match="trained first"):
        embed_crops(["autoencoder-200"], crops, crops.clean, model.network)


def test_a_map_of_a_plate_tells_of_every_crop(plate, model):
    settings = MapSettings(embedding="plain", scale="clean", smallest=5, crops=SMALL, fields=("A01", "A02"))
    found = map_crops(model, plate, settings)
    assert len(found.table) == len(found.points) == len(found.pictures) == 2 * 3 * 12
    assert set(found.table["phenotype"]) == {"a", "b"}
    assert found.table[["x", "y", "cluster"]].notna().all().all()
    assert set(found.silhouettes) == {"corrupted", "well", "confluence"}  # here a phenotype is a well


def test_reducing_says_which_package_brings_what():
    assert set(reducing.PACKAGES) <= set(reducing.METHODS)


def test_conditions_that_are_called_like_columns_of_crops_give_way_to_these():
    known = {"well": ["A01"], "confluence": ["full"], "plate": ["P7"], "x": [1], "clone": ["K"]}
    plate = SimpleNamespace(name="p", conditions=pd.DataFrame(known))
    crops = SimpleNamespace(table=pd.DataFrame({"well": ["A01"], "confluence": [0.4], "kind": ["clean"]}))
    table = mapping._described(plate, crops)
    assert table.to_dict("records") == [
        {"well": "A01", "confluence": 0.4, "kind": "clean", "plate": "p", "clone": "K"}
    ]

"""Training sees training regions alone, in register, on one grid and one scale."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unstained.errors import BadInput
from unstained.networks.normalisation import Normalisation
from unstained.networks.resampling import working_plane
from unstained.plates.plate import FieldName, Plate, create_plate, fingerprint
from unstained.plates.registration import ChannelShift
from unstained.plates.splitting import split_plate
from unstained.stains.catalogue import find_stain
from unstained.training import pairs as pairs_module
from unstained.training.fitting import Fitted
from unstained.training.models import Subject, camera_scale, grid_for
from unstained.training.pairs import Grid, make_pairs
from unstained.training.recipes import TrainingSettings


def cells(seed: int, side: int = 256, diameter: float = 20) -> np.ndarray:
    """Round cells of one size on a dark ground, in camera units from 100 to about 1100."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    plane = np.zeros((side, side))
    for cy, cx in rng.uniform(diameter, side - diameter, (12, 2)):
        plane = np.maximum(plane, (y - cy) ** 2 + (x - cx) ** 2 < (diameter / 2) ** 2)
    return (100 + 1000 * gaussian_filter(plane, 1) + rng.normal(0, 3, plane.shape)).astype(np.uint16)


@pytest.fixture
def plate(tmp_path: Path) -> Plate:
    writer = create_plate(tmp_path / "p.zarr", name="p", channels=("TL", "DNA"), pixel_size_um=0.5)
    for index, well in enumerate(("A01", "A02", "A03", "A04")):
        stain = cells(index)
        light = (2000 + 50 * np.random.default_rng(index).standard_normal(stain.shape)).astype(np.uint16)
        writer.write_field(FieldName(well, 0), np.stack([light, stain]))
    return writer.finish()


def test_stains_of_the_test_wells_are_never_read(plate: Plate, monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_plate(plate, test=["A02"], validation=["A03"])
    read = []
    original = Plate.read
    monkeypatch.setattr(
        Plate,
        "read",
        lambda self, field, channel: read.append((str(field), channel)) or original(self, field, channel),
    )
    make_pairs(plate, split, ("TL", "DNA"))
    assert ("A02/0", "DNA") not in read
    assert ("A01/0", "DNA") in read


def test_scale_maps_background_to_0_and_bright_to_1(plate: Plate) -> None:
    pairs = make_pairs(
        plate, split_plate(plate, test=["A02"], validation=["A03"]), ("TL", "DNA"), Grid(scale=1)
    )
    values = np.concatenate([plate.read(FieldName(w, 0), "DNA")[::2, ::2].ravel() for w in ("A01", "A04")])
    low, high = np.percentile(values, (1, 99.9))
    assert pairs.scales[0].offset == pytest.approx(low)
    assert pairs.scales[0].gain == pytest.approx(high - low)


def test_typical_object_sets_the_working_grid(plate: Plate) -> None:
    split = split_plate(plate, test=["A02"], validation=["A03"])
    pairs = make_pairs(plate, split, ("TL", "DNA"), Grid(diameter_px=10))
    assert pairs.object_diameters_px[0] == pytest.approx(20, rel=0.2)
    assert pairs.object_contrasts[0] == pytest.approx(1000, rel=0.05)
    assert pairs.working_scale == pytest.approx(0.5, rel=0.2)
    assert pairs.train[0].shape == (round(256 * pairs.working_scale),) * 2
    assert Grid(diameter_px=10).scale_for([None], [find_stain("nuclei")]) == 1
    assert Grid(diameter_px=10).scale_for([5], [find_stain("nuclei")]) == 1, "never enlarged"
    both = [find_stain("nuclei"), find_stain("golgi")]
    assert Grid().scale_for([50, 16], both) == pytest.approx(12 / 16), "what the finest needs"


@pytest.mark.parametrize(("error_px", "moved_px"), [(1.0, (-3, 2)), (2.0, (0, 0))])
def test_a_stain_is_moved_back_where_it_lies_off_by_more_than_chance(
    plate: Plate, monkeypatch: pytest.MonkeyPatch, error_px: float, moved_px: tuple[int, int]
) -> None:
    split = split_plate(plate, test=["A02"], validation=["A03"])
    still = make_pairs(plate, split, ("TL", "DNA"), Grid(scale=1))
    found = ChannelShift(3.0, -2.0, 0.5, True, error_px, 10.0)
    monkeypatch.setattr(pairs_module, "channel_shift", lambda light, stain: found)
    moved = make_pairs(plate, split, ("TL", "DNA"), Grid(scale=1))
    before, after = still.train[0].stained[0].numpy(), moved.train[0].stained[0].numpy()
    np.testing.assert_allclose(after[8:-8, 8:-8], np.roll(before, moved_px, (0, 1))[8:-8, 8:-8], atol=1e-5)


def test_fingerprints_name_every_field_of_every_role(plate: Plate) -> None:
    pairs = make_pairs(plate, split_plate(plate, test=["A02"], validation=["A03"]), ("TL", "DNA"))
    assert set(pairs.fingerprints["train"]) == {"A01/0", "A04/0"}
    assert pairs.fingerprints["test"] == {"A02/0": fingerprint(plate.read(FieldName("A02", 0), "TL"))}


def test_binary_target_is_0_or_1_and_keeps_unit_1(plate: Plate) -> None:
    split = split_plate(plate, test=["A02"], validation=["A03"])
    pairs = make_pairs(plate, split, ("TL", "DNA"), Grid(scale=1), binary=True)
    assert set(np.unique(pairs.train[0].stained.numpy())) == {0.0, 1.0}
    assert (pairs.scales[0].offset, pairs.scales[0].gain) == (0, 1)
    covered = float((plate.read(FieldName("A01", 0), "DNA") > 600).mean())
    assert pairs.train[0].stained.mean().item() == pytest.approx(covered, rel=0.05)


LIGHTS_DEG = {"A01": 10, "A02": 0, "A03": 200, "A04": 275}


@pytest.fixture
def lit_plate(tmp_path: Path) -> Plate:
    """Lay out wells whose cells show as relief, lit from another side in each."""
    writer = create_plate(tmp_path / "lit.zarr", name="lit", channels=("DIC", "DNA"), pixel_size_um=0.5)
    for index, (well, angle_deg) in enumerate(LIGHTS_DEG.items()):
        stain = cells(index)
        down, across = np.gradient(gaussian_filter(stain.astype(float), 3))
        along = np.cos(np.radians(angle_deg)) * across + np.sin(np.radians(angle_deg)) * down
        writer.write_field(FieldName(well, 0), np.stack([(2000 + 10 * along).astype(np.uint16), stain]))
    return writer.finish()


def test_fields_with_relief_are_turned_until_their_light_falls_down(lit_plate: Plate) -> None:
    split = split_plate(lit_plate, test=["A02"], validation=["A03"])
    pairs = make_pairs(lit_plate, split, ("DIC", "DNA"), Grid(scale=1))
    as_is = make_pairs(lit_plate, split, ("DIC", "DNA"), Grid(scale=1, follow_light=False))
    assert as_is.light is None
    assert as_is.train[0].light_deg is None
    upright, still = (
        dict(zip(("A01", "A04", "A03"), (*found.train, *found.validation), strict=True))
        for found in (pairs, as_is)
    )
    for well, turns in {"A01": 3, "A03": 1, "A04": 2}.items():
        assert upright[well].turns == turns
        assert upright[well].light_deg == pytest.approx((LIGHTS_DEG[well] - 90 * turns) % 360, abs=16)
        for name in ("label_free", "stained"):
            expected = np.rot90(getattr(still[well], name)[0].numpy(), turns)
            np.testing.assert_allclose(getattr(upright[well], name)[0].numpy(), expected, atol=1e-6)


def test_fields_without_relief_stay_as_they_are(plate: Plate) -> None:
    pairs = make_pairs(plate, split_plate(plate, test=["A02"], validation=["A03"]), ("TL", "DNA"))
    assert pairs.light is None
    assert {(planes.light_deg, planes.turns) for planes in pairs.train} == {(None, 0)}


def test_flat_stain_is_refused(tmp_path: Path) -> None:
    writer = create_plate(tmp_path / "flat.zarr", name="flat", channels=("TL", "DNA"), pixel_size_um=None)
    for field in range(5):
        light = np.random.default_rng(field).integers(0, 255, (96, 96)).astype(np.uint8)
        writer.write_field(FieldName("A01", field), np.stack([light, np.full_like(light, 7)]))
    plate = writer.finish()
    with pytest.raises(BadInput, match="'DNA' has no contrast in the training fields"):
        make_pairs(plate, split_plate(plate, test=["A01/0"]), ("TL", "DNA"))


def test_camera_scale_finds_gain_and_offset(plate: Plate) -> None:
    """A network that gives 2·stain + 5 in network units must be undone to camera units exactly."""
    import torch

    pairs = make_pairs(
        plate, split_plate(plate, test=["A02"], validation=["A03"]), ("TL", "DNA"), Grid(scale=1)
    )
    stained = [field.stained for field in pairs.train]

    class Doubled(torch.nn.Module):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            return 2 * stained[self.calls.pop(0)][None] + 5

    network = Doubled()
    network.calls = [0, 1]
    found = camera_scale(Fitted(network, (), TrainingSettings(), None), pairs.train, 0, pairs.scales[0])  # type: ignore[arg-type]
    restored = found.undo((2 * stained[0] + 5).numpy())
    np.testing.assert_allclose(restored, pairs.scales[0].undo(stained[0].numpy()), atol=0.1)


def test_going_on_from_a_model_keeps_the_size_of_cells(plate: Plate) -> None:
    """Known pixel sizes decide; 0.5 µm here and 0.25 µm there at half scale: both show the network 0.5 µm."""
    from unstained.networks.bundle import Model, ModelCard
    from unstained.networks.normalisation import StainScale
    from unstained.networks.unet import UNet, UNetSettings

    network = UNetSettings(width=2, depth=1)
    card = ModelCard(
        name="m",
        stains=("nuclei",),
        input="TL",
        targets=("DNA",),
        scales=(StainScale(),),
        network=network,
        pixel_size_um=0.25,
        working_scale=0.4,
        object_diameters_px=(50,),
    )
    grid = grid_for(plate, TrainingSettings(), Model(card, UNet(network)))
    assert grid.scale == pytest.approx(0.8)
    unsized = Model(card.model_copy(update={"pixel_size_um": None}), UNet(network))
    assert grid_for(plate, TrainingSettings(), unsized).known_px == pytest.approx((20,))
    assert Subject("m", "TL", {"nuclei": "DNA"}).channels == ("TL", "DNA")


def two_stains(path: Path, *, apart: tuple[int, int], spoilt: bool = False) -> Plate:
    """Make three wells whose second stain lies apart from the first, and from the label-free image."""
    writer = create_plate(path, name="two", channels=["TL", "DNA", "ER"], pixel_size_um=0.5)
    for index in range(3):
        rough = gaussian_filter(np.random.default_rng(index).normal(size=(256, 256)), 3) * 300
        stain = np.clip(rough, 0, None) * 20 + 100
        planes = np.stack([2000 + rough, stain, np.roll(stain, apart, (0, 1))]).astype(np.float32)
        planes += np.random.default_rng(9).normal(0, 1, planes.shape).astype(np.float32)
        if spoilt:
            planes[2, 5, 5] = np.nan
        writer.write_field(FieldName(f"A0{index + 1}", 0), planes)
    return writer.finish()


def test_each_stain_is_moved_by_its_own_shift(tmp_path: Path) -> None:
    plate = two_stains(tmp_path / "p.zarr", apart=(6, 0))
    split = split_plate(plate, test=["A02"], validation=["A03"])
    for channels in (("TL", "DNA", "ER"), ("TL", "ER", "DNA")):
        pairs = make_pairs(plate, split, channels, Grid(scale=1))
        first, second = pairs.train[0].stained.numpy()[:, 20:-20, 20:-20]
        assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9  # 6 px apart: 0.4
        assert pairs.shifts["A01/0 ER"].dy == pytest.approx(6, abs=1)
        assert not pairs.shifts["A01/0 DNA"].certain


def test_contrasts_are_those_of_the_working_grid(tmp_path: Path) -> None:
    plate = two_stains(tmp_path / "p.zarr", apart=(0, 0))
    split = split_plate(plate, test=["A02"], validation=["A03"])
    found = make_pairs(plate, split, ("TL", "DNA"), Grid(scale=0.4)).normalisation.contrasts
    seen = working_plane(plate.read(FieldName("A01", 0), "TL"), 0.4)
    assert found == pytest.approx((Normalisation().contrast(seen),) * 3)


def test_pixels_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    plate = two_stains(tmp_path / "p.zarr", apart=(0, 0), spoilt=True)
    split = split_plate(plate, test=["A02"], validation=["A03"])
    with pytest.raises(BadInput, match=r"field A01/0, channel ER: some pixels are NaN"):
        make_pairs(plate, split, ("TL", "DNA", "ER"))


def test_going_on_scales_by_what_the_model_knows_of_all_its_stains() -> None:
    stains = [find_stain("nuclei"), find_stain("golgi"), find_stain("er")]
    assert Grid(known_px=(20, 6, None)).scale_for([50, 10, 90], stains) == pytest.approx(0.5)
    assert Grid(known_px=(20, 6, 40)).scale_for([10, 5, None], stains) == 1, "never enlarged"


def test_a_shift_that_no_other_field_shares_is_not_believed() -> None:
    lying = [ChannelShift(1.0 + 0.1 * index, -2.0, 0.9, True, 0.2, 9.0) for index in range(6)]
    wild, unsure = ChannelShift(8.9, 6.3, 0.9, True, 0.2, 9.0), ChannelShift(0, 0, 0, False, np.inf, 0)
    kept = pairs_module._plausible([*lying, wild, unsure])
    assert kept[:6] == lying
    assert not kept[6].certain
    assert kept[7] == unsure
    assert pairs_module._plausible([*lying[:3], wild])[3] == wild, "too few to tell"

"""The offset between predicted and recorded stain, found for a network whose output is known."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift
from torch import Tensor

from unstained.errors import BadSettings
from unstained.networks.normalisation import Normalisation, StainScale
from unstained.networks.unet import UNetSettings
from unstained.training.crops import TrainingPlanes
from unstained.training.models import Subject, fit_model, is_to_be_calibrated, stain_offset
from unstained.training.pairs import Pairs
from unstained.training.recipes import TrainingSettings


def same(planes: Tensor) -> Tensor:
    """Change nothing, as a network."""
    return planes


def region(seed: int, moved: tuple[float, float], noise: float = 0.1) -> TrainingPlanes:
    """Make a region whose stain is its input, moved (y, x px) and noisy."""
    rng = np.random.default_rng(seed)
    light = gaussian_filter(rng.normal(size=(192, 128)), 4).astype(np.float32) * 10
    stain = shift(light, moved, order=3, mode="nearest") + noise * rng.normal(size=light.shape)
    return TrainingPlanes.from_arrays(light, stain.astype(np.float32)[None])


def offset(
    train: list[TrainingPlanes], validation: list[TrainingPlanes], scale: float = 1.0, **more: Any
) -> Any:
    fitted = SimpleNamespace(network=same, settings=TrainingSettings())
    pairs = Pairs(tuple(train), tuple(validation), (), (), (), scale, Normalisation(), (None,), **more)
    return stain_offset(fitted, pairs, 0)  # type: ignore[arg-type]


def test_the_offset_is_where_the_stain_lies_on_validation_regions() -> None:
    assert offset([region(0, (6, 6))], [region(1, (1.5, -2.0))]) == pytest.approx((1.5, -2), abs=0.1)


def test_without_validation_training_regions_tell_and_the_median_counts() -> None:
    train = [region(seed, moved) for seed, moved in enumerate([(1, 0), (1.2, 0.2), (8, -8)])]
    assert offset(train, []) == pytest.approx((1.2, 0), abs=0.1)


def test_the_offset_is_in_pixels_of_the_images_and_counts_what_was_corrected() -> None:
    found = offset([], [region(0, (1, -1))], scale=0.5, corrections=(((4.0, 0.5),),))
    assert found == pytest.approx((4 + 2, 0.5 - 2), abs=0.2)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_offset_is_that_of_the_images_however_a_region_was_turned(turns: int) -> None:
    whole = region(0, (1.5, -2.0))
    light, stain = (np.rot90(planes[0].numpy(), turns) for planes in (whole.label_free, whole.stained))
    lying = replace(TrainingPlanes.from_arrays(light, stain[None]), turns=turns)
    assert offset([], [lying]) == pytest.approx((1.5, -2), abs=0.1)


def test_a_region_that_the_network_does_not_know_says_nothing() -> None:
    unlike = TrainingPlanes.from_arrays(
        region(0, (0, 0)).label_free[0].numpy(), region(5, (0, 0)).label_free.numpy()
    )
    assert offset([], [unlike]) == (0, 0)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_dead_network_has_no_offset(value: float) -> None:
    held_out = region(0, (2, 2))
    dead = TrainingPlanes.from_arrays(np.full(held_out.shape, value, np.float32), held_out.stained.numpy())
    assert offset([], [dead]) == (0, 0)


@pytest.mark.parametrize(
    ("loss", "fitted"),
    [("mse+pooled_pearson", True), ("pearson", True), ("bce", False), ("asymmetric5+gradient", False)],
)
def test_units_are_fitted_unless_a_loss_means_them_otherwise(loss: str, fitted: bool) -> None:
    assert is_to_be_calibrated(loss) is fitted


def test_a_training_that_diverges_says_so_in_one_line() -> None:
    small = {"network": UNetSettings(width=2, depth=2), "crops": {"side": 32}, "steps": 6}
    settings = TrainingSettings(**small, optimiser="sgd", learning_rate=1e12)
    regions = tuple(region(seed, (0, 0)) for seed in range(2))
    scales = (StainScale(offset=0, gain=1),)
    pairs = Pairs(regions[:1], regions[1:], scales, (), (), 1.0, Normalisation(), (None,))
    with pytest.raises(BadSettings, match="diverged"):
        fit_model(Subject("m", "TL", {"nuclei": "DNA"}), pairs, settings, accelerator="cpu", devices=1)

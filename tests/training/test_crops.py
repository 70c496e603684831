"""Crops hold real pixels, in the right place, and nothing is changed that wasn't asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from unstained.networks.light import find_light
from unstained.training.crops import (
    PLAIN,
    CropSettings,
    Look,
    Pose,
    TrainingPlanes,
    change_look,
    cut,
    draw_batch,
    draw_pose,
    half_extent,
)


def coordinates(rows: int, columns: int) -> TrainingPlanes:
    """Make a field whose pixels hold their own y (input) and x (stain), so that a sample tells its place."""
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    return TrainingPlanes.from_arrays(y, x[None])


def test_upright_crop_is_the_field_itself() -> None:
    field = torch.rand(2, 40, 50, generator=torch.Generator().manual_seed(0))
    crop = cut(field, Pose(y=19.5, x=23.5, angle=0, scale=1, mirror=False), 16)
    torch.testing.assert_close(crop, field[:, 12:28, 16:32], atol=1e-5, rtol=0)


def test_right_angle_turn_and_mirror_are_exact() -> None:
    field = torch.rand(1, 33, 33, generator=torch.Generator().manual_seed(0))
    turned = cut(field, Pose(16, 16, np.pi / 2, 1, mirror=False), 16)
    mirrored = cut(field, Pose(16, 16, 0, 1, mirror=True), 16)
    upright = cut(field, Pose(16, 16, 0, 1, mirror=False), 16)
    torch.testing.assert_close(turned, torch.rot90(upright, 1, (1, 2)), atol=1e-5, rtol=0)
    torch.testing.assert_close(mirrored, upright.flip(2), atol=1e-5, rtol=0)


def test_zoom_samples_neighbours_further_apart() -> None:
    field = coordinates(100, 100)
    crop = cut(field.label_free, Pose(50, 50, 0, 1.25, mirror=False), 32)[0]
    np.testing.assert_allclose(np.diff(crop.numpy(), axis=0), 1.25, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(40, 300), columns=st.integers(40, 300), seed=st.integers(0, 10**6), share=st.floats(0, 1)
)
def test_no_crop_reaches_over_the_edge(rows: int, columns: int, seed: int, share: float) -> None:
    """Turned and zoomed, at any place: every corner holds a real pixel (the thesis, Fig. 7)."""
    field = coordinates(rows, columns)
    pose = draw_pose(
        field, 32, CropSettings(side=32, foreground=share, scale=1.5), np.random.default_rng(seed)
    )
    reach = half_extent(32, pose.scale, pose.angle)
    assert pose.y - reach >= -1e-6
    assert pose.y + reach <= rows - 1 + 1e-6
    assert pose.x - reach >= -1e-6
    assert pose.x + reach <= columns - 1 + 1e-6
    corner = cut(field.label_free, pose, 32)[0, 0, 0].item()
    u = -15.5 * (-1 if pose.mirror else 1) * pose.scale
    v = -15.5 * pose.scale
    assert corner == pytest.approx(pose.y + np.sin(pose.angle) * u + np.cos(pose.angle) * v, abs=2e-3)


def test_field_smaller_than_a_crop_still_gives_crops() -> None:
    small = coordinates(20, 90)
    inputs, targets = draw_batch(
        [small], 4, CropSettings(side=32, noise=0, blur_px=0), np.random.default_rng(0)
    )
    assert inputs.shape == targets.shape == (4, 1, 32, 32)
    assert torch.isfinite(inputs).all()
    assert targets.min() >= -1e-3
    assert targets.max() <= 89 + 1e-3


def test_input_and_stain_are_cut_alike() -> None:
    plane = np.random.default_rng(0).random((80, 80)).astype(np.float32)
    field = TrainingPlanes.from_arrays(plane, plane[None])
    inputs, targets = draw_batch(
        [field], 6, CropSettings(side=32, gain=0, bias=0, noise=0, blur_px=0), np.random.default_rng(1)
    )
    torch.testing.assert_close(inputs, targets, atol=0, rtol=0)


def test_foreground_crops_find_the_only_cell() -> None:
    stain = np.zeros((400, 400), np.float32)
    stain[300:310, 100:110] = 1
    field = TrainingPlanes.from_arrays(np.zeros_like(stain), stain[None])
    rng = np.random.default_rng(0)
    near = draw_batch([field], 20, CropSettings(side=64, foreground=1, scale=1), rng)[1]
    anywhere = draw_batch([field], 20, CropSettings(side=64, foreground=0, scale=1), rng)[1]
    assert (near.amax((1, 2, 3)) > 0.5).all()
    assert (anywhere.amax((1, 2, 3)) > 0.5).float().mean() < 0.5


@pytest.mark.parametrize(("side", "light_deg"), [(420, 50.0), (420, 120.0), (200, 95.0)])
def test_crops_of_a_lit_field_have_the_light_from_above(side: int, light_deg: float) -> None:
    """However turned and mirrored; a field hardly larger than a crop must not lay it on its side."""
    peaks = np.zeros((side, side), np.float32)
    at = np.random.default_rng(0).integers(0, side, size=(side * side // 700, 2))
    peaks[at[:, 0], at[:, 1]] = 1
    down, across = np.gradient(gaussian_filter(peaks, 5))
    angle = np.radians(light_deg)
    light = (np.cos(angle) * across + np.sin(angle) * down).astype(np.float32) * 1e3
    field = replace(TrainingPlanes.from_arrays(light, light[None]), light_deg=light_deg)
    crops = draw_batch([field], 24, CropSettings(), np.random.default_rng(1))[0]
    found = np.array([find_light(crop[0].numpy()).angle_deg for crop in crops])
    assert np.abs(found - 90).max() < 60
    straight = draw_batch([field], 8, CropSettings(rotate_deg=0), np.random.default_rng(1))[0]
    assert np.mean([find_light(crop[0].numpy()).angle_deg for crop in straight]) == pytest.approx(90, abs=8)


def test_plain_crops_keep_the_values() -> None:
    plane = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    field = TrainingPlanes.from_arrays(plane, plane[None])
    inputs, _ = draw_batch([field], 3, PLAIN.model_copy(update={"side": 64}), np.random.default_rng(0))
    torch.testing.assert_close(inputs[0, 0], torch.from_numpy(plane), atol=1e-5, rtol=0)


def test_look_is_gain_then_bias_then_noise() -> None:
    plane = torch.linspace(-1, 1, 64 * 64).view(1, 64, 64)
    rng = np.random.default_rng(0)
    still = change_look(plane, Look(1, 0, 0, 0), rng)
    changed = change_look(plane, Look(1.5, 0.25, 0, 0), rng)
    noisy = change_look(plane, Look(1, 0, 0.2, 0), rng)
    torch.testing.assert_close(still, plane, atol=0, rtol=0)
    torch.testing.assert_close(changed, 1.5 * plane + 0.25)
    assert (noisy - plane).std().item() == pytest.approx(0.2, rel=0.05)


def test_blur_keeps_light_and_lowers_contrast() -> None:
    point = torch.zeros(1, 33, 33)
    point[0, 16, 16] = 1
    blurred = change_look(point, Look(1, 0, 0, 1.0), np.random.default_rng(0))
    assert blurred.sum().item() == pytest.approx(1, abs=1e-5)
    assert blurred[0, 16, 16].item() < 0.2


def test_same_draw_same_batch() -> None:
    field = coordinates(120, 120)
    first = draw_batch([field], 2, CropSettings(side=32), np.random.default_rng(5))
    again = draw_batch([field], 2, CropSettings(side=32), np.random.default_rng(5))
    other = draw_batch([field], 2, CropSettings(side=32), np.random.default_rng(6))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])

"""How the objects of a stain are found, as data: bodies (nuclei, cells), spots (Golgi), or by others."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import Field

from unstained.arrays import Labels, Plane, RawPlane
from unstained.segmentation.nuclei import NucleiSettings, contrasts, estimate_diameter, segment_nuclei
from unstained.segmentation.others import OtherSettings, segment_by_other
from unstained.segmentation.spots import SpotSettings, segment_spots, spot_contrasts

Recipe: TypeAlias = Annotated[NucleiSettings | SpotSettings | OtherSettings, Field(discriminator="method")]


def segment(plane: RawPlane, recipe: Recipe, *, pixel_size_um: float | None) -> Labels:
    """Label the objects of a plane (Y X): 0 is background, objects run 1..N."""
    flat = np.asarray(plane, dtype=np.float32)
    if isinstance(recipe, OtherSettings):
        return segment_by_other(flat, recipe, pixel_size_um=pixel_size_um)
    if isinstance(recipe, SpotSettings):
        return segment_spots(flat, pixel_size_um=pixel_size_um, settings=recipe)
    return segment_nuclei(flat, pixel_size_um=pixel_size_um, settings=recipe)


def typical_diameter(
    planes: Sequence[Plane], recipe: Recipe, *, pixel_size_um: float | None = None
) -> float | None:
    """Give the typical diameter, px, of the objects in planes (Y X), of spots' parts; None without any."""
    if isinstance(recipe, SpotSettings):
        parts = recipe.updated(join_um=0.0)
        labels = [segment(plane, parts, pixel_size_um=pixel_size_um) for plane in planes]
        areas = np.concatenate([np.bincount(each.ravel())[1:] for each in labels])
        return float(2 * np.sqrt(np.median(areas) / np.pi)) if len(areas) else None
    found = [diameter for diameter in map(estimate_diameter, planes) if diameter]
    return float(np.median(found)) if found else None


def usual_contrast(
    planes: Sequence[Plane], recipe: Recipe, *, pixel_size_um: float | None = None
) -> float | None:
    """Give the contrast that three of four objects in planes (Y X) exceed; None where there are none."""
    found = [_contrasts(plane, recipe, pixel_size_um) for plane in planes]
    all_found = np.concatenate(found) if found else np.empty(0)
    return float(np.quantile(all_found, 0.25)) if len(all_found) else None


def with_likely(
    recipe: Recipe, *, diameter_um: float | None = None, least_contrast: float | None = None
) -> Recipe:
    """Give a recipe that looks for objects of a known size, and of a contrast that makes them likely."""
    if isinstance(recipe, OtherSettings):  # which knows by itself
        return recipe
    if isinstance(recipe, SpotSettings):  # its lengths are known beforehand
        return recipe.updated(least_contrast=least_contrast)
    return recipe.updated(diameter_um=diameter_um, least_contrast=least_contrast)


def _contrasts(plane: Plane, recipe: Recipe, pixel_size_um: float | None) -> np.ndarray:
    labels = segment(plane, recipe, pixel_size_um=pixel_size_um)
    if isinstance(recipe, SpotSettings):
        return spot_contrasts(labels, plane, pixel_size_um=pixel_size_um, settings=recipe)[1:]
    diameter_px = estimate_diameter(plane) if labels.any() else None
    return np.empty(0) if diameter_px is None else contrasts(labels, plane, diameter_px)[1:]

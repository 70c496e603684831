"""A field on which an exported model is held against the original, where none is given."""

from importlib.resources import files
from pathlib import Path

import numpy as np

from unstained.arrays import RawPlane
from unstained.networks.bundle import ModelCard
from unstained.plates.images import read_image
from unstained.twin.photos import simulate_field
from unstained.twin.wells import LABEL_FREE, TwinSettings, grow_well, plan_wells

SIDE_PX = 256

BUILT_IN = "samples/hela-rpe1-crop/images/A01_f2_TL.tif"


def trial_field(card: ModelCard) -> RawPlane:
    """Give a field (Y X): of the twin for models that learnt from it, else a part of a real one."""
    if card.simulated and card.input in LABEL_FREE:
        size_um = float(np.clip(card.pixel_size_um or 0.325, 0.1, 0.36))
        settings = TwinSettings(
            wells=1, fields=1, side_px=SIDE_PX, label_free=(card.input,), pixel_size_um=size_um
        )
        (planned,) = plan_wells(settings).values()
        simulated: RawPlane = simulate_field(grow_well(planned, settings), 0, settings).recorded[0]
        return simulated
    plane, _ = read_image(Path(str(files("unstained"))) / BUILT_IN)
    return middle_of(plane, SIDE_PX)


def middle_of(plane: RawPlane, side_px: int) -> RawPlane:
    """Cut out the middle of a plane (Y X), at most so many px a side."""
    starts = [max(0, (side - side_px) // 2) for side in plane.shape]
    return plane[starts[0] : starts[0] + side_px, starts[1] : starts[1] + side_px]

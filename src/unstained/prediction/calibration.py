"""What a new model's predictions look like beside the real stain, measured on fields it may know."""

import numpy as np

from unstained.networks.bundle import Model
from unstained.plates.plate import Plate
from unstained.plates.regions import Region
from unstained.plates.splitting import Split
from unstained.prediction.engine import Engine
from unstained.segmentation.spots import SpotSettings, likely_spots
from unstained.stains.catalogue import Stain
from unstained.stains.targets import make_target

MOST_FIELDS = 8
"""So many regions are looked at."""


def with_likely_spots(model: Model, plate: Plate, split: Split) -> Model:
    """Write into the card how predicted spots are found, so that they are as many as the real ones.

    Looked at are validation regions, training ones where there are none. A model without spots stays as it
    is.
    """
    card = model.card
    if not any(isinstance(stain.objects, SpotSettings) for stain in card.described):
        return model
    known = split.validation or split.train
    regions = known[:: -(-len(known) // MOST_FIELDS)]
    engine = Engine(model)
    predicted = [_cut(engine.predict(plate.read(each.field, card.input), plate.pixel_size_um), each)
                 for each in regions]  # fmt: skip
    found = tuple(
        _likely(stain, [planes[index] for planes in predicted], plate, regions, target)
        for index, (stain, target) in enumerate(zip(card.described, card.targets, strict=True))
    )
    return Model(card.model_copy(update={"likely_spots": found}), model.network, model.extras)


def _likely(
    stain: Stain, predicted: list[np.ndarray], plate: Plate, regions: tuple[Region, ...], target: str
) -> SpotSettings | None:
    if not isinstance(stain.objects, SpotSettings):
        return None
    size_um = plate.pixel_size_um
    whole = [make_target(plate.read(each.field, target), stain.target, pixel_size_um=size_um)
             for each in regions]  # fmt: skip
    real = [_cut(plane, each) for plane, each in zip(whole, regions, strict=True)]
    return likely_spots(predicted, real, stain.objects, size_um)


def _cut(planes: np.ndarray, region: Region) -> np.ndarray:
    return planes[..., slice(*region.rows), slice(*region.columns)]

"""From pairs to a finished model: the network is fitted, its units are set, its card is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import shift
from torch import Tensor

from unstained.arrays import Plane
from unstained.errors import BadSettings, WrongModel, listed
from unstained.networks.bundle import PER_STAIN, Model, ModelCard
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import LIT_MIRRORS, MIRRORS, UNet
from unstained.plates.plate import Plate
from unstained.plates.splitting import Split
from unstained.stains.catalogue import STAINS, Stain, find_stain
from unstained.training.course import course_files
from unstained.training.crops import TrainingPlanes, even_sides
from unstained.training.fitting import Fitted, Progress, fit
from unstained.training.pairs import Grid, Pairs
from unstained.training.recipes import DEFAULT_LOSS, TrainingSettings

MOST_REGISTERED = 8
"""So many regions are looked at for a stain's offset."""

MOST_CALIBRATED = 16
"""On so many training regions gain and offset are fitted."""

ALIKE = 0.5
"""Correlation from which predicted and real stain are registered."""

LARGEST_OFFSET_PX = 12.0
"""More isn't an offset of channels but a mistake."""


@dataclass(frozen=True)
class Subject:
    """What a model is about: stains, and the channels that they are learnt from."""

    name: str
    input: str
    targets: Mapping[str, str]  # stain → channel
    known: Mapping[str, Stain] = field(default_factory=lambda: STAINS)
    licence: str = ""
    attribution: str = ""

    @property
    def channels(self) -> tuple[str, ...]:
        """Label-free, then stained."""
        return self.input, *self.targets.values()

    @property
    def stains(self) -> tuple[Stain, ...]:
        """What is known of the stains, in the order of `targets`."""
        return tuple(find_stain(name, self.known) for name in self.targets)

    def losses(self, settings: TrainingSettings) -> tuple[str, ...]:
        """Name each stain's loss: that of the settings, else its own, else that of the default recipe.

        Raises
        ------
        BadSettings
            The settings name several, but not as many as there are stains.
        """
        given = [part.strip() for part in settings.loss.split(";")] if settings.loss else [None]
        if len(given) not in (1, len(self.targets)):
            raise BadSettings("loss", f"{len(given)} losses for {len(self.targets)} stains")
        each = given * (len(self.targets) // len(given))
        return tuple(
            loss or stain.loss or DEFAULT_LOSS for loss, stain in zip(each, self.stains, strict=True)
        )

    def is_binary(self, settings: TrainingSettings) -> bool:
        """Tell whether the model gives probabilities in place of camera units.

        Raises
        ------
        BadSettings
            One stain asks for the one, another for the other.
        """
        found = {"bce" in loss for loss in self.losses(settings)}
        if len(found) > 1:
            raise BadSettings("loss", "stains with and without bce can't share a model; train one for each")
        return found == {True}

    def to_json(self) -> dict[str, Any]:
        """Say the same in plain values, for a record."""
        plain = {name: value for name, value in vars(self).items() if name not in ("targets", "known")}
        return {
            **plain,
            "targets": dict(self.targets),
            "stains": [stain.model_dump(mode="json") for stain in self.stains],
        }


def grid_for(plate: Plate, settings: TrainingSettings, start: Model | None) -> Grid:
    """Choose the working grid; going on from a model, cells get the size at which it knows them.

    Where both pixel sizes are known they decide, else the typical object's size does.
    """
    if start is None:
        return Grid(scale=settings.working_scale, follow_light=settings.follow_light)
    return replace(_grid_of(plate, settings, start.card), follow_light=settings.follow_light)


def _grid_of(plate: Plate, settings: TrainingSettings, card: ModelCard) -> Grid:
    if settings.working_scale is None and card.pixel_size_um and plate.pixel_size_um:
        scale = card.working_scale * plate.pixel_size_um / card.pixel_size_um
        return Grid(card.normalisation, scale=min(1.0, scale))
    if settings.working_scale is None and any(card.object_diameters_px):
        known = tuple(size and size * card.working_scale for size in card.object_diameters_px)
        return Grid(card.normalisation, known_px=known)
    return Grid(card.normalisation, scale=settings.working_scale or card.working_scale)


def fit_model(
    subject: Subject,
    pairs: Pairs,
    settings: TrainingSettings,
    *,
    start: Model | None = None,
    folder: Path | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
    **devices: Any,
) -> tuple[Model, Fitted]:
    """Fit a network to pairs; gives a model whose card still lacks plate and split (`with_origin`).

    Raises
    ------
    BadSettings, WrongModel
        The training diverged, or what it starts from doesn't predict the stains.
    """
    if start is not None:
        start = for_stains(start, tuple(subject.targets))
        settings = settings.model_copy(update={"network": start.card.network})
    losses = subject.losses(settings)
    network = settings.network.updated(outputs=len(losses))
    settings = settings.updated(network=network, loss=";".join(losses))
    fitted = fit(
        pairs.train,
        pairs.validation,
        settings,
        start=start.network if start else None,
        folder=folder,
        tell=tell,
        **devices,
    )
    _refuse_diverged(fitted, pairs)
    scales = tuple(
        camera_scale(fitted, pairs.train, index, scale) if is_to_be_calibrated(losses[index]) else scale
        for index, scale in enumerate(pairs.scales)
    )
    card = ModelCard(
        name=subject.name,
        stains=tuple(subject.targets),
        input=subject.input,
        targets=tuple(subject.targets.values()),
        described=subject.stains,
        units="probability" if subject.is_binary(settings) else "camera",
        working_scale=pairs.working_scale,
        object_diameters_px=pairs.object_diameters_px,
        object_contrasts=pairs.object_contrasts,
        backgrounds=pairs.backgrounds,
        mask_levels=pairs.mask_levels,
        network=fitted.settings.network,
        scales=scales,
        offsets_px=tuple(stain_offset(fitted, pairs, index) for index in range(len(scales))),
        average_flips=settings.average_flips,
        light_deg=None if pairs.light is None else round(pairs.light.angle_deg, 1),
        metrics={"validation_pcc": fitted.pcc},
        training=_training_record(fitted, pairs, start),
        licence=subject.licence,
        attribution=subject.attribution,
    )
    return Model(card, fitted.network, course_files(fitted.course)), fitted


def _refuse_diverged(fitted: Fitted, pairs: Pairs) -> None:
    """Refuse a network that gives no numbers, which no unit and no score can be made of."""
    with torch.inference_mode():
        predicted = fitted.network(even_sides(pairs.train[0]).label_free[None])
    if not torch.isfinite(predicted).all() or not np.isfinite(fitted.pcc or 0.0):
        raise BadSettings("learning_rate", "the training diverged: the network gives no numbers; lower it")


def for_stains(start: Model, stains: tuple[str, ...]) -> Model:
    """Keep of a model's network what predicts some of its stains, in the order asked for.

    Raises
    ------
    WrongModel
        It doesn't predict one of them.
    """
    if missing := [name for name in stains if name not in start.card.stains]:
        raise WrongModel(
            f"{start.name} predicts {listed(start.card.stains)}; it can't go on with {listed(missing)}"
        )
    if stains == start.card.stains:
        return start
    kept = [start.card.stains.index(name) for name in stains]
    shape = start.card.network.updated(outputs=len(kept))
    weights = {
        name: value[kept] if name.startswith("head.") else value
        for name, value in start.network.state_dict().items()
    }
    network = UNet(shape)
    network.load_state_dict(weights)
    per_stain = {
        name: tuple(getattr(start.card, name)[index] for index in kept)
        for name in ("stains", "targets", "scales", *PER_STAIN)
        if getattr(start.card, name)
    }
    return Model(start.card.model_copy(update={"network": shape, **per_stain}), network)


def with_origin(model: Model, plate: Plate, split: Split, pairs: Pairs) -> Model:
    """Write into the card which plate and regions a model comes from."""
    twin = {"twin": plate.info["twin"]} if "twin" in plate.info else {}
    card = model.card.model_copy(
        update={
            "training": {**model.card.training, **twin},
            "pixel_size_um": plate.pixel_size_um,
            "simulated": bool(plate.info.get("simulated")),
            "normalisation": pairs.normalisation,
            "split": split.to_json(),
            "fingerprints": {role: dict(found) for role, found in pairs.fingerprints.items()},
        }
    )
    return Model(card, model.network, model.extras)


def is_to_be_calibrated(loss: str) -> bool:
    """Tell whether a loss leaves units to be set: not probabilities, nor what is bright on purpose."""
    return "bce" not in loss and "asymmetric" not in loss


def camera_scale(
    fitted: Fitted, train: tuple[TrainingPlanes, ...], index: int, scale: StainScale
) -> StainScale:
    """Fit gain and offset of a network on its training regions.

    Trained on correlation alone it has none; trained on crops, those of crops, not of whole fields. Least
    squares of the real stain on the predicted one, over evenly spread regions; the network's sign is kept:
    the gain is positive.
    """
    predicted, real = [], []
    with torch.inference_mode():
        for region in map(even_sides, train[:: -(-len(train) // MOST_CALIBRATED)]):
            predicted.append(fitted.network(region.label_free[None])[0, index].numpy().ravel())
            real.append(region.stained[index].numpy().ravel())
    x, y = np.concatenate(predicted), np.concatenate(real)
    gain = max(float(np.cov(x, y)[0, 1] / max(x.var(ddof=1), 1e-12)), 1e-6)
    offset = float(y.mean() - gain * x.mean())
    return StainScale(offset=scale.offset + scale.gain * offset, gain=scale.gain * gain)


def stain_offset(fitted: Fitted, pairs: Pairs, index: int) -> tuple[float, float]:
    """Find how far a stain is recorded off the label-free image (y, x), px of the training images.

    A microscope's channels lie a little apart, the same in every field. Mirrored crops keep a network from
    learning that, so it is measured on the validation regions (on training ones where there are none, though
    a network knows where those lay): predicted and real stain are alike enough to be registered to a tenth of
    a pixel; the label-free image isn't. The median is what a new field will show. Regions that the network
    doesn't know well say nothing; without any, (0, 0).
    """
    found, regions = [], pairs.validation or pairs.train
    corrections = [each[index] for each in pairs.corrections] or [(0.0, 0.0)] * len(regions)
    for region, correction in list(zip(regions, corrections, strict=True))[:MOST_REGISTERED]:
        even = even_sides(region)
        mirrors = MIRRORS if pairs.light is None else LIT_MIRRORS
        predicted = _mirrored_mean(fitted, even.label_free, mirrors)[index].numpy()
        real = even.stained[index].numpy()
        if not _alike(predicted, real):
            continue
        apart = _turned_back(displacement(predicted, real), region.turns)
        offset_px = np.asarray(correction) + apart / pairs.working_scale
        if np.abs(offset_px).max() <= LARGEST_OFFSET_PX:
            found.append(offset_px)
    dy, dx = np.median(found, axis=0) if found else (0.0, 0.0)
    return round(float(dy), 2), round(float(dx), 2)


def _alike(predicted: Plane, real: Plane) -> bool:
    """Tell whether two planes correlate; what a dead network gives (constant, NaN) does not."""
    usable = np.isfinite(predicted).all() and np.ptp(predicted) > 0 and np.ptp(real) > 0
    return bool(usable and np.corrcoef(predicted.ravel(), real.ravel())[0, 1] >= ALIKE)


def displacement(first: Plane, second: Plane, rounds: int = 5) -> NDArray[np.float64]:
    """Find how far `second` lies off `first` (y, x px), two alike planes (Y X) of any gain and offset.

    Least squares on the slopes of the one that is moved, repeated (Lucas & Kanade 1981). Unlike a circular
    cross-correlation, it isn't drawn towards zero by the edges of a narrow region of smooth objects.
    """
    found = np.zeros(2)
    for _ in range(rounds):
        moved = shift(first, found, order=1, mode="nearest")
        terms = np.stack([moved, *np.gradient(moved), np.ones_like(moved)]).reshape(4, -1).astype(np.float64)
        gain, *slopes, _ = np.linalg.lstsq(terms @ terms.T, terms @ second.ravel(), rcond=None)[0]
        found -= np.asarray(slopes) / gain if gain > 0 else 0.0
    return found


def _turned_back(vector: NDArray[np.float64], turns: int) -> NDArray[np.float64]:
    """Give a vector (y, x) of a plane that `numpy.rot90` turned so often, in the plane as it was."""
    for _ in range(turns):
        vector = np.array([vector[1], -vector[0]])
    return vector


def _mirrored_mean(fitted: Fitted, label_free: Tensor, mirrors: Sequence[tuple[int, ...]]) -> Tensor:
    """Predict a region (1 Y X) as a model will: stains (stain Y X), over mirror images where so set."""
    seen = mirrors if fitted.settings.average_flips else mirrors[:1]
    with torch.inference_mode():
        predicted = [fitted.network(label_free[None].flip(axes)).flip(axes) for axes in seen]
    return torch.stack(predicted).mean(dim=0)[0]


def _training_record(fitted: Fitted, pairs: Pairs, start: Model | None) -> dict[str, Any]:
    return {
        **fitted.settings.model_dump(mode="json"),
        "steps_taken": fitted.course[-1].step if fitted.course else fitted.settings.steps,
        "from": start.name if start else None,
        "shifts": {
            name: {"dy": s.dy, "dx": s.dx, "corrected": s.certain} for name, s in pairs.shifts.items()
        },
    }

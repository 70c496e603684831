"""Where studies train and score: each training is done once, kept under the hash of all that decides it."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unstained.arrays import Planes
from unstained.errors import BadInput
from unstained.measurement.evaluation import EvaluationSettings, evaluate_plate
from unstained.measurement.evaluation_record import Evaluation
from unstained.measurement.known import known_stain
from unstained.networks.bundle import Model, load_model_bundle, save_model
from unstained.plates.overlaps import common_ground
from unstained.plates.plate import FieldName, Plate
from unstained.plates.splitting import Split, split_plate
from unstained.prediction.calibration import with_likely_spots
from unstained.prediction.labeller import Labeller
from unstained.prediction.plates import PlateSettings, predict_plate
from unstained.stains.catalogue import Stain
from unstained.studies.sharpness import Sharpness, sharpness_of
from unstained.training.models import Subject, fit_model, grid_for, with_origin
from unstained.training.pairs import Grid, Pairs, make_pairs
from unstained.training.recipes import TrainingSettings

FORM = 2
"""Of what is kept; another number, and everything is trained anew."""

MOST_SHARP = 8
"""On so many fields sharpness is measured."""


@dataclass(frozen=True)
class Variant:
    """One training of a study: what is learnt of one stain, how, and from which fields."""

    label: str  # as tables call it; doesn't decide anything
    stain: Stain
    settings: TrainingSettings  # steps and seed are the workbench's
    fields: tuple[FieldName, ...] | None = None  # of the training ones; None = all
    start: "Variant | None" = None


@dataclass(frozen=True)
class Scored:
    """What a variant's predictions of the test fields are worth."""

    evaluation: Evaluation
    sharpness: Sharpness


@dataclass(frozen=True)
class Workbench:
    """A plate with truth, what of it is held out, and the folder in which models and scores are kept."""

    plate: Plate
    input: str
    targets: Mapping[str, str]  # stain → channel
    stains: Mapping[str, Stain]
    folder: Path
    test: tuple[str, ...] | None = None  # wells or fields; None = chosen
    steps: int = 400
    seeds: tuple[int, ...] = (0, 1)
    given: Split | None = None  # None = drawn
    base: TrainingSettings = field(default_factory=TrainingSettings)  # what variants change
    devices: Mapping[str, Any] = field(default_factory=dict)  # for Lightning's Trainer
    tell: Callable[[str], None] = lambda _: None
    _last: dict[str, Pairs] = field(default_factory=dict, repr=False, compare=False)
    _known: dict[Any, str] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def split(self) -> Split:
        """Give training, validation and test fields, the same for all that is compared.

        Raises
        ------
        BadInput
            The plate shows one place only: halves of an image are too little for a study.
        """
        if self.given is not None:
            return self.given
        groups = common_ground(self.plate, self.input)
        found = split_plate(self.plate, test=self.test, groups=groups)
        if found.level == "half":
            raise BadInput(f"{self.plate.path} shows one place; a study needs fields of two at least")
        return found

    @property
    def test_fields(self) -> tuple[FieldName, ...]:
        """Give the fields that are scored."""
        return tuple(dict.fromkeys(region.field for region in self.split.test))

    @property
    def training_fields(self) -> tuple[FieldName, ...]:
        """Give the fields that may be learnt from."""
        return tuple(dict.fromkeys(region.field for region in self.split.train))

    def stain(self, name: str) -> Stain:
        """Give the stain of a name.

        Raises
        ------
        BadInput
            The plate doesn't show it.
        """
        if name not in self.targets:
            raise BadInput(
                f"{self.plate.path}: no channel shows {name!r}; this study needs it (--stain and --target)"
            )
        return self.stains[name]

    def variant(self, label: str, stain: Stain | str, **changes: Any) -> Variant:
        """Describe a training that differs from the base recipe; `crops` and `network` change in part."""
        described = self.stain(stain) if isinstance(stain, str) else stain
        nested = {
            name: getattr(self.base, name).updated(**value) if isinstance(value, Mapping) else value
            for name, value in changes.items()
        }
        return Variant(label, described, self.base.updated(**nested))

    def model(self, variant: Variant, seed: int) -> Model:
        """Train a variant with a seed, unless that is done."""
        place = self._place(variant, seed) / "model"
        if not place.exists():
            self.tell(f"train {variant.label}, {variant.stain.name}, seed {seed}")
            save_model(self._trained(variant, seed), place, overwrite=True)
        return load_model_bundle(place)

    def score(
        self,
        variant: Variant,
        seed: int,
        on: Plate | None = None,
        fields: Sequence[FieldName] | None = None,
        diameter_um: float | None = None,
    ) -> Scored:
        """Score a variant on test fields, or on `fields`, of this plate or of one made from it (`on`).

        `diameter_um` is that of objects in both stains, where the model's own isn't to count.
        """
        plate, fields = on or self.plate, self.test_fields if fields is None else tuple(fields)
        asked = [self._content(plate), diameter_um, *map(str, fields)]
        place = self._place(variant, seed) / f"scores-{_hash(asked)}.json"
        if not place.exists():
            model = self.model(variant, seed)
            self.tell(f"score {variant.label}, {variant.stain.name}, seed {seed}")
            target = self.targets[variant.stain.name]
            scored = score_model(model, plate, variant.stain.name, target, fields, diameter_um)
            text = {"evaluation": scored.evaluation.to_json(), "sharpness": scored.sharpness.model_dump()}
            keep(place, json.dumps(text))
        kept = json.loads(place.read_text(encoding="utf-8"))
        return Scored(
            Evaluation.model_validate(kept["evaluation"]), Sharpness.model_validate(kept["sharpness"])
        )

    def place_for(self, study: str, asked: Mapping[str, Any]) -> Path:
        """Name the file that keeps an answer which follows from the plate, its split and what is asked."""
        decides = [FORM, self._content(self.plate), self.input, dict(self.targets), self.split.to_json()]
        return self.folder / f"{study}-{_hash([*decides, self._devices, asked])}.json"

    def predict(self, variant: Variant, seed: int, name: FieldName) -> Planes:
        """Predict one field (stain Y X)."""
        labeller = Labeller(self.model(variant, seed))
        return labeller.engine.predict(self.plate.read(name, self.input), self.plate.pixel_size_um)

    def split_of(self, variant: Variant) -> Split:
        """Give the split; of a variant with fields of its own, these alone, without validation."""
        split = self.split
        if variant.fields is None:
            return split
        kept = tuple(region for region in split.train if region.field in variant.fields)
        return Split(kept, (), split.test, split.level, split.warnings, split.validation_level)

    def _trained(self, variant: Variant, seed: int) -> Model:
        settings = variant.settings.updated(steps=self.steps, seed=seed)
        name, split = variant.stain.name, self.split_of(variant)
        subject = Subject(name, self.input, {name: self.targets[name]}, {name: variant.stain})
        start = None if variant.start is None else self.model(variant.start, seed)
        grid = grid_for(self.plate, settings, start)
        binary = subject.is_binary(settings)
        pairs = self._pairs(split, subject, grid, binary=binary)
        model, _ = fit_model(subject, pairs, settings, start=start, **self.devices)
        return with_likely_spots(with_origin(model, self.plate, split, pairs), self.plate, split)

    def _pairs(self, split: Split, subject: Subject, grid: Grid, *, binary: bool) -> Pairs:
        """Read what is trained on; the last is kept, as what is compared often shares it."""
        asked = _hash([self._content(self.plate), split.to_json(), subject.to_json(), repr(grid), binary])
        if asked not in self._last:
            self._last.clear()
            self._last[asked] = make_pairs(
                self.plate, split, subject.channels, grid, stains=subject.stains, binary=binary
            )
        return self._last[asked]

    def _place(self, variant: Variant, seed: int) -> Path:
        return self.folder / _hash(self._what_decides(variant, seed))

    def _what_decides(self, variant: Variant, seed: int) -> dict[str, Any]:
        """Say all that a trained model follows from, but for the code."""
        return {
            "form": FORM,
            "plate": [self._content(self.plate), self.input, dict(self.targets)],
            "split": self.split_of(variant).to_json(),
            "stain": variant.stain.model_dump(mode="json"),
            "settings": _deciding(variant.settings),
            "steps": self.steps,
            "seed": seed,
            "devices": self._devices,
            "start": None if variant.start is None else self._what_decides(variant.start, seed),
        }

    @property
    def content(self) -> str:
        """Give the hash of what the plate shows."""
        return self._content(self.plate)

    @property
    def _devices(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.devices.items()}

    def _content(self, plate: Plate) -> str:
        """Give the hash of a plate's pixels (of the channels that are studied) and of their size."""
        if plate.path not in self._known:
            channels = sorted({self.input, *self.targets.values()} & set(plate.channels))
            prints = [
                [str(name), *(plate.fingerprint(name, channel) for channel in channels)]
                for name in plate.fields
            ]
            self._known[plate.path] = _hash([plate.pixel_size_um, channels, prints])
        return self._known[plate.path]


def score_model(
    model: Model,
    plate: Plate,
    stain: str,
    target: str,
    fields: Sequence[FieldName],
    diameter_um: float | None = None,
) -> Scored:
    """Predict some fields of a plate and hold them against its real stain; nothing else is kept."""
    with tempfile.TemporaryDirectory(prefix="unstained-study-") as scratch:
        chosen = PlateSettings(fields=tuple(map(str, fields)))
        predicted = predict_plate(plate, Labeller(model), Path(scratch) / "predicted.zarr", chosen)
        settings = EvaluationSettings(diameter_um=diameter_um)
        evaluation = evaluate_plate(
            predicted, plate, stain=stain, target_channel=target, fields="all", settings=settings
        )
        known, every = known_stain(predicted, stain), -(-len(fields) // MOST_SHARP)
        pairs = [
            (predicted.read(name, stain), known.learnt(plate.read(name, target), plate.pixel_size_um))
            for name in fields[::every]
        ]
        return Scored(evaluation, sharpness_of(pairs))


def some_of(fields: Sequence[FieldName], number: int, seed: int) -> tuple[FieldName, ...]:
    """Draw so many fields; with the same seed a larger number holds those of a smaller one."""
    order = np.random.default_rng(seed).permutation(len(fields))
    return tuple(sorted(fields[index] for index in order[:number]))


def _deciding(settings: TrainingSettings) -> dict[str, Any]:
    """Give the settings in plain values; corruptions count only where there are any."""
    values = settings.model_dump(mode="json")
    if not settings.crops.corrupted:
        del values["crops"]["corrupted"]
    return values


def _hash(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def keep(place: Path, text: str) -> None:
    """Write a file whole or not at all: a study may be stopped at any time."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False, encoding="utf-8") as scratch:
        scratch.write(text)
    shutil.move(scratch.name, place)

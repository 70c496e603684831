"""The face of prediction on arrays: an image in, its stains out."""

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unstained.arrays import Planes, RawPlane
from unstained.errors import BadInput, BadSettings, listed
from unstained.networks.bundle import Model, ModelCard, load_model_bundle
from unstained.prediction.backends import Running
from unstained.prediction.engine import Engine, Prediction
from unstained.prediction.tiling import Tiling


class Labeller:
    """A model that is ready to label unstained cells.

    Pickled, it takes its model along, and nothing that a library keeps open: where it arrives, it is made
    ready when it is first used.

    Attributes
    ----------
    card
        All that is known of the model: stains, input channel, pixel size, training, scores.
    device
        Where it runs, for example `cpu` or `cuda`.
    running
        By what the network is run, and how exactly, as asked for; `way` is what came of it.
    extras
        Further files of the model's bundle, by name.
    """

    def __init__(
        self,
        model: Model,
        device: str = "cpu",
        *,
        memory_gib: float | None = None,
        tiling: Tiling | None = None,
        running: Running | None = None,
    ) -> None:
        self._model = model
        self._memory_gib, self._tiling, self._quiet = memory_gib, tiling, False
        self.running = self._way = running or Running()
        self.card: ModelCard = model.card
        self.extras = model.extras
        self.device = device
        self.device = str(self.engine.device)

    @cached_property
    def engine(self) -> Engine:
        """What does the work, on planes that are known to be good."""
        return Engine(
            self._model,
            device=self.device,
            memory_gib=self._memory_gib,
            tiling=self._tiling,
            quiet=self._quiet,
            running=self._way,
        )

    @property
    def way(self) -> Running:
        """How the network is run: as asked for, or as `auto` took it."""
        return self.engine.way if "engine" in vars(self) else self._way

    def __getstate__(self) -> dict[str, Any]:
        made_of = {name: value for name, value in vars(self).items() if name != "engine"}
        return {**made_of, "_way": self.way}

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    @property
    def stains(self) -> tuple[str, ...]:
        """What it predicts, in the order of its output."""
        return self.card.stains

    def predict(self, image: Any, pixel_size_um: float | None = None) -> Planes:
        """Predict the stains of one label-free image.

        Parameters
        ----------
        image
            One plane (Y X) of any size and number type, as the camera gave it; the whole field rather than a
            part, since its brightness and contrast are measured on what is given.
        pixel_size_um
            Side of a pixel, µm; where it is known, the image is brought to the model's pixel size.

        Returns
        -------
        (Y X) float32 for a model of one stain, else (stain Y X), in the training stain's camera units, or
        probabilities where `card.units` says so.

        Raises
        ------
        BadInput
            The image isn't one plane of finite numbers.
        WrongModel
            Its pixel size is beyond a factor of two of the model's.
        """
        stains = self.engine.predict(one_plane(image), pixel_size_um)
        return stains[0] if len(stains) == 1 else stains

    def predict_with_embedding(self, image: Any, pixel_size_um: float | None = None) -> Prediction:
        """Predict (stain Y X), and give the network's innermost features from the same pass."""
        return self.engine.predict_with_embedding(one_plane(image), pixel_size_um)

    def on(self, device: str, *, quiet: bool = False) -> "Labeller":
        """Give the same labeller for a device, maybe of another machine: it is made ready when first used.

        Where it is `quiet`, it doesn't warn that pixel sizes aren't known.

        Raises
        ------
        BadSettings
            By what the network is run is still to be measured, which can't be done for another machine.
        """
        if not self.way.is_settled:
            raise BadSettings("running", "auto measures this machine alone; say what the others should take")
        moved = copy(self)
        moved.device = device
        moved._quiet = quiet
        return moved

    def __repr__(self) -> str:
        size = f"{self.card.pixel_size_um:g} µm" if self.card.pixel_size_um else "unknown size"
        stains = ", ".join(self.stains)
        return f"<Labeller {self.name!r}: {self.card.input} → {stains}, pixels of {size}, on {self.device}>"


def load_model(name_or_path: str | Path, device: str = "auto", running: Running | None = None) -> Labeller:
    """Load a bundled model by its name, or any model by its path, ready to predict.

    `device` is `cpu`, `cuda` or `auto` (CUDA where there is any; the labeller's `device` says which).
    `running` says by which library and how exactly the network is run: torch in fp32 unless told otherwise.

    Raises
    ------
    ModelNotFound, BadModel
        There is no such model, or its files aren't what they should be.
    BadSettings, MissingExtra
        There is no such device, or what `running` names can't run on it, or isn't installed.
    """
    return Labeller(load_model_bundle(name_or_path), device, running=running)


def one_plane(image: Any) -> RawPlane:
    """Take an image that is one plane (Y X) of numbers.

    Raises
    ------
    BadInput
        It is a colour image, a stack, or no array of numbers.
    """
    plane = np.asarray(image)
    if plane.dtype.kind not in "buif":
        raise BadInput(f"an image of type {plane.dtype} was given; a model takes numbers, one plane (Y X)")
    if plane.ndim == 2:
        return plane
    hint = "take the plane that is meant, for example image[0]"
    if plane.ndim == 3 and plane.shape[-1] in (3, 4):
        hint = "it looks like a colour image: take one colour, image[..., 1], or their mean"
    raise BadInput(f"an image of shape {plane.shape} was given; a model takes one plane (Y X); {hint}")


def refuse_alike(labellers: Sequence[Labeller]) -> None:
    """Refuse models that predict the same stain or have the same name.

    Raises
    ------
    BadSettings
    """
    stains = [stain for labeller in labellers for stain in labeller.stains]
    if not stains:
        raise BadSettings("models", "no model was given")
    for names, what in ((stains, "predict"), ([labeller.name for labeller in labellers], "are called")):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BadSettings("models", f"several {what} {listed(twice)}; take one model for each stain")

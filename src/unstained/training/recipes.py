"""How networks are trained: the settings, the default recipe, and the published one beside it."""

from typing import Self

from pydantic import Field, model_validator

from unstained.networks.unet import UNetSettings
from unstained.settings import Settings
from unstained.training.crops import PLAIN, CropSettings
from unstained.training.optimisers import OptimiserName

DEFAULT_LOSS = "mse+pooled_pearson"


class TrainingSettings(Settings):
    """How a network is trained; the defaults are the recipe for 2–20 fields and a laptop."""

    network: UNetSettings = UNetSettings(batch_norm=True, dropout=False)
    crops: CropSettings = CropSettings()
    loss: str | None = Field(
        None,
        description="mse, bce, pearson, pooled_pearson, gradient, asymmetric2, …5, …10, or a weighted sum;"
        " one for each stain, parted by ;, or one for all; null = the stain's own",
    )
    optimiser: OptimiserName = "muon"
    learning_rate: float | None = Field(
        None, gt=0, description="the peak of the one-cycle schedule, constant for adadelta; null = its own"
    )
    weight_decay: float = Field(1e-2, ge=0)
    batch: int = Field(2, ge=1, description="crops per step")
    average_flips: bool = Field(True, description="predict mirror images, too, and average")
    follow_light: bool = Field(
        True, description="where images show relief, turn them so that its light falls from one side"
    )
    working_scale: float | None = Field(
        None, gt=0, le=1, description="shrink images by this; null = found from the stain"
    )
    minutes: float | None = Field(
        None, gt=0, description="time to spend; turned into steps after a timed warm-up"
    )
    steps: int | None = Field(
        None, ge=1, description="steps to take; the same steps and seed give the same weights"
    )
    seed: int = Field(0, ge=0)
    patience: int = Field(5, ge=1, description="stop after this many validations without gain")

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.minutes is not None and self.steps is not None:
            raise ValueError("give minutes or steps, not both")
        return self

    @model_validator(mode="after")
    def _crops_fit_the_network(self) -> Self:
        side, multiple = self.crops.side, self.network.multiple
        if self.network.inputs != 1:
            raise ValueError("network.inputs: one label-free plane is read")
        if side % multiple:
            raise ValueError(f"crops.side {side} isn't a multiple of {multiple}, as network.depth asks for")
        if self.network.batch_norm and self.batch == 1 and side == multiple:
            raise ValueError(f"one crop of {side} px a step leaves batch norm one pixel; take larger ones")
        return self


FRM = TrainingSettings(
    network=UNetSettings(ending="frm"),
    crops=PLAIN,
    loss="mse",
    optimiser="adadelta",
    learning_rate=1.0,
    weight_decay=0.0,
    batch=32,
    average_flips=False,
    follow_light=False,
    patience=100,
)
"""The published FRM recipe: thesis U-Net, Adadelta, MSE, no augmentation (LaChance & Cohen 2020).

It gets the same working grid as the default recipe, which is to its advantage where time is short.
"""

RECIPES = {"default": TrainingSettings(), "frm": FRM}

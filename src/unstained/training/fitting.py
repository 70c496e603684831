"""Fit a network to pairs of planes: the step is ours, the loop (devices, resuming) is Lightning's."""

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from unstained.networks.unet import LIT_MIRRORS, MIRRORS, UNet
from unstained.training.batch_norm import settle_batch_norm
from unstained.training.crops import TrainingPlanes, draw_batch, even_sides
from unstained.training.losses import correlations, named_loss
from unstained.training.optimisers import make_optimiser
from unstained.training.recipes import DEFAULT_LOSS, TrainingSettings
from unstained.training.samples import SAMPLE, write_sample

Batch = tuple[Tensor, Tensor]


VALIDATIONS = 10
"""How often a training is validated."""

MINUTES = 10.0
"""How long a training takes where neither minutes nor steps are given."""

MOST_FOR_FIELDS = 0.25
"""Of a GPU's free memory; training fields that need no more lie there, and crops are cut there."""

WARM_UP_S = 10.0
"""The timed warm-up takes eight steps, fewer where they last longer than this together, but three."""

_STEPS, _STATE = "steps.txt", "last.ckpt"


class Progress(NamedTuple):
    """One line of a training's course; what isn't known yet is None."""

    step: int
    steps: int
    loss: float
    crops_per_s: float
    pcc: float | None  # of the validation regions, mean over stains


@dataclass(frozen=True)
class Fitted:
    """What a training gives."""

    network: UNet
    course: tuple[Progress, ...]
    settings: TrainingSettings  # with the steps that were planned; early stopping takes fewer
    pcc: float | None  # of the kept weights on the validation regions


class Crops(IterableDataset[Batch]):
    """Endless batches of crops; batch n depends on seed, process and n alone, so a resumed run repeats it."""

    def __init__(
        self, fields: Sequence[TrainingPlanes], settings: TrainingSettings, rank: int, start: int
    ) -> None:
        self.fields, self.settings, self.rank, self.start = fields, settings, rank, start

    def __iter__(self) -> Iterator[Batch]:
        step = self.start
        while True:
            rng = np.random.default_rng([self.settings.seed, self.rank, step])
            yield draw_batch(self.fields, self.settings.batch, self.settings.crops, rng)
            step += 1


class Fitting(lightning.LightningModule):
    """One optimisation step of a stain network, and its validation on whole regions."""

    def __init__(
        self,
        network: UNet,
        settings: TrainingSettings,
        train: Sequence[TrainingPlanes],
        validation: Sequence[TrainingPlanes],
        tell: Callable[[Progress], None],
    ) -> None:
        super().__init__()
        self.network, self.settings, self.tell = network, settings, tell
        self.train_fields, self.validation_fields = train, validation
        self.losses = [named_loss(name) for name in (settings.loss or DEFAULT_LOSS).split(";")]
        self.folder: Path | None = None  # where a picture shows what is learnt so far
        self.course: list[Progress] = []
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.pcc: float | None = None
        self._mark = (0, 0.0)  # step and time of the last record

    def train_dataloader(self) -> DataLoader[Batch]:
        fields = self.train_fields
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            if sum(field.nbytes for field in fields) < MOST_FOR_FIELDS * free:
                fields = [field.on(self.device) for field in fields]
        crops = Crops(fields, self.settings, self.global_rank, self.global_step)
        return DataLoader(crops, batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch]:
        whole = [
            (field.label_free[None], field.stained[None]) for field in map(even_sides, self.validation_fields)
        ]
        return DataLoader(whole, batch_size=None)  # type: ignore[arg-type]

    def training_step(self, batch: Batch, _: int) -> Tensor:
        label_free, stained = batch  # (B 1 Y X), (B stain Y X)
        # a loss made of differences needs all digits, whatever the network computes in
        predicted = self.network(label_free.contiguous(memory_format=torch.channels_last)).float()
        if len(self.losses) == 1:
            return self.losses[0](predicted, stained)
        each = [
            loss(predicted[:, index, None], stained[:, index, None])
            for index, loss in enumerate(self.losses)
        ]
        return torch.stack(each).mean()

    def on_train_start(self) -> None:
        self._mark = (self.global_step, time.perf_counter())

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        every = max(1, (self.settings.steps or 1) // 200)
        if self.global_step % every == 0 or self.global_step == self.settings.steps:
            self._record(float(outputs["loss"]))

    def validation_step(self, batch: Batch, index: int) -> None:
        label_free, stained = batch
        predicted = self.network(label_free)
        r, contrast = correlations(predicted, stained)
        self._seen.append(torch.stack([(r * contrast).sum(), contrast.sum()]))
        if index == 0 and self.folder is not None and self.global_rank == 0:
            write_sample(self.folder / SAMPLE, label_free[0], predicted[0], stained[0])

    def on_validation_epoch_start(self) -> None:
        self._seen: list[Tensor] = []

    @property
    def seen_pcc(self) -> float:
        """Mean PCC of the regions validated since `on_validation_epoch_start` that show any stain."""
        total, number = torch.stack(self._seen).sum(dim=0)
        return float(total / number.clamp(min=1))

    def on_validation_epoch_end(self) -> None:
        self.pcc = self.seen_pcc
        self.log("validation_pcc", self.pcc, sync_dist=True)
        if self.best is None or self.pcc > self.best[0]:
            weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
            self.best = (self.pcc, weights)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["unstained"] = {"best": self.best, "course": [list(line) for line in self.course]}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = checkpoint["unstained"]
        self.best = kept["best"] and tuple(kept["best"])
        self.course = [Progress(*line) for line in kept["course"]]

    def configure_optimizers(self) -> Any:
        return _optimiser(self.network, self.settings)

    def _record(self, loss: float) -> None:
        then, before = self._mark
        now = time.perf_counter()
        rate = (self.global_step - then) * self.settings.batch / max(now - before, 1e-9)
        self._mark = (self.global_step, now)
        line = Progress(self.global_step, self.settings.steps or 0, loss, rate, self.pcc)
        self.course.append(line)
        self.tell(line)


def fit(
    train: Sequence[TrainingPlanes],
    validation: Sequence[TrainingPlanes],
    settings: TrainingSettings,
    *,
    start: UNet | None = None,
    folder: Path | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
    **devices: Any,
) -> Fitted:
    """Train a network on regions of fields, all on one working grid.

    Parameters
    ----------
    train, validation
        Regions as (1 Y X) and (stain Y X); without validation the last weights are kept.
    start
        Network whose weights are the starting point (transfer learning).
    folder
        Where an interrupted training leaves its state and is taken up again.
    tell
        Called with each line of progress.
    devices
        Passed to Lightning's Trainer: `accelerator`, `devices`, `strategy`, `precision`, `num_nodes`.
    """
    with torch.random.fork_rng(), _quiet_lightning():
        torch.manual_seed(settings.seed)
        network = in_channels_last(UNet(settings.network))
        if start is not None:
            network.load_state_dict(start.state_dict())
        if settings.steps is None:
            steps = _steps_kept(folder) or steps_in(network, train, validation, settings, _device(devices))
            settings = settings.model_copy(update={"steps": steps, "minutes": None})
        fitting = Fitting(network, settings, train, validation, tell)
        fitting.folder = folder
        trainer = _trainer(settings, bool(validation), folder, devices)
        trainer.fit(fitting, ckpt_path=_keep_steps(folder, settings), weights_only=True)
    if fitting.best is not None:
        network.load_state_dict(fitting.best[1])
    regions = [field.label_free for field in map(even_sides, train)]
    settle_batch_norm(network.cpu(), regions, MIRRORS if train[0].light_deg is None else LIT_MIRRORS)
    pcc = _validated(fitting) if validation else None
    return Fitted(network.eval(), tuple(fitting.course), settings, pcc)


def in_channels_last(network: UNet) -> UNet:
    """Lay the weights out as the convolutions of CPU and GPU read them fastest; the same network."""
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return network


def _steps_kept(folder: Path | None) -> int | None:
    """Give the steps of an interrupted training, which its schedule was made for."""
    kept = folder / _STEPS if folder else None
    return int(kept.read_text(encoding="utf-8")) if kept and kept.exists() else None


def _keep_steps(folder: Path | None, settings: TrainingSettings) -> str | None:
    """Note the steps for a later resumption; gives the state to go on from, if there is one."""
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _STEPS).write_text(str(settings.steps), encoding="utf-8")
    unfinished = folder / _STATE
    return str(unfinished) if unfinished.exists() else None


def steps_in(
    network: UNet,
    train: Sequence[TrainingPlanes],
    validation: Sequence[TrainingPlanes],
    settings: TrainingSettings,
    device: str = "cpu",
) -> int:
    """Count the steps that fit into the settings' minutes, validations included, by a few timed on a copy.

    Random numbers are as they were afterwards, so that as many steps given as such train the same weights.
    """
    with torch.random.fork_rng():
        copy = in_channels_last(UNet(settings.network))
        copy.load_state_dict(network.state_dict())
        planned = settings.model_copy(update={"steps": 10})
        trial = Fitting(copy, planned, train, validation, lambda _: None).to(device)
        optimiser = _optimiser(copy, trial.settings)["optimizer"]
        batches = iter(trial.train_dataloader())
        times: list[float] = []
        while len(times) < 3 or (len(times) < 8 and sum(times) < WARM_UP_S):
            began = time.perf_counter()
            batch = _on(device, next(batches))
            trial.training_step(batch, 0).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(copy.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            _wait_for(device)
            times.append(time.perf_counter() - began)
        per_step = float(np.median(times[1:]))
        seconds = 60 * (settings.minutes or MINUTES)
        return max(1, int((seconds - VALIDATIONS * _validation_time(trial, device)) / per_step))


def _device(devices: dict[str, Any]) -> str:
    """Say where Lightning will train, in PyTorch's words."""
    on_gpu = devices.get("accelerator", "auto") in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "cuda" if on_gpu else "cpu"


def _on(device: str | torch.device, batch: Batch) -> Batch:
    label_free, stained = batch
    return label_free.to(device), stained.to(device)


def _wait_for(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep to ourselves what Lightning says of its own insides and its advertisements."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in (
            ".*LeafSpec",
            ".*does not have many workers",
            ".*exists and is not empty",
            ".*IterableDataset",
        ):
            warnings.filterwarnings("ignore", message)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _validated(fitting: Fitting) -> float:
    """Give the validation PCC of the network as it is."""
    fitting.on_validation_epoch_start()
    device = next(fitting.network.parameters()).device
    with torch.inference_mode():
        for batch in fitting.val_dataloader():
            fitting.validation_step(_on(device, batch), 0)
    return fitting.seen_pcc


def _validation_time(fitting: Fitting, device: str) -> float:
    began = time.perf_counter()
    if fitting.validation_fields:
        _validated(fitting)
        _wait_for(device)
    return time.perf_counter() - began


class _KeepState(lightning.Callback):
    """Keeps the state between validations and after each; before, resuming would pass that one over."""

    def __init__(self, folder: Path, every: int, validated_every: int | None) -> None:
        self.folder, self.every, self.validated_every = folder, every, validated_every

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        step = trainer.global_step
        if step % self.every == 0 and (self.validated_every is None or step % self.validated_every):
            trainer.save_checkpoint(self.folder / _STATE)

    def on_validation_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / _STATE)


def _trainer(
    settings: TrainingSettings, validated: bool, folder: Path | None, devices: dict[str, Any]
) -> lightning.Trainer:
    steps = settings.steps or 1
    callbacks: list[lightning.Callback] = []
    if validated:
        callbacks.append(EarlyStopping("validation_pcc", mode="max", patience=settings.patience))
    every = max(1, steps // VALIDATIONS)
    if folder is not None:
        callbacks.append(_KeepState(folder, max(1, steps // 20), every if validated else None))
    return lightning.Trainer(
        max_steps=steps,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        val_check_interval=every if validated else None,
        check_val_every_n_epoch=None,
        limit_val_batches=None if validated else 0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # each process validates all, so that all keep the same weights
        gradient_clip_val=None if settings.optimiser == "adadelta" else 1.0,
        **devices,
    )


def _optimiser(network: UNet, settings: TrainingSettings) -> Any:
    name, steps = settings.optimiser, settings.steps or 1
    chosen = make_optimiser(name, network.parameters(), settings.learning_rate, settings.weight_decay)
    if name == "adadelta":
        return {"optimizer": chosen}
    peak = chosen.param_groups[0]["lr"]
    schedule = torch.optim.lr_scheduler.OneCycleLR(chosen, max_lr=peak, total_steps=steps + 1, pct_start=0.2)
    return {"optimizer": chosen, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

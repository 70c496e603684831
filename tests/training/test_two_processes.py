"""Training in two processes on the CPU, as on two GPUs: each draws its own crops, and both keep one net."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from unstained.networks.unet import UNetSettings
from unstained.training import fitting
from unstained.training.crops import CropSettings, TrainingPlanes, draw_batch
from unstained.training.fitting import Crops, fit
from unstained.training.recipes import TrainingSettings

BATCH = 2
PLAIN = TrainingSettings(
    network=UNetSettings(width=2, depth=1, dropout=False),
    crops=CropSettings(side=32, noise=0),
    optimiser="sgd",
    loss="mse",
    learning_rate=0.05,
    steps=6,
    batch=BATCH,
)


def noise(seed: int, side: int = 64) -> TrainingPlanes:
    label_free, stained = np.random.default_rng(seed).random((2, side, side), np.float32)
    return TrainingPlanes.from_arrays(label_free, stained[None])


def train(**devices) -> fitting.Fitted:
    return fit([noise(0), noise(1)], [noise(2), noise(3)], PLAIN, accelerator="cpu", **devices)


class BothProcesses(Crops):
    """Each batch holds what two processes would draw for it."""

    def __iter__(self):
        step = self.start
        while True:
            drawn = [
                draw_batch(self.fields, BATCH, PLAIN.crops, np.random.default_rng([PLAIN.seed, rank, step]))
                for rank in (0, 1)
            ]
            yield tuple(torch.cat(parts) for parts in zip(*drawn, strict=True))
            step += 1


@pytest.mark.slow
def test_two_processes_learn_what_one_would_from_the_crops_of_both(tmp_path: Path, monkeypatch) -> None:
    told = subprocess.run(
        [sys.executable, __file__, str(tmp_path)], capture_output=True, text=True, check=False, timeout=300
    )
    assert told.returncode == 0, told.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["pid"] != second["pid"]
    monkeypatch.setattr(fitting, "Crops", BothProcesses)
    alone = train(devices=1)
    assert first["pcc"] == pytest.approx(alone.pcc, abs=1e-5)
    assert set(first["validated"]) == set(second["validated"]) == {2}, "regions, by each process"
    for name, value in alone.network.state_dict().items():
        torch.testing.assert_close(first["weights"][name], value, atol=1e-5, rtol=1e-4)
        assert torch.equal(first["weights"][name], second["weights"][name])
    monkeypatch.undo()
    own = train(devices=1).network.state_dict()
    assert not torch.allclose(own["head.weight"], first["weights"]["head.weight"], atol=1e-4), (
        "otherwise the second process' crops would show nothing"
    )


def main(folder: Path) -> None:
    """Train as one of two processes; Lightning starts the other one with the same words."""
    validated: list[int] = []
    ended = fitting.Fitting.on_validation_epoch_end

    def counted(self: fitting.Fitting) -> None:
        validated.append(len(self._seen))
        ended(self)

    fitting.Fitting.on_validation_epoch_end = counted
    fitted = train(devices=2)
    found = {
        "weights": fitted.network.state_dict(),
        "pcc": fitted.pcc,
        "validated": validated,
        "pid": os.getpid(),
    }
    torch.save(found, folder / f"{os.environ.get('LOCAL_RANK', '0')}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

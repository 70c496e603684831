"""Training learns, repeats itself, goes on after an interruption, and keeps its best weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from unstained.errors import BadSettings
from unstained.networks.unet import UNetSettings
from unstained.training.course import course_files
from unstained.training.crops import CropSettings, TrainingPlanes, even_sides
from unstained.training.fitting import Fitted, Progress, fit
from unstained.training.losses import correlations
from unstained.training.recipes import FRM, TrainingSettings

CPU = {"accelerator": "cpu", "devices": 1}
SMALL = TrainingSettings(
    network=UNetSettings(width=4, depth=2, batch_norm=True, dropout=False),
    crops=CropSettings(side=32, noise=0.02),
    steps=12,
    batch=2,
)


def relief(seed: int, side: int = 96) -> TrainingPlanes:
    """Blobs as stain, and their slope as label-free plane, like oblique light shows them."""
    rough = gaussian_filter(np.random.default_rng(seed).random((side, side)), 3)
    stain = np.clip((rough - rough.mean()) / rough.std() / 2, 0, 1).astype(np.float32)
    return TrainingPlanes.from_arrays(3 * np.gradient(stain, axis=0).astype(np.float32), stain[None])


def weights(fitted: Fitted) -> list[torch.Tensor]:
    return list(fitted.network.state_dict().values())


def test_same_seed_same_steps_same_weights() -> None:
    first, again = (fit([relief(0)], [relief(1)], SMALL, **CPU) for _ in range(2))
    other = fit([relief(0)], [relief(1)], SMALL.model_copy(update={"seed": 1}), **CPU)
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
    assert not torch.equal(weights(first)[0], weights(other)[0])


class Interrupted(RuntimeError):
    pass


def test_interrupted_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    def stop_at_8(line: Progress) -> None:
        if line.step == 8:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit([relief(0)], [relief(1)], SMALL, folder=tmp_path, tell=stop_at_8, **CPU)
    seen: list[int] = []
    resumed = fit(
        [relief(0)], [relief(1)], SMALL, folder=tmp_path, tell=lambda line: seen.append(line.step), **CPU
    )
    whole = fit([relief(0)], [relief(1)], SMALL, **CPU)
    assert seen[0] in (8, 9)
    assert seen[-1] == 12
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(weights(resumed), weights(whole), strict=True))
    assert {line.step for line in whole.course} - {line.step for line in resumed.course} <= {8}, (
        "its course too"
    )


@pytest.mark.slow
def test_a_training_that_was_done_and_is_asked_for_again_gives_the_same_weights(tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"steps": 20})  # the last step is validated, and its weights are best
    first, again = (fit([relief(0)], [relief(1)], settings, folder=tmp_path, **CPU) for _ in range(2))
    assert again.course[-1].step == 20
    assert first.pcc == again.pcc
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))


def test_it_learns_the_stain_from_the_relief() -> None:
    one_light = SMALL.crops.updated(rotate_deg=0.0, flip=False)  # turned, the relief would lose its direction
    longer = {"steps": 150, "patience": 50, "learning_rate": 2e-2, "crops": one_light}
    fitted = fit([relief(0), relief(1)], [relief(2)], SMALL.model_copy(update=longer), **CPU)
    assert fitted.pcc is not None
    assert fitted.pcc > 0.75, "the input itself correlates by less than 0.1"
    field = even_sides(relief(2))
    with torch.inference_mode():
        r, _ = correlations(fitted.network(field.label_free[None]), field.stained[None])
    assert r.item() == pytest.approx(fitted.pcc, abs=1e-4), "what is claimed is of the weights that are given"


def test_the_weights_that_validate_best_are_kept() -> None:
    plain = SMALL.updated(network=UNetSettings(width=4, depth=2, dropout=False), learning_rate=0.1)
    fitted = fit([relief(0)], [relief(1)], plain, **CPU)
    scores = [line.pcc for line in fitted.course if line.pcc is not None]
    assert fitted.pcc == pytest.approx(max(scores), abs=1e-6)
    assert max(scores) > scores[-1] + 1e-3, "otherwise the last would do, and this would show nothing"


def test_minutes_become_steps_and_are_recorded() -> None:
    timed = SMALL.model_copy(update={"steps": None, "minutes": 0.02})
    fitted = fit([relief(0)], [], timed, **CPU)
    assert fitted.settings.steps is not None
    assert fitted.settings.steps >= 1
    assert fitted.settings.minutes is None
    assert fitted.course[-1].step == fitted.settings.steps
    assert fitted.pcc is None, "nothing to validate on, nothing claimed"


def test_minutes_and_steps_exclude_each_other() -> None:
    with pytest.raises(BadSettings, match="not both"):
        SMALL.updated(minutes=3.0)


def test_a_start_is_where_training_goes_on_from() -> None:
    before = fit([relief(0)], [], SMALL, **CPU)
    still = SMALL.model_copy(update={"steps": 1, "learning_rate": 1e-9})
    after = fit([relief(0)], [], still, start=before.network, **CPU)
    for name, value in after.network.named_parameters():
        torch.testing.assert_close(value, dict(before.network.named_parameters())[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize("optimiser", ["muon", "sgd", "adadelta", "adamw"])
def test_every_optimiser_lowers_the_loss(optimiser: str) -> None:
    settings = SMALL.model_copy(update={"optimiser": optimiser, "steps": 40, "learning_rate": 1e-2})
    if optimiser == "adadelta":
        settings = settings.model_copy(update={"learning_rate": 1.0})
    course = fit([relief(0)], [], settings, **CPU).course
    losses = [line.loss for line in course]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_course_is_kept_as_table_and_picture() -> None:
    course = [Progress(1, 2, 0.5, 10.0, None), Progress(2, 2, 0.25, 12.0, 0.75)]
    files = course_files(course)
    assert (
        files["curves.csv"].decode() == "step,steps,loss,crops_per_s,pcc\n1,2,0.5,10.0,\n2,2,0.25,12.0,0.75\n"
    )
    assert files["curves.png"].startswith(b"\x89PNG")


def test_frm_is_the_published_recipe() -> None:
    assert (FRM.optimiser, FRM.learning_rate, FRM.loss, FRM.batch) == ("adadelta", 1.0, "mse", 32)
    assert FRM.network.ending == "frm"
    assert FRM.crops.side == 256
    assert FRM.crops.scale == 1
    assert not FRM.crops.flip


def test_a_region_without_stain_is_no_failure_to_predict_it() -> None:
    blank = TrainingPlanes.from_arrays(np.zeros((96, 96), np.float32), np.zeros((1, 96, 96), np.float32))
    seen = [fit([relief(0)], regions, SMALL, **CPU).pcc for regions in ([relief(1)], [relief(1), blank])]
    assert seen[0] == pytest.approx(seen[1], rel=0.02)


def test_minutes_and_as_many_steps_train_the_same_weights_also_with_dropout() -> None:
    dropping = SMALL.model_copy(
        update={"steps": None, "minutes": 0.005, "network": SMALL.network.updated(dropout=True)}
    )
    timed = fit([relief(0)], [relief(1)], dropping, **CPU)
    counted = fit([relief(0)], [relief(1)], timed.settings, **CPU)
    assert all(torch.equal(a, b) for a, b in zip(weights(timed), weights(counted), strict=True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"network": {"inputs": 2}}, "one label-free plane"),
        ({"network": {"depth": 5}, "crops": {"side": 48}}, "isn't a multiple of 32"),
        ({"network": {"batch_norm": True}, "crops": {"side": 16}, "batch": 1}, "one pixel"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_that_no_network_can_be_trained_with_are_refused(settings, said) -> None:
    with pytest.raises(BadSettings, match=said):
        TrainingSettings.checked(settings)

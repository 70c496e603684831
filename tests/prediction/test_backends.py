"""Every back end gives what torch gives; what is coarser or missing says so."""

import sys

import numpy as np
import pytest
import tifffile
import torch

from unstained.errors import BadSettings, MissingExtra
from unstained.networks.bundle import load_model_bundle
from unstained.networks.unet import UNet, UNetSettings
from unstained.prediction import backends
from unstained.prediction.backends import Running, choose_backend, fault_of, make_backend, rounding_cost
from unstained.prediction.engine import Engine
from unstained.prediction.labeller import Labeller

CPU = torch.device("cpu")


def field(rows: int = 90, columns: int = 130) -> np.ndarray:
    return np.random.default_rng(4).integers(300, 4000, (rows, columns)).astype(np.uint16)


def stains_like(seed: int = 0, stains: int = 1, side: int = 128) -> torch.Tensor:
    return torch.rand(1, stains, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("network", [
    UNetSettings(width=4, depth=2, batch_norm=True, outputs=2),
    UNetSettings(width=4, depth=3, residual=True, outputs=2),
])  # fmt: skip
@pytest.mark.parametrize(("backend", "needs"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_every_backend_gives_what_torch_gives(random_model, backend, needs, network, flips):
    """Within 1e-4 of the range, in tiles of several sizes, and of the same pass the bottleneck."""
    pytest.importorskip(needs)
    card = {"stains": ("nuclei", "er"), "targets": ("DNA", "ER"), "network": network, "average_flips": flips}
    model = random_model(**card, scales=random_model().card.scales * 2)
    expected = Engine(model).predict_with_embedding(field(), 0.5)
    for memory_gib in (1.0, 1e-4):
        running = Running(backend=backend)
        found = Engine(model, running=running, memory_gib=memory_gib).predict_with_embedding(field(), 0.5)
        assert np.abs(found.stains - expected.stains).max() < 1e-4 * np.ptp(expected.stains)
        np.testing.assert_allclose(found.bottleneck, expected.bottleneck, atol=1e-4)
        np.testing.assert_allclose(found.dissent, expected.dissent, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("backend", "module", "extra"), [
    ("onnx", "onnx", "export"), ("onnx", "onnxruntime", "export"), ("openvino", "openvino", "openvino"),
])  # fmt: skip
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_a_missing_library_is_one_line_that_names_its_extra(
    random_model, monkeypatch, backend, module, extra, precision
):
    pytest.importorskip("onnxruntime" if backend == "onnx" else "openvino")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"{module} is not installed.*unstained\[{extra}\]") as caught:
        Labeller(random_model(), running=Running(backend=backend, precision=precision))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("backend", "precision"), [("onnx", "bf16"), ("onnx", "fp16"), ("openvino", "fp16")])
def test_precisions_that_a_library_has_not_are_refused(backend, precision):
    with pytest.raises(BadSettings, match=f"backend {backend} runs in"):
        Running.checked({"backend": backend, "precision": precision})


def test_auto_takes_the_fastest_within_bounds_and_says_so(random_model, monkeypatch):
    """The clock is made up: bf16 is ten times as fast, but off; of the rest, the last is fastest."""
    order = []

    def seconds(backend, planes):
        order.append(backend)
        return 10.0 - len(order)

    monkeypatch.setattr(backends, "_median_seconds", seconds)
    monkeypatch.setattr(backends, "MOST_INTENSITY_ERROR", 0.0)
    engine = Engine(random_model(), running=Running(backend="auto", precision="auto"))
    assert engine.taken is None
    stains = engine.predict(field(), 0.5)
    assert engine.taken.running.precision == "fp32"
    assert "torch bf16" in engine.taken.refused
    assert engine.taken.seconds == {name: 9.0 - place for place, name in enumerate(engine.taken.seconds)}
    fastest = list(engine.taken.seconds)[-1]
    assert str(engine.taken).startswith(f"took {fastest} (torch fp32 9.00 s")
    exact = Engine(random_model()).predict(field(), 0.5)
    assert np.abs(stains - exact).max() < 1e-4 * np.ptp(exact)


def test_auto_leaves_out_what_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    network = UNet(UNetSettings(width=4, depth=2)).eval()
    with torch.inference_mode():
        _, taken = choose_backend(network, CPU, Running(backend="auto"), torch.rand(1, 1, 64, 64))
    assert taken.running == Running()
    assert "unstained[export]" in taken.refused["onnx fp32"]
    assert "unstained[openvino]" in taken.refused["openvino fp32"]


def test_a_backend_that_gives_something_else_is_not_taken():
    expected = stains_like()
    assert fault_of(expected, expected, "fp32") == ""
    wrong = expected.clone()
    wrong[0, 0, 5, 5] += 2e-4
    assert "differs by 2.0e-04" in fault_of(wrong, expected, "fp32")
    assert fault_of(expected * torch.nan, expected, "fp32") != ""
    assert fault_of(expected * torch.nan, expected, "bf16") != ""


def test_what_rounding_costs_is_the_worst_stain_s_pcc_and_light():
    """Known answers: noise of σ lowers a PCC to 1/√(1 + σ²/s²); a gain of 1.01 is 1 % of the light."""
    expected = stains_like(stains=2, side=512)
    noisy = expected.clone()
    noisy[0, 1] += 0.05 * torch.randn(512, 512, generator=torch.Generator().manual_seed(1))
    loss, _ = rounding_cost(noisy, expected)
    assert loss == pytest.approx(1 - (1 + 0.05**2 * 12) ** -0.5, rel=0.03)
    brighter = expected.clone()
    brighter[0, 0] = (brighter[0, 0] - 0.01) * 1.01 + 0.01
    loss, error = rounding_cost(brighter, expected)
    assert loss == pytest.approx(0, abs=1e-9)
    assert error == pytest.approx(0.01, rel=0.01)
    assert fault_of(brighter, expected, "bf16") == "PCC loss 0.00000, intensity error 1.00%"


@torch.inference_mode()
def test_bfloat16_of_a_bundled_model_costs_little_correlation_but_some_light(shared_data):
    """On a real field of hela-rpe1: a PCC loss of 1e-5, but 1 % of a cell's light, so `auto` leaves it."""
    model = load_model_bundle("hela-rpe1-nuclei")
    recorded = tifffile.imread(shared_data / "hela-rpe1" / "images" / "A01_f2_TL.tif")
    seen = Engine(model, quiet=True).seen(recorded).plane[:512, :512]
    planes = torch.from_numpy(seen.copy())[None, None]
    exact, coarse = (
        make_backend(model.network, CPU, Running(precision=each))(planes)[0] for each in ("fp32", "bf16")
    )
    loss, error = rounding_cost(coarse, exact)
    assert loss < backends.MOST_PCC_LOSS / 10
    assert error < 0.02
    assert (fault_of(coarse, exact, "bf16") == "") == (error <= backends.MOST_INTENSITY_ERROR)

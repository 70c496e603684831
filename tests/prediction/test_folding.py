"""A folded network in bands is the network itself, whatever its options and wherever bands are cut."""

import pytest
import torch

from unstained.networks.unet import UNet, UNetSettings
from unstained.prediction import bands
from unstained.prediction.bands import BandedUNet
from unstained.prediction.folding import FoldedUNet, fold

CPU = torch.device("cpu")

OPTIONS = [
    {},
    {"batch_norm": True},
    {"batch_norm": True, "dropout": False, "depth": 4},
    {"residual": True, "outputs": 3},
    {"residual": True, "batch_norm": True, "depth": 3},
    {"inputs": 2, "depth": 1, "batch_norm": True},
    {"ending": "frm"},
    {"ending": "frm", "batch_norm": True},
]


def trained(**options: object) -> UNet:
    """Make a network with batch norm as after training: statistics, gains and offsets of its own."""
    torch.manual_seed(3)
    network = UNet(UNetSettings(**{"width": 4, "depth": 2, **options}))
    with torch.no_grad():
        for name, values in network.named_parameters():
            if name.endswith("bias") or values.dim() == 1:
                values.add_(torch.randn_like(values) * 0.2)
        for _ in range(3):
            network(torch.randn(2, network.settings.inputs, 64, 64) * 2 + 1)
    return network.eval()


def planes_for(network: UNet, rows: int = 112, columns: int = 80) -> torch.Tensor:
    return torch.randn(1, network.settings.inputs, rows, columns, generator=torch.Generator().manual_seed(7))


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, as a share of the range."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / (expected.max() - expected.min()))


@pytest.fixture
def short_bands(monkeypatch):
    """Cut all levels into bands of a few rows."""
    monkeypatch.setattr(bands, "CPU_BAND_BYTES", 1)


@pytest.mark.parametrize("options", OPTIONS)
@torch.inference_mode()
def test_folded_is_unfolded_in_one_band(options):
    network = trained(**options)
    planes = planes_for(network)
    stains, bottleneck = BandedUNet(fold(network), CPU)(planes)
    assert off(stains, network(planes)) < 1e-5
    assert off(bottleneck, network.embed(planes)) < 1e-5


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.usefixtures("short_bands")
@torch.inference_mode()
def test_folded_is_unfolded_in_many_bands(options):
    network = trained(**options)
    planes = planes_for(network)
    stains, bottleneck = BandedUNet(fold(network), CPU)(planes)
    assert off(stains, network(planes)) < 1e-5
    assert off(bottleneck, network.embed(planes)) < 1e-5


@pytest.mark.usefixtures("short_bands")
@torch.inference_mode()
def test_a_band_that_looks_one_row_too_short_shows(monkeypatch):
    """The test above can fail: rows next to a cut are wrong where a block sees too little beyond it."""
    network = trained(batch_norm=True)
    planes = planes_for(network)
    rows_of = bands._rows

    def blind(planes, start, stop):
        taken = rows_of(planes, start, stop).clone()
        taken[:, :, 0] = 0
        return taken

    monkeypatch.setattr(bands, "_rows", blind)
    assert off(BandedUNet(fold(network), CPU)(planes)[0], network(planes)) > 1e-3


@torch.inference_mode()
def test_batch_norm_that_is_left_out_shows():
    network = trained(batch_norm=True)
    folded = fold(network)
    unscaled = folded.down[0].first._replace(weight=network.down[0].first[0].weight)
    plain = folded.down[0]._replace(first=unscaled)
    wrong: FoldedUNet = folded._replace(down=(plain, *folded.down[1:]))
    planes = planes_for(network)
    assert off(BandedUNet(wrong, CPU)(planes)[0], network(planes)) > 1e-2


def test_folding_leaves_the_network_as_it_is():
    network = trained(batch_norm=True)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    folded = BandedUNet(fold(network), CPU)
    with torch.inference_mode():
        folded(planes_for(network))
    for weight in (folded.network.head.weight, folded.network.down[0].first.weight):
        weight.zero_()
    assert all(torch.equal(before[name], values) for name, values in network.state_dict().items())


@torch.inference_mode()
def test_coarser_features_come_back_as_float32_and_near():
    network = trained(batch_norm=True)
    planes = planes_for(network)
    stains, bottleneck = BandedUNet(fold(network), CPU, torch.bfloat16)(planes)
    assert stains.dtype == bottleneck.dtype == torch.float32
    assert 1e-4 < off(stains, network(planes)) < 0.05

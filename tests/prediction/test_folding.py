"""A folded network in patches is the network itself, whatever its options and wherever it is cut."""

import pytest
import torch

from unstained.networks.unet import UNet, UNetSettings
from unstained.prediction import patches
from unstained.prediction.folding import FoldedUNet, fold
from unstained.prediction.patches import Patch, PatchedUNet

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
def small_patches(monkeypatch):
    """Cut all levels into patches of a few rows and columns."""
    monkeypatch.setattr(patches, "CPU_PATCH_BYTES", 1)
    monkeypatch.setattr(patches, "CPU_WIDEST_PX", 12)


@pytest.mark.parametrize("options", OPTIONS)
@torch.inference_mode()
def test_folded_is_unfolded_in_one_patch(options):
    network = trained(**options)
    planes = planes_for(network)
    stains, bottleneck = PatchedUNet(fold(network), CPU)(planes)
    assert off(stains, network(planes)) < 1e-5
    assert off(bottleneck, network.embed(planes)) < 1e-5


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.usefixtures("small_patches")
@torch.inference_mode()
def test_folded_is_unfolded_in_many_patches(options):
    network = trained(**options)
    planes = planes_for(network)
    stains, bottleneck = PatchedUNet(fold(network), CPU)(planes)
    assert off(stains, network(planes)) < 1e-5
    assert off(bottleneck, network.embed(planes)) < 1e-5


@pytest.mark.usefixtures("small_patches")
@torch.inference_mode()
@pytest.mark.parametrize("side", [(2, 0), (3, 0)])
def test_a_patch_that_looks_one_pixel_too_short_shows(monkeypatch, side):
    """The test above can fail: pixels next to a cut are wrong where a block sees too little beyond it."""
    network = trained(batch_norm=True)
    planes = planes_for(network)
    taken_by = Patch.of

    def blind(patch, planes):
        taken = taken_by(patch, planes)
        if planes.shape[1] == network.settings.inputs and patch.top % 2 == 0:
            taken = taken.clone()
            taken.select(*side).zero_()
        return taken

    monkeypatch.setattr(Patch, "of", blind)
    assert off(PatchedUNet(fold(network), CPU)(planes)[0], network(planes)) > 1e-3


@torch.inference_mode()
def test_batch_norm_that_is_left_out_shows():
    network = trained(batch_norm=True)
    folded = fold(network)
    unscaled = folded.down[0].first._replace(weight=network.down[0].first[0].weight)
    plain = folded.down[0]._replace(first=unscaled)
    wrong: FoldedUNet = folded._replace(down=(plain, *folded.down[1:]))
    planes = planes_for(network)
    assert off(PatchedUNet(wrong, CPU)(planes)[0], network(planes)) > 1e-2


def test_folding_leaves_the_network_as_it_is():
    network = trained(batch_norm=True)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    folded = PatchedUNet(fold(network), CPU)
    with torch.inference_mode():
        folded(planes_for(network))
    for weight in (folded.network.head.weight, folded.network.down[0].first.weight):
        weight.zero_()
    assert all(torch.equal(before[name], values) for name, values in network.state_dict().items())


@torch.inference_mode()
def test_coarser_features_come_back_as_float32_and_near():
    network = trained(batch_norm=True)
    planes = planes_for(network)
    stains, bottleneck = PatchedUNet(fold(network), CPU, torch.bfloat16)(planes)
    assert stains.dtype == bottleneck.dtype == torch.float32
    assert 1e-4 < off(stains, network(planes)) < 0.05

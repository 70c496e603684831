"""One pass of a folded U-Net over a whole window, level by level in patches that stay in the cache.

At full resolution a convolution is so cheap that a pass over the whole window waits for memory most of the
time. A patch goes through a whole block of the network at once instead; what a convolution needs of its
neighbours is computed for both. The result is that of whole planes, and beside the input only the finished
features of each level are ever kept.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from unstained.prediction.folding import Convolution, FoldedBlock, FoldedUNet

CPU_PATCH_BYTES, CUDA_PATCH_BYTES = 2**22, 2**28
"""Largest array of a patch: on a CPU, what its caches hold; on a GPU, what keeps it busy."""

CPU_WIDEST_PX = 256
"""A patch is no wider on a CPU: it would be so flat that much of it would be computed twice."""

REACH = 2
"""Pixels that a block of two 3×3 convolutions looks beyond its patch."""


class PatchedUNet:
    """A folded network on a device, ready to run: the back end that is always there.

    Parameters
    ----------
    network
        It is copied to the device; what was given stays as it is.
    dtype
        What features and weights are kept in; stains and bottleneck come as float32.
    """

    name = "torch"

    def __init__(self, network: FoldedUNet, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        def brought(values: Tensor) -> Tensor:
            moved = values.to(device, dtype, copy=True)
            return moved.contiguous(memory_format=torch.channels_last) if moved.dim() == 4 else moved

        self.network = network.moved(brought)
        self.dtype = dtype
        # On the way up to level 1, features of levels 0 and 1 are kept (1 + ½ of the width), those of level 2
        # are read (¼) and those of level 1 are written (½); the input is there twice where it is mirrored.
        self.bytes_per_pixel = 2.25 * dtype.itemsize * network.settings.width + 8.0 * network.settings.inputs
        on_cpu = device.type == "cpu"
        self.patch_bytes = CPU_PATCH_BYTES if on_cpu else CUDA_PATCH_BYTES
        self.widest_px = CPU_WIDEST_PX if on_cpu else None

    def __call__(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Give stains (1 outputs Y X) and bottleneck (1 C Y/2^depth X/2^depth) of planes (1 inputs Y X)."""
        levels = self.encode(planes)
        bottleneck = levels[-1].float()
        return self.decode(levels), bottleneck

    def encode(self, planes: Tensor) -> list[Tensor]:
        """Give the features of every level, the bottleneck last: (1 width·2^l Y/2^l X/2^l)."""
        levels: list[Tensor] = []
        inside = planes.to(self.dtype)
        for depth, block in enumerate(self.network.down):
            rows, columns = inside.shape[2:]
            level = self._empty(block.second, rows, columns)
            is_last = depth == self.network.settings.depth
            pooled = None if is_last else self._empty(block.second, rows // 2, columns // 2)
            for patch in self._patches(level, level.shape[1]):
                made = patch.of(level)
                _through(patch.grown(REACH).of(inside), block, patch, out=made)
                if pooled is not None:
                    _pool(made, out=patch.halved().of(pooled))
            levels.append(level)
            inside = inside if pooled is None else pooled
        return levels

    def decode(self, levels: list[Tensor]) -> Tensor:
        """Give stains (1 outputs Y X) of the features of `encode`, which are used up."""
        out = levels.pop()
        for level in reversed(range(self.network.settings.depth)):
            out = self._risen(out, levels.pop(), level)
        return out

    def _risen(self, below: Tensor, beside: Tensor, level: int) -> Tensor:
        """Go up to `level`, whose features on the way down are `beside`; to level 0, give stains."""
        block, rise = self.network.up[level], self.network.rise[level]
        head = self.network.head if level == 0 else None
        rows, columns = beside.shape[2:]
        out = self._empty(head or block.second, rows, columns, torch.float32 if level == 0 else self.dtype)
        for patch in self._patches(out, 2 * beside.shape[1]):
            around = patch.halved().grown(REACH // 2).of(below)
            risen = functional.conv_transpose2d(around, rise.weight, rise.bias, stride=2)
            patch.darken(risen, REACH)
            joined = torch.cat([patch.grown(REACH).of(beside), risen], dim=1)
            made = patch.of(out)
            if head is None:
                _through(joined, block, patch, out=made)
            else:
                made[:] = functional.conv2d(_through(joined, block, patch), *head)
        return out

    def _patches(self, plane: Tensor, channels: int) -> Iterator["Patch"]:
        """Cut planes (1 C Y X) into patches of even sides but at the ends, of about `patch_bytes` each."""
        rows, columns = plane.shape[2:]
        across = list(_cuts(columns, self.widest_px or columns))
        widest = across[0][1]
        highest = max(self.patch_bytes // (channels * widest * self.dtype.itemsize), 8)
        for top, bottom in _cuts(rows, highest):
            for left, right in across:
                yield Patch(top, bottom, left, right, rows, columns)

    def _empty(self, of: Convolution, rows: int, columns: int, dtype: torch.dtype | None = None) -> Tensor:
        shape = (1, len(of.bias), rows, columns)
        return torch.empty(
            shape, dtype=dtype or self.dtype, device=of.bias.device, memory_format=torch.channels_last
        )


class Patch(NamedTuple):
    """A part of planes (1 C Y X) of `rows` × `columns` px; it may reach beyond them."""

    top: int
    bottom: int
    left: int
    right: int
    rows: int
    columns: int

    def grown(self, reach: int) -> "Patch":
        """Give the patch with so many pixels more on each side."""
        top, bottom, left, right = self[:4]
        return self._replace(top=top - reach, bottom=bottom + reach, left=left - reach, right=right + reach)

    def halved(self) -> "Patch":
        """Give the same patch on the next coarser level."""
        return Patch(*(side // 2 for side in self))

    def of(self, planes: Tensor) -> Tensor:
        """Take the patch of planes (1 C Y X), 0 beyond their edges."""
        top, bottom, left, right = self[:4]
        inside = planes[:, :, max(top, 0) : min(bottom, self.rows), max(left, 0) : min(right, self.columns)]
        beyond = (-left, right - self.columns, -top, bottom - self.rows)
        if max(beyond) <= 0:
            return inside
        return functional.pad(inside, [max(side, 0) for side in beyond])

    def darken(self, planes: Tensor, reach: int) -> None:
        """Set what lies beyond the edges to 0, as padding is; `planes` are `reach` px larger all round."""
        if self.top == 0:
            planes[:, :, :reach] = 0
        if self.bottom == self.rows:
            planes[:, :, -reach:] = 0
        if self.left == 0:
            planes[..., :reach] = 0
        if self.right == self.columns:
            planes[..., -reach:] = 0


def _cuts(side: int, most: int) -> Iterator[tuple[int, int]]:
    """Cut a side into parts (start, stop) of about `most` px, of even length but for the last."""
    length = 2 * math.ceil(side / math.ceil(side / most) / 2)
    return ((start, min(start + length, side)) for start in range(0, side, length))


def _through(planes: Tensor, block: FoldedBlock, patch: Patch, out: Tensor | None = None) -> Tensor:
    """Bring planes (1 C Y + 4 X + 4) of a patch (Y X) through a block: (1 filters Y X)."""
    hidden = _elu(functional.conv2d(planes, *block.first))
    patch.darken(hidden, 1)
    made = functional.conv2d(hidden, *block.second)
    if block.skip is not None:
        made += functional.conv2d(planes[:, :, REACH:-REACH, REACH:-REACH], *block.skip)
    return _elu(made, out)


LOG2_E = math.log2(math.e)


def _elu(planes: Tensor, out: Tensor | None = None) -> Tensor:
    """Apply ELU, in place unless `out` is given, by exp2, which takes half the time of torch's own."""
    below = planes.clamp(max=0).mul_(LOG2_E).exp2_().sub_(1)
    return torch.maximum(planes, below, out=planes if out is None else out)


def _pool(planes: Tensor, out: Tensor) -> None:
    """Write the largest of each 2×2 pixels; in a third of the time of torch's own, which keeps indices."""
    tall = torch.maximum(planes[:, :, ::2], planes[:, :, 1::2])
    torch.maximum(tall[..., ::2], tall[..., 1::2], out=out)

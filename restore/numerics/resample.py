"""Pictures on another grid: separable interpolation, wider kernels where a picture is reduced, and the exact transpose.

Sample i of `out` lies at (i + 1/2) size / out - 1/2 in a line of `size`; beyond the ends the line is mirrored, the end sample repeated. With `bicubic` this
is what MATLAB's imresize gives before rounding, which super-resolution papers make their inputs with.
Keys, Cubic convolution interpolation for digital image processing, 1981 (eq. 15, a = -1/2).
"""

from functools import lru_cache

import torch
from torch import Tensor

from restore.errors import UsageError, nearest

KINDS = ("bicubic", "area", "bilinear", "gaussian")  # the last with its sigma in pixels of the finer grid: gaussian:1.6


def resize(x: Tensor, height: int, width: int, kind: str = "bicubic") -> Tensor:
    """x (..., H, W) on a grid of height x width."""
    return _along(_along(x, *taps(x.shape[-2], height, kind), -2), *taps(x.shape[-1], width, kind), -1)


def transposed(y: Tensor, height: int, width: int, kind: str = "bicubic") -> Tensor:
    """The transpose of `resize` from height x width to y's grid."""
    return _back(_back(y, *taps(width, y.shape[-1], kind), width, -1), *taps(height, y.shape[-2], kind), height, -2)


class Rows:
    """`resize` of a picture whose rows come one band after another: `push` takes some and gives those of the result that nothing can change any more."""

    def __init__(self, height: int, width: int, out_height: int, out_width: int, kind: str = "bicubic"):
        (self.index, self.weight), self.across = taps(height, out_height, kind), taps(width, out_width, kind)
        self.needed, self.base, self.done, self.kept = self.index.amax(1), 0, 0, None

    def push(self, rows: Tensor) -> Tensor:
        """(..., h, width) -> (..., as many as are ready, out_width)."""
        rows = _along(rows, *self.across, -1)
        self.kept = rows if self.kept is None else torch.cat([self.kept, rows], -2)
        ready = int((self.needed < self.base + self.kept.shape[-2]).long().cumprod(0).sum())
        out = _along(self.kept, self.index[self.done : ready] - self.base, self.weight[self.done : ready], -2)
        self.done = ready
        first = int(self.index[ready:].min()) if ready < len(self.index) else self.base
        self.kept, self.base = self.kept[..., first - self.base :, :].clone(), first
        return out


def matrix(size: int, out: int, kind: str) -> Tensor:
    """`resize` of one axis as a matrix (out, size), in float64."""
    index, weight = taps(size, out, kind)
    return torch.zeros(out, size, dtype=torch.float64).scatter_add_(1, index, weight)


def reach(scale: float, kind: str) -> int:
    """How many samples of the finer grid a sample sees to each side."""
    return int(_support(scale, kind)) + 1


@lru_cache(maxsize=64)
def taps(size: int, out: int, kind: str) -> tuple[Tensor, Tensor]:
    """Where each of `out` samples looks (out, T), and with which weights, which add up to 1."""
    scale = size / out
    at = (torch.arange(out, dtype=torch.float64) + 0.5) * scale - 0.5
    half = _support(scale, kind)
    index = (at - half).floor()[:, None] + torch.arange(int(2 * half) + 3, dtype=torch.float64)
    weight = _kernel(at[:, None] - index, max(scale, 1.0), kind)
    weight = weight / weight.sum(1, keepdim=True)
    used = weight.abs().amax(0) > 1e-12
    index = index[:, used].long() % (2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index), weight[:, used]


def _support(scale: float, kind: str) -> float:
    name, _, sigma = kind.partition(":")
    if name not in KINDS:
        raise UsageError(f"unknown kernel {kind!r}", nearest(name, KINDS))
    return 4 * _sigma(sigma) if name == "gaussian" else max(scale, 1.0) * {"bicubic": 2.0, "bilinear": 1.0, "area": 0.5}[name]


def _sigma(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:
        raise UsageError(f"a Gaussian of {text or 'no'} pixels", "a standard deviation, as gaussian:1.6")
    return value


def _kernel(t: Tensor, stretch: float, kind: str) -> Tensor:
    if kind.startswith("gaussian"):
        return torch.exp(-((t / _sigma(kind.partition(":")[2])) ** 2) / 2)
    a = (t / stretch).abs()
    if kind == "area":
        return torch.where(t / stretch == -0.5, 1.0, (a < 0.5).double())
    if kind == "bilinear":
        return (1 - a).clamp_min(0)
    near, far = 1.5 * a**3 - 2.5 * a**2 + 1, -0.5 * a**3 + 2.5 * a**2 - 4 * a + 2
    return torch.where(a <= 1, near, torch.where(a <= 2, far, 0.0))


def _along(x: Tensor, index: Tensor, weight: Tensor, axis: int) -> Tensor:
    index, weight = index.to(x.device), weight.to(x)
    shape = (-1, 1) if axis == -2 else (-1,)
    total = 0
    for i in range(index.shape[1]):
        total = total + x.index_select(axis, index[:, i]) * weight[:, i].reshape(shape)
    return total


def _back(y: Tensor, index: Tensor, weight: Tensor, size: int, axis: int) -> Tensor:
    index, weight = index.to(y.device), weight.to(y)
    shape = (-1, 1) if axis == -2 else (-1,)
    total = y.new_zeros(*y.shape[:-2], *((size, y.shape[-1]) if axis == -2 else (y.shape[-2], size)))
    for i in range(index.shape[1]):
        total = total.index_add(axis, index[:, i], y * weight[:, i].reshape(shape))
    return total

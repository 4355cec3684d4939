"""A multilayer perceptron from noisy to clean patches, averaged where they overlap.

Each `patch` x `patch` window, (y - 0.5) / 0.2, passes through hidden tanh layers and a linear one to a clean window; windows lie on a
grid of `stride`, the picture is mirrored at its edges, and windows are added up under a Gaussian weight and divided by the sum of the
weights. Windows on a grid through a layer are a convolution of that stride, so the tiles of a picture are exact.

Burger, Schuler & Harmeling, Image denoising: can plain neural networks compete with BM3D?, CVPR 2012.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.errors import UsageError
from restore.method import Network
from restore.numerics.mirror import mirrored


class MLP(Network):
    """Grey; trained for one sigma, or blind. `hidden` layers of `width` units; the paper has 4 of 2047. Not clipped."""

    blind = True

    def __init__(self, patch: int = 17, width: int = 720, hidden: int = 4, stride: int = 3):
        super().__init__()
        if stride < 1 or stride > patch or (patch - stride) % 2:
            raise UsageError(f"windows of {patch} pixels do not lie evenly on a grid of {stride}", "both odd or both even, the stride the smaller")
        self.channels, self.multiple, self.patch = 1, stride, patch
        self.first = nn.Conv2d(1, width, patch, stride)
        self.inner = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(hidden - 1))
        self.last = nn.Conv2d(width, patch**2, 1)
        at = torch.arange(patch) - patch // 2
        bell = torch.exp(-(at**2) / (2 * (patch // 2 / 2) ** 2))
        self.register_buffer("weight", (bell[:, None] * bell[None]).flatten().reshape(1, -1, 1, 1), persistent=False)
        for layer in (self.first, *self.inner, self.last):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def net(self, y: Tensor, sigma: Tensor | None) -> Tensor:
        edge = (self.patch - self.multiple) // 2
        x = torch.tanh(self.first((mirrored(y, edge) - 0.5) / 0.2))
        for layer in self.inner:
            x = torch.tanh(layer(x))
        windows = self.last(x) * self.weight
        size = [length + 2 * edge for length in y.shape[-2:]]
        total, weights = (self._added(part, size) for part in (windows, self.weight.expand(1, -1, *windows.shape[-2:])))
        return 0.2 * (total / weights)[..., edge : edge + y.shape[-2], edge : edge + y.shape[-1]] + 0.5

    def _added(self, windows: Tensor, size: list[int]) -> Tensor:
        return F.fold(windows.flatten(2), size, self.patch, stride=self.multiple)

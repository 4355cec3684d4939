"""EDSR: residual blocks on the small grid, enlarged at the end by a convolution whose channels become pixels.

Lim, Son, Kim, Nah & Lee, Enhanced deep residual networks for single image super-resolution, CVPRW 2017 (section 3; the baseline: 16 blocks of 64
channels, without normalisation). Pixel shuffle: Shi et al., Real-time single image and video super-resolution, CVPR 2016.
"""

import torch
from torch import Tensor, nn

from restore.errors import RestoreError, UsageError
from restore.method import Network
from restore.numerics.layers import conv3
from restore.numerics.resample import resize


class EDSR(Network):
    """x = bicubic(y) + tail(up(head(y) + body(head(y)))), a block of the body is v + conv(relu(conv(v))); all 3 x 3, padded by zeros. Not clipped.

    The paper's net has no bicubic part and takes the mean colour off instead: with it the net begins where interpolation ends, which saves training.
    """

    blind = True

    def __init__(self, scale: int = 2, channels: int = 3, width: int = 64, blocks: int = 16):
        super().__init__()
        if scale not in (2, 3, 4):
            raise UsageError(f"EDSR does not enlarge by {scale}", "2, 3 or 4")
        self.scale, self.channels = scale, channels
        self.head = conv3(channels, width)
        self.body = nn.Sequential(*(Block(width) for _ in range(blocks)), conv3(width, width))
        steps = (2, 2) if scale == 4 else (scale,)
        self.up = nn.Sequential(*(layer for step in steps for layer in (conv3(width, step * step * width), nn.PixelShuffle(step))))
        self.tail = conv3(width, channels)
        with torch.no_grad():  # what is added starts near nothing
            self.tail.weight.mul_(1e-3)

    def net(self, y: Tensor, sigma: Tensor | None = None) -> Tensor:
        features = self.head(y)
        return resize(y, *(self.scale * n for n in y.shape[-2:])) + self.tail(self.up(features + self.body(features)))

    def restore(self, y, problem):
        if problem.scale != self.scale:
            raise RestoreError(f"this EDSR enlarges by {self.scale}, not by {problem.scale}", f"--scale {self.scale}")
        return self.net(y)


class Block(nn.Module):
    """v + conv(relu(conv(v))); the second convolution starts small, so that the block starts near the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = conv3(width, width), conv3(width, width)
        with torch.no_grad():
            self.second.weight.mul_(0.2)

    def forward(self, v: Tensor) -> Tensor:
        return v + self.second(torch.relu_(self.first(v)))

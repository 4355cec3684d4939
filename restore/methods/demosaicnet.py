"""Demosaicing and denoising at once by a network on the packed mosaic, told the noise of every sample.

The four samples of a cell, and what a linear demosaicing makes of it, become channels of a picture of half the size, where convolutions cost a
quarter and all phases are alike; patterns are moved to rggb first. x = x_0 + net(x_0, std), x_0 the linear demosaicing, std that of the noise.

Gharbi, Chaurasia, Paris & Durand, Deep joint demosaicking and denoising, SIGGRAPH Asia 2016. Ours differs: noise is a map (it depends on the light),
x_0 is given and corrected, layers are residual blocks without bias, so that f(a y, a std) = a f(y, std), a > 0: exposures need not be learned.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.method import Exact, Method, Network
from restore.methods.drunet import Block
from restore.numerics.mirror import mirrored
from restore.operators.mosaic import Mosaic
from restore.operators.problem import Problem


class DemosaicNet(Network):
    """x (B, 3, H, W) from the mosaic y (B, 1, H, W). Not clipped. The defaults are a net for CPUs."""

    channels, multiple, seen = 1, 2, 3
    noises = ("NoNoise", "Gaussian", "PoissonGaussian")

    def __init__(self, start: Method, width: int = 48, blocks: int = 5):
        super().__init__()
        self.start = start
        self.head = nn.Conv2d(16, width, 3, padding=1, bias=False)
        self.body = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.tail = nn.Conv2d(width, 12, 3, padding=1, bias=False)
        with torch.no_grad():  # the residual starts near nothing
            self.tail.weight.mul_(0.1)

    def net(self, y: Tensor, sigma: Tensor) -> Tensor:
        """x from the first demosaicing y (B, 3, H, W), sigma (B, 1, H, W) or (B, 1, 1, 1)."""
        sigma = sigma.to(y).expand(-1, 1, *y.shape[-2:])
        return y + F.pixel_shuffle(self.tail(self.body(self.head(F.pixel_unshuffle(torch.cat([y, sigma], 1), 2)))), 2)

    def restore(self, y, problem):
        down, right = divmod(problem.operator.pattern.index("r"), 2)
        height, width = y.shape[-2:]
        y, sigma = (mirrored(part, 1)[..., 1 - down : 1 + height + down, 1 - right : 1 + width + right] for part in (y, problem.noise.std(y)))
        x = self.net(self.start(y, Problem(Mosaic("rggb"), problem.noise)), sigma)
        return x[..., down : down + height, right : right + width]

    def tiling(self, problem):
        return Exact(self.facts.halo + self.start.tiling(problem).halo + 2, 2)  # two for the move to rggb

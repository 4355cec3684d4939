"""An unrolled network: steps of gradient descent on the data, each with a learned regulariser.

Hammernik, Klatzer, Kobler, Recht, Sodickson, Pock & Knoll, Learning a variational network for reconstruction of accelerated MRI data, MRM 2018;
Sriram et al., End-to-end variational networks for accelerated MRI reconstruction, MICCAI 2020.
"""

from copy import deepcopy
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.method import Facts, Network
from restore.numerics import probe
from restore.numerics.mirror import padded


class VarNet(Network):
    """x <- x - eta_k D^T (D x - y) - R_k(x), `cascades` times from x = D^T y; R_k is a small U-Net of `width` channels on real and imaginary part.

    Works on y / max |D^T y|, x is |x| at the end. eta_k starts at 1, where one step puts the measured samples back, and R_k near nothing.
    It sees the whole of k-space, hence the whole picture.
    """

    takes, gives, half_ok, blind, seen = "k-space", "magnitude", False, True, 1

    def __init__(self, cascades: int = 5, width: int = 8):
        super().__init__()
        self.regularisers = nn.ModuleList(Regulariser(width) for _ in range(cascades))
        self.rates = nn.Parameter(torch.ones(cascades))

    def restore(self, y: Tensor, problem) -> Tensor:
        operator = problem.operator
        x = operator.adjoint(y)
        unit = x.abs().amax((1, 2, 3), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        x, y = x / unit, y / unit
        for rate, regulariser in zip(self.rates, self.regularisers, strict=True):
            x = x - rate * operator.adjoint(operator(x) - y) - regulariser(x)
        return unit * x.abs()

    @cached_property
    def facts(self) -> Facts:
        side = 64
        x = torch.zeros(1, 1, side, side, dtype=torch.complex64)
        with torch.no_grad():
            once = deepcopy(self.regularisers[0]).cpu()
            return Facts(None, round(probe.peak_bytes(lambda: once(x)) / side**2 + 32, 1), len(self.rates) * probe.flops(lambda: once(x)) / side**2)


class Regulariser(nn.Module):
    """R(x), complex in and out: a U-Net of `levels` scales, two convolutions 3x3 at each with instance normalisation and leaky ReLU; channels double up to
    four times `width`. Real and imaginary part are taken less their means, over the picture's deviation; sides are reflected to multiples.
    """

    def __init__(self, width: int, levels: int = 5):
        super().__init__()
        self.multiple = 2 ** (levels - 1)
        widths = [width * min(2**level, 4) for level in range(levels)]
        self.down = nn.ModuleList(_pair(a, b) for a, b in zip([2, *widths], widths, strict=False))
        self.up = nn.ModuleList(_pair(a + b, a) for a, b in zip(widths, widths[1:], strict=False))
        self.tail = nn.Conv2d(width, 2, 3, padding=1)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)
            self.tail.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        parts = torch.cat([x.real, x.imag], 1)
        parts = parts - parts.mean((2, 3), keepdim=True)
        deviation = parts.std((1, 2, 3), keepdim=True) + 1e-11
        down, right = (max(2 * self.multiple - side, -side % self.multiple) for side in (height, width))  # one pixel at the bottom cannot be normalised
        found, skips = padded(parts / deviation, down, right), []
        for block in self.down:
            skips.append(block(F.avg_pool2d(found, 2) if skips else found))
            found = skips[-1]
        skips.pop()
        for block in reversed(self.up):
            found = block(torch.cat([F.interpolate(found, scale_factor=2, mode="bilinear", align_corners=False), skips.pop()], 1))
        real, imaginary = (self.tail(found)[..., :height, :width].float() * deviation).chunk(2, 1)
        return torch.complex(real, imaginary)


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*(layer for a, b in ((inputs, outputs), (outputs, outputs))
                           for layer in (nn.Conv2d(a, b, 3, padding=1), nn.InstanceNorm2d(b), nn.LeakyReLU(0.2, inplace=True))))

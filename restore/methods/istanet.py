"""ISTA-Net+: the iterations of ISTA as layers, the sparsifying transform and its inverse learned.

r = x - rho D^T (D x - y); x = r + G(F'(soft(F(E(r)), theta))), E and G from one channel to `width` and back, F and F' each conv, relu, conv; all
3 x 3 without biases; rho and theta are learned for every phase. From the best linear guess, block by block.

Zhang & Ghanem, ISTA-Net: interpretable optimization-inspired deep network for image compressive sensing, CVPR 2018 (section 3.4). Unlike there, the
convolutions run over the assembled picture, so that blocks see each other, and no loss asks F' to be the inverse of F.
"""

from copy import deepcopy
from functools import cached_property

import torch
from torch import Tensor, nn

from restore.errors import RestoreError
from restore.method import Facts, Network
from restore.numerics import probe
from restore.numerics.solvers import soft
from restore.operators.dense import GaussianMatrix


class ISTANet(Network):
    """x for D with orthonormal rows, of any number of channels, each alone. `phases` 9 and `width` 32 are the paper's. Not clipped."""

    blind, seen, half_ok = True, 1, False
    noises = ("NoNoise", "Gaussian")

    def __init__(self, phases: int = 9, width: int = 32):
        super().__init__()
        self.phases = nn.ModuleList(Phase(width) for _ in range(phases))

    def restore(self, y, problem):
        if not isinstance(problem.operator, GaussianMatrix):
            raise RestoreError(f"ISTA-Net inverts a matrix of blocks, not {problem.operator}", "measurements by restore degrade --task cs", "type --model pnp")
        canvas = problem.operator.canvas(y)
        operator = canvas.operator
        x = operator.guess(canvas.y)
        for phase in self.phases:
            r = x - phase.rate * operator.adjoint(operator(x) - canvas.y)
            x = phase(r.reshape(-1, 1, *r.shape[-2:])).reshape(r.shape)
        return canvas.crop(x)

    @cached_property
    def facts(self) -> Facts:
        """Of the convolutions; the matrix comes beside them."""
        side, r = 64, torch.zeros(1, 1, 64, 64)
        once = deepcopy(self.phases[0]).cpu()
        return Facts(None, round(probe.peak_bytes(lambda: once(r)) / side**2, 1), len(self.phases) * probe.flops(lambda: once(r)) / side**2)


class Phase(nn.Module):
    """r (B, 1, H, W) -> x. The step starts at 1, where what was measured is met, and what is added starts near nothing."""

    def __init__(self, width: int):
        super().__init__()
        self.rate, self.threshold = nn.Parameter(torch.ones(())), nn.Parameter(torch.tensor(0.01))
        self.enter, self.leave = _conv(1, width), _conv(width, 1)
        self.analyse, self.synthesise = (nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width)) for _ in range(2))
        with torch.no_grad():
            self.leave.weight.mul_(1e-3)

    def forward(self, r: Tensor) -> Tensor:
        return r + self.leave(self.synthesise(soft(self.analyse(self.enter(r)), self.threshold)))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return conv

"""Unfolded half-quadratic splitting: a few rounds of plug-and-play whose denoiser and schedule are trained together for their task.

x <- argmin |D x - y|^2 + rho_k |x - z|^2 and z <- prior(x, sigma_k) as in `pnp`, one prior for all rounds. ln sigma_k is linear in ln s, s the noise
level but at least 0.255; rho_k = w_k s^2 / sigma_k^2, and a last step on the data ends it. What is linear, and w_k, are learned.

Zhang, Van Gool & Timofte, Deep unfolding network for image super-resolution, CVPR 2020.
"""

from collections.abc import Sequence
from functools import cached_property
from math import log

import torch
from torch import Tensor, nn

from restore.method import Facts, Network, by_reach, level
from restore.methods.drunet import DRUNet
from restore.methods.pnp import FLOOR, first_guess
from restore.operators.base import Identity, Operator
from restore.operators.dense import GaussianMatrix
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem

FIRST, LAST = 12 / 255, 2.55 / 255  # levels that the prior begins and ends with, before training and at the least noise: fewer rounds than those of `pnp`, from nearer
WEIGHT = 0.23  # of the data, as in `pnp`
CONJUGATE = 5  # steps where D has no closed form


class USRNet(Network):
    """x for any D with `prox`, by `steps` rounds with a DRUNet of `channels`, `widths` and `blocks`; one of one channel takes each for itself. Not clipped."""

    half_ok = False
    noises = ("NoNoise", "Gaussian")

    def __init__(self, steps: int = 6, channels: int = 1, widths: Sequence[int] = (32, 64, 96), blocks: Sequence[int] = (0, 1, 2, 1, 1)):
        super().__init__()
        self.prior = DRUNet(channels, widths, blocks)
        self.seen = channels
        share = torch.linspace(0, 1, steps)
        self.offset = nn.Parameter((1 - share) * log(FIRST) + share * (log(LAST) - log(FLOOR)))
        self.slope = nn.Parameter(share.clone())
        self.weight = nn.Parameter(torch.full((steps + 1,), log(WEIGHT)))

    def restore(self, y, problem):
        canvas = problem.operator.canvas(y)
        operator, noise = canvas.operator, level(problem.noise, y).clamp_min(FLOOR)
        z = operator.linear(canvas.y) if isinstance(operator, GaussianMatrix) else first_guess(operator, canvas.y)
        exact = type(operator).prox is not Operator.prox
        for number, weight in enumerate(self.weight.exp()):
            sigma = (self.offset + self.slope * noise.log()).exp()[..., min(number, len(self.slope) - 1)].unsqueeze(-1)
            rho = weight * noise**2 / sigma**2
            z = operator.prox(z, canvas.filled(z), rho) if exact else operator.approach(z, canvas.filled(z), rho, CONJUGATE)
            if number < len(self.slope):
                z = self.denoised(z, sigma)
                self.tick(number + 1, len(self.slope))
        return canvas.crop(z)

    def denoised(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the prior makes of x; channels lie beside pictures where it takes one."""
        if self.seen == 1 and x.shape[1] > 1:
            return self.denoised(x.flatten(0, 1)[:, None], sigma.expand(len(x), -1, -1, -1).repeat_interleave(x.shape[1], 0)).reshape(x.shape)
        return self.prior(x, Problem(Identity(), Gaussian(sigma)))

    def tiling(self, problem):
        return by_reach(problem)

    def bytes_per_pixel(self, problem):
        return problem.scale**2 * (self.facts.bytes_per_pixel + 160.0)

    @cached_property
    def facts(self) -> Facts:
        """Of the priors in their rounds; D comes beside them."""
        once = self.prior.facts
        return Facts(None, once.bytes_per_pixel, len(self.slope) * once.flops_per_pixel)

"""Unfolded half-quadratic splitting: a few rounds of plug-and-play whose denoiser and schedule are trained together for their task.

x <- argmin |D x - y|^2 + rho_k |x - z|^2 and z <- prior(x, sigma_k) as in `pnp`, one prior for all rounds, and a last x. sigma_k^2 = e_k^2 + n_k s^2, what
the rounds so far leave to err and what the noise s adds; rho_k = w_k s^2 / sigma_k^2, s at least 0.255 here. e_k, n_k and w_k are learned.

Zhang, Van Gool & Timofte, Deep unfolding network for image super-resolution, CVPR 2020.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from restore.method import Facts, Network, by_reach, level
from restore.methods.drunet import DRUNet
from restore.methods.pnp import FLOOR, first_guess, towards
from restore.operators.base import Identity
from restore.operators.dense import GaussianMatrix
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem

FIRST, LAST = 12 / 255, 2.55 / 255  # e_k before training, in equal steps of the logarithm: fewer rounds than those of `pnp`, and from nearer
WEIGHT, END = 0.23, 2.0  # w_k before training, as in `pnp`, and that of the last step, after which nobody takes noise off


class USRNet(Network):
    """x for any D with `prox`, by `steps` rounds with a DRUNet of `channels`, `widths` and `blocks`; one of one channel takes each for itself. Not clipped."""

    half_ok = False
    noises = ("NoNoise", "Gaussian")

    def __init__(self, steps: int = 6, channels: int = 1, widths: Sequence[int] = (32, 64, 96), blocks: Sequence[int] = (0, 1, 2, 1, 1)):
        super().__init__()
        self.prior = DRUNet(channels, widths, blocks)
        self.seen = channels
        self.error = nn.Parameter(torch.linspace(math.log(FIRST), math.log(LAST), steps))  # logarithms all
        self.noise = nn.Parameter(torch.zeros(steps))
        self.weight = nn.Parameter(torch.tensor(steps * [WEIGHT] + [END]).log())

    def restore(self, y, problem):
        canvas, noise = problem.operator.canvas(y), level(problem.noise, y)
        operator, rounds = canvas.operator, len(self.error)
        z = operator.guess(canvas.y) if isinstance(operator, GaussianMatrix) else first_guess(operator, canvas.y)
        for number, weight in enumerate(self.weight.exp()):
            at = min(number, rounds - 1)
            sigma = ((2 * self.error[at]).exp() + (2 * self.noise[at]).exp() * noise**2).sqrt()
            rho = weight * (noise.clamp_min(FLOOR) / sigma) ** 2
            z = towards(operator, z, canvas.y, rho)
            if number < rounds:
                z = self.denoised(z, sigma)
                self.tick(number + 1, rounds)
        return canvas.crop(z)

    def denoised(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the prior makes of x; channels lie beside pictures where it takes one."""
        if self.seen == 1 and x.shape[1] > 1:
            return self.denoised(x.flatten(0, 1)[:, None], sigma.expand(len(x), -1, -1, -1).repeat_interleave(x.shape[1], 0)).reshape(x.shape)
        return self.prior(x, Problem(Identity(), Gaussian(sigma)))

    def tiling(self, problem):
        return by_reach(problem)

    def bytes_per_pixel(self, problem):
        return problem.scale**2 * ((3 if self.seen == 1 else 1) * self.facts.bytes_per_pixel + 160.0)  # a picture in colour goes through a prior of one channel at once

    @cached_property
    def facts(self) -> Facts:
        """Of the priors in their rounds; D comes beside them."""
        once = self.prior.facts
        return Facts(None, once.bytes_per_pixel, len(self.error) * once.flops_per_pixel)

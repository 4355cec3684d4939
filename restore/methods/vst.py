"""Variance stabilisation: Poisson and Poisson-Gaussian noise made Gaussian, denoised, and brought back without bias.

Makitalo & Foi, Optimal inversion of the Anscombe transformation in low-count Poisson image denoising, TIP 2011; Optimal
inversion of the generalized Anscombe transformation for Poisson-Gaussian noise, TIP 2013.
"""

import functools
import math

import torch
from torch import Tensor

from restore.method import Method
from restore.numerics import poisson
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem

SPREAD = 5.0  # at least so many standard deviations of the noise make the unit that the denoiser sees: its sigma is 1 / 5 at most


class VST(Method):
    """Generalized Anscombe transform, a denoiser of Gaussian noise, exact unbiased inverse.

    z = y / gain counts photons, with read noise s = sigma / gain; f(z) = 2 sqrt(max(0, z + 3/8 + s^2)) has standard deviation
    about 1. The denoiser sees (f(z) - f(0)) / (f(1 / gain) - f(0)), hence black at 0, white at 1, and the noise level that follows
    (below 9 photons at white, where that would exceed 1/5, the level is 1/5 and white is darker). Its answer D becomes the y with
    E{f(z) | y} = D, 0 where there is none. `gain` and `sigma` may differ per picture and channel.
    """

    noises = ("Poisson", "PoissonGaussian")

    def __init__(self, denoiser: Method):
        super().__init__()
        self.denoiser = denoiser
        self.channels = 1 if denoiser.channels == 1 else None  # counts stay counts: a denoiser in colour is given grey after the transform
        self.takes, self.gives, self.by_channel = denoiser.takes, denoiser.gives, denoiser.by_channel

    def restore(self, y, problem):
        gain, read = (value.to(y) for value in photons(problem))
        black, unit = scale(gain, read)
        stable = (forward(y / gain, read) - black) / unit
        clean = self.denoiser(stable, stabilised(problem)) * unit + black
        return inverse(clean, read) * gain

    def tiling(self, problem):
        return self.denoiser.tiling(stabilised(problem))

    def bytes_per_pixel(self, problem):
        return self.denoiser.bytes_per_pixel(stabilised(problem)) + 96.0  # the inverse: indices in int64 and two entries of the table, for three channels


def photons(problem: Problem) -> tuple[Tensor, Tensor]:
    """Gain, and the read noise in photons."""
    gain = problem.noise.gain
    return gain, problem.noise.sigma / gain


def scale(gain: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
    """What f gives for black, and how much of it is one unit for the denoiser."""
    black = forward(torch.zeros_like(gain), read)
    return black, (forward(1 / gain, read) - black).clamp_min(SPREAD)


def stabilised(problem: Problem) -> Problem:
    """The Gaussian problem that the denoiser is given."""
    return Problem(problem.operator, Gaussian(1 / scale(*photons(problem))[1]))


def forward(z: Tensor, read: Tensor | float) -> Tensor:
    """f(z) = 2 sqrt(max(0, z + 3/8 + s^2)), z in photons."""
    return 2 * (z + 3 / 8 + read**2).clamp_min(0).sqrt()


def inverse(stable: Tensor, read: Tensor) -> Tensor:
    """y in photons with E{f(z) | y} = D, for D (B, C, H, W) and the read noise in photons, () or (B | 1, C | 1, 1, 1); exact to 1e-3 photons."""
    read, result = read.to(stable).expand(*stable.shape[:2], 1, 1), torch.empty_like(stable)
    for value in read.unique():
        y, mean = (part.to(stable) for part in table(float(value)))
        planes = (read == value)[..., 0, 0]
        given = stable[planes]
        near = poisson.read_off(given, mean, y)
        result[planes] = torch.where(given > mean[-1], given.square() / 4 - 1 / 8 - value**2, near.clamp_min(0))
    return result


@functools.lru_cache(maxsize=16)
def table(read: float) -> tuple[Tensor, Tensor]:
    """y on `poisson.grid` and E{f(z) | y}, in float64: the sum over counts k of the Poisson weights of E{f(k + s n)}."""
    y, k = poisson.grid()
    return y, poisson.chances(y, k) @ _blurred(k, read)


def _blurred(k: Tensor, read: float) -> Tensor:
    """E{f(k + s n)}, n standard normal: with u^2 = k + 3/8 + s^2 + s n the integrand 4 u^2 p(n) / s is smooth, so a plain sum is exact."""
    if read < 1e-6:
        return forward(k, 0.0)
    centre = (k + 3 / 8 + read**2)[:, None]
    low, high = (centre - 10 * read).clamp_min(0).sqrt(), (centre + 10 * read).sqrt()
    u = low + (high - low) * torch.linspace(0, 1, 1025, dtype=torch.float64)
    density = torch.exp(-((u.square() - centre) / read).square() / 2) / (read * math.sqrt(2 * math.pi))
    return torch.trapezoid(4 * u.square() * density, u, dim=1)

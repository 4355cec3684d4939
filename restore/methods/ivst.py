"""Variance stabilisation in rounds: what one round found is mixed into the counts, which so have less noise in the next.

Azzari & Foi, Variance stabilization for noisy+estimate combination in iterative Poisson denoising, SPL 2016.
"""

import functools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.method import Blend, Method
from restore.methods.vst import SPREAD
from restore.numerics import poisson
from restore.numerics.mirror import padded
from restore.operators.base import Identity
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem


class Plan(NamedTuple):
    """`share` of the counts in the last round (1 in the first, evenly spaced between); how many `rounds`; bins of `bin` x `bin`, 2 fewer in each round."""

    share: float
    rounds: float
    bin: float


# For pictures whose brightest parts have 2^-3, 2^-2, ... 2^7 photons; the last holds above. Between them, in between.
LOWEST = -3
PLANS = (Plan(0.08, 4, 9), Plan(0.02, 4, 7), Plan(0.10, 4, 7), Plan(0.20, 3, 5), Plan(0.40, 3, 5), Plan(0.30, 3, 3), Plan(0.52, 3, 3), Plan(0.62, 2, 1),
         Plan(0.70, 2, 1), Plan(0.80, 2, 1), Plan(0.04, 2, 1))
BRIGHT = 8  # side of the squares whose brightest mean says which plan is followed
REFINE = 9  # steps that make a picture of what is known of its bins


class IVST(Method):
    """z = y / gain counts photons. In each round m = share z + (1 - share) x is summed in bins, f(m) = 2 sqrt(max(0, m / share^2 + 3/8)), whose
    noise is about 1, is denoised, and becomes the x with E{f(m) | x} = D, by sums over Poisson counts, spread over the pixels of the bins.

    `gain` may differ per picture and channel. Not clipped above; never negative. The plan is that of the picture's brightest square.
    """

    noises = ("Poisson",)
    plan: Plan | None = None  # of the whole picture, where `prepare` has decided it

    def __init__(self, denoiser: Method):
        super().__init__()
        self.denoiser = denoiser
        self.channels = 1 if denoiser.channels == 1 else None  # counts stay counts: a denoiser in colour is given grey after the transform
        self.takes, self.gives, self.by_channel = denoiser.takes, denoiser.gives, denoiser.by_channel

    @torch.no_grad()
    def restore(self, y, problem):
        gains = problem.noise.gain.to(y).expand(len(y), y.shape[1], 1, 1)
        pictures = zip(y.split(1), gains.split(1), strict=True)
        return torch.cat([self._picture(picture / gain, gain, number, len(y)) * gain for number, (picture, gain) in enumerate(pictures)])

    def _picture(self, z: Tensor, gain: Tensor, number: int, of: int) -> Tensor:
        """Photons x for counts z (1, C, H, W), picture `number` of `of`."""
        schedule, x = rounds(self.plan or plan_for(brightest(z))), z
        for turn, (share, side) in enumerate(schedule):
            sums = binned(share * z + (1 - share) * x, side)
            black = stable(torch.zeros_like(gain), share)
            unit = (stable(side**2 / gain, share) - black).clamp_min(SPREAD)
            clean = self.denoiser((stable(sums, share) - black) / unit, Problem(Identity(), Gaussian(1 / unit))) * unit + black
            x = unbinned(inverse(clean, share), side, *z.shape[2:])
            self.tick(number * len(schedule) + turn + 1, of * len(schedule))
        return x

    def prepare(self, parts, problem):
        prepared = IVST(self.denoiser)
        prepared.plan = plan_for(max(brightest(part / problem.noise.gain.to(part)) for part in parts))
        return prepared

    def tiling(self, problem):
        return Blend(64)

    def bytes_per_pixel(self, problem):
        unit = Problem(Identity(), Gaussian(torch.tensor(1 / SPREAD)))
        return self.denoiser.bytes_per_pixel(unit) + 128.0


def brightest(z: Tensor) -> float:
    """The greatest mean of a square of z, in photons."""
    return float(F.avg_pool2d(z, [min(BRIGHT, side) for side in z.shape[2:]]).max())


def plan_for(photons: float) -> Plan:
    """Between the two nearest of PLANS."""
    at = min(max(math.log2(max(photons, 1e-9)) - LOWEST, 0.0), len(PLANS) - 1.0)
    below, part = PLANS[int(at)], at - int(at)
    above = PLANS[min(int(at) + 1, len(PLANS) - 1)]
    return Plan(*((1 - part) * a + part * b for a, b in zip(below, above, strict=True)))


def rounds(plan: Plan) -> list[tuple[float, int]]:
    """Share and side of the bins of each round."""
    many, half = round(plan.rounds), round((plan.bin - 1) / 2)
    return [(1 - (1 - plan.share) * turn / (many - 1), 2 * max(half - turn, 0) + 1) for turn in range(many)]


def binned(x: Tensor, side: int) -> Tensor:
    """Sums over squares of `side`; a picture that is no multiple is continued by reflection."""
    return F.avg_pool2d(padded(x, -x.shape[2] % side, -x.shape[3] % side), side) * side**2


def unbinned(sums: Tensor, side: int, height: int, width: int) -> Tensor:
    """A smooth picture that is not negative and has these sums, all but exactly: what is missing is spread by cubic interpolation, again and again."""
    if side == 1:
        return sums
    x = torch.zeros(*sums.shape[:2], side * sums.shape[2], side * sums.shape[3], dtype=sums.dtype, device=sums.device)
    for _ in range(REFINE):
        x = (x + F.interpolate((sums - binned(x, side)) / side**2, scale_factor=float(side), mode="bicubic")).clamp_min(0)
    return x[..., :height, :width]


def stable(mixed: Tensor, share: float) -> Tensor:
    """f(m) = 2 sqrt(max(0, m / share^2 + 3/8)), in photons."""
    return 2 * (mixed / share**2 + 3 / 8).clamp_min(0).sqrt()


def inverse(clean: Tensor, share: float) -> Tensor:
    """x in photons with E{f(share z + (1 - share) x) | x} = D, 0 where there is none."""
    x, mean = (part.to(clean) for part in table(share))
    near = poisson.read_off(clean, mean, x).clamp_min(0)
    return torch.where(clean > mean[-1], share**2 * (clean.square() / 4 - 1 / 8), near)


@functools.lru_cache(maxsize=64)
def table(share: float) -> tuple[Tensor, Tensor]:
    """x on `poisson.grid` and E{f(share z + (1 - share) x) | x}, z a Poisson count of mean x, in float64."""
    x, counts = poisson.grid()
    return x, (poisson.chances(x, counts) * stable(share * counts + (1 - share) * x[:, None], share)).sum(1)

"""Sums over Poisson counts, and tables that are read between their entries."""

import math

import torch
from torch import Tensor

MOST = 100.0  # photons: up to here inverses are tabulated, above it the asymptotic ones are within 1e-3 of them


def grid() -> tuple[Tensor, Tensor]:
    """Means from 0 to MOST, dense near 0, and the counts that occur with them, in float64."""
    return torch.arange(0, math.sqrt(MOST) + 0.01, 0.01, dtype=torch.float64).square(), torch.arange(int(MOST + 14 * math.sqrt(MOST)), dtype=torch.float64)


def chances(mean: Tensor, counts: Tensor) -> Tensor:
    """The probability of each count (K,) for each mean (N,), (N, K), in float64."""
    mean, counts = mean.double()[:, None], counts.double()
    return torch.exp(torch.xlogy(counts, mean) - mean - torch.lgamma(counts + 1))


def read_off(given: Tensor, at: Tensor, value: Tensor) -> Tensor:
    """The value (N,) at `given`, linear between rising places `at` (N,) and continued beyond them."""
    right = torch.searchsorted(at, given.contiguous()).clamp_(1, len(at) - 1)
    left = at[right - 1]
    return value[right - 1] + (value[right] - value[right - 1]) * (given - left) / (at[right] - left).clamp_min(1e-12)

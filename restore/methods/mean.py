"""The mean of a burst that does not shake, less the samples that do not belong."""

import torch

from restore.method import Exact, Merge

KAPPA = 3.0


class Mean(Merge):
    """The kappa-sigma clipped mean: of every sample, the mean over the frames of those within 3 s of their median.

    s is the noise of the problem or, where larger, 1.4826 times the median deviation from the median. Noise falls by the root of the number of
    frames. What stackers of astronomical exposures do (Stetson, DAOPHOT, PASP 1987; imcombine's sigma clipping).
    """

    def window(self, problem):
        return 0

    def tiling(self, problem):
        return Exact(0)

    def contributions(self, y, problem):
        middle = median(y)
        away = (y - middle).abs()
        spread = torch.maximum(1.4826 * median(away), problem.noise.std(middle))
        kept = (away <= KAPPA * spread).to(y.dtype)
        return y * kept / kept.sum(1, keepdim=True)


def median(y: torch.Tensor) -> torch.Tensor:
    """Over the frames (B, F, C, H, W), of an even number the mean of the two in the middle: the darker alone would darken."""
    order, count = y.sort(1).values, y.shape[1]
    return (order[:, (count - 1) // 2] + order[:, count // 2]).div(2)[:, None]

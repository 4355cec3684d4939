"""Fourier burst accumulation: of every frequency, what the frames that it survived in have of it."""

import math

import torch
from torch import Tensor

from restore.errors import UsageError
from restore.method import Merge
from restore.numerics import windows
from restore.numerics.spectra import log_magnitude


class FBA(Merge):
    """x = F^-1 sum_i w_i F y_i, w_i = (G |F y_i|)^p / sum_j (G |F y_j|)^p.

    |F y_i| is the mean over the channels, which share the weights; G smooths over frequencies, before the power. A random shake blurs each frame
    in another direction, so every frequency is whole in some frame. power: p, 0 gives the mean, infinity the strongest frame. Magnitudes are not
    taken for less than those of noise: where there is nothing else, frames are averaged. window: side of the local windows (half of it overlaps),
    0 for the whole picture; the problem's grid decides if not given: windows of 512 beyond a megapixel, where no blur is the same everywhere.
    Delbracio & Sapiro, Burst deblurring: removing camera shake through Fourier burst accumulation, CVPR 2015 (eq. 5 to 8).
    """

    WHOLE = 1 << 20

    def __init__(self, power: float = 11.0, window: int | None = None):
        super().__init__()
        if not 0 <= power < math.inf:
            raise UsageError(f"the power {power:g} is out of range", "0 or more; the paper takes 11")
        self.power, self.given = power, window

    def window(self, problem):
        if self.given is not None:
            return self.given
        return 512 if math.prod(problem.operator.in_shape[-2:]) > self.WHOLE else 0

    def contributions(self, y, problem):
        window, std = self.window(problem), problem.noise.std
        if window:
            return windows.work(y, window, lambda part: self.accumulate(part, std(windows.light(part)) / 2))
        return self.accumulate(y, std(y.mean((1, 2, 3, 4), keepdim=True)))

    def accumulate(self, y: Tensor, sigma: Tensor) -> Tensor:
        """The contributions of frames (..., F, C, H, W), circular; sigma: of the noise, a window's taper included."""
        spectrum = torch.fft.rfft2(y)
        weight = (self.power * log_magnitude(spectrum, y.shape[-2:], sigma)).softmax(-4)
        return torch.fft.irfft2(weight * spectrum, y.shape[-2:])

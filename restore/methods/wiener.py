"""Wiener's filter: x = conj(K) Y / (|K|^2 + S_n / S_x) in the Fourier domain.

The spectrum of photographs falls off as the square of the frequency: S_n / S_x = sigma^2 |f|^2 c, c from the variance of y. Beyond the edges y goes on as
`Torus` says, so nothing rings there. Wiener, Extrapolation, interpolation and smoothing of stationary time series, 1949.
"""

import torch

from restore.errors import RestoreError
from restore.method import Method, by_reach, level
from restore.operators.blur import Blur

FLOOR = 0.5 / 255  # rounding to 8 bits is noise too


class Wiener(Method):
    """x of a blurred y with white noise. Linear but for c; not clipped."""

    def restore(self, y, problem):
        if not isinstance(problem.operator, Blur):
            raise RestoreError(f"the Wiener filter inverts a blur, not {problem.operator}", "a kernel", "type --model pnp")
        canvas = problem.operator.canvas(y)
        transfer, n = canvas.operator.transfer(canvas.y), canvas.y.shape[-2:]
        rows, columns = torch.fft.fftfreq(n[0], device=y.device), torch.fft.rfftfreq(n[1], device=y.device)
        square = (rows[:, None] ** 2 + columns**2).to(y.dtype)
        spectrum = 1 / square.clamp_min(1 / (n[0] * n[1]))
        share = canvas.y.var((-2, -1), keepdim=True) / spectrum.mean()
        ratio = level(problem.noise, y).clamp_min(FLOOR) ** 2 / (share * spectrum).clamp_min(1e-12)
        ratio[..., 0, 0] = 0  # the mean is known
        x = canvas.y
        for _ in range(3):  # what the gap would measure is known better each time
            x = torch.fft.irfft2(transfer.conj() * torch.fft.rfft2(canvas.filled(x)) / (transfer.abs().square() + ratio), s=n)
        return canvas.crop(x)

    def tiling(self, problem):
        return by_reach(problem)

    def bytes_per_pixel(self, problem):
        return 200.0

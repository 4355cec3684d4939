"""Wiener's filter: x = conj(K) Y / (|K|^2 + S_n / S_x) in the Fourier domain.

The spectrum of photographs falls off as the square of the frequency, or a little faster: S_x = c / |f|^2, whose mean over all frequencies but 0 is 1 / STEEP of
the variance of y; S_n = sigma^2.
Beyond the edges y goes on as `Torus` says, so nothing rings there. Wiener, Extrapolation, interpolation and smoothing of stationary time series, 1949.
"""

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.method import ROUNDING, Blend, Method, by_reach, level
from restore.operators.blur import Blur

STEEP = 3.0  # chosen on training pictures: from 1 to 3 is 0.5 dB, 2 and 5 are within 0.1 dB
RINGS = 2  # times as far as what iterates on D: an inverse rings on


class Wiener(Method):
    """x of a blurred y with white noise. Linear but for c (1, C, 1, 1), which is that of y unless `prepare` decides it; not clipped."""

    c: Tensor | None = None

    def restore(self, y, problem):
        if not isinstance(problem.operator, Blur):
            raise RestoreError(f"the Wiener filter inverts a blur, not {problem.operator}", "a kernel", "type --model pnp")
        canvas = problem.operator.canvas(y)
        transfer, n = canvas.operator.transfer(canvas.y), canvas.y.shape[-2:]
        c = spread(y) if self.c is None else self.c.to(y)
        ratio = (level(problem.noise, y).clamp_min(ROUNDING) ** 2 / c.clamp_min(1e-12)) * square(n, y)[:, : n[1] // 2 + 1]  # 0 at 0: the mean is known
        x = canvas.y
        for _ in range(3):  # what the gap would measure is known better each time
            x = torch.fft.irfft2(transfer.conj() * torch.fft.rfft2(canvas.filled(x)) / (transfer.abs().square() + ratio), s=n)
        return canvas.crop(x)

    def prepare(self, parts, problem):
        prepared = Wiener()
        prepared.c = torch.stack([spread(part) for part in parts]).mean(0)
        return prepared

    def tiling(self, problem):
        kind = by_reach(problem)
        return Blend(RINGS * kind.overlap) if isinstance(kind, Blend) else kind

    def bytes_per_pixel(self, problem):
        return 200.0


def spread(y: Tensor) -> Tensor:
    """c of pictures (B, C, H, W), each alone: (B, C, 1, 1)."""
    return y.var((-2, -1), correction=0, keepdim=True) * y[0, 0].numel() / STEEP / (1 / square(y.shape[-2:], y).flatten()[1:]).sum().clamp_min(1)


def square(size: tuple[int, int], like: Tensor) -> Tensor:
    """|f|^2 in cycles per pixel, as transforms of this size have them."""
    rows, columns = (torch.fft.fftfreq(n, dtype=like.dtype, device=like.device) for n in size)
    return rows[:, None] ** 2 + columns**2

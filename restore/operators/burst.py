"""A different shake for every frame: the D of burst deblurring."""

from collections.abc import Sequence

import torch
from torch import Tensor

from restore.numerics import turns
from restore.operators.base import Operator, of_rows


class Shake(Operator):
    """(D x)_f = k_f * x: y (B, F, C, H, W), circular. kernels: (1 or B, F, k, k), k odd, centre in the middle; None where nobody knows them.

    in_shape: the grid, where there is one.
    """

    reach = None

    def __init__(self, frames: int, kernels: Tensor | None = None, in_shape: Sequence[int] | None = None):
        super().__init__()
        self.frames, self.in_shape = frames, tuple(in_shape) if in_shape else None
        self.register_buffer("kernels", kernels)

    def out_shape(self, in_shape):
        return (self.frames, *in_shape)

    def forward(self, x):
        return torch.fft.irfft2(self._transfer(x) * torch.fft.rfft2(x)[:, None], x.shape[-2:])

    def adjoint(self, y):
        return torch.fft.irfft2((self._transfer(y).conj() * torch.fft.rfft2(y)).sum(1), y.shape[-2:])

    def turn(self, turn):
        if self.in_shape or self.kernels is None:
            return super().turn(turn)
        return Shake(self.frames, turns.apply(self.kernels, turn))

    def rows(self, rows):
        return self if self.kernels is None else Shake(self.frames, of_rows(self.kernels, rows), self.in_shape)

    def _transfer(self, x: Tensor) -> Tensor:
        """(1 or B, F, 1, H, W / 2 + 1)."""
        if self.kernels is None:
            raise TypeError("the kernels of this burst are unknown")
        side = self.kernels.shape[-1]
        grid = x.new_zeros(*self.kernels.shape[:2], 1, *x.shape[-2:])
        at = torch.arange(side, device=x.device) - side // 2
        index = (at % x.shape[-2])[:, None] * x.shape[-1] + at % x.shape[-1]
        grid.flatten(-2).index_add_(3, index.flatten(), self.kernels.to(x.dtype)[:, :, None].flatten(-2))
        return torch.fft.rfft2(grid)

    def __repr__(self):
        return f"Shake({self.frames} frames{'' if self.kernels is None else f', kernels of {self.kernels.shape[-1]}'})"


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    kernels = torch.rand(1, 3, 5, 5, dtype=dtype, generator=generator)
    return [(Shake(3, kernels / kernels.sum((-2, -1), keepdim=True)), torch.randn(2, 3, 9, 8, dtype=dtype, generator=generator))]

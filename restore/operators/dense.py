"""Matrices that are written out: block compressed sensing.

Gan, Block compressed sensing of natural images, DSP 2007.
"""

from functools import lru_cache

import torch
from torch import Tensor

from restore.operators.base import Canvas, Operator, exactly

SIDE = 33  # of a block, as in ReconNet and ISTA-Net
RELATED = 0.85  # correlation of neighbouring pixels: of 0.8 to 0.99 the best for training pictures


class GaussianMatrix(Operator):
    """y = Phi x for every block of 33 x 33: a Gaussian matrix (m, 1089), drawn from `seed`, its rows made orthonormal. y: (B, C m, blocks down, blocks across).

    shape: (C, H, W) of x. Beyond its edges x is 0 as far as whole blocks take.
    """

    reach = None

    def __init__(self, count: int, seed: int, shape: tuple[int, int, int]):
        super().__init__()
        self.in_shape, self.count, self.seed = tuple(shape), count, seed
        self.register_buffer("matrix", rows(count, seed))

    @property
    def blocks(self) -> tuple[int, int]:
        return tuple(-(-n // SIDE) for n in self.in_shape[1:])

    def out_shape(self, in_shape):
        return (in_shape[0] * self.count, *self.blocks)

    @exactly
    def forward(self, x: Tensor) -> Tensor:
        (down, across), (height, width) = self.blocks, self.in_shape[1:]
        x = torch.nn.functional.pad(x, (0, across * SIDE - width, 0, down * SIDE - height))
        blocks = x.unflatten(-1, (across, SIDE)).unflatten(-3, (down, SIDE)).permute(0, 1, 3, 5, 2, 4).flatten(2, 3)
        return torch.einsum("mn,bcnij->bcmij", self.matrix.to(x), blocks).flatten(1, 2)

    @exactly
    def adjoint(self, y: Tensor) -> Tensor:
        blocks = torch.einsum("mn,bcmij->bcnij", self.matrix.to(y), y.unflatten(1, (-1, self.count)))
        x = blocks.unflatten(2, (SIDE, SIDE)).permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        return x[..., : self.in_shape[1], : self.in_shape[2]]

    def prox(self, v, y, rho):
        """Phi Phi^T = 1, so x = v + Phi^T (y - Phi v) / (1 + rho), where the picture is whole blocks."""
        if any(n % SIDE for n in self.in_shape[1:]):
            return super().prox(v, y, rho)
        return v + self.adjoint((y - self(v)) / (1 + rho))

    @exactly
    def guess(self, y: Tensor) -> Tensor:
        """The best linear guess block by block, for pixels of mean 1/2 whose covariance is RELATED^distance along rows and columns; the picture is whole blocks.

        x = 1/2 + C Phi^T (Phi C Phi^T)^-1 (y - Phi 1/2).
        """
        matrix, axis, inverse = self.matrix.to(y), *(part.to(y) for part in _related(self.count, self.seed))
        rest = y.unflatten(1, (-1, self.count)) - matrix.sum(1).reshape(-1, 1, 1) / 2
        blocks = self.adjoint(torch.einsum("mn,bcnij->bcmij", inverse, rest).flatten(1, 2)).unflatten(-1, (-1, SIDE)).unflatten(-3, (-1, SIDE))
        return torch.einsum("ui,bchiwj,vj->bchuwv", axis, blocks, axis).flatten(4, 5).flatten(2, 3) + 0.5

    def canvas(self, y):
        return Blocks(self, y)

    def __repr__(self):
        return f"Gaussian matrix {self.count} x {SIDE**2} per block"


class Blocks(Canvas):
    """Whole blocks: what lies beyond the picture's edges is recovered too, and cut off."""

    def __init__(self, of: GaussianMatrix, y: Tensor):
        self.size = of.in_shape[1:]
        super().__init__(GaussianMatrix(of.count, of.seed, (of.in_shape[0], *(n * SIDE for n in of.blocks))).to(y.device), y)

    def crop(self, x):
        return x[..., : self.size[0], : self.size[1]]


@lru_cache(maxsize=8)
def rows(count: int, seed: int) -> Tensor:
    """(count, 1089), orthonormal rows, the same everywhere for a seed."""
    matrix = torch.randn(SIDE**2, SIDE**2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)[:count]
    return torch.linalg.qr(matrix.T).Q.T.contiguous().float()


@lru_cache(maxsize=8)
def _related(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """The covariance along an axis (33, 33), and (Phi C Phi^T)^-1, C the product of two of them."""
    at = torch.arange(SIDE, dtype=torch.float64)
    axis = RELATED ** (at[:, None] - at).abs()
    matrix = rows(count, seed).double()
    return axis.float(), torch.linalg.inv(matrix @ torch.kron(axis, axis) @ matrix.T).float()


def measured(ratio: float) -> int:
    """How many measurements of a block a ratio stands for."""
    return max(1, min(SIDE**2, int(ratio * SIDE**2 + 0.5)))


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """For the sweep: whole blocks, and a picture that is none."""
    generator = torch.Generator().manual_seed(0)
    return [(GaussianMatrix(40, 1, (2, 33, 66)), torch.randn(2, 2, 33, 66, dtype=dtype, generator=generator)),
            (GaussianMatrix(40, 1, (1, 20, 40)), torch.randn(1, 1, 20, 40, dtype=dtype, generator=generator))]

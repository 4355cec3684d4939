"""A picture reduced by a whole factor."""

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.numerics import resample
from restore.operators.base import Operator

FAINT = 1e-4  # eigenvalue of D D^T below which a pattern is hardly seen; the largest is about 1 / scale^2


class Downsample(Operator):
    """Every side divided by `scale`: bicubic with antialiasing (MATLAB's imresize), area (means), or gaussian:SIGMA before every scale-th pixel.

    Rows and columns are reduced one after the other, D = A (x) B, so (D D^T + rho)^-1 is diagonal between the eigenvectors of A A^T and B B^T.
    """

    def __init__(self, scale: int, kind: str = "bicubic"):
        super().__init__()
        self.scale = self.align = scale
        self.kind, self.reach = kind, resample.reach(scale, kind)

    def out_shape(self, in_shape):
        if any(n % self.scale for n in in_shape[1:]):
            raise RestoreError(f"a picture of {in_shape[2]} x {in_shape[1]} pixels is to be reduced by {self.scale}", f"sides that are multiples of {self.scale}",
                               f"crop it to {in_shape[2] // self.scale * self.scale} x {in_shape[1] // self.scale * self.scale} before")
        return (in_shape[0], *(n // self.scale for n in in_shape[1:]))

    def x_shape(self, out_shape):
        return (out_shape[0], *(n * self.scale for n in out_shape[1:]))

    def forward(self, x: Tensor) -> Tensor:
        return resample.resize(x, *self.out_shape(x.shape[1:])[1:], self.kind)

    def adjoint(self, y: Tensor) -> Tensor:
        return resample.transposed(y, *self.x_shape(y.shape[1:])[1:], self.kind)

    def prox(self, v, y, rho):
        (left, down), (right, across) = (_eigen(n * self.scale, n, self.kind, y.device, y.dtype) for n in y.shape[-2:])
        inner = left.mT @ (y - self(v)) @ right / (down[:, None] * across + rho)
        return v + self.adjoint(left @ inner @ right.mT)

    def nearest(self, x, y):
        """What D hardly sees is left alone: rounding to 8 bits, divided by next to nothing, would drown all else."""
        return self.prox(x, y, FAINT)

    def __repr__(self):
        return f"{self.kind} reduction by {self.scale}"


_EIGEN: dict[tuple, tuple[Tensor, Tensor]] = {}


def _eigen(size: int, out: int, kind: str, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Eigenvectors and eigenvalues of A A^T, A the reduction of one axis; the last few are kept."""
    key = (size, out, kind, device, dtype)
    if key not in _EIGEN:
        a = resample.matrix(size, out, kind)
        values, vectors = torch.linalg.eigh(a @ a.mT)
        while len(_EIGEN) > 7:
            _EIGEN.pop(next(iter(_EIGEN)))
        _EIGEN[key] = vectors.to(device, dtype), values.clamp_min(0).to(device, dtype)
    return _EIGEN[key]


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """For the sweep: all reductions."""
    grid = torch.randn(2, 3, 30, 36, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return [(Downsample(scale, kind), grid) for scale, kind in ((2, "bicubic"), (3, "bicubic"), (3, "area"), (2, "gaussian:1.2"))]

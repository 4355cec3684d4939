"""Holes closed as a thin plate would: min sum |Laplacian x|^2 with what is known held, so that the Laplacian of the Laplacian is 0 inside.

Damelin & Hoang, On surface completion and image inpainting by biharmonic functions: numerical aspects, Int. J. Math. Math. Sci. 2018.
"""

import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.method import Blend, Method
from restore.numerics.fill import fill
from restore.numerics.solvers import cg
from restore.operators.masks import Mask
from restore.operators.noise import NoNoise


class Biharmonic(Method):
    """x of a y with missing pixels; what is known stays. By conjugate gradients, `steps` at most. Not clipped."""

    def __init__(self, steps: int = 1000):
        super().__init__()
        self.steps = steps

    def restore(self, y, problem):
        if not isinstance(problem.operator, Mask):
            raise RestoreError(f"missing pixels are filled, not {problem.operator}", "the task inpaint")
        if not isinstance(problem.noise, NoNoise):
            raise RestoreError("biharmonic interpolation takes no noise off what is known", "", "leave --sigma out, or type --model pnp")
        return closed(problem.operator(y), problem.operator.mask.to(y), self.steps)

    def tiling(self, problem):
        return Blend(64)

    def bytes_per_pixel(self, problem):
        return 160.0


def closed(y: Tensor, mask: Tensor, steps: int) -> Tensor:
    """y where mask is 1, and elsewhere what solves the equation."""
    missing, known = 1 - mask, y * mask
    return known + cg(lambda x: missing * laplacian(laplacian(missing * x)), -missing * laplacian(laplacian(known)), missing * fill(known, mask), steps, 1e-5)


def laplacian(x: Tensor) -> Tensor:
    """The sum of the four neighbours less four times the pixel; edge pixels are their own neighbours, so it is its own transpose."""
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return wide[..., 2:, 1:-1] + wide[..., :-2, 1:-1] + wide[..., 1:-1, 2:] + wide[..., 1:-1, :-2] - 4 * x

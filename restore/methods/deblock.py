"""Blocks of JPEG taken away: a denoiser told how coarse the tables are, then back to what the file allows.

The level is that of Foi, Katkovnik & Egiazarian, Pointwise shape-adaptive DCT for high-quality denoising and deblocking, TIP 2007 (section IV), times `share`;
every coefficient of the result is then moved to within half a step of the one in the file, for no other picture was coded to it.
"""

from restore.errors import RestoreError
from restore.method import Method, wider
from restore.operators import jpeg
from restore.operators.base import Identity
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem


class Deblock(Method):
    """x of a decoded JPEG y; the finer the tables, the less is changed. `share` was chosen on training pictures. Not clipped."""

    def __init__(self, denoiser: Method, share: float = 1.2):
        super().__init__()
        self.denoiser, self.share = denoiser, share

    def restore(self, y, problem):
        if not isinstance(problem.operator, jpeg.Coding):
            raise RestoreError(f"blocks are found in JPEG, not in {problem.operator}", "a JPEG, or --quality")
        return problem.operator.nearest(self.denoiser(y, self._inner(problem)), y)

    def _inner(self, problem: Problem) -> Problem:
        return Problem(Identity(), Gaussian(self.share * problem.operator.sigma))

    def tiling(self, problem):
        """Blocks are whole where tiles begin at multiples of 8."""
        return wider(self.denoiser.tiling(self._inner(problem)), *problem.operator.span)

    def bytes_per_pixel(self, problem):
        return max(self.denoiser.bytes_per_pixel(self._inner(problem)), 96.0)

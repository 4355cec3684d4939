"""Bicubic interpolation, as super-resolution papers enlarge. Keys, Cubic convolution interpolation for digital image processing, 1981."""

from restore.errors import RestoreError
from restore.method import Exact, Method
from restore.numerics.resample import resize
from restore.operators.noise import NoNoise


class Bicubic(Method):
    """y on x's grid, by interpolation alone. Not clipped."""

    def restore(self, y, problem):
        if not isinstance(problem.noise, NoNoise):
            raise RestoreError("bicubic interpolation takes no noise off", "", "leave --sigma out, or type --model pnp")
        return resize(y, *problem.operator.x_shape(y.shape[1:])[1:])

    def tiling(self, problem):
        return Exact(3)

    def bytes_per_pixel(self, problem):
        return 48.0 * problem.scale**2

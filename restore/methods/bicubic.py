"""Bicubic interpolation, as super-resolution papers enlarge. Keys, Cubic convolution interpolation for digital image processing, 1981."""

from restore.method import Exact, Method
from restore.numerics.resample import resize


class Bicubic(Method):
    """y on x's grid, by interpolation alone. Not clipped."""

    noises = ("NoNoise",)

    def restore(self, y, problem):
        return resize(y, *problem.operator.x_shape(y.shape[1:])[1:])

    def tiling(self, problem):
        return Exact(3)

    def bytes_per_pixel(self, problem):
        return 48.0 * problem.scale**2

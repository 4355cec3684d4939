"""The two ends of a classical development: a mosaic made ready for demosaicing, and camera colours made a picture.

The steps are functions of `numerics.develop`; what stands between the two ends is a method of demosaicing, learned or not. The order is
that of Ramanath, Snyder, Yoo & Drew, Color image processing pipeline, IEEE Signal Processing Magazine 2005.
"""

import torch
from torch import Tensor

from restore.image import SPACES, Space
from restore.method import Exact, Method
from restore.numerics import develop
from restore.operators.noise import Gaussian, NoNoise
from restore.operators.problem import Problem

EVERY = ("NoNoise", "Gaussian", "Poisson", "PoissonGaussian")


class Repair(Method):
    """Hot and dead pixels of a mosaic (B, 1, H, W) replaced, and its greens levelled."""

    noises, channels, multiple = EVERY, 1, 2
    takes = gives = "camera"

    def restore(self, y, problem):
        pattern = problem.operator.pattern
        return develop.levelled(develop.repair(y), pattern.index("g"), pattern.rindex("g"))

    def tiling(self, problem):
        return Exact(develop.REACH + 2 * develop.CELLS + 1, 2)

    def bytes_per_pixel(self, problem):
        return 220.0  # the neighbours, each a picture of its own


class Toned(Method):
    """A demosaicing made for finished pictures on what a sensor saw: v = t(gains y), x = t^-1(inner(v)) / gains, t nearly the square root.

    Colours are alike only where white is white, and errors count as the eye sees them: in the shadows more. gains: of the white balance, for R, G, B.
    """

    noises, channels, multiple = EVERY, 1, 2
    takes = gives = "camera"

    def __init__(self, inner: Method, gains: Tensor):
        super().__init__()
        self.inner = inner
        self.register_buffer("gains", (gains / gains.min()).float().reshape(1, 3, 1, 1))

    def restore(self, y, problem):
        gain = problem.operator.adjoint(torch.ones_like(y)).mul(self.gains).sum(1, keepdim=True)
        noise = problem.noise
        if not isinstance(noise, NoNoise):
            noise = Gaussian(gain * noise.std(y) * develop.slope(y * gain))
        return develop.untoned(self.inner(develop.toned(y * gain), Problem(problem.operator, noise))) / self.gains

    def tiling(self, problem):
        return self.inner.tiling(problem)

    def bytes_per_pixel(self, problem):
        return 24.0 + self.inner.bytes_per_pixel(problem)


class Rendering(Method):
    """Camera values (B, 3, H, W) on [0, 1] to a picture, or to linear light.

    gains: of the white balance, for R, G, B. matrix: white-balanced camera to linear RGB of `space`, (3, 3). exposure: a factor.
    curve: filmic, plain (the curve of the space alone), linear (none; not clipped), or nodes as `develop.matching` gives them. sharpen: 0 leaves it.
    """

    noises = EVERY
    takes, gives = "camera", "srgb"

    def __init__(self, gains: Tensor, matrix: Tensor, exposure: float = 1.0, space: Space = SPACES["srgb"], curve: str | Tensor = "filmic",
                 sharpen: float = 0.0, rebuild: bool = True):
        super().__init__()
        self.register_buffer("gains", gains / gains.min())
        self.register_buffer("matrix", matrix)
        self.exposure, self.space, self.curve, self.rebuild = exposure, space, curve, rebuild
        self.amount = 0.0 if isinstance(curve, str) and curve == "linear" else sharpen

    def linear(self, c: Tensor) -> Tensor:
        """Linear light in the space, not clipped."""
        return self.exposure * develop.coloured(develop.balance(c, self.gains, self.rebuild), self.matrix)

    def restore(self, y, problem):
        light = self.linear(y)
        if isinstance(self.curve, Tensor):
            x = develop.through(light, self.curve)
        else:
            x = {"filmic": develop.filmic, "plain": develop.encoded, "linear": lambda light, space: light}[self.curve](light, self.space)
        return develop.sharpened(x, self.amount).clamp(0, 1) if self.amount else x

    def tiling(self, problem):
        return Exact(develop.EDGE if self.amount else 0)

    def bytes_per_pixel(self, problem):
        return 120.0

"""The two ends of a classical development: a mosaic made ready for demosaicing, and camera colours made a picture.

The steps are functions of `numerics.develop`; what stands between the two ends is a method of demosaicing, learned or not. The order is
that of Ramanath, Snyder, Yoo & Drew, Color image processing pipeline, IEEE Signal Processing Magazine 2005.
"""

from torch import Tensor

from restore.image import SPACES, Space
from restore.method import Exact, Method
from restore.numerics import develop
from restore.operators.noise import Gaussian, NoNoise
from restore.operators.problem import Exposed, Problem

WIDEST = 0.1  # of white, is the straight part of a curve
EVERY = ("NoNoise", "Gaussian", "Poisson", "PoissonGaussian")


class Repair(Method):
    """Hot and dead pixels of a mosaic (B, 1, H, W) replaced, and its greens levelled."""

    noises, channels, multiple = EVERY, 1, 2
    takes = gives = "camera"

    def restore(self, y, problem):
        pattern = problem.operator.pattern
        return develop.levelled(develop.repair(y, problem.noise.std), pattern.index("g"), pattern.rindex("g"))

    def tiling(self, problem):
        return Exact(develop.REACH + develop.SPAN, 2)

    def bytes_per_pixel(self, problem):
        return 48.0


class Exposing(Method):
    """A method made for exposed light, on what a sensor saw: inner(exposure gains y), clipped where the first colour is, as `rendering` has them."""

    noises, channels, multiple = EVERY, 1, 2
    takes = "camera"

    def __init__(self, inner: Method, rendering: "Rendering"):
        super().__init__()
        self.inner, self.rendering, self.gives = inner, rendering, inner.gives

    def exposed(self, y: Tensor, problem: Problem) -> Tensor:
        gains = self.rendering.gains.to(y).reshape(1, 3, 1, 1)
        return self.rendering.exposure * (problem.operator.gain(y, gains) * y).clamp_max(1)

    def restore(self, y, problem):
        return self.inner(self.exposed(y, problem), problem)

    def prepare(self, parts, problem):
        told = Exposed(problem.operator, problem.noise, self.rendering.matrix[None].float())
        return Exposing(self.inner.prepare((self.exposed(part, problem) for part in parts), told), self.rendering)

    def tiling(self, problem):
        return self.inner.tiling(problem)

    def bytes_per_pixel(self, problem):
        return 8.0 + self.inner.bytes_per_pixel(problem)


class Toned(Method):
    """A demosaicing made for finished pictures on what a sensor saw: v = t(gains y), x = t^-1(inner(v)) / gains, t(u) = sqrt(u + c) - sqrt(c).

    Colours are alike only where white is white, and errors count as the eye sees them: in the shadows more. gains: of the white balance, for R, G, B.
    noisy: the noise of the problem is still there, and `inner` takes it away. Then c is that of Anscombe's transform, after which noise of variance
    a u + b is nearly Gaussian and the same everywhere, and E u = (E v + sqrt(c))^2 - c + var v: what the square takes is given back.
    Makitalo & Foi, Optimal inversion of the generalized Anscombe transformation for Poisson-Gaussian noise, TIP 2013 (eq. 3).
    """

    noises, channels, multiple = EVERY, 1, 2
    takes = gives = "camera"

    def __init__(self, inner: Method, gains: Tensor, noisy: bool = False):
        super().__init__()
        self.inner, self.noisy = inner, noisy
        self.register_buffer("gains", (gains / gains.min()).float().reshape(1, 3, 1, 1))

    def restore(self, y, problem):
        operator, noise = problem.operator, problem.noise
        gain = operator.gain(y, self.gains)
        if not self.noisy or isinstance(noise, NoNoise):
            return develop.untoned(self.inner(develop.toned(gain * y), Problem(operator, NoNoise()))) / self.gains
        slope, base = self.gains * noise.gain, self.gains.square() * noise.sigma.square()
        toe = (0.375 * slope + base / slope.clamp_min(1e-9)).amax(1, keepdim=True).clamp(develop.TOE, WIDEST)

        def variance(light: Tensor, slope: Tensor, base: Tensor) -> Tensor:
            return (slope * light.clamp_min(0) + base) / (4 * (light.clamp_min(0) + toe))
        level = variance(gain * y, gain * noise.gain, gain.square() * noise.sigma.square()).sqrt()
        light = develop.untoned(self.inner(develop.toned(gain * y, toe), Problem(operator, Gaussian(level))), toe)
        return (light + variance(light, slope, base)) / self.gains

    def tiling(self, problem):
        return self.inner.tiling(problem)

    def bytes_per_pixel(self, problem):
        return 60.0 + self.inner.bytes_per_pixel(problem)


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


def placed(method: Method, rendering: Rendering, noisy: bool) -> Method:
    """A method that takes a mosaic, where it stands in a development: after white balance and exposure, or through a curve if it was made for pictures."""
    if method.takes == "camera":
        return method
    return Exposing(method, rendering) if method.takes == "exposed" else Toned(method, rendering.gains, noisy)

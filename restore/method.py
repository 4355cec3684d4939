"""A method undoes a problem: x = method(y, problem). The base class, the chain of two, and the three kinds of tiling."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.errors import RestoreError
from restore.numerics import probe
from restore.numerics.mirror import padded
from restore.operators.jpeg import Coding
from restore.operators.noise import Noise
from restore.operators.problem import Problem

ROUNDING = 0.5 / 255  # to 8 bits: noise too, which y has at least


@dataclass(frozen=True)
class Exact:
    """Tile by tile it gives what it gives on the whole picture, if tiles overlap by `halo` and start at multiples of `multiple`."""

    halo: int
    multiple: int = 1


@dataclass(frozen=True)
class Blend:
    """Tiles are blended over `overlap` pixels; not exact."""

    overlap: int
    multiple: int = 1


@dataclass(frozen=True)
class Whole:
    """The whole picture at once."""


Tiling = Exact | Blend | Whole


def by_reach(problem: Problem) -> Tiling:
    """How what iterates on D is tiled: it sees no further than D and some rounds carry; where D sees everything, the picture is taken whole."""
    reach = problem.operator.reach
    return Whole() if reach is None else Blend(max(64, 4 * reach // problem.scale), 1)


def wider(kind: Tiling, halo: int, multiple: int) -> Tiling:
    """The tiling of a method followed by a step that sees `halo` more and wants tiles at multiples; blended tiles fade out what they do not see."""
    if isinstance(kind, Exact):
        return Exact(kind.halo + halo, lcm(kind.multiple, multiple))
    return Blend(kind.overlap, lcm(kind.multiple, multiple)) if isinstance(kind, Blend) else kind


class Method(nn.Module):
    """The base. A subclass writes `restore` and states facts; numbers are buffers, parts are methods.

    channels: how many the method works on; None means any. multiple: H and W are padded to it, as D continues pictures.
    noises: the kinds of noise it can be given. takes, gives: srgb, linear, camera, or exposed (camera after white balance and exposure).
    half_ok: fp16 gives what float32 gives, to a fraction of a level; bf16, which rounds y itself to 1/256, to a few levels. by_channel: noise levels may differ by channel.
    A method that draws random numbers takes a seed in its constructor; one that iterates may call `tick(i, n)`.
    """

    channels: int | None = None
    multiple: int = 1
    noises: tuple[str, ...] = ("Gaussian", "NoNoise")
    takes: str = "srgb"
    gives: str = "srgb"
    half_ok: bool = False
    by_channel: bool = False
    layout = torch.channels_last  # of numbers in training; contiguous_format is faster where channels are cut apart or normalised
    tick: Callable[[int, int], None] = staticmethod(lambda done, of: None)

    @property
    def called(self) -> str:
        """The name that errors give it."""
        return type(self).__name__

    def restore(self, y: Tensor, problem: Problem) -> Tensor:
        """x on its own grid for y (B, C, H, W), padded, with the channels the method works on; not clipped."""
        raise TypeError(f"{type(self).__name__} has no restore")

    def prepare(self, parts: Iterable[Tensor], problem: Problem) -> "Method":
        """The method for one picture, where something is decided once for the whole of it; `parts` (1, C, h, w) of y lie spread over it, at multiples of `align`."""
        return self

    def tiling(self, problem: Problem) -> Tiling:
        """How the picture may be cut for this problem."""
        return Whole()

    def bytes_per_pixel(self, problem: Problem) -> float:
        """Memory at work, per pixel of a tile and per picture of a batch, in float32."""
        return 64.0

    def meets(self, problem: Problem) -> bool:
        """Whether a user is given the nearest picture that D takes to y, instead of what `restore` gives."""
        return False

    def forward(self, y: Tensor, problem: Problem) -> Tensor:
        """Check the task, adapt the channels, pad, restore, crop. A method inside a method is called the same way."""
        self._check(y, problem)
        noise = type(problem.noise).__name__
        if noise not in self.noises:
            raise RestoreError(f"{self.called} does not treat {noise} noise", " or ".join(self.noises))
        channels = y.shape[1]
        if self.channels == 1 and channels > 1:  # one after another: a third of the memory
            return torch.cat(list(self._one_by_one(y, problem)), 1)
        if self.channels == 3 and channels == 2:  # real and imaginary part
            return torch.cat([self(y[:, one : one + 1], problem.channel(one)) for one in range(channels)], 1)
        if self.channels == 3 and channels == 1:
            # three equal channels: noise of sigma lies along grey with sqrt(3) sigma, and white noise of that level is what the method knows
            return self._padded(y.expand(-1, 3, -1, -1), Problem(problem.operator, problem.noise.times(3**0.5))).mean(1, keepdim=True)
        if self.channels not in (None, channels):
            raise RestoreError(f"{type(self).__name__} was given {channels} channels", f"{self.channels}")
        return self._padded(y, problem)

    def _one_by_one(self, y: Tensor, problem: Problem) -> Iterator[Tensor]:
        """x channel by channel; steps are told as of all."""
        tick, many = self.tick, y.shape[1]
        try:
            for one in range(many):
                self.tick = lambda done, of, one=one: tick(one * of + done, many * of)
                yield self._padded(y[:, one : one + 1], problem.channel(one))
        finally:
            self.tick = tick

    def _check(self, y: Tensor, problem: Problem) -> None:
        """Raise RestoreError for what is no y."""
        name = type(self).__name__
        if not isinstance(y, Tensor) or not isinstance(problem, Problem):
            raise RestoreError(f"{name} was given {type(y).__name__} and {type(problem).__name__}", "a tensor and a Problem", "x = method(torch.from_numpy(y), problem_of(task))")
        if y.ndim != 4 or 0 in y.shape:
            raise RestoreError(f"{name} was given an array of shape {tuple(y.shape)}", "(B, C, H, W)")
        picture = self.takes in ("srgb", "linear", "camera", "exposed")
        if not (y.is_floating_point() or y.is_complex() and not picture) or y.dtype in (torch.float16, torch.bfloat16) and not self.half_ok:
            raise RestoreError(f"{name} was given an array of {str(y.dtype).removeprefix('torch.')}", "float32" if picture else "float32 or complex64", "y.float(), on [0, 1]")

    def _padded(self, y: Tensor, problem: Problem) -> Tensor:
        height, width = y.shape[-2:]
        down, right = -height % self.multiple, -width % self.multiple
        if not (down or right):
            return self.restore(y, problem)
        return self.restore(padded(y, down, right, problem.operator.beyond), problem)[..., : height * problem.scale, : width * problem.scale]


class Same(Method):
    """x is y: what is left where nothing was done to it."""

    by_channel = True

    def restore(self, y, problem):
        return y

    def tiling(self, problem):
        return Exact(0)


class Chain(Method):
    """First one method, then another: `start` on the problem, then `finish` on the picture that it gave (`gives` meets `takes`)."""

    def __init__(self, start: Method, finish: Method):
        super().__init__()
        if start.gives != finish.takes:
            raise RestoreError(f"{type(start).__name__} gives {start.gives}, {type(finish).__name__} takes {finish.takes}")
        self.start, self.finish = start, finish
        self.takes, self.gives, self.noises = start.takes, finish.gives, start.noises
        self.multiple = lcm(start.multiple, finish.multiple)

    def restore(self, y, problem):
        return self.finish(self.start(y, problem), self._after(problem))

    @staticmethod
    def _after(problem: Problem) -> Problem:
        """What the second is told: on another grid, that of the picture it is given."""
        return problem.on_x() if problem.scale > 1 else problem

    def tiling(self, problem):
        """Halos add up on y's grid; tiles start where both may start."""
        first, then, scale = self.start.tiling(problem), self.finish.tiling(self._after(problem)), problem.scale
        if isinstance(first, Exact) and isinstance(then, Exact):
            return Exact(first.halo + -(-then.halo // scale), lcm(first.multiple, then.multiple // gcd(then.multiple, scale)))
        return Whole()

    def bytes_per_pixel(self, problem):
        return max(self.start.bytes_per_pixel(problem), problem.scale**2 * self.finish.bytes_per_pixel(self._after(problem)))


class Single(Method):
    """Grey pictures one after another, each with its own level of Gaussian noise; one without noise stays as it is. A subclass writes `picture`."""

    channels = 1

    def picture(self, y: Tensor, sigma: float, tick: Callable[[int, int], None]) -> Tensor:
        """x for one picture y (H, W) of any size; sigma above 0."""
        raise TypeError(f"{type(self).__name__} has no picture")

    def restore(self, y, problem):
        levels, many, done = problem.noise.sigma.expand(len(y), 1, 1, 1).flatten().tolist(), len(y), []
        for number, sigma in enumerate(levels):
            picture = y[number, 0]
            done.append(self.picture(picture, sigma, lambda i, n, number=number: self.tick(number * n + i, many * n)) if sigma else picture)
        return torch.stack(done)[:, None]


class Network(Method):
    """A convolutional net: what it does to neighbours and memory is probed, not declared. A subclass writes `net(y, sigma)`.

    `sigma` reaches the net as (B, 1, 1, 1) on [0, 1]; a net that is not told the level has `blind = True` and is given None.
    """

    half_ok = True
    blind: bool = False
    scale: int = 1  # pixels that `net` gives per pixel of y along each axis
    seen: int | None = None  # channels that `net` takes, where `restore` first makes others of those of y

    def net(self, y: Tensor, sigma: Tensor | None) -> Tensor:
        raise TypeError(f"{type(self).__name__} has no net")

    def _check(self, y, problem):
        super()._check(y, problem)
        own = next((number.dtype for number in self.parameters()), y.dtype)
        if y.dtype != own and not y.is_complex():
            raise RestoreError(f"{type(self).__name__} has numbers of {str(own).removeprefix('torch.')} and was given {str(y.dtype).removeprefix('torch.')}", "the same", f"y.to({own})")

    def restore(self, y, problem):
        return self.net(y, None if self.blind else told(problem, y))

    def meets(self, problem):
        return isinstance(problem.operator, Coding)

    def tiling(self, problem):
        return Whole() if self.facts.halo is None else Exact(self.facts.halo, self.multiple)

    def bytes_per_pixel(self, problem):
        return self.facts.bytes_per_pixel

    @property
    def flops_per_pixel(self) -> float:
        """Floating-point operations per pixel of the input; a multiply and an add count as two."""
        return self.facts.flops_per_pixel

    @cached_property
    def facts(self) -> "Facts":
        """Probed in float64 on the CPU, which takes seconds; a card keeps what was found for its weights."""
        twin = deepcopy(self).to(device="cpu", dtype=torch.float64).eval()
        channels, side = self.seen or self.channels or 1, -(-64 // self.multiple) * self.multiple

        def call(y: Tensor) -> Tensor:
            x = twin.net(y, None if twin.blind else torch.full((1, 1, 1, 1), 0.1, dtype=torch.float64))
            return x if self.scale == 1 else F.avg_pool2d(x, self.scale)

        y = torch.zeros(1, channels, side, side, dtype=torch.float64)
        return Facts(probe.halo(call, channels, self.multiple), round(probe.peak_bytes(lambda: call(y)) / 2 / side**2, 1),
                     probe.flops(lambda: call(y)) / side**2)


@dataclass(frozen=True)
class Facts:
    """What a probe found of a network: halo in pixels (None: global), bytes per pixel in float32, FLOPs per pixel."""

    halo: int | None
    bytes_per_pixel: float
    flops_per_pixel: float


class Merge(Method):
    """Several frames of one scene, registered, to one picture. y is (B, F, C, H, W), the reference first; x is what the frames contribute, summed.

    A subclass writes `contributions` and `window`; where noise depends on the light, it is that of the window's mean, or of the sample. Windows lie on multiples of half their side, so tiles cut there give what the whole gives.
    """

    noises = ("Gaussian", "NoNoise", "PoissonGaussian")

    def window(self, problem: Problem) -> int:
        """The side of the windows that the picture is worked on in; 0: all at once."""
        raise TypeError(f"{type(self).__name__} has no window")

    def contributions(self, y: Tensor, problem: Problem) -> Tensor:
        """What each frame gives to x: (B, F, C, H, W)."""
        raise TypeError(f"{type(self).__name__} has no contributions")

    def restore(self, y, problem):
        return self.contributions(y, problem).sum(1)

    def tiling(self, problem):
        half = self.window(problem) // 2
        return Exact(half, half) if half else Whole()

    def bytes_per_pixel(self, problem):
        """Of all frames in three channels: as they come, as spectra, as contributions."""
        return 3 * 4 * 8.0 * problem.operator.frames

    def forward(self, y, problem):
        if y.ndim != 5:
            raise RestoreError(f"{type(self).__name__} was given an array of shape {tuple(y.shape)}", "a burst (B, F, C, H, W)")
        return self.restore(y, problem)


def told(problem: Problem, y: Tensor) -> Tensor:
    """What a net is told of how far y is from x, (B, 1, 1, 1): the noise level, or what stands for it where y was coded."""
    if isinstance(problem.operator, Coding):
        return problem.operator.sigma.to(y).expand(y.shape[0], 1, 1, 1)
    return level(problem.noise, y)


def level(noise: Noise, y: Tensor) -> Tensor:
    """The noise level as a net wants it: (B, 1, 1, 1) in y's dtype; levels per channel enter by their root mean square."""
    sigma = noise.sigma.to(y)
    if sigma.ndim == 4:
        sigma = sigma.square().mean(1, keepdim=True).sqrt()
    return sigma.expand(y.shape[0], 1, 1, 1)

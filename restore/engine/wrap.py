"""Wrappers: they take a method and return a method. Padding is in `Method` itself, tiles are in `run`."""

import math

import torch
from torch import Tensor

from restore.method import Blend, Exact, Method, wider
from restore.numerics import turns
from restore.operators.fourier import AsComplex, Coils, Fourier
from restore.operators.jpeg import Coding
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem

ROUNDS = 60  # of nearest and in range
TOLERATED = 0.5 / 255
SMOOTH = 0.03  # cycles per pixel: the width of the spectrum that the phase is taken from


class Turned(Method):
    """The mean over the eight turns of the square (self-ensemble, x8). Padded first to what tiles are aligned to: a turned picture is then aligned too."""

    def __init__(self, inner: Method, problem: Problem):
        super().__init__()
        self.inner = inner
        kind = inner.tiling(problem)
        self.multiple = kind.multiple if isinstance(kind, Exact) else inner.multiple
        self.channels, self.noises, self.half_ok, self.takes, self.gives = inner.channels, inner.noises, inner.half_ok, inner.takes, inner.gives
        self.meets = inner.meets

    def restore(self, y: Tensor, problem: Problem) -> Tensor:
        total = 0
        for turn in turns.TURNS:
            total = total + turns.undo(self.inner(turns.apply(y, turn), problem.turn(turn)), turn).float()
        return total / len(turns.TURNS)

    def tiling(self, problem):
        return self.inner.tiling(problem)

    def bytes_per_pixel(self, problem):
        return self.inner.bytes_per_pixel(problem) + 12.0


class Alike(Method):
    """A grey picture in several channels, with noise of one level: one channel goes through, for all. Where they do differ, each goes through by itself."""

    def __init__(self, inner: Method):
        super().__init__()
        self.inner = inner
        self.multiple, self.noises, self.half_ok, self.takes, self.gives = inner.multiple, inner.noises, inner.half_ok, inner.takes, inner.gives

    @property
    def called(self):
        return self.inner.called

    def restore(self, y: Tensor, problem: Problem) -> Tensor:
        self.inner.tick = self.tick
        if torch.equal(y, y[:, :1].expand_as(y)):
            return self.inner(y[:, :1], problem).expand_as(y)
        return torch.cat([self.inner(channel, problem) for channel in y.split(1, dim=1)], 1)

    def tiling(self, problem):
        return self.inner.tiling(problem)

    def bytes_per_pixel(self, problem):
        return self.inner.bytes_per_pixel(problem) + 12.0


class Consistent(Method):
    """Moves a result to the nearest x in range that D takes to y: by turns to the nearest such x and into the range, where that leaves it.

    Where y is clipped, black or white, more than that is allowed. missed: how far from y the worst sample of D x was so far.
    """

    missed = 0.0

    def __init__(self, inner: Method):
        super().__init__()
        self.inner = inner
        self.channels, self.multiple, self.noises, self.half_ok, self.takes, self.gives = (
            inner.channels, inner.multiple, inner.noises, inner.half_ok, inner.takes, inner.gives)

    def restore(self, y: Tensor, problem: Problem) -> Tensor:
        y, low, high = y.float(), min(0.0, float(y.min())), max(1.0, float(y.max()))
        operator, x = problem.operator, problem.operator.nearest(self.inner(y, problem).float(), y)
        if not operator.linear:
            return x

        def missed(x: Tensor) -> Tensor:
            """y - D x, but for what a clipped y allows."""
            seen = operator(x)
            return torch.where((y <= low) & (seen < low) | (y >= high) & (seen > high), 0.0, y - seen)
        if float(x.min()) < low or float(x.max()) > high:
            x, t = x.clamp(low, high), 1.0
            ahead = x
            for _ in range(ROUNDS):  # with Nesterov's momentum, as FISTA
                before, x = x, operator.nearest(ahead, operator(ahead) + missed(ahead)).clamp(low, high)
                if float(missed(x).abs().max()) < TOLERATED:
                    break
                t, last = (1 + math.sqrt(1 + 4 * t * t)) / 2, t
                ahead = x + (last - 1) / t * (x - before)
        self.missed = max(self.missed, float(missed(x).abs().max()))
        return x

    def tiling(self, problem):
        """Blocks of JPEG are moved each alone; what one sample moves otherwise fades out quickly, but does not end."""
        kind = self.inner.tiling(problem)
        if isinstance(problem.operator, Coding):
            return wider(kind, *problem.operator.span)
        return Blend(2 * max(kind.halo, 16), kind.multiple) if isinstance(kind, Exact) else kind

    def bytes_per_pixel(self, problem):
        return self.inner.bytes_per_pixel(problem) + 36.0 * problem.scale**2


class Guarded(Method):
    """Runs in `dtype`; where NaN or Inf comes out, runs again in float32 and says so through `note`."""

    def __init__(self, inner: Method, dtype: torch.dtype, note):
        super().__init__()
        self.inner = inner
        self.fast = inner if dtype == torch.float32 else _cast(inner, dtype)
        self.dtype, self.note = dtype, note
        self.channels, self.multiple, self.noises, self.meets = inner.channels, inner.multiple, inner.noises, inner.meets

    @property
    def called(self):
        return self.inner.called

    def restore(self, y: Tensor, problem: Problem) -> Tensor:
        x = self.fast(y.to(self.dtype), problem).float()
        if self.dtype != torch.float32 and not torch.isfinite(x).all():
            self.note(f"{str(self.dtype).removeprefix('torch.')} gave NaN or Inf in a tile; it was run again in float32")
            x = self.inner(y, problem)
        return x

    def tiling(self, problem):
        return self.inner.tiling(problem)

    def bytes_per_pixel(self, problem):
        return self.inner.bytes_per_pixel(problem)


def _cast(inner: Method, dtype: torch.dtype) -> Method:
    """A copy in another precision; what hears of its progress is no part of it, and may hold what cannot be copied."""
    from copy import deepcopy

    heard = [module.__dict__.pop("tick", None) for module in inner.modules()]
    try:
        copy = deepcopy(inner).to(dtype)
    finally:
        _hear(inner, heard)
    _hear(copy, heard)
    return copy


def _hear(method: Method, heard: list) -> None:
    for module, tick in zip(method.modules(), heard, strict=True):
        if tick is not None:
            module.tick = tick


class RealParts(Method):
    """A method for pictures on k-space: x is its real and imaginary part, as two channels, after the smooth phase of D^T y has been taken off; y likewise.

    y is divided by max |D^T y|, and `level`, on [0, 1], is the noise that the method is told of in place of aliasing. Gives |x|.
    """

    takes, gives = "k-space", "magnitude"

    def __init__(self, inner: Method, level: float):
        super().__init__()
        self.inner, self.level = inner, level

    def restore(self, y: Tensor, problem: Problem) -> Tensor:
        start = problem.operator.adjoint(y)
        unit = start.abs().amax((1, 2, 3), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        split = AsComplex(*start.shape[-2:])
        real = split.T @ (problem.operator @ (Coils(_smooth_phase(start)) @ split))
        self.inner.tick = self.tick
        x = self.inner(split.adjoint(y / unit), Problem(real, Gaussian(self.level)))
        return unit * torch.linalg.vector_norm(x, dim=1, keepdim=True)

    def bytes_per_pixel(self, problem):
        return 2 * self.inner.bytes_per_pixel(problem) + 64.0


def _smooth_phase(x: Tensor) -> Tensor:
    """x / |x| of x (B, 1, H, W) under a Gaussian of SMOOTH in its spectrum."""
    down, across = ((torch.arange(size, device=x.device) - size // 2) / size for size in x.shape[-2:])
    window = torch.exp(-(down[:, None] ** 2 + across[None] ** 2) / (2 * SMOOTH**2))
    return torch.sgn(Fourier().adjoint(Fourier()(x) * window))

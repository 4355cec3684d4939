"""The D of y = D x + n: shapes, forward, adjoint, and an algebra over them. Torch; no file, no device choice.

`x` is (B, C, H, W); `y` is (B, and what D gives). A new operator is a class with `forward` and, if it is
linear, `adjoint`, and a function `examples(dtype)` beside it that the sweep of tests picks up.
"""

from collections.abc import Callable, Sequence
from functools import wraps

import torch
from torch import Tensor, nn

from restore.numerics.mirror import mirrored_index
from restore.numerics.solvers import cg

Box = tuple[int, int, int, int]  # top, left, height, width


def exactly(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A method of an operator whose products are not taken in fewer bits where those of networks are."""
    @wraps(compute)
    def exact(self: "Operator", x: Tensor, *more: object) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return compute(self, x, *more)
    return exact


class Operator(nn.Module):
    """D. Tensors that it is made of are buffers, so `to(device)` works.

    in_shape: shape of x without batch, or None where any grid will do (operators made from a rule).
    linear: whether `forward` is linear; `adjoint` exists if so.
    align: x is cut only at multiples of this (2 for a Bayer mosaic, s for decimation by s).
    reach: how far in x one sample of y sees, in pixels; None means everything (no cropping).
    scale: pixels of x per pixel of y along each axis, where y is a picture too.
    beyond: (places, size) -> which of the samples of a line stands there, where a picture is continued for what works on whole blocks or tiles.
    """

    in_shape: tuple[int, ...] | None = None
    linear: bool = True
    align: int = 1
    reach: int | None = 0
    scale: int = 1
    beyond: Callable[[Tensor, int], Tensor] = staticmethod(mirrored_index)

    def out_shape(self, in_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of y without batch, for an x of this shape without batch."""
        return tuple(in_shape)

    def x_shape(self, out_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of x without batch, for a y of this shape without batch."""
        return self.in_shape or tuple(out_shape)

    def adjoint(self, y: Tensor) -> Tensor:
        """D^T y, in x's shape."""
        raise TypeError(f"{self} has no adjoint")

    def prox(self, v: Tensor, y: Tensor, rho: Tensor | float) -> Tensor:
        """argmin_x |D x - y|^2 + rho |x - v|^2, of v's shape; rho > 0, a number or (B, 1, 1, 1).

        By conjugate gradients, to rounding; classes that know a closed form give it.
        """
        return self.approach(v, y, rho, 100)

    def approach(self, v: Tensor, y: Tensor, rho: Tensor | float, steps: int) -> Tensor:
        """From v towards `prox`, by so many steps of conjugate gradients on (D^T D + rho) x = D^T y + rho v."""
        return cg(lambda x: self.adjoint(self(x)) + rho * x, self.adjoint(y) + rho * v, v, steps)

    def nearest(self, x: Tensor, y: Tensor) -> Tensor:
        """The nearest picture to x with D x = y, as far as D can tell: x + D^T (D D^T)^-1 (y - D x)."""
        return self.prox(x, y, 1e-6)

    def canvas(self, y: Tensor) -> "Canvas":
        """The problem of y on a grid where `prox` is cheap: itself, unless what lies beyond the edges of a picture matters."""
        return Canvas(self, y)

    def crop(self, boxes: Sequence[Box]) -> "Operator":
        """One operator for a batch of equal boxes of x, cut at multiples of `align`; exact inside the box less `reach`."""
        if self.reach is None:
            raise TypeError(f"{self} sees the whole picture and cannot be cropped")
        if self.in_shape is None:
            return self
        raise TypeError(f"{self} lives on one grid and says no way to crop it")

    def turn(self, turn: int) -> "Operator":
        """The operator on pictures turned by `numerics.turns.apply(x, turn)`; a rule without direction is its own."""
        if self.in_shape is None:
            return self
        raise TypeError(f"{self} says no way to turn it")

    def rows(self, rows: slice) -> "Operator":
        """The operator of some pictures of a batch; rules and what is the same for all are their own."""
        return self

    def channel(self, number: int) -> "Operator":
        """The operator of one channel, taken as a grey picture; what is the same for all is its own."""
        return self

    @property
    def T(self) -> "Operator":
        return Adjoint(self)

    def __matmul__(self, other: "Operator") -> "Operator":
        return Compose(self, other)

    def __add__(self, other: "Operator") -> "Operator":
        return Sum(self, other)

    def __rmul__(self, scale: float) -> "Operator":
        return Scale(float(scale), self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def of_rows(value: Tensor, rows: slice) -> Tensor:
    """Those of (B | 1, ...) that belong to some pictures of a batch."""
    return value if value.shape[0] == 1 else value[rows]


def of_channel(value: Tensor, number: int) -> Tensor:
    """That of (B, 1 | C, ...) which belongs to one channel."""
    return value if value.shape[1] == 1 else value[:, number : number + 1]


class Canvas:
    """An operator and a y on some grid around the picture. Methods that take `prox` again and again work on it and crop at the end."""

    def __init__(self, operator: Operator, y: Tensor):
        self.operator, self.y = operator, y

    def filled(self, x: Tensor) -> Tensor:
        """y on this grid; what was not measured is taken from D x."""
        return self.y

    def crop(self, x: Tensor) -> Tensor:
        """The picture, without what lies around it."""
        return x


class Identity(Operator):
    """D x = x: denoising."""

    def prox(self, v, y, rho):
        return (y + rho * v) / (1 + rho)

    def forward(self, x: Tensor) -> Tensor:
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        return y


class Made(Operator):
    """Made of other operators: a part of it, or it turned, is made of theirs. A subclass writes `each`."""

    def each(self, change: Callable[[Operator], Operator]) -> Operator:
        """The same made of changed operators."""
        raise TypeError(f"{type(self).__name__} says nothing of what it is made of")

    def crop(self, boxes):
        return self.each(lambda part: part.crop(boxes))

    def turn(self, turn):
        return self.each(lambda part: part.turn(turn))

    def rows(self, rows):
        return self.each(lambda part: part.rows(rows))

    def channel(self, number):
        return self.each(lambda part: part.channel(number))


class Adjoint(Made):
    """D^T as an operator; `A.T.T is A`."""

    def __init__(self, of: Operator):
        super().__init__()
        if not of.linear:
            raise TypeError(f"{of} is not linear and has no adjoint")
        self.of, self.reach = of, of.reach and of.reach + 1 if of.scale == 1 else None  # what edges mirror falls on one pixel more
        self.in_shape = of.in_shape and tuple(of.out_shape(of.in_shape))

    def forward(self, y: Tensor) -> Tensor:
        return self.of.adjoint(y)

    def adjoint(self, x: Tensor) -> Tensor:
        return self.of(x)

    def out_shape(self, in_shape):
        return self.of.x_shape(in_shape)

    def x_shape(self, out_shape):
        return self.of.out_shape(out_shape)

    def crop(self, boxes):
        return super().crop(boxes) if self.reach is not None else Operator.crop(self, boxes)

    def each(self, change):
        return Adjoint(change(self.of))

    @property
    def T(self) -> Operator:
        return self.of

    def __repr__(self):
        return f"{self.of}.T"


class Compose(Made):
    """(A @ B) x = A(B x)."""

    def __init__(self, outer: Operator, inner: Operator):
        super().__init__()
        self.outer, self.inner = outer, inner
        self.in_shape, self.linear = inner.in_shape, outer.linear and inner.linear
        self.align, self.scale = inner.align * outer.align, inner.scale * outer.scale
        self.reach = None if None in (outer.reach, inner.reach) else inner.reach + inner.align * outer.reach

    def each(self, change):
        return Compose(change(self.outer), change(self.inner))

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self.inner.adjoint(self.outer.adjoint(y))

    def out_shape(self, in_shape):
        return self.outer.out_shape(self.inner.out_shape(in_shape))

    def crop(self, boxes):
        if self.reach is None:
            return Operator.crop(self, boxes)
        return Compose(self.outer.crop([tuple(n // self.inner.scale for n in box) for box in boxes]), self.inner.crop(boxes))

    def x_shape(self, out_shape):
        return self.inner.x_shape(self.outer.x_shape(out_shape))

    def __repr__(self):
        return f"{self.outer} @ {self.inner}"


class Sum(Made):
    """(A + B) x = A x + B x, both on the same shapes."""

    def __init__(self, first: Operator, second: Operator):
        super().__init__()
        self.first, self.second = first, second
        self.in_shape, self.linear = first.in_shape or second.in_shape, first.linear and second.linear
        self.align, self.scale = max(first.align, second.align), first.scale
        self.reach = None if None in (first.reach, second.reach) else max(first.reach, second.reach)

    def each(self, change):
        return Sum(change(self.first), change(self.second))

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + self.second(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.first.adjoint(y) + self.second.adjoint(y)

    def out_shape(self, in_shape):
        return self.first.out_shape(in_shape)

    def x_shape(self, out_shape):
        return self.first.x_shape(out_shape)

    def __repr__(self):
        return f"({self.first} + {self.second})"


class Scale(Made):
    """(s A) x = s (A x)."""

    def __init__(self, factor: float, of: Operator):
        super().__init__()
        self.factor, self.of = factor, of
        self.in_shape, self.linear, self.align, self.reach, self.scale = of.in_shape, of.linear, of.align, of.reach, of.scale

    def each(self, change):
        return Scale(self.factor, change(self.of))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.of(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.factor * self.of.adjoint(y)

    def out_shape(self, in_shape):
        return self.of.out_shape(in_shape)

    def x_shape(self, out_shape):
        return self.of.x_shape(out_shape)

    def __repr__(self):
        return f"{self.factor:g} * {self.of}"


class Stack(Made):
    """[A; B; ...] x: the results one after another along the channels."""

    def __init__(self, *parts: Operator):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.in_shape = next((part.in_shape for part in parts if part.in_shape), None)
        self.linear = all(part.linear for part in parts)
        self.align, self.scale = max(part.align for part in parts), parts[0].scale
        self.reach = None if any(part.reach is None for part in parts) else max(part.reach for part in parts)

    def each(self, change):
        return Stack(*map(change, self.parts))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], dim=1)

    def adjoint(self, y: Tensor) -> Tensor:
        pieces = y.chunk(len(self.parts), dim=1)
        return sum(part.adjoint(piece) for part, piece in zip(self.parts, pieces, strict=True))

    def out_shape(self, in_shape):
        channels, *grid = self.parts[0].out_shape(in_shape)
        return (channels * len(self.parts), *grid)

    def x_shape(self, out_shape):
        channels, *grid = out_shape
        return self.parts[0].x_shape((channels // len(self.parts), *grid))

    def __repr__(self):
        return f"Stack({', '.join(map(repr, self.parts))})"


def adjoint_error(operator: Operator, x: Tensor, y: Tensor) -> tuple[float, float]:
    """|<D x, y> - <x, D^T y>| / (|D x| |y|), and the scale <x, D^T y> / <D x, y> that should be 1 (it names a wrong factor)."""
    forward, backward = operator(x), operator.adjoint(y)
    left, right = torch.vdot(y.flatten(), forward.flatten()), torch.vdot(backward.flatten(), x.flatten())
    if x.is_complex() != y.is_complex():  # linear over the reals
        left, right = left.real, right.real
    norm = torch.linalg.vector_norm(forward) * torch.linalg.vector_norm(y)
    return float((left - right).abs() / norm.clamp_min(1e-300)), float((right / left).real) if left != 0 else float("nan")


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """Operators of this file with an x each, for the sweep."""
    x = torch.randn(2, 3, 9, 7, dtype=dtype, generator=torch.Generator().manual_seed(0))
    one = Identity()
    return [(one, x), (one.T, x), (2.0 * one, x), (one @ (3.0 * one), x), (one + 0.5 * one, x), (Stack(one, 2.0 * one), x)]

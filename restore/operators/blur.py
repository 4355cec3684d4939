"""Blur with a kernel, on the picture's own grid or on a larger one whose edges are joined."""

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.numerics import turns
from restore.numerics.mirror import mirrored_index
from restore.operators.base import Canvas, Operator, Stack, exactly, of_channel, of_rows

LEAST, MOST = 5, 100  # steps of conjugate gradients where edges are unknown
LEFT = 1e-8  # of the energy that the first step found, at which they end: edges that do not go on as they were filled take most steps
DIRECT = 25  # taps up to which sums are faster than Fourier transforms


class Blur(Operator):
    """Convolution with a kernel (h, w) or (B | 1, C | 1, h, w): y[i] = sum_j k[j] x[i + c - j], c = (h // 2, w // 2).

    boundary: `reflect` mirrors x at its edges without repeating the edge, `circular` joins them, `valid` gives only what is seen whole: y is smaller.
    """

    def __init__(self, kernel: Tensor, boundary: str = "reflect"):
        super().__init__()
        kernel = F.pad(kernel, (0, 1 - kernel.shape[-1] % 2, 0, 1 - kernel.shape[-2] % 2))  # sides are odd from here on; the centre stays
        self.register_buffer("kernel", kernel.reshape((1,) * (4 - kernel.ndim) + tuple(kernel.shape)))
        self.boundary = boundary
        self.reach = None if boundary == "circular" else max(self.sides) // 2

    def rows(self, rows):
        return Blur(of_rows(self.kernel, rows), self.boundary)

    def channel(self, number):
        return Blur(of_channel(self.kernel, number), self.boundary)

    @property
    def sides(self) -> tuple[int, int]:
        return tuple(self.kernel.shape[-2:])

    def out_shape(self, in_shape):
        if self.boundary != "valid":
            return tuple(in_shape)
        if any(n < side for n, side in zip(in_shape[1:], self.sides, strict=True)):
            raise RestoreError(f"a kernel of {self.sides[0]} x {self.sides[1]} sees nothing whole of {in_shape[1]} x {in_shape[2]} pixels", "a picture as large as the kernel, or reflect")
        return (in_shape[0], *(n - side + 1 for n, side in zip(in_shape[1:], self.sides, strict=True)))

    def x_shape(self, out_shape):
        return tuple(out_shape) if self.boundary != "valid" else (out_shape[0], *(n + side - 1 for n, side in zip(out_shape[1:], self.sides, strict=True)))

    def forward(self, x: Tensor) -> Tensor:
        if self.boundary == "circular" and not self._direct:
            return torch.fft.irfft2(torch.fft.rfft2(x) * self.transfer(x), s=x.shape[-2:])
        self.out_shape(x.shape[1:])
        for axis, index in zip((-2, -1), self._indices(x), strict=True):
            x = x if index is None else x.index_select(axis, index)
        return self._seen_whole(x)

    def adjoint(self, y: Tensor) -> Tensor:
        if self.boundary == "circular" and not self._direct:
            return torch.fft.irfft2(torch.fft.rfft2(y) * self.transfer(y).conj(), s=y.shape[-2:])
        x, like = self._spread(y), y
        for axis, index in zip((-2, -1), self._indices(like), strict=True):
            if index is not None:
                shape = list(x.shape)
                shape[axis] = like.shape[axis]
                x = x.new_zeros(shape).index_add(axis, index, x)
        return x

    def transfer(self, x: Tensor) -> Tensor:
        """The transfer function on x's grid, joined at its edges: (B | 1, C | 1, H, W // 2 + 1), complex."""
        height, width = x.shape[-2:]
        kernel = self.kernel.to(x)
        rows, columns = ((torch.arange(side, device=x.device) - side // 2) % n for side, n in zip(self.sides, (height, width), strict=True))
        grid = kernel.new_zeros(*kernel.shape[:2], height, kernel.shape[3]).index_add(2, rows, kernel)
        grid = kernel.new_zeros(*kernel.shape[:2], height, width).index_add(3, columns, grid)
        return torch.fft.rfft2(grid)

    def prox(self, v, y, rho):
        if self.boundary != "circular":
            return super().prox(v, y, rho)
        k = self.transfer(y)
        return torch.fft.irfft2((k.conj() * torch.fft.rfft2(y) + rho * torch.fft.rfft2(v)) / (k.abs().square() + rho), s=y.shape[-2:])

    def canvas(self, y):
        return Canvas(self, y) if self.boundary == "circular" else Torus(self, y)

    def crop(self, boxes):
        if self.reach is None:
            return super().crop(boxes)
        return self

    def turn(self, turn):
        kernel = turns.apply(self.kernel, turn)
        return Blur(kernel, self.boundary)

    @property
    def _direct(self) -> bool:
        return self.sides[0] * self.sides[1] <= DIRECT

    def _indices(self, x: Tensor) -> list[Tensor | None]:
        """Where the rows and columns of the extended picture come from."""
        if self.boundary == "valid":
            return [None, None]
        found = []
        for n, side in zip(x.shape[-2:], self.sides, strict=True):
            at = torch.arange(-(side // 2), n + side // 2, device=x.device)
            found.append(at % n if self.boundary == "circular" else mirrored_index(at, n))
        return found

    @exactly
    def _seen_whole(self, x: Tensor) -> Tensor:
        h, w = self.sides
        if self._direct:
            return F.conv2d(x.reshape(1, -1, *x.shape[-2:]), self._taps(x), groups=x.shape[0] * x.shape[1]).reshape(*x.shape[:2], x.shape[2] - h + 1, x.shape[3] - w + 1)
        size = [fast_length(n) for n in x.shape[-2:]]
        full = torch.fft.irfft2(torch.fft.rfft2(x, s=size) * torch.fft.rfft2(self.kernel.to(x), s=size), s=size)
        return full[..., h - 1 : x.shape[-2], w - 1 : x.shape[-1]]

    @exactly
    def _spread(self, y: Tensor) -> Tensor:
        """The transpose of `_seen_whole`."""
        h, w = self.sides
        if self._direct:
            return F.conv_transpose2d(y.reshape(1, -1, *y.shape[-2:]), self._taps(y), groups=y.shape[0] * y.shape[1]).reshape(
                *y.shape[:2], y.shape[2] + h - 1, y.shape[3] + w - 1)
        height, width = y.shape[-2] + h - 1, y.shape[-1] + w - 1
        size = [fast_length(n) for n in (height, width)]
        wide = F.pad(y, (w - 1, 0, h - 1, 0))
        return torch.fft.irfft2(torch.fft.rfft2(wide, s=size) * torch.fft.rfft2(self.kernel.to(y), s=size).conj(), s=size)[..., :height, :width]

    def _taps(self, x: Tensor) -> Tensor:
        return self.kernel.to(x).flip(-1, -2).expand(x.shape[0], x.shape[1], -1, -1).reshape(-1, 1, *self.sides)

    def __repr__(self):
        return f"blur {self.sides[0]} x {self.sides[1]}, {self.boundary}"


class Framed(Blur):
    """A circular blur of which only a window was measured: M C. `window`: (B | 1, 1, H, W), 1 inside. Its grid is that of the window."""

    _known: Tensor | None = None  # the transfer function

    def __init__(self, kernel: Tensor, window: Tensor):
        super().__init__(kernel, "circular")
        self.register_buffer("window", window)
        self.in_shape = tuple(window.shape[1:])

    def rows(self, rows):
        return Framed(of_rows(self.kernel, rows), of_rows(self.window, rows))

    def channel(self, number):
        return Framed(of_channel(self.kernel, number), self.window)

    def transfer(self, x):
        if self._known is None or (self._known.real.dtype, self._known.device) != (x.dtype, x.device):
            self._known = super().transfer(x)
        return self._known

    def forward(self, x: Tensor) -> Tensor:
        return self.window * super().forward(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return super().adjoint(self.window * y)

    def prox(self, v, y, rho):
        """Conjugate gradients preconditioned with (C^T C + rho)^-1, which is diagonal for Fourier transforms: x, r and p are transforms throughout."""
        k, size = self.transfer(v), v.shape[-2:]
        diagonal = k.abs().square() + rho
        twice = torch.full((k.shape[-1],), 2.0 / (size[0] * size[1]), dtype=v.dtype, device=v.device)  # Parseval, of half a spectrum
        twice[0] /= 2
        if size[1] % 2 == 0:
            twice[-1] /= 2

        def energy(spectrum: Tensor) -> Tensor:
            return (twice * spectrum).sum((1, 2, 3), keepdim=True)
        x = torch.fft.rfft2(v)
        r = k.conj() * torch.fft.rfft2(self.window * (y - self.window * torch.fft.irfft2(k * x, s=size)))
        p = rz = first = None
        for step in range(MOST):
            before, rz = rz, energy((r.real.square() + r.imag.square()) / diagonal)
            first = rz if first is None else first
            if step >= LEAST and bool((rz <= LEFT * first).all()):
                break
            p = r / diagonal if p is None else r / diagonal + rz / before.clamp_min(1e-30) * p
            seen = self.window * torch.fft.irfft2(k * p, s=size)
            rate = rz / (seen.square().sum((1, 2, 3), keepdim=True) + rho * energy(p.real.square() + p.imag.square())).clamp_min(1e-30)
            x, r = x + rate * p, r - rate * (k.conj() * torch.fft.rfft2(self.window * seen) + rho * p)
        return torch.fft.irfft2(x, s=size)


class Torus(Canvas):
    """A blurred picture on a larger grid whose edges are joined, so that transforms invert the blur and nothing wraps into the picture.

    At first the gap is a cross-fade of the two mirrored ends; what it would measure is unknown and counts for nothing.
    """

    def __init__(self, blur: Blur, y: Tensor):
        self.measured, self.seen = y, blur.x_shape(tuple(y.shape[1:]))[1:]
        self.at = tuple(side // 2 for side in blur.sides) if blur.boundary == "valid" else (0, 0)
        self.y = y
        for axis, seen, side, at in zip((-2, -1), self.seen, blur.sides, self.at, strict=True):
            self.y = _joined(self.y, axis, fast_length(seen + max(2 * side, 24)), at)
        window = torch.zeros_like(self.y[:1, :1])
        window[self._frame] = 1
        self.operator = Framed(blur.kernel, window)

    @property
    def _frame(self):
        return (..., *(slice(at, at + n) for at, n in zip(self.at, self.measured.shape[-2:], strict=True)))

    def filled(self, x):
        y = Blur.forward(self.operator, x)
        y[self._frame] = self.measured
        return y

    def crop(self, x):
        return x[..., : self.seen[0], : self.seen[1]]


def _joined(y: Tensor, axis: int, size: int, at: int) -> Tensor:
    """y from place `at` of an axis of `size` on, the gap filled by fading from the mirrored end to the mirrored beginning."""
    n = y.shape[axis]
    gap = size - n
    step = torch.arange(gap, device=y.device)
    last, first = (mirrored_index(index, n) for index in (n + step, step - gap))
    shape = [1] * y.ndim
    shape[axis] = gap
    fade = ((step + 1) / (gap + 1)).to(y.dtype).reshape(shape)
    filler = y.index_select(axis, last) * (1 - fade) + y.index_select(axis, first) * fade
    return torch.cat([y, filler], axis).roll(at, axis)


def fast_length(n: int) -> int:
    """The smallest length from n on whose only prime factors are 2, 3 and 5."""
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


class Unknown(Operator):
    """A blur whose kernel nobody knows, for networks that are not told; y lies on x's grid."""

    linear = False

    def forward(self, x: Tensor) -> Tensor:
        raise TypeError("the kernel of this blur is unknown")

    def __repr__(self):
        return "unknown blur"


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """For the sweep: every boundary, sums and transforms, even sides, kernels per picture; and what is made of a blur."""
    generator = torch.Generator().manual_seed(0)
    x, grid = (torch.randn(*shape, dtype=dtype, generator=generator) for shape in ((2, 3, 9, 7), (2, 3, 30, 36)))
    small, even, large = (torch.rand(*shape, dtype=dtype, generator=generator) for shape in ((3, 5), (2, 4), (2, 1, 13, 12)))
    one, each = Blur(small), Blur(large[..., :5, :3])
    made = [2.0 * one, one + 0.5 * one, Stack(one, 2.0 * one), one.T, each @ one, (each @ one).T]
    return [(Blur(kernel / kernel.sum((-2, -1), keepdim=True), boundary), grid if boundary == "valid" else x)
            for kernel in (small, even, large) for boundary in ("reflect", "circular", "valid")] + [(operator, grid) for operator in made]

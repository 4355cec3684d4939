"""Magnetic resonance: y = M F S x, in k-space. x is (B, 1, H, W), y (B, coils, H, W), both complex.

The zero frequency lies at (H // 2, W // 2), the middle of the picture likewise; F is unitary. M M = M, so M is its own adjoint.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from restore.numerics import turns
from restore.operators import sampling
from restore.operators.base import Operator, of_rows

AXES = (-2, -1)
WAVES = 4  # cosines along each axis that a smooth phase is made of


class Fourier(Operator):
    """F, the centred discrete Fourier transform over H and W, divided by sqrt(H W)."""

    reach = None

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(x, AXES), norm="ortho"), AXES)

    def adjoint(self, y: Tensor) -> Tensor:
        return torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(y, AXES), norm="ortho"), AXES)

    def turn(self, turn: int) -> Operator:
        raise TypeError("a turned k-space has its centre elsewhere where H or W is even")


class Sampling(Operator):
    """M: samples that were not taken are 0. `taken`: (H, W), 1 or 0, true or false."""

    reach = None

    def __init__(self, taken: Tensor):
        super().__init__()
        self.register_buffer("taken", taken.bool(), persistent=False)

    def mask(self, height: int, width: int) -> Tensor:
        """True where a sample is taken, (H, W)."""
        return self.taken.expand(height, width)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask(*x.shape[-2:]).to(x.device)

    def adjoint(self, y: Tensor) -> Tensor:
        return self(y)

    def turn(self, turn: int) -> Operator:
        raise TypeError("a turned k-space has its centre elsewhere where H or W is even")


class Pattern(Sampling):
    """M from a rule, for any grid: `sampling.mask`."""

    def __init__(self, kind: str, acceleration: float, center_fraction: float, seed: Sequence[int] = (0,)):
        super().__init__(torch.ones(1, 1))
        self.rule = (kind, acceleration, center_fraction, tuple(seed))

    def mask(self, height: int, width: int) -> Tensor:
        kind, *rest = self.rule
        return torch.from_numpy(sampling.mask(kind, height, width, *rest).copy())

    def __repr__(self):
        return f"Sampling({self.rule[0]}, {self.rule[1]:g}x)"


class Coils(Operator):
    """S: x times the sensitivity of each coil; S^T sums what the coils saw, each times its conjugate. `maps`: ([B,] coils, H, W), complex."""

    def __init__(self, maps: Tensor):
        super().__init__()
        self.register_buffer("maps", maps, persistent=False)
        self.in_shape = (1, *maps.shape[-2:])

    def out_shape(self, in_shape):
        return tuple(self.maps.shape[-3:])

    def forward(self, x: Tensor) -> Tensor:
        return self.maps * x

    def adjoint(self, y: Tensor) -> Tensor:
        return (self.maps.conj() * y).sum(1, keepdim=True)

    def rows(self, rows):
        return Coils(of_rows(self.maps, rows)) if self.maps.ndim == 4 else self

    def crop(self, boxes):
        return Coils(torch.cat([self.maps[..., top : top + height, left : left + width].reshape(-1, self.maps.shape[-3], height, width) for top, left, height, width in boxes]))

    def turn(self, turn):
        return Coils(turns.apply(self.maps[None], turn)[0])


class Loops(Coils):
    """S from a rule, for any grid: `count` coils around the picture, each seeing what is near to it, squares summing to 1; a turn of phase across."""

    def __init__(self, count: int):
        super().__init__(torch.ones(count, 1, 1, dtype=torch.complex64))
        self.in_shape, self.count = None, count

    def seen(self, x: Tensor) -> Tensor:
        """(count, H, W)."""
        down, across = (torch.linspace(-1, 1, size, device=x.device, dtype=x.real.dtype) for size in x.shape[-2:])
        maps = []
        for angle in (2 * torch.pi * torch.arange(self.count) / self.count).tolist():
            along = down[:, None] * math.sin(angle) + across[None] * math.cos(angle)
            aside = across[None] * math.sin(angle) - down[:, None] * math.cos(angle)
            maps.append(torch.polar(torch.exp(-((along - 1) ** 2 + aside**2) / 1.5), angle + along))
        maps = torch.stack(maps)
        return maps / torch.linalg.vector_norm(maps, dim=0)

    def out_shape(self, in_shape):
        return (self.count, *in_shape[-2:])

    def forward(self, x: Tensor) -> Tensor:
        return self.seen(x) * x

    def adjoint(self, y: Tensor) -> Tensor:
        return (self.seen(y).conj() * y).sum(1, keepdim=True)

    def crop(self, boxes):
        raise TypeError("coils around a picture are not cropped with it")

    def turn(self, turn):
        raise TypeError("coils around a picture are not turned with it")


class AsComplex(Operator):
    """Real channels (B, 2 C, H, W) taken as real and imaginary parts of (B, C, H, W); linear over the reals, and its adjoint parts them again."""

    def __init__(self, height: int, width: int):
        super().__init__()
        self.in_shape = (2, height, width)

    def out_shape(self, in_shape):
        return (in_shape[0] // 2, *in_shape[1:])

    def forward(self, x: Tensor) -> Tensor:
        return torch.complex(*x.chunk(2, 1))

    def adjoint(self, y: Tensor) -> Tensor:
        return torch.cat([y.real, y.imag], 1)

    def crop(self, boxes):
        return AsComplex(*boxes[0][2:])

    def turn(self, turn):
        return AsComplex(*(self.in_shape[:0:-1] if turn & 1 else self.in_shape[1:]))


def encoding(taken: Tensor, maps: Tensor | None = None) -> Operator:
    """M F S; without maps M F, coil by coil."""
    return Sampling(taken) @ (Fourier() if maps is None else Fourier() @ Coils(maps))


def smooth_phase(shape: Sequence[int], generator: torch.Generator | None = None, device: torch.device | str = "cpu") -> Tensor:
    """exp(i phi), (B, 1, H, W): phi a sum of WAVES x WAVES cosines with normal amplitudes that fall with frequency, 0.6 rad in the mean, as measured
    in heads (0.62 rad in `phfit`), and an angle for the whole that may be any."""
    count, _, height, width = shape
    order = torch.arange(WAVES, device=device, dtype=torch.float32)
    fall = 1 / (1 + order[:, None] ** 2 + order[None] ** 2)
    fall[0, 0] = 0
    amplitude = torch.randn(count, 1, WAVES, WAVES, generator=generator, device=device) * fall * (0.6 * 2 / fall.square().sum().sqrt())
    waves = [torch.cos(torch.pi * order[:, None] * (torch.arange(size, device=device)[None] + 0.5) / size) for size in (height, width)]
    turn = 2 * torch.pi * torch.rand(count, 1, 1, 1, generator=generator, device=device)
    phi = waves[0].mT @ amplitude @ waves[1] + turn
    return torch.polar(torch.ones_like(phi), phi)


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """Operators of this file with an x each, for the sweep; grids of even and odd sides."""
    generator, complex_ = torch.Generator().manual_seed(0), torch.complex(torch.zeros(1, dtype=dtype), torch.zeros(1, dtype=dtype)).dtype
    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=complex_, generator=generator)
    maps, taken = drawn(3, 12, 9), torch.rand(12, 9, generator=generator) < 0.4
    return [(Fourier(), drawn(2, 1, 12, 9)), (Sampling(taken), drawn(2, 3, 12, 9)), (Coils(maps), drawn(2, 1, 12, 9)),
            (Fourier() @ Loops(3), drawn(2, 1, 12, 9)), (encoding(taken, maps), drawn(2, 1, 12, 9)),
            (encoding(taken), drawn(2, 3, 12, 9)),
            (AsComplex(12, 9), torch.randn(2, 2, 12, 9, dtype=dtype, generator=generator)), *((Pattern(kind, 3.0, 0.12) @ Fourier(), drawn(1, 1, 32, 40)) for kind in sampling.KINDS)]

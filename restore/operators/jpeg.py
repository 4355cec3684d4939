"""JPEG coding: blocks of 8 x 8 cosine coefficients, divided by a table and rounded. Not linear, no adjoint. ITU-T T.81, annexes A and K."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.operators.base import Operator

LUMA = (16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
        18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99)
CHROMA = (17, 18, 24, 47, *(99,) * 4, 18, 21, 26, 66, *(99,) * 4, 24, 26, 56, *(99,) * 5, 47, 66, *(99,) * 38)


class Coding(Operator):
    """decode(code(x)), of grey as luma alone, of RGB as YCbCr without subsampling; x and y on [0, 1], y in whole levels of 255.

    tables: (B | 1, 2, 8, 8), of luma and chroma.
    """

    linear, align = False, 8

    def __init__(self, tables: Tensor):
        super().__init__()
        self.register_buffer("tables", tables.float())

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        planes = ycc(F.pad(255 * x, (0, -width % 8, 0, -height % 8), mode="replicate"))
        table = self.table(planes)
        coded = inverse((forward(planes - 128) / table).round() * table) + 128
        return (rgb(coded)[..., :height, :width].clamp(0, 255).round()) / 255

    @property
    def sigma(self) -> Tensor:
        """The noise that stands for the loss, (B | 1, 1, 1, 1) on [0, 1]: sigma^2 = 0.69 q^1.3 on the 0-255 scale, q the mean of the nine lowest steps of luma.

        Foi, Katkovnik & Egiazarian, Pointwise shape-adaptive DCT for high-quality denoising and deblocking, TIP 2007 (section IV).
        """
        return (0.69 * self.tables[:, :1, :3, :3].mean((2, 3), keepdim=True) ** 1.3).sqrt() / 255

    def table(self, planes: Tensor) -> Tensor:
        """The step of every coefficient, to be multiplied with `forward(planes)`: (B | 1, C, 1, 8, 1, 8)."""
        return self.tables.to(planes)[:, [0, 1, 1][: planes.shape[1]], None, :, None, :]

    def turn(self, turn):
        """Of pictures of whole blocks."""
        return Coding(self.tables.mT if turn & 1 else self.tables)

    def __repr__(self):
        return f"JPEG coding, mean step {float(self.tables[:, 0].mean()):.1f}"


def tables(quality: Tensor) -> Tensor:
    """(B, 2, 8, 8) of the Independent JPEG Group for qualities 1 to 100, a number or (B, 1, 1, 1)."""
    quality = quality.reshape(-1, 1, 1, 1).clamp(1, 100)
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    base = torch.tensor([LUMA, CHROMA], dtype=torch.float32, device=quality.device).reshape(1, 2, 8, 8)
    return ((base * scale + 50) / 100).floor().clamp(1, 255)


def ycc(x: Tensor) -> Tensor:
    """RGB to YCbCr on 0 to 255; grey stays."""
    if x.shape[1] == 1:
        return x
    r, g, b = x.unbind(1)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return torch.stack([y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402], 1)


def rgb(x: Tensor) -> Tensor:
    """The inverse of `ycc`."""
    if x.shape[1] == 1:
        return x
    y, b, r = x.unbind(1)
    red, blue = y + 1.402 * (r - 128), y + 1.772 * (b - 128)
    return torch.stack([red, (y - 0.299 * red - 0.114 * blue) / 0.587, blue], 1)


def forward(x: Tensor) -> Tensor:
    """The orthonormal cosine transform of every block of 8 x 8: (B, C, h, 8, w, 8), H and W multiples of 8."""
    blocks = x.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8))
    matrix = _cosines().to(x)
    return torch.einsum("ui,bchiwj,vj->bchuwv", matrix, blocks, matrix)


def inverse(c: Tensor) -> Tensor:
    matrix = _cosines().to(c)
    return torch.einsum("ui,bchuwv,vj->bchiwj", matrix, c, matrix).flatten(4, 5).flatten(2, 3)


def _cosines() -> Tensor:
    k, n = torch.arange(8, dtype=torch.float64)[:, None], torch.arange(8, dtype=torch.float64)
    matrix = torch.cos(math.pi * k * (2 * n + 1) / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """For the sweep: colour, and qualities per picture."""
    x = torch.rand(2, 3, 32, 24, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return [(Coding(tables(torch.tensor(30.0))), x), (Coding(tables(torch.tensor([10.0, 90.0]))), x)]

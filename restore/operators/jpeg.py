"""JPEG coding: blocks of 8 x 8 cosine coefficients, divided by a table and rounded. Not linear, no adjoint. ITU-T T.81, annexes A and K."""

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.numerics.mirror import repeated_index
from restore.numerics.patches import dct_matrix
from restore.operators.base import Operator, of_rows

LUMA = (16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
        18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99)
TIE = 1e-4
RECOVERY = 8  # steps from interpolated chroma back to its samples
CHROMA = (17, 18, 24, 47, *(99,) * 4, 18, 21, 26, 66, *(99,) * 4, 24, 26, 56, *(99,) * 5, 47, 66, *(99,) * 38)


class Coding(Operator):
    """decode(code(x)), of grey as luma alone, of RGB as YCbCr, or as it is (`rgb`); x and y on [0, 1], y in whole levels of 255.

    tables: (B | 1, 2 | 3, 8, 8), of luma and chroma, or of each component. sampling: rows and columns of pixels per sample of chroma, 1 or 2 each: means on the way in,
    bilinear interpolation on the way out, as libjpeg has it. None: not known, which simulates (1, 1).
    """

    linear = False
    beyond = staticmethod(repeated_index)  # as encoders fill the last blocks

    def __init__(self, tables: Tensor, sampling: tuple[int, int] | None = None, rgb: bool = False):
        super().__init__()
        self.register_buffer("tables", tables.float())
        self.sampling, self.rgb, coarsest = sampling, rgb, max(sampling or (1, 1))
        self.align, self.reach = 8 * coarsest, coarsest - 1

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        planes = self._planes(self._whole(255 * x)).round() - 128
        luma, chroma = planes[:, :1], planes[:, 1:]
        coded = [_quantised(luma, self.table(0))]
        if chroma.shape[1]:
            coded.append(self._enlarged(_quantised(self._reduced(chroma).round(), self.table(1)).round().clamp(-128, 127)))
        return (self._colours(torch.cat(coded, 1) + 128)[..., :height, :width].clamp(0, 255).round()) / 255

    def nearest(self, x: Tensor, y: Tensor) -> Tensor:
        """The nearest picture to x that may have been coded to y: every coefficient within half a step of the one in the file. Chroma of unknown sampling stays."""
        height, width = x.shape[-2:]
        after, before = (self._planes(self._whole(255 * part)) - 128 for part in (x, y))
        moved = [after[:, :1] + _moved(after[:, :1], before[:, :1], self.table(0)), after[:, 1:]]
        if self.sampling and after.shape[1] == 3:
            step = _moved(self._reduced(after[:, 1:]), self._sampled(before[:, 1:]), self.table(1))
            moved[1] = moved[1] + F.interpolate(step, scale_factor=self.sampling, mode="nearest")
        return self._colours(torch.cat(moved, 1) + 128)[..., :height, :width] / 255

    def rows(self, rows):
        return Coding(of_rows(self.tables, rows), self.sampling, self.rgb)

    @property
    def span(self) -> tuple[int, int]:
        """How far `nearest` sees in pixels, and what tiles are to be aligned to for it."""
        side = 8 * max(self.sampling or (1, 1))
        return side if side == 8 else side + 4 * (RECOVERY + 1), side

    def _planes(self, x: Tensor) -> Tensor:
        return x if self.rgb else ycc(x)

    def _colours(self, planes: Tensor) -> Tensor:
        return planes if self.rgb else rgb(planes)

    def _whole(self, x: Tensor) -> Tensor:
        """x continued to whole blocks of every plane."""
        down, across = self.sampling or (1, 1)
        return F.pad(x, (0, -x.shape[3] % (8 * across), 0, -x.shape[2] % (8 * down)), mode="replicate")

    def _reduced(self, chroma: Tensor) -> Tensor:
        return F.avg_pool2d(chroma, self.sampling or 1)

    def _enlarged(self, samples: Tensor) -> Tensor:
        return samples if self.sampling in (None, (1, 1)) else F.interpolate(samples, scale_factor=self.sampling, mode="bilinear", align_corners=False)

    def _sampled(self, chroma: Tensor) -> Tensor:
        """The samples that were interpolated to chroma. Means of an interpolation have eigenvalues from 1/4 to 1, so steps of 1.6 lead back."""
        samples = self._reduced(chroma)
        for _ in range(0 if self.sampling == (1, 1) else RECOVERY):
            samples = samples + 1.6 * self._reduced(chroma - self._enlarged(samples))
        return samples

    @property
    def sigma(self) -> Tensor:
        """The noise that stands for the loss, (B | 1, 1, 1, 1) on [0, 1]: sigma^2 = 0.69 q^1.3 on the 0-255 scale, q the mean of the nine lowest steps of luma.

        Foi, Katkovnik & Egiazarian, Pointwise shape-adaptive DCT for high-quality denoising and deblocking, TIP 2007 (section IV).
        """
        return (0.69 * self.tables[:, :1, :3, :3].mean((2, 3), keepdim=True) ** 1.3).sqrt() / 255

    def table(self, plane: int) -> Tensor:
        """The step of every coefficient of luma (0) or chroma (1), to be multiplied with `forward(planes)`: (B | 1, 1 | 2, 1, 8, 1, 8)."""
        return self.tables[:, 1:, None, :, None, :] if plane else self.tables[:, :1, None, :, None, :]

    def turn(self, turn):
        """Of pictures of whole blocks."""
        return Coding(self.tables.mT, self.sampling and self.sampling[::-1], self.rgb) if turn & 1 else self

    def __repr__(self):
        return f"JPEG coding, mean step {float(self.tables[:, 0].mean()):.1f}"


def tables(quality: Tensor) -> Tensor:
    """(B, 2, 8, 8) of the Independent JPEG Group for qualities 1 to 100, a number or (B, 1, 1, 1)."""
    quality = quality.reshape(-1, 1, 1, 1).clamp(1, 100)
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    base = torch.tensor([LUMA, CHROMA], dtype=torch.float32, device=quality.device).reshape(1, 2, 8, 8)
    return ((base * scale + 50) / 100).floor().clamp(1, 255)


def _quantised(planes: Tensor, table: Tensor) -> Tensor:
    """What the steps of a table leave; a half is rounded away from 0, as libjpeg does, and what comes near a half counts as one."""
    table = table.to(planes)
    steps = forward(planes) / table
    return inverse(steps.sign() * (steps.abs() + 0.5 + TIE).floor() * table)


def _moved(after: Tensor, before: Tensor, table: Tensor) -> Tensor:
    """What has to be added to `after` so that its coefficients lie within half a step of those of `before`."""
    table = table.to(after)
    middle, now = (forward(before) / table).round() * table, forward(after)
    return inverse(torch.minimum(torch.maximum(now, middle - table / 2), middle + table / 2) - now)


def ycc(x: Tensor) -> Tensor:
    """RGB to YCbCr on 0 to 255; grey stays."""
    if x.shape[1] == 1:
        return x
    if x.shape[1] != 3:
        raise RestoreError(f"a picture of {x.shape[1]} channels is no JPEG", "1 or 3")
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
    matrix = dct_matrix(8).to(x)
    return torch.einsum("ui,bchiwj,vj->bchuwv", matrix, blocks, matrix)


def inverse(c: Tensor) -> Tensor:
    matrix = dct_matrix(8).to(c)
    return torch.einsum("ui,bchuwv,vj->bchiwj", matrix, c, matrix).flatten(4, 5).flatten(2, 3)


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """For the sweep: colour, qualities per picture, and subsampled chroma."""
    x, wide = (torch.rand(2, 3, 32, side, dtype=dtype, generator=torch.Generator().manual_seed(0)) for side in (24, 64))
    return [(Coding(tables(torch.tensor(30.0))), x), (Coding(tables(torch.tensor([10.0, 90.0]))), x), (Coding(tables(torch.tensor(30.0)), (2, 2)), wide)]

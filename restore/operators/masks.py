"""Missing pixels: the operator, and masks made from words: missing:0.8 (a share, at random), text:SIZE, scratches:COUNT, marks:SIZE, any:SIZE. 1 where a pixel was measured."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from restore.errors import RestoreError, UsageError, nearest
from restore.numerics import turns
from restore.numerics.mirror import mirrored_index
from restore.operators.base import Box, Operator, of_channel, of_rows

FORMS = {"missing": "missing:SHARE, as missing:0.8", "text": "text:SIZE in pixels, as text:16", "scratches": "scratches:COUNT, as scratches:12",
         "marks": "marks:SIZE, letters of up to so many pixels or scratches", "any": "any:SIZE, those or pixels at random"}


class Mask(Operator):
    """Pixels that were measured, times 1, and those that are missing, times 0. mask: (B | 1, C | 1, H, W)."""

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask.reshape((1,) * (4 - mask.ndim) + tuple(mask.shape)).float())

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] != self.mask.shape[-2:]:
            raise RestoreError(f"a mask of {self.mask.shape[3]} x {self.mask.shape[2]} pixels for a picture of {x.shape[3]} x {x.shape[2]}", "equal sizes")
        return x * self.mask.to(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self(y)

    def prox(self, v, y, rho):
        mask = self.mask.to(y)
        return (mask * y + rho * v) / (mask + rho)

    def crop(self, boxes: Sequence[Box]) -> "Mask":
        """Beyond the edges the mask goes on mirrored, as pictures do."""
        parts = []
        for top, left, height, width in boxes:
            rows, columns = (mirrored_index(torch.arange(first, first + length, device=self.mask.device), n)
                             for first, length, n in zip((top, left), (height, width), self.mask.shape[-2:], strict=True))
            parts.append(self.mask[..., rows, :][..., columns])
        return Mask(torch.cat(parts))

    def rows(self, rows):
        return Mask(of_rows(self.mask, rows))

    def channel(self, number):
        return Mask(of_channel(self.mask, number))

    def turn(self, turn):
        return Mask(turns.apply(self.mask, turn))

    def __repr__(self):
        return f"mask, {100 * (1 - float(self.mask.mean())):.1f} % missing"


def is_made(words: str) -> bool:
    """Whether words are meant to name a mask that is made, rather than a file."""
    return words.partition(":")[0] in FORMS and ":" in words


def make(words: str, height: int, width: int, seed: int = 0) -> Tensor:
    """(1, 1, height, width) of 0 and 1, by words and seed alone; `missing:0.8@3` adds to the seed."""
    name, _, rest = words.partition(":")
    size, _, more = rest.partition("@")
    try:
        value, seed = float(size), seed + int(more or 0)
    except ValueError:
        value = math.nan
    if name not in FORMS or not 0 < value < (1 if name == "missing" else 10_000):
        raise UsageError(f"the mask {words!r} cannot be made", FORMS.get(name, nearest(name, FORMS)))
    generator = torch.Generator().manual_seed(seed)
    if name == "missing":
        return (torch.rand(1, 1, height, width, generator=generator) >= value).float()
    return MAKERS[name](height, width, value, generator)


def _text(height: int, width: int, size: float, generator: torch.Generator) -> Tensor:
    """Lines of letters five by seven dots each, drawn at random, `size` pixels high."""
    dot = max(int(size / 7), 1)
    rows, columns = max(height // (11 * dot), 1), max(width // (6 * dot), 1)
    letters = torch.rand(rows, columns, 7, 3, generator=generator) < 0.45
    letters = torch.cat([letters, letters[..., :2].flip(-1)], -1)  # symmetric, as most letters are nearly
    letters = letters & (torch.rand(rows, columns, 1, 1, generator=generator) < 0.85)
    page = torch.zeros(rows, 11, columns, 6, dtype=torch.bool)
    page[:, 2:9, :, :5] = letters.permute(0, 2, 1, 3)
    page = page.reshape(rows * 11, columns * 6).repeat_interleave(dot, 0).repeat_interleave(dot, 1)[:height, :width]
    mask = torch.ones(1, 1, height, width)
    mask[0, 0, : page.shape[0], : page.shape[1]] -= page.float()
    return mask


def _scratches(height: int, width: int, count: float, generator: torch.Generator) -> Tensor:
    """Parabolas across the picture, one to three pixels wide."""
    y, x = torch.arange(height)[:, None] / max(height - 1, 1) - 0.5, torch.arange(width) / max(width - 1, 1) - 0.5
    mask = torch.ones(height, width)
    for _ in range(int(count)):
        angle, offset, bend, wide = torch.rand(4, generator=generator).tolist()
        along, across = x * math.cos(math.pi * angle) + y * math.sin(math.pi * angle), -x * math.sin(math.pi * angle) + y * math.cos(math.pi * angle)
        mask[(across - (offset - 0.5) - (bend - 0.5) * along**2).abs() < (0.5 + wide) / max(height, width)] = 0
    return mask[None, None]


def _marks(height: int, width: int, size: float, generator: torch.Generator) -> Tensor:
    """Letters of 7 to `size` pixels, or 4 to 24 scratches, as chance has it: what a network is trained on."""
    share, kind = torch.rand(2, generator=generator).tolist()
    if kind < 0.5:
        return _text(height, width, 7 + share * max(size - 7, 0), generator)
    return _scratches(height, width, 4 + 20 * share, generator)


def _any(height: int, width: int, size: float, generator: torch.Generator) -> Tensor:
    """Marks, or 30 to 90 % of the pixels at random."""
    share, kind = torch.rand(2, generator=generator).tolist()
    if kind < 0.5:
        return _marks(height, width, size, generator)
    return (torch.rand(1, 1, height, width, generator=generator) >= 0.3 + 0.6 * share).float()


MAKERS = {"text": _text, "scratches": _scratches, "marks": _marks, "any": _any}


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """For the sweep."""
    generator = torch.Generator().manual_seed(0)
    one, x = Mask((torch.rand(1, 1, 9, 7, generator=generator) > 0.4)), torch.randn(2, 3, 9, 7, dtype=dtype, generator=generator)
    each = Mask(torch.rand(2, 3, 9, 7, generator=generator) > 0.4)
    return [(operator, x) for operator in (one, each, 2.0 * each, each.T, each @ one, each + one)]

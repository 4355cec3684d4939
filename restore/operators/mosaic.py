"""The mosaic of a colour filter: of every pixel one colour is kept."""

import torch
from torch import Tensor

from restore.numerics import turns
from restore.operators.base import Operator

PATTERNS = ("rggb", "bggr", "grbg", "gbrg")


class Mosaic(Operator):
    """y (B, 1, H, W) takes from x (B, 3, H, W) the colour of its place in the 2 x 2 cell `pattern`, in reading order. Bayer, US 3971065, 1976.

    A rule for any grid; turned pictures must have even sides, for the cell is turned with them.
    """

    align = 2

    def __init__(self, pattern: str = "rggb"):
        super().__init__()
        if pattern not in PATTERNS:
            raise ValueError(f"the pattern {pattern!r} is none of {', '.join(PATTERNS)}")
        self.pattern = pattern

    def mask(self, height: int, width: int, like: Tensor) -> Tensor:
        """(1, 3, height, width), 1 where a colour is kept."""
        cell = torch.tensor([[self.pattern[2 * row + column] == colour for column in range(2)] for colour in "rgb" for row in range(2)])
        cell = cell.reshape(1, 3, 2, 2).to(like)
        return cell.repeat(1, 1, -(-height // 2), -(-width // 2))[..., :height, :width]

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.mask(*x.shape[-2:], x)).sum(1, keepdim=True)

    def adjoint(self, y: Tensor) -> Tensor:
        return y * self.mask(*y.shape[-2:], y)

    def gain(self, y: Tensor, gains: Tensor) -> Tensor:
        """Gains of colours (B | 1, 3, 1, 1), each at its places in y: (B | 1, 1, H, W)."""
        return self(gains.expand(-1, -1, *y.shape[-2:]))

    def out_shape(self, in_shape):
        return (1, *in_shape[1:])

    def turn(self, turn: int) -> "Mosaic":
        places = turns.apply(torch.arange(4).reshape(1, 1, 2, 2), turn).flatten().tolist()
        return Mosaic("".join(self.pattern[place] for place in places))

    def shifted(self, down: int, right: int) -> "Mosaic":
        """The mosaic that begins so many rows and columns later."""
        return Mosaic("".join(self.pattern[2 * ((row + down) % 2) + (column + right) % 2] for row in range(2) for column in range(2)))

    def __repr__(self) -> str:
        return f"Mosaic({self.pattern})"


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """All four phases."""
    x = torch.randn(2, 3, 8, 12, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return [(Mosaic(pattern), x) for pattern in PATTERNS]

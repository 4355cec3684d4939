"""The eight turns of the square: quarter rotations and mirrors, of tensors (..., H, W)."""

from torch import Tensor

TURNS = tuple(range(8))


def apply(x: Tensor, turn: int) -> Tensor:
    """Turn 0 to 3: quarter rotations; 4 to 7: the same after a mirror."""
    return (x.flip(-1) if turn & 4 else x).rot90(turn & 3, (-2, -1))


def undo(x: Tensor, turn: int) -> Tensor:
    """undo(apply(x, t), t) is x."""
    x = x.rot90(-(turn & 3), (-2, -1))
    return x.flip(-1) if turn & 4 else x

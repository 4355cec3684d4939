"""Parameters that a paper gives by level of noise."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def for_level(table: Mapping[float, T], sigma: float) -> T:
    """The value of the first level, on the 0-255 scale, that `sigma`, where 1 is white and single precision may have rounded, does not exceed."""
    return next(value for level, value in table.items() if 255 * sigma <= level + 1e-3)

"""Demosaicing along the better of two directions, decided after both were tried.

Green is interpolated along rows and along columns by (-1, 2, 2, 2, -1) / 4; of the two, at every pixel, that is taken around which red - green and
blue - green change less. Red and blue follow as differences from green, then all three are refined along the direction that was chosen.

Menon, Andriani & Calvagno, Demosaicing with directional filtering and a posteriori decision, TIP 2007 (sections II and III).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.method import Exact, Method
from restore.numerics.mirror import mirrored

REACH = 10  # pixels that all steps see together
GREEN = (-0.25, 0.5, 0.5, 0.5, -0.25)
BESIDE = (0.5, 0.0, 0.5)
MEAN = (1 / 3, 1 / 3, 1 / 3)
WINDOW = ((1, 0, 1, 0, 0), (0, 1, 0, 0, 0), (3, 0, 3, 0, 0), (0, 1, 0, 0, 0), (1, 0, 1, 0, 0))  # of differences between a pixel and the next but one


class Menon(Method):
    """x (B, 3, H, W) from y (B, 1, H, W). Borders are mirrored, which keeps the pattern. Not clipped."""

    noises = ("NoNoise", "Gaussian", "PoissonGaussian")
    channels, multiple = 1, 2

    def restore(self, y, problem):
        y = mirrored(y, REACH)
        masks = problem.operator.mask(*y.shape[-2:], y) > 0
        red, green, blue = masks.split(1, dim=1)
        by_row, by_column = (torch.where(green, y, _line(y, GREEN, axis)) for axis in (-1, -2))
        rows = _liveliness(torch.where(green, 0, y - by_column), -2) >= _liveliness(torch.where(green, 0, y - by_row), -1)
        red_rows = red.any(-1, keepdim=True)

        def along(t: Tensor, taps: tuple[float, ...], where: Tensor) -> Tensor:
            return torch.where(where, _line(t, taps, -1), _line(t, taps, -2))

        g = torch.where(rows, by_row, by_column)
        r, b = (torch.where(own, y, g + along(torch.where(own, y - g, 0), BESIDE, own_rows)) for own, own_rows in ((red, red_rows), (blue, ~red_rows)))
        difference = along(r - b, BESIDE, rows)  # it is known at green
        r, b = torch.where(blue, y + difference, r), torch.where(red, y - difference, b)

        g = torch.where(red, r - along(r - g, MEAN, rows), torch.where(blue, b - along(b - g, MEAN, rows), y))
        r, b = (torch.where(green, g + along(own - g, BESIDE, own_rows), own) for own, own_rows in ((r, red_rows), (b, ~red_rows)))
        difference = along(r - b, MEAN, rows)
        x = torch.cat([torch.where(blue, y + difference, r), g, torch.where(red, y - difference, b)], 1)
        return x[..., REACH:-REACH, REACH:-REACH]

    def tiling(self, problem):
        return Exact(REACH, 2)

    def bytes_per_pixel(self, problem):
        return 130.0


def _line(t: Tensor, taps: tuple[float, ...], axis: int) -> Tensor:
    """Along rows (-1) or columns (-2), zeros beyond the edges."""
    half, size = len(taps) // 2, t.shape[axis]
    wide = F.pad(t, (half, half) if axis == -1 else (0, 0, half, half))
    total = torch.zeros_like(t)
    for place, tap in enumerate(taps):
        if tap:
            total.add_(wide.narrow(axis, place, size), alpha=tap)
    return total


def _liveliness(difference: Tensor, axis: int) -> Tensor:
    """How much a difference of colours changes along an axis, in a window around each pixel."""
    changes = torch.zeros_like(difference)
    size = difference.shape[axis]
    changes.narrow(axis, 0, size - 2).copy_((difference.narrow(axis, 0, size - 2) - difference.narrow(axis, 2, size - 2)).abs())
    window = torch.tensor(WINDOW, dtype=difference.dtype, device=difference.device)
    return F.conv2d(changes, (window if axis == -1 else window.T)[None, None], padding=2)

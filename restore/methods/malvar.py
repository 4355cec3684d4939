"""Demosaicing by linear 5 x 5 filters: bilinear interpolation, corrected by the Laplacian of the colour that is known.

Malvar, He & Cutler, High-quality linear interpolation for demosaicing of Bayer-patterned color images, ICASSP 2004 (figure 2:
gains 1/2 for green, 5/8 for red at green, 3/4 for red at blue; all filters are over 8).
"""

import torch
import torch.nn.functional as F

from restore.method import Exact, Method
from restore.numerics.mirror import mirrored

GREEN = ((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0))  # at red and blue
BESIDE = ((0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0))  # at green, between two in its row
ACROSS = ((0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0))  # red at blue, blue at red


class Malvar(Method):
    """x (B, 3, H, W) from y (B, 1, H, W). Borders are mirrored, which keeps the pattern. Not clipped."""

    noises = ("NoNoise", "Gaussian", "PoissonGaussian")
    channels, multiple = 1, 2

    def restore(self, y, problem):
        beside = torch.tensor(BESIDE)
        kernels = torch.stack([torch.tensor(GREEN), beside, beside.T, torch.tensor(ACROSS)])[:, None].to(y) / 8
        green, row, column, across = F.conv2d(mirrored(y, 2), kernels).split(1, dim=1)
        masks = problem.operator.mask(*y.shape[-2:], y)
        red, known, blue = masks.split(1, dim=1)
        in_red = (red + torch.cat([red[..., 1:], red[..., -2:-1]], -1)) * known  # green in a row of red
        in_blue = known - in_red
        return torch.cat([red * y + in_red * row + in_blue * column + blue * across, known * y + (red + blue) * green,
                          blue * y + in_blue * row + in_red * column + red * across], 1)

    def tiling(self, problem):
        return Exact(2, 2)

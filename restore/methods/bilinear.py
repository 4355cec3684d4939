"""Bilinear demosaicing: what is missing is the mean of the nearest samples of its colour.

With D^T y the samples in their places and zeros between: green by [0 1 0; 1 4 1; 0 1 0] / 4, red and blue by [1 2 1; 2 4 2; 1 2 1] / 4.
The textbooks'; the start of Schwartz, Giryes & Bronstein, DeepISP, TIP 2019.
"""

import torch
import torch.nn.functional as F

from restore.method import Exact, Method
from restore.numerics.mirror import mirrored


class Bilinear(Method):
    """x (B, 3, H, W) from y (B, 1, H, W). Borders are mirrored, which keeps the pattern. Not clipped."""

    noises = ("NoNoise", "Gaussian", "PoissonGaussian")
    channels, multiple = 1, 2

    def restore(self, y, problem):
        cross = torch.tensor([[0.0, 1, 0], [1, 4, 1], [0, 1, 0]])
        full = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])
        kernels = torch.stack([full, cross, full])[:, None].to(y) / 4
        planes = problem.operator.adjoint(mirrored(y, 2))[..., 1:-1, 1:-1]
        return F.conv2d(planes, kernels, groups=3)

    def tiling(self, problem):
        return Exact(1, 2)

"""Zero-filled k-space: what was not measured is taken to be 0.

Roemer, Edelstein, Hayes, Souza & Mueller, The NMR phased array, MRM 1990.
"""

import torch
from torch import Tensor

from restore.method import Method
from restore.operators.fourier import Fourier


class ZeroFilled(Method):
    """x = sqrt(sum_c |F^T y_c|^2): the inverse transform of every coil, combined by the root of the sum of squares. y (B, coils, H, W), complex; x real."""

    takes, gives = "coils", "magnitude"  # no sensitivities are needed

    def restore(self, y: Tensor, problem) -> Tensor:
        return torch.linalg.vector_norm(Fourier().adjoint(y), dim=1, keepdim=True)

    def bytes_per_pixel(self, problem):
        return 32.0  # of every coil

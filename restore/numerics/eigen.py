"""Eigenvectors of batches of small symmetric matrices, degenerate ones too."""

import torch
from torch import Tensor

LITTLE = 1e-6  # of the mean of the diagonal


def eigh(a: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (..., n), rising, and eigenvectors in columns (..., n, n) of a (..., n, n).

    A little is added to the diagonal and taken off again: in single precision LAPACK fails, or gives NaN, on matrices with rows of zeros or of next to nothing.
    """
    little = LITTLE * a.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True).clamp_min(1e-6)
    values, vectors = torch.linalg.eigh(a + torch.diag_embed(little.expand(*little.shape[:-1], a.shape[-1])))
    return values - little, vectors

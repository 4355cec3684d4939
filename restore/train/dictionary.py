"""Filters learned from clean pictures alone: patches are coded by FISTA, and the filters take a step that explains them better. Nothing is simulated.

Mairal, Bach, Ponce & Sapiro, Online learning for matrix factorization and sparse coding, JMLR 2010, on the convolutional model of `methods.csc`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.methods.csc import CSC, base, improved, synthesis
from restore.train.checkpoint import Fit
from restore.train.recipes import Recipe

SIGMA = 10 / 255  # codes are as sparse as noise of this level would have them
FORGET = 0.5  # step t goes (t + 1)^-0.5 of the way that is best for its patches


def step(recipe: Recipe, fit: Fit) -> float:
    """Code fresh patches, move the filters; the objective, per pixel."""
    x, _ = fit.pool.patches(recipe.batch, recipe.patch, fit.generator)
    method, high = fit.average, x - base(x)
    codes = coded(method, high)
    loss = objective(method, high, codes)
    towards = improved(method.filters, codes, high, method.stride)
    method.filters = F.normalize(method.filters.lerp(towards, (fit.step + 1) ** -FORGET).flatten(1), dim=1).reshape(towards.shape)
    fit.step += 1
    return loss


def coded(method: CSC, high: Tensor) -> Tensor:
    """The codes of patches (B, 1, H, W), H and W multiples of the stride, for one place of its grid: patches lie anywhere, so it sees each."""
    none = torch.zeros(len(high), len(method.filters), *(side // method.stride for side in high.shape[2:]), dtype=high.dtype, device=high.device)
    return method.code(high, method.filters, method.penalty * SIGMA, method.last, none)


def objective(method: CSC, high: Tensor, codes: Tensor) -> float:
    """1/2 |high - D g|^2 + penalty SIGMA |g|_1, per pixel."""
    return float((high - synthesis(codes, method.filters, method.stride)).square().sum() / 2 + method.penalty * SIGMA * codes.abs().sum()) / high.numel()

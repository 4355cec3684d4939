"""The scenes of a recipe: what its pictures are made before D is applied."""

from collections.abc import Callable

import torch
from torch import Tensor

from restore.numerics import resample
from restore.numerics.unprocess import unprocess


def _raw(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    scene = unprocess(x, generator).light
    return scene, scene


def _half(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Half the size: the blocks of the pictures' own coding are gone."""
    small = resample.resize(x[..., : x.shape[-2] // 16 * 16, : x.shape[-1] // 16 * 16], x.shape[-2] // 16 * 8, x.shape[-1] // 16 * 8).clamp(0, 1)
    return small, small


SCENES: dict[str, Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]] = {  # pictures -> (what D is applied to, what the method is to give)
    "": lambda x, generator: (x, x),
    "raw": _raw,
    "half": _half,
    "photograph": lambda x, generator: (unprocess(x, generator).light, x),
}

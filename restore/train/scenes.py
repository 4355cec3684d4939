"""The scenes of a recipe: what its pictures are made before D is applied."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.numerics import develop, resample
from restore.numerics.unprocess import unprocess
from restore.operators.problem import Problem, exposed


@dataclass(frozen=True)
class Scene:
    """`x`: what D is applied to; `wanted`: what the method is to give; `x` of a camera after white balance and exposure: their `gains` (B, 3, 1, 1), and the
    `matrix` (B, 3, 3) to linear sRGB."""

    x: Tensor
    wanted: Tensor
    gains: Tensor | None = None
    matrix: Tensor | None = None

    def posed(self, problem: Problem) -> Problem:
        """The problem as this scene has it."""
        return problem if self.gains is None else exposed(problem, self.gains, self.matrix, self.x)


def _raw(x: Tensor, generator: torch.Generator) -> Scene:
    light = unprocess(x, generator).light
    return Scene(light, light)


def _half(x: Tensor, generator: torch.Generator) -> Scene:
    """Half the size: the blocks of the pictures' own coding are gone."""
    small = resample.resize(x[..., : x.shape[-2] // 16 * 16, : x.shape[-1] // 16 * 16], x.shape[-2] // 16 * 8, x.shape[-1] // 16 * 8).clamp(0, 1)
    return Scene(small, small)


def _photograph(x: Tensor, generator: torch.Generator) -> Scene:
    """Half the size too: what decides the tone of a picture is more of it than fits a patch."""
    x = _half(x, generator).x
    shot = unprocess(x, generator)
    light = (shot.light / shot.neutral).clamp_max(1)
    exposure = develop.exposure(torch.einsum("bij,bjhw->bihw", shot.matrix, light)).reshape(-1, 1, 1, 1)
    return Scene(exposure * light, x, exposure / shot.neutral, shot.matrix)


SCENES: dict[str, Callable[[Tensor, torch.Generator], Scene]] = {"": lambda x, generator: Scene(x, x), "raw": _raw, "half": _half, "photograph": _photograph}

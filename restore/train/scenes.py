"""The scenes of a recipe: what its pictures are made before D is applied."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from torch import Tensor

from restore.numerics import develop, resample
from restore.numerics.unprocess import unprocess
from restore.operators.problem import Problem, exposed

LETTERS = "eeeeeeeeeeeetttttttttaaaaaaaaoooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddlllluuucccmmmwwffggyyppbvkjxqz0123456789.,;-()"  # about as often as English has them


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


def _text(x: Tensor, generator: torch.Generator) -> Scene:
    """Not the pictures: printed pages of their size, lines of words of random letters, dark on light, sharp or a little soft."""
    random = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator, device=generator.device)))
    pages = np.stack([_page(*x.shape[-2:], random) for _ in range(len(x))])[:, None]
    printed = torch.from_numpy(pages).to(x).expand_as(x)
    return Scene(printed, printed)


def _page(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """(height, width) on [0, 1]."""
    size, (paper, ink) = round(9 * 4 ** random.random()), (random.uniform(0.6, 1), random.uniform(0, 0.4))
    canvas = Image.new("L", (width + size, height + size))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size)
    for top in range(int(random.integers(-size, size)), height + size, round(size * random.uniform(1.1, 1.6))):
        words = ("".join(LETTERS[k] for k in random.integers(len(LETTERS), size=random.integers(1, 11))) for _ in range(2 + width // size))
        draw.text((0, top), " ".join(word.capitalize() if random.random() < 0.1 else word for word in words), 255, font)
    canvas = canvas.rotate(random.normal(0, 1), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(max(0, random.uniform(-0.8, 0.8))))
    shown = np.asarray(canvas, np.float32)[size // 2 :, size // 2 :][:height, :width] / 255
    return paper + (ink - paper) * shown


SCENES: dict[str, Callable[[Tensor, torch.Generator], Scene]] = {"": lambda x, generator: Scene(x, x), "raw": _raw, "half": _half, "photograph": _photograph, "text": _text}

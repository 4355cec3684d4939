"""Photographs made raw again, so that a mosaic can be simulated from them.

Brooks, Mildenhall, Xue, Chen, Sharlet & Barron, Unprocessing images for learned raw denoising, CVPR 2019 (section 3).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from restore.image import SPACES
from restore.numerics.camera import to_xyz

CAMERAS = (  # XYZ to camera
    ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406)),
    ((0.4913, -0.0541, -0.0202), (-0.6130, 1.3513, 0.2906), (-0.1564, 0.2151, 0.7183)),
    ((0.8380, -0.2630, -0.0639), (-0.2887, 1.0725, 0.2496), (-0.0627, 0.1427, 0.5438)),
    ((0.6596, -0.2079, -0.0562), (-0.4782, 1.3016, 0.1933), (-0.0970, 0.1581, 0.5181)),
)
BRIGHT = 0.9  # from here on highlights keep their place under white
SHORT = 0.25  # of the normal exposure: every second scene


@dataclass(frozen=True)
class Shot:
    """What cameras may have seen: light (B, 3, H, W), linear, in their own colours, on [0, 1]; of white they see `neutral` (B, 3, 1, 1), green 1; balanced
    colours go to linear sRGB by `matrix` (B, 3, 3)."""

    light: Tensor
    neutral: Tensor
    matrix: Tensor


def unprocess(x: Tensor, generator: torch.Generator) -> Shot:
    """What cameras may have seen of sRGB photographs (B, 3, H, W) on [0, 1].

    The S-curve 3 x^2 - 2 x^3 is undone, then a gamma of 2.2, the matrix of a mixture of cameras, and the gains of white balance and exposure.
    """
    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device)

    light = (0.5 - torch.sin(torch.asin(1 - 2 * x.clamp(0, 1)) / 3)).clamp_min(1e-8) ** 2.2
    share = torch.rand(len(x), len(CAMERAS), generator=generator, device=x.device)
    mixed = torch.einsum("bk,kij->bij", share / share.sum(1, keepdim=True), torch.tensor(CAMERAS, device=x.device)) @ to_xyz(SPACES["srgb"]).to(x)
    mixed = mixed / mixed.sum(2, keepdim=True)
    camera = torch.einsum("bij,bjhw->bihw", mixed, light)
    bright = 1 / (0.8 + 0.1 * torch.randn(len(x), 1, 1, 1, generator=generator, device=x.device)).clamp_min(0.3)
    neutral = torch.cat([1 / uniform(1.9, 2.4), torch.ones_like(bright), 1 / uniform(1.5, 1.9)], 1)
    gains = neutral / bright
    mask = ((camera.mean(1, keepdim=True) - BRIGHT).clamp_min(0) / (1 - BRIGHT)) ** 2
    camera = camera * torch.maximum(mask + (1 - mask) * gains, gains)
    return Shot((camera * torch.where(uniform(0, 1) < 0.5, SHORT, 1.0)).clamp(0, 1), neutral, torch.linalg.inv(mixed))

"""Holes filled from around them, coarse to fine."""

import torch.nn.functional as F
from torch import Tensor


def fill(y: Tensor, mask: Tensor) -> Tensor:
    """y (B, C, H, W) where mask (B | 1, C | 1, H, W) is 1; elsewhere the mean of what is known nearby, at the finest scale that knows anything."""
    mask = mask.expand(y.shape[0], y.shape[1], -1, -1)
    if bool((mask == 1).all()) or max(y.shape[-2:]) < 2:
        return y * mask
    step = tuple(min(2, side) for side in y.shape[-2:])
    pad = (0, y.shape[-1] % step[1], 0, y.shape[-2] % step[0])
    known, total = (F.avg_pool2d(F.pad(part, pad), step) for part in (mask, y * mask))
    coarse = fill(total / known.clamp_min(1e-6), (known > 0).to(y.dtype))
    smooth = F.interpolate(coarse, scale_factor=tuple(map(float, step)), mode="bilinear", align_corners=False)[..., : y.shape[-2], : y.shape[-1]]
    return y * mask + smooth * (1 - mask)

"""Dead leaves: discs that hide each other, radii by r^-3. Edges, flat parts and statistics of scale as photographs have them, where none is at hand.

Lee, Mumford & Huang, Occlusion models for natural images, IJCV 2001.
"""

import torch
from torch import Tensor

LEAST, MOST = 2.0, 0.4  # radii: in pixels, and of the longer side
COVER = 3.0  # discs' area over the picture's


def leaves(channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    """A picture (1, C, H, W) on [0, 1]; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    down, across, most = torch.arange(height)[:, None], torch.arange(width), max(MOST * max(height, width), 2 * LEAST)
    x, covered = torch.full((channels, height, width), 0.5), 0.0
    while covered < COVER * height * width:
        place, tone, chance = torch.rand(2, generator=generator), torch.rand(channels, generator=generator), torch.rand((), generator=generator)
        radius = float((LEAST**-2 + chance * (most**-2 - LEAST**-2)) ** -0.5)
        top, left = (float(part) * side for part, side in zip(place, (height, width), strict=True))
        rows, columns = (slice(max(0, int(at - radius)), int(at + radius) + 2) for at in (top, left))
        inside = (down[rows] - top) ** 2 + (across[columns] - left) ** 2 < radius**2
        x[:, rows, columns] = torch.where(inside, tone[:, None, None], x[:, rows, columns])
        covered += 3.14 * radius**2
    return x[None]

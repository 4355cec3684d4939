"""The noise of a CT slice inside the body, in HU: the spread of soft tissue over small windows, of which the calmest third counts.

Tissue has texture of its own, hence the calm ones; noise after back-projection has grain and differs over the picture, hence windows and not pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.numerics.body import body

SIDE = 9  # of a window
SOFT = (-30.0, 160.0)  # HU: means of windows that show soft tissue
SHARE = 0.33  # of the windows, from the calmest
FEWEST = 50


@dataclass(frozen=True)
class Spread:
    """A standard deviation in HU."""

    hu: float

    def describe(self) -> str:
        return f"noise {self.hu:.3g} HU"


def estimate(hu: Tensor) -> Spread:
    """From a slice (H, W) in HU. RestoreError where it shows no soft tissue."""
    if min(hu.shape) < SIDE:
        raise RestoreError(f"a slice of {hu.shape[0]} x {hu.shape[1]} pixels is too small to tell the noise", "", "say --hu, as 50")
    inside = body(hu)
    x = hu.clamp(-1000, 3071)[None, None].double()
    mean = F.avg_pool2d(x, SIDE, SIDE // 3)
    spread = (F.avg_pool2d(x.square(), SIDE, SIDE // 3) - mean.square()).clamp_min(0).sqrt()
    whole = F.avg_pool2d(inside[None, None].double(), SIDE, SIDE // 3) == 1
    soft = spread[whole & (mean > SOFT[0]) & (mean < SOFT[1])]
    if len(soft) < FEWEST:
        raise RestoreError("there is too little soft tissue to tell the noise", "", "say --hu, as 50")
    return Spread(float(torch.quantile(soft, SHARE)))

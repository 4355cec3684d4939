"""The part of a picture where there is most to see."""

import torch
import torch.nn.functional as F
from torch import Tensor


def liveliest(x: Tensor, side: int) -> tuple[int, int, int, int]:
    """The window (top, left, height, width) of x (1, C, H, W), at most `side` across, with most edges, of those without NaN where there are any such."""
    grey = x.mean(1, keepdim=True)
    height, width = (min(side, n) for n in x.shape[-2:])
    known, finite = torch.isfinite(grey).float(), torch.nan_to_num(grey)
    energy = sum(F.pad(finite.diff(dim=axis).abs(), edge) for axis, edge in ((-2, (0, 0, 0, 1)), (-1, (0, 1)))).clamp_max(0.25) - 1e6 * (1 - known)
    step = max(side // 8, 1)
    means = F.avg_pool2d(energy, (height, width), step)[0, 0]
    at = int(means.argmax())
    return at // means.shape[1] * step, at % means.shape[1] * step, height, width

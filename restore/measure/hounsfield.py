"""Measures of CT slices in Hounsfield units, (H, W) tensors, clamped to [-1024, 3071] before."""

from torch import Tensor

from restore.measure import metrics
from restore.operators.problem import HU_LOW, HU_SPAN

WINDOW = (-160.0, 240.0)
TEXT = "RMSE inside the body of the second, lungs included, HU clamped to [-1024, 3071]; SSIM 11x11 Gaussian of the window [-160, 240] HU"


def rmse(estimate: Tensor, x: Tensor, inside: Tensor) -> float:
    """The root of the mean squared error over the pixels of `inside`, in HU."""
    estimate, x = (part.double().clamp(HU_LOW, HU_LOW + HU_SPAN) for part in (estimate, x))
    difference = estimate - x
    return float(difference[inside].square().mean().sqrt())


def ssim(estimate: Tensor, x: Tensor, window: tuple[float, float] = WINDOW) -> float:
    """SSIM of what is seen in a window: values clamped to it and taken as [0, 1]."""
    low, high = window
    a, b = (((part.double().clamp(low, high) - low) / (high - low))[None, None] for part in (estimate, x))
    return float(metrics.ssim(a, b))

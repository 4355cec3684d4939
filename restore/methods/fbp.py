"""Filtered back-projection: each view convolved with the ramp, then smeared back along its rays.

Parallel: x = sum of dt (h * y) at each pixel's shadow; h(0) = 1 / (4 p^2), h(n) = -1 / (pi n p)^2 for odd n, else 0, which keeps the mean right where
|w| sampled does not. Fan: y D / sqrt(D^2 + s^2) is convolved with h and smeared back over U^2, every
line counted once, however far the fan turned, and wherever its axis is. The share dt of a view is half the angle between its neighbours, views of 180 (parallel) or 360 degrees
apart being one; none is larger than twice the usual, so that a missing wedge stays missing.

Ramachandran & Lakshminarayanan, PNAS 1971; Shepp & Logan, The Fourier reconstruction of a head section, 1974; Kak & Slaney, Principles of
computerized tomographic imaging, 1988 (3.3 and 3.4.2).
"""

import math

import torch
import torch.nn.functional as F

from restore.errors import UsageError, nearest
from restore.method import Method
from restore.operators.projection import Projection
from restore.operators.ramp import WINDOWS, aside, counted, filtered


class FBP(Method):
    """x in 1/mm for line integrals y (B, C, view, detector) of a `Projection`. `window`: ramp, shepp-logan, cosine or hann; not clipped."""

    noises = ("Gaussian", "NoNoise", "Transmission")

    def __init__(self, window: str = "ramp"):
        super().__init__()
        if window not in WINDOWS:
            raise UsageError(f"unknown filter {window!r}", nearest(window, WINDOWS))
        self.window = window

    def restore(self, y, problem):
        operator: Projection = problem.operator
        geometry = operator.geometry
        pitch = geometry.pitch / geometry.magnification
        if geometry.fan:
            y = y * (geometry.source / torch.hypot(operator.s * operator.pixel, torch.tensor(geometry.source))).to(y)
        y, off = y * counted(geometry).to(y), aside(geometry)
        if off:  # what a ray does to its neighbours beyond the near end of the detector is seen from the other side
            more = math.ceil(2 * abs(off))
            y = F.pad(y, (0, more) if off > 0 else (more, 0))
            wider = geometry.replace(detectors=geometry.detectors + more, center=geometry.center + (0 if off > 0 else more))
            operator = Projection(wider, operator.size, operator.pixel).to(y.device)
        return operator.backproject(filtered(y, pitch, self.window))

"""Low dose: slices as fewer photons would have shown them, for `restore degrade --task ct`, for training and for figures."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restore.engine.run import Report
from restore.errors import RestoreError
from restore.image import Geometry, Scan
from restore.jobs.ct import is_slice
from restore.methods.fbp import FBP
from restore.numerics.body import body
from restore.operators.noise import NoNoise, Transmission, seed_of
from restore.operators.problem import HU_LOW, HU_SPAN, Problem
from restore.operators.projection import Projection
from restore.tasks import LowDose

WATER = 0.0192  # attenuation of water in 1/mm, at about 70 keV
QUARTER = 52.0  # HU: the noise that a quarter of the routine exposure leaves inside the body; exposure control sees to that, slice by slice
VIEWS = 720  # over half a turn, of the simulated scanner
ELECTRONIC = 10.0  # counts: the read noise of the simulated detector
WINDOW = "hann"  # and its filter
TRIALS = 6  # exposures that it tries at most


@dataclass(frozen=True)
class Simulation:
    """What `restore degrade --task ct` does: slices at a lower dose."""

    task: LowDose
    seed: int = 0
    expect: str = "image"

    def plan(self, scan: Scan, name: str) -> str:
        if not is_slice(scan, name):
            raise RestoreError(f"{name}: is a sinogram", "CT slices")
        how = f"{self.task.photons:g} photons per ray" if self.task.photons else f"{self.task.dose:g} of the routine dose"
        return f"{len(scan.array)} slice(s) at {how}: {VIEWS} views, {WINDOW} filter"

    def __call__(self, scan: Scan, name: str, report: Report) -> Scan:
        pixel = scan.header.spacing[1] if scan.header.spacing else 0.75
        generator, slices = torch.Generator().manual_seed(seed_of(self.seed, Path(name).name)), scan.array.astype(np.float32, copy=False)
        out = np.empty_like(slices)
        for number, slice in enumerate(slices):
            hu = torch.from_numpy(slice)
            y, photons = lowdose(hu, pixel, self.task, generator)
            inside = body(hu)
            report.note(f"{photons:.3g} photons per ray; noise inside the body {float((y - hu)[inside].square().mean().sqrt()):.1f} HU")
            out[number] = y.numpy()
            report.progress(number + 1, len(scan.array))
        how = f"restore degrade: simulated, {self.plan(scan, name).partition(' at ')[2]}"
        return scan.replace(out, unit="HU", modality="CT", carry={**scan.header.carry, "derivation": how, "run": f"{how}, seed {self.seed}"})


@torch.inference_mode()
def lowdose(hu: Tensor, pixel: float, task: LowDose, generator: torch.Generator | None = None) -> tuple[Tensor, float]:
    """A slice (H, W) in HU, pixels of so many mm, as fewer photons would have shown it, and their number per ray.

    y = x + FBP(log noise of the line integrals of x): sharpness and texture of x stay, and so does the noise that it has. What lies outside of
    [-1024, 3071] stays as it is. Photons follow the dose: trials tell how many leave QUARTER HU inside the body.
    """
    side = max(hu.shape)
    square = torch.full((side, side), -1000.0)
    square[: hu.shape[0], : hu.shape[1]] = hu.clamp(-1000, HU_LOW + HU_SPAN)
    detectors = math.ceil(side * math.sqrt(2)) | 1
    geometry = Geometry(tuple(180 * k / VIEWS for k in range(VIEWS)), detectors, pixel)
    operator = Projection(geometry, side, pixel)
    clean = operator(WATER * (1 + square / 1000)[None, None])

    def noise(photons: float, generator: torch.Generator | None) -> Tensor:
        y = Transmission(photons, ELECTRONIC).sample(clean, generator) - clean
        return FBP(WINDOW)(y, Problem(operator, NoNoise()))[0, 0, : hu.shape[0], : hu.shape[1]] * (1000 / WATER)

    photons = task.photons
    if photons is None:
        inside = body(hu)
        inside = inside if inside.any() else ...
        photons = 4 * task.dose * exposure(lambda n: float(noise(n, torch.Generator().manual_seed(0))[inside].square().mean().sqrt()))
    y = hu + noise(photons, generator)
    return torch.where((hu < HU_LOW) | (hu > HU_LOW + HU_SPAN), hu, y), photons


def exposure(noise: Callable[[float], float]) -> float:
    """The photons that leave QUARTER HU, to 2 %: secants of the logarithms, for noise falls faster than by the root where photons are few."""
    photons, slope, before = 1e5, -0.5, None
    for _ in range(TRIALS):
        level = noise(photons)
        if abs(level / QUARTER - 1) < 0.02 or not level > 0:
            break
        if before and photons != before[0]:
            slope = min(max(math.log(level / before[1]) / math.log(photons / before[0]), -2.0), -0.3)
        before = photons, level
        photons *= (QUARTER / level) ** (1 / slope)
    return photons

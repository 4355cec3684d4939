"""Real sinograms: the disk of HTC2022 from all of its views and from an arc of them, beside its makers' reconstruction."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from restore import cards
from restore.engine.run import Report, Settings
from restore.image import Geometry
from restore.io.scans import read_scan
from restore.jobs import ct
from restore.measure import sets
from restore.tasks import Tomography

NAMES = ("fbp", "sirt", "cgls", "tv", "pnp")
ARCS = (360.0, 90.0, 60.0)
TEXT = ("HTC2022, test object A: a fan of 721 views over 360 degrees, the arc begins at the first; the makers' FBP of all views as the truth, after the best a x + b; "
        "error in % of its standard deviation")
SHARED = 0.7  # of the picture's half side, inside which all is compared: beyond it there is nothing but noise


@dataclass(frozen=True)
class Row:
    """One reconstruction from an arc of so many degrees; correlation with the truth, error in % of the truth's standard deviation."""

    method: str
    arc: float
    views: int
    correlation: float
    error: float
    seconds: float


def score(names: Sequence[str], arcs: Sequence[float], settings: Settings = Settings()) -> Iterator[Row]:
    """A row per arc and method."""
    folder = sets.find("ct_test").path
    scan, truth = read_scan(folder / "htc2022_ta_full.mat", "sinogram"), torch.from_numpy(read_scan(folder / "htc2022_ta_full_recon_fbp.mat").array[0])
    whole, lines = scan.header.geometry, ct.lines(scan, "htc2022")
    for arc in arcs:
        seen = [view for view, angle in enumerate(whole.angles) if angle - whole.angles[0] < arc or arc >= 360]
        geometry = whole.replace(angles=tuple(whole.angles[view] for view in seen))
        for name in names:
            began = time.perf_counter()
            x = reconstructed(lines[:, :, seen], geometry, len(truth), name, settings)
            seconds = time.perf_counter() - began
            correlation, error = compared(x, truth)
            yield Row(name, arc, len(seen), correlation, error, seconds)


@torch.inference_mode()
def reconstructed(y: Tensor, geometry: Geometry, size: int, name: str, settings: Settings) -> Tensor:
    """(size, size) in 1/mm, on the pixels of the detector's pitch at the axis, as `restore ct` makes it."""
    method = cards.load(*cards.choose(Tomography(), name))
    return ct.reconstruct(y, geometry, size, geometry.pitch / geometry.magnification, method, name in ct.SCALED, settings, Report())[0, 0]


def compared(x: Tensor, truth: Tensor) -> tuple[float, float]:
    """The correlation inside a disk, and the error of the best a x + b in % of the truth's standard deviation."""
    at = torch.linspace(-1, 1, len(truth))
    inside = at[:, None] ** 2 + at**2 < SHARED**2
    a, b = (part[inside].double().numpy() for part in (x, truth))
    correlation = float(np.corrcoef(a, b)[0, 1])
    slope, offset = np.polyfit(a, b, 1)
    return correlation, float(100 * np.std(slope * a + offset - b) / np.std(b))

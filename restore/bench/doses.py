"""CT slices at a quarter of their dose, cleaned by each method as `restore ct` does, beside the slices as they were."""

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from restore.engine.run import Report, Settings
from restore.image import Scan
from restore.io.scans import read_scan
from restore.jobs import ct, lowdose
from restore.measure import hounsfield
from restore.measure.protocol import PROTOCOLS
from restore.numerics.body import body
from restore.tasks import LowDose

GIVEN = "fbp"  # the slice of the low dose itself
NAMES = (GIVEN, "bm3d", "tv", "drunet", "waveletct")
TASK = LowDose(dose=0.25)
TEXT = f"simulated: {lowdose.VIEWS} parallel views, photons that leave {lowdose.QUARTER:g} HU inside the body, {lowdose.WINDOW} filter, seed 0 by name; the noise is estimated; {hounsfield.TEXT}"


@dataclass(frozen=True)
class Row:
    """One slice by one method; rmse in HU; kernel: of the scanner's own reconstruction."""

    slice: str
    kernel: str
    method: str
    rmse: float
    ssim: float
    seconds: float


def score(file: Path, name: str, settings: Settings = Settings()) -> Row:
    """The first slice of a file by one method; the noise is the file's, the same for all."""
    scan, low = _low(file)
    hu = torch.from_numpy(scan.array[0])
    began = time.perf_counter()
    found = low if name == GIVEN else ct.Reconstruction(name, settings).clean(low, Report())
    seconds, estimate = time.perf_counter() - began, torch.from_numpy(found.array[0])
    kernel = str(ct.facts(scan, file.name).get("kernel", ""))
    return Row(file.stem, kernel, name, hounsfield.rmse(estimate, hu, body(hu)), hounsfield.ssim(estimate, hu), seconds)


@lru_cache(maxsize=1)
def _low(file: Path) -> tuple[Scan, Scan]:
    """The first slice as it was, and at the low dose."""
    scan = read_scan(file)
    y, _ = lowdose.lowdose(torch.from_numpy(scan.array[0]), scan.header.spacing[1], TASK, PROTOCOLS["rednet"].generator(file.stem, TASK))
    return scan, scan.replace(y.numpy()[None])

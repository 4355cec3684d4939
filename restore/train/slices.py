"""CT slices for training: each as it is, x, and as a lower dose would have shown it, y; simulated once on the whole slice, patches are cut after."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch

from restore.errors import RestoreError
from restore.image import as_samples
from restore.io.scans import read_scan
from restore.jobs import ct, lowdose
from restore.measure import hounsfield
from restore.measure.protocol import PROTOCOLS
from restore.method import Method
from restore.numerics.body import body
from restore.operators.problem import HU_LOW, HU_SPAN, problem_of
from restore.tasks import LowDose
from restore.train.data import Pool, pool_of

EVERY = 10  # every 10th patient is kept for validation
DRAWS = 2  # of noise, of each slice
TOLD = 10  # slices after which it is said how far this is


def gather(files: list[Path], task: LowDose, least: int, seed: int, device: torch.device | str = "cpu",
           note: Callable[[str], None] = lambda text: None) -> tuple[Pool, Pool, list[Path]]:
    """The pool for training, the one for validation, other patients', and the files. What cannot be used is named and skipped."""
    parts, patients, kept = [], [], []
    for number, file in enumerate(files):
        try:
            scan = read_scan(file)
            if not ct.is_slice(scan, str(file)) or min(scan.array.shape[1:]) < least:
                raise RestoreError(f"{file} is no CT slice of {least} x {least} pixels or more")
            parts.append(pairs(torch.from_numpy(scan.array[0]), scan.header.spacing[1], task, seed + number))
            patients.append(str(scan.header.carry["datasets"][0].get("PatientID", file.stem)))
            kept.append(file)
            if len(kept) % TOLD == 0:
                note(f"{number + 1} of {len(files)} slices: their low doses are simulated")
        except RestoreError as error:
            note(f"{file} is skipped: {str(error).splitlines()[0]}")
    held = set(sorted(set(patients))[::EVERY])
    if len(held) == len(set(patients)):
        raise RestoreError(f"slices of {len(held)} patients can be trained on", "at least two patients")
    split = [[pair for part, patient in zip(parts, patients, strict=True) if (patient in held) is inside for pair in part] for inside in (False, True)]
    return pool_of(split[0], seed, device, True), pool_of(split[1], seed, device, True), kept


def pairs(hu: torch.Tensor, pixel: float, task: LowDose, seed: int) -> list[np.ndarray]:
    """(H, W, 2) of x and y in 16 bits, one per draw of the noise."""
    x, low = ct.unit(hu)[0, 0].numpy(), []
    for draw in range(DRAWS):
        y, photons = lowdose.lowdose(hu, pixel, task, torch.Generator().manual_seed(DRAWS * seed + draw))
        low.append(ct.unit(y)[0, 0].numpy())
        task = task.replace(photons=photons)  # found once
    return [as_samples(np.stack([x, y], 2), np.dtype(np.uint16)) for y in low]


def check_half(network: Method, files: list[Path], task: LowDose) -> None:
    """Raises where weights rounded to fp16 cost a thousandth of the RMSE or more."""
    rounded = deepcopy(network).cpu()
    for value in rounded.state_dict().values():
        value.copy_(value.half())
    full, half = (table(one, files, task)[0]["rmse"] for one in (deepcopy(network).cpu(), rounded))
    if half >= 1.001 * full:
        raise RestoreError(f"fp16 costs {half - full:.3f} HU of {full:.3f}", "less than a thousandth")


@torch.inference_mode()
def table(method: Method, files: list[Path], task: LowDose, name: str = "") -> list[dict[str, object]]:
    """RMSE in HU inside the body, of y and of the estimate, and SSIM in the window [-160, 240], over slices."""
    rows = []
    for file in files:
        scan = read_scan(file)
        hu = torch.from_numpy(scan.array[0])
        y, _ = lowdose.lowdose(hu, scan.header.spacing[1], task, PROTOCOLS["rednet"].generator(file.stem, task))
        estimate = HU_LOW + HU_SPAN * method(ct.unit(y), problem_of(LowDose(hu=lowdose.QUARTER)))[0, 0]
        inside = body(hu)
        rows.append((hounsfield.rmse(y, hu, inside), hounsfield.rmse(estimate, hu, inside), hounsfield.ssim(estimate, hu)))
    before, after, ssim = (round(float(np.mean(column)), 4) for column in zip(*rows, strict=True)) if rows else (0.0,) * 3
    return [{"set": name, "dose": task.dose, "rmse_before": before, "rmse": after, "ssim": ssim, "slices": len(rows)}] if rows else []

"""Magnetic resonance: from k-space to pictures and from pictures to simulated k-space, slice by slice. No file is touched here."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from restore import cards
from restore.engine import device as devices
from restore.engine.run import Report, Settings
from restore.errors import RestoreError, UsageError
from restore.estimate import coils
from restore.image import Scan
from restore.method import Method, Whole
from restore.operators import fourier, sampling
from restore.operators.noise import NoNoise
from restore.operators.problem import Problem, acquisition
from restore.tasks import Mri

AXES = ("slice", "y", "x")


@dataclass(frozen=True)
class Plan:
    """What a reconstruction will do and take. `memory`: bytes beside the program itself, the k-space that is held included."""

    slices: int
    coils: int
    height: int
    width: int
    model: str
    device: torch.device
    whole: bool
    maps: bool
    memory: int

    def __str__(self) -> str:
        pieces = "each slice at once" if self.whole else "slices in tiles"
        maps = ", coil sensitivities estimated per slice" if self.maps else ""
        return (f"{self.slices} slice(s) of {self.coils} coil(s) x {self.height} x {self.width}; {self.model}, {pieces}{maps}; {self.device}, "
                f"about {self.memory / 2**20:.0f} MiB")


def sampled(scan: Scan, number: int) -> np.ndarray:
    """(H, W): which samples of a slice were taken, as the file's mask says, or where any coil saw something other than 0."""
    shape = scan.array.shape[-2:]
    if "mask" in scan.header.carry:
        return np.broadcast_to(scan.header.carry["mask"], shape)
    return (scan.array[number] != 0).any(0)


def task_of(scan: Scan, name: str) -> Mri:
    """The task of k-space from a file, its acceleration to the nearest whole number; the pattern is what it is, and the noise unknown."""
    if scan.header.kind != "kspace":
        what = "a CT image" if scan.header.modality == "CT" else "a sinogram" if scan.header.kind == "sinogram" else "a picture"
        raise RestoreError(f"{name}: is {what}, not k-space", "complex samples of k-space",
                           "restore ct takes it" if what != "a picture" else "restore degrade --task mri makes k-space of it")
    rates = [taken.mean() for taken in (sampled(scan, number) for number in range(len(scan.array)))]
    if not max(rates):
        raise RestoreError(f"{name}: its k-space is 0 throughout", "samples")
    return Mri(float(max(round(1 / float(np.mean(rates))), 1)), mask=None, sigma=None)


def full(scan: Scan) -> bool:
    """Whether every sample was taken."""
    return all(sampled(scan, number).all() for number in range(len(scan.array)))


def plan(scan: Scan, method: Method, model: str, settings: Settings) -> Plan:
    """The plan; nothing is computed."""
    slices, count, height, width = scan.array.shape
    problem = Problem(fourier.encoding(torch.ones(1, 1)), NoNoise())
    maps = count > 1 and method.takes != "coils"
    work = (32 * count + method.bytes_per_pixel(problem) + (8 * count if maps else 0)) * height * width + (8 * 3 * coils.BAND if maps else 0)
    return Plan(slices, count, height, width, model, devices.pick(settings.device), isinstance(method.tiling(problem), Whole), maps,
                int(work + scan.array.nbytes + 4 * slices * height * width))


def reconstruct(scan: Scan, method: Method, settings: Settings = Settings(), report: Report = Report()) -> Scan:
    """The magnitude (slice, y, x) in float32, of the size that the file says, on the scale of the unitary transform of its k-space."""
    pictures = []
    for number, samples in enumerate(scan.array):
        pictures.append(cropped(one(samples, sampled(scan, number), method, settings, report), scan.header.carry.get("recon")).numpy())
        report.progress(number + 1, len(scan.array))
    carry = {key: value for key, value in scan.header.carry.items() if key == "reference"}
    return Scan(scan.header.replace(kind="image", axes=AXES, modality="MR", carry=carry), np.stack(pictures))


def one(samples: np.ndarray, taken: np.ndarray, method: Method, settings: Settings, report: Report = Report()) -> Tensor:
    """|x| (H, W) of one slice (coils, H, W)."""
    mask, y = torch.from_numpy(taken.copy()), torch.from_numpy(np.where(taken, samples, 0))
    if not y.abs().max() > 0:
        return torch.zeros(y.shape[-2:])
    maps = None
    if len(y) > 1 and method.takes != "coils":
        found = coils.estimate(y.to(devices.pick(settings.device)), mask)
        report.note(found.describe())
        maps = found.maps.cpu()
    return solve(method, Problem(fourier.encoding(mask, maps), NoNoise()), y[None], settings, Report(note=report.note))[0, 0]


def solve(method: Method, problem: Problem, y: Tensor, settings: Settings, report: Report) -> Tensor:
    """|x| (1, 1, H, W) on the CPU; the CPU is taken where another device's memory ends."""
    device = devices.pick(settings.device)
    try:
        with devices.numerics(device):
            return method.to(device)(y.to(device), problem.to(device)).abs().cpu()
    except Exception as error:
        if not devices.out_of_memory(error):
            raise
    if device.type == "cpu":
        raise RestoreError(f"memory ended with a slice of {y.shape[-2]} x {y.shape[-1]} and {y.shape[1]} coil(s)", "", "close other programs")
    devices.release(device)
    report.note(f"memory ended on {device}; the CPU is used")
    return solve(method, problem, y, replace(settings, device="cpu"), report)


def cropped(x: Tensor, size: tuple[int, int] | None) -> Tensor:
    """The middle of this size."""
    return x if size is None else x[sampling.block(x.shape, size)]


def load(scan: Scan, name: str, model: str | None) -> tuple[Method, str]:
    """The method for the k-space of a file, and its full name."""
    task = task_of(scan, name)
    if model is None and task.acceleration == 1:
        model = "zerofill"  # nothing is missing
    chosen, card = cards.choose(task, model)
    return cards.load(chosen, card), card.full_name if card else chosen


def simulate(volume: Scan, task: Mri, name: str, seed: int = 0) -> Scan:
    """Simulated k-space of a magnitude volume: a smooth phase drawn for each slice, coils, F, noise, M; the mask by the file's name, the rest by `seed`.

    The largest value of the volume counts as 255 for `task.sigma`. The volume itself is kept as the reference.
    """
    if volume.header.kind != "image" or np.iscomplexobj(volume.array):
        raise UsageError(f"{name}: a {volume.header.kind} cannot be made k-space of", "a magnitude volume: NIfTI or DICOM", "give a picture")
    white, generator = float(np.abs(volume.array).max()), torch.Generator().manual_seed(seed)
    if not white > 0:
        raise RestoreError(f"{name}: is 0 throughout", "a picture")
    x = torch.from_numpy(np.ascontiguousarray(volume.array, np.float32))[:, None] / white
    problem = acquisition(task, name)
    y = torch.cat([problem.simulate(part, generator) for part in x.split(1)])
    taken = problem.operator.outer.mask(*x.shape[-2:]).numpy()
    carry = {"mask": taken[0] if (taken == taken[0]).all() else taken, "reference": volume.array}
    return Scan(volume.header.replace(kind="kspace", axes=("slice", "coil", "ky", "kx"), modality="MR", carry=carry), (white * y).numpy())

"""Magnetic resonance: from k-space to pictures and from pictures to simulated k-space, slice by slice. No file is touched here."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restore import cards
from restore.engine import device as devices
from restore.engine.run import Report, Settings, solve
from restore.engine.wrap import RealParts
from restore.errors import RestoreError, UsageError
from restore.estimate import coils
from restore.image import Scan
from restore.method import Method, Whole
from restore.methods.zerofill import ZeroFilled
from restore.operators import fourier, sampling
from restore.operators.noise import NoNoise, seed_of
from restore.operators.problem import Problem, acquisition
from restore.tasks import Mri
from restore.values import Range

AXES = ("slice", "y", "x")
LEVELS = {"tv": 5.0, "pnp": 2.0}  # of 255: the noise that methods for pictures are told of; chosen on training volumes


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
    rates = [rate for rate in (sampled(scan, number).mean() for number in range(len(scan.array))) if rate]  # a slice without a sample tells of nothing
    if not rates:
        raise RestoreError(f"{name}: its k-space is 0 throughout", "samples")
    return Mri(float(max(round(1 / float(np.mean(rates))), 1)), mask=None, sigma=None, coils=float(scan.array.shape[1]))


def full(scan: Scan) -> bool:
    """Whether every sample was taken, of the slices that have any."""
    return all(taken.all() or not taken.any() for taken in (sampled(scan, number) for number in range(len(scan.array))))


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
    return Scan(scan.header.replace(kind="image", axes=AXES, modality="MR", carry={}), np.stack(pictures))


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


def cropped(x: Tensor, size: tuple[int, int] | None) -> Tensor:
    """The middle of this size."""
    return x if size is None else x[sampling.block(x.shape, size)]


def load(scan: Scan, name: str, model: str | None) -> tuple[Method, str]:
    """The method for the k-space of a file, and its full name."""
    chosen, card = chosen_for(scan, name, model)
    return fitted(chosen, cards.load(chosen, card)), _named(chosen, card)


def chosen_for(scan: Scan, name: str, model: str | None = None) -> tuple[str, cards.Card | None]:
    """The method and its card: the one that is named, zero-filling where nothing is missing, else the best that serves."""
    return cards.choose(task_of(scan, name), model or ("zerofill" if full(scan) else None))


def fitted(name: str, method: Method) -> Method:
    """The method itself, or, if it is one for pictures, that on real and imaginary parts."""
    return RealParts(method, LEVELS[name] / 255) if method.takes == "srgb" else method


def simulate(volume: Scan, task: Mri, name: str, seed: int = 0) -> Scan:
    """Simulated k-space of a magnitude volume: a smooth phase drawn for each slice, coils, F, noise, M; by the file's name, and all but the mask by `seed`.

    The largest value of the volume counts as 255 for `task.sigma`. The volume itself is kept as the reference.
    """
    white, generator = float(np.abs(volume.array).max()), torch.Generator().manual_seed(seed_of(seed, Path(name).name))
    if not white > 0:
        raise RestoreError(f"{name}: is 0 throughout", "a picture")
    x = torch.from_numpy(np.ascontiguousarray(volume.array, np.float32))[:, None] / white
    problem = acquisition(task, name)
    y = torch.cat([problem.simulate(part, generator) for part in x.split(1)])
    taken = problem.operator.outer.mask(*x.shape[-2:]).numpy()
    carry = {"mask": taken[0] if (taken == taken[0]).all() else taken, "reference": volume.array}
    return Scan(volume.header.replace(kind="kspace", axes=("slice", "coil", "ky", "kx"), modality="MR", carry=carry), (white * y).numpy())


@dataclass
class Reconstruction:
    """k-space -> pictures, for `scanning.run`. slices: a number or a range of those wanted, counted from 0; None: all."""

    model: str | None = None
    settings: Settings = Settings()
    slices: float | Range | None = None
    expect = "kspace"

    def __post_init__(self):
        if self.model is not None:
            cards.find(self.model)
        if isinstance(self.slices, tuple) or self.slices is not None and not all(0 <= end < math.inf and end % 1 == 0 for end in _ends(self.slices)):
            raise UsageError("slices are counted from 0", "one, as 12, or a range, as 10-20")

    def plan(self, scan: Scan, name: str) -> str:
        """The line that is said before work begins, the memory it takes with it."""
        task_of(scan, name)
        scan = selected(scan, self.slices, name)
        method, model = load(scan, name, self.model)
        return str(plan(scan, method, model, self.settings))

    def __call__(self, scan: Scan, name: str, report: Report) -> Scan:
        scan = selected(scan, self.slices, name)
        method, model = load(scan, name, self.model)
        done = reconstruct(scan, method, self.settings, report)
        return done.replace(done.array, carry={"derivation": f"reconstructed from k-space by {model}"})

    def views(self, scan: Scan, result: Scan) -> list[np.ndarray]:
        """Pictures on [0, 1] of the middle slice: from all samples if they are known, log of k-space, zero-filled, reconstruction; one scale for pictures."""
        scan = selected(scan, self.slices, "")
        number, size = len(result.array) // 2, scan.header.carry.get("recon")
        samples, taken = scan.array[number], sampled(scan, number)
        zero_filled = cropped(one(samples, taken, ZeroFilled(), self.settings), size).numpy()
        reference = scan.header.carry.get("reference")
        whole = reference[number] if reference is not None else zero_filled if taken.all() else None
        shown = [zero_filled, result.array[number]] + ([whole] if whole is not None else [])
        white = float(np.percentile(result.array[number], 99.8)) or 1.0
        strength = np.log1p(1e3 * np.linalg.norm(samples * taken, axis=0) / max(float(np.abs(samples).max()), 1e-30))
        spectrum = strength / max(float(strength.max()), 1e-30)
        zero_filled, restored, *full_picture = (np.clip(picture / white, 0, 1) for picture in shown)
        return [*full_picture, spectrum, zero_filled, restored]


@dataclass
class Simulation:
    """Pictures -> simulated k-space, for `scanning.run`."""

    task: Mri
    seed: int = 0
    expect = "image"

    def plan(self, scan: Scan, name: str) -> str:
        """The line that is said before work begins."""
        if scan.header.kind != "image" or np.iscomplexobj(scan.array):
            raise UsageError(f"{name}: a {scan.header.kind} cannot be made k-space of", "a magnitude volume: NIfTI or DICOM", "give a picture")
        if scan.header.modality == "CT" or scan.header.unit == "HU":
            raise RestoreError(f"{name}: is a CT image", "a magnitude volume of MR", "restore degrade --task ct takes it")
        slices, height, width = scan.array.shape
        memory = scan.array.nbytes * (6 + 2 * int(self.task.coils))
        return f"{slices} slice(s) of {height} x {width}; {self.task}, simulated with a smooth phase; about {memory / 2**20:.0f} MiB"

    def __call__(self, scan: Scan, name: str, report: Report) -> Scan:
        return simulate(scan, self.task, Path(name).name, self.seed)


def _ends(slices: float | Range) -> tuple[float, float]:
    return (slices.low, slices.high) if isinstance(slices, Range) else (slices, slices)


def selected(scan: Scan, slices: float | Range | None, name: str) -> Scan:
    """Some slices of a scan."""
    if slices is None:
        return scan
    first, last = map(int, _ends(slices))
    if last >= len(scan.array):
        raise UsageError(f"{name}: has no slice {last}", f"0 to {len(scan.array) - 1}")
    return scan.slices(first, last)


def facts(scan: Scan, name: str) -> dict[str, object]:
    """What `restore mri info` tells."""
    task_of(scan, name)
    slices, count, height, width = scan.array.shape
    taken, header = sampled(scan, slices // 2), scan.header
    lines = (taken == taken[:1]).all()
    region = sampling.central(taken)
    return {"format": header.format, "slices": slices, "coils": count, "samples": f"{height} x {width}",
            "picture": " x ".join(map(str, header.carry.get("recon", (height, width)))),
            "taken": f"{100 * taken.mean():.1f} %, {'whole columns' if lines else 'single points'}", "acceleration": round(1 / float(taken.mean()), 2),
            "centre": f"{region[0]} x {region[1]} samples whole", "spacing": header.spacing and " x ".join(f"{step:.4g}" for step in header.spacing) + " mm",
            "reference": "reference" in header.carry, "memory": f"{scan.array.nbytes / 2**20:.1f} MiB", "default": _named(*chosen_for(scan, name))}


def _named(name: str, card: cards.Card | None) -> str:
    return card.full_name if card else name

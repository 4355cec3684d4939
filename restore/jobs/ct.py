"""Tomography: from sinograms to slices, and from low-dose slices to clean ones. Of files, only those of geometries are read here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restore import cards
from restore.catalog import CATALOG
from restore.engine import run as engine
from restore.engine.run import Report, Settings
from restore.errors import RestoreError
from restore.estimate import center, hounsfield
from restore.image import Geometry, Scan
from restore.io.geometry import read_geometry
from restore.method import Method
from restore.methods.fbp import FBP
from restore.operators.noise import Gaussian, NoNoise
from restore.operators.problem import HU_LOW, HU_SPAN, Problem, problem_of
from restore.operators.projection import Projection
from restore.operators.ramp import HalfRamp, aside, counted, response
from restore.tasks import Denoise, LowDose, Tomography

SMALL = 256  # side of the picture that a centre is judged by
OF_SINOGRAMS = {"geometry": "--geometry", "center": "--center", "window": "--filter", "size": "--size", "pixel": "--pixel", "water": "--water"}
OF_SLICES = {"hu": "--hu", "strength": "--strength"}
SCALED = ("tv", "pnp")  # methods made for pictures on [0, 1] whose noise is known
AT_ONCE = 8  # slices that are reconstructed together
HALF = 1 / 8  # of the detector that the axis is off its middle, from which more is seen than it is wide
FAINTEST = 0.1  # HU of noise that something is done about
OPAQUE = 20.0  # nepers: more than any detector can count


@dataclass(frozen=True)
class Reconstruction:
    """What `restore ct` does to a scan: a sinogram is reconstructed, a slice is cleaned.

    geometry: a file of it, over the scan's own. center: a detector pixel, "auto", or None, which is the file's, and estimated where that does not say. size: of the picture, in pixels; pixel: in mm.
    water: attenuation of water in 1/mm; with it the result is in HU. hu: the noise of slices inside the body, estimated where None.
    """

    model: str | None = None
    settings: Settings = Settings()
    geometry: str | None = None
    center: float | str | None = None
    window: str = "ramp"
    size: int | None = None
    pixel: float | None = None
    water: float | None = None
    hu: float | None = None
    strength: float = 1.0
    expect: str = "sinogram"

    def check(self) -> None:
        """Raise UsageError for what is wrong whatever the files are."""
        FBP(self.window)
        engine.devices.pick(self.settings.device)
        if self.model is not None:
            cards.find(self.model)

    def plan(self, scan: Scan, name: str) -> str:
        shape = " x ".join(map(str, scan.array.shape[1:]))
        if is_slice(scan, name):
            return f"{len(scan.array)} slice(s) of {shape} in HU; {self.model or 'the model that serves the noise'}"
        geometry, size, pixel = self.grid(scan, name)
        kind = f"fan, source {geometry.source:g} mm and detector {geometry.detector:g} mm away" if geometry.fan else "parallel"
        centre = f"centre {geometry.center:g}" if geometry.center is not None and self.center != "auto" else "centre to be found"
        return (f"{len(scan.array)} slice(s) of {shape}: {kind}, {centre}; {self.model or 'fbp'}; {size} x {size} pixels of {pixel:.4g} mm, "
                f"about {memory(geometry, size, len(scan.array)) / 2**20:.0f} MiB")

    def __call__(self, scan: Scan, name: str, report: Report) -> Scan:
        if is_slice(scan, name):
            self.idle(OF_SINOGRAMS, "slices", report)
            return self.clean(scan, report)
        self.idle(OF_SLICES, "a sinogram", report)
        y = lines(scan, name)
        geometry, size, pixel = self.grid(scan, name)
        if geometry.center is None or self.center == "auto":
            found = center.estimate(y[len(y) // 2 :][:1], geometry, lambda y, tried: fbp(y, tried, SMALL, pixel * size / SMALL, "hann"))
            geometry = geometry.replace(center=found.center)
            report.note(found.describe())
        chosen, card = cards.choose(Tomography(), self.model)
        if chosen != "fbp":
            self.idle({"window": "--filter"}, chosen, report)
        method = cards.build(chosen, {"window": self.window}) if chosen == "fbp" else cards.load(chosen, card)
        x = np.concatenate([reconstruct(part, geometry, size, pixel, method, chosen in SCALED, self.settings, report).numpy() for part in y.split(AT_ONCE)])[:, 0]
        said = f"{chosen}{', ' + self.window if chosen == 'fbp' else ''}, {len(geometry.angles)} views"
        unit = "HU" if self.water else "1/mm"
        return Scan(scan.header.replace(kind="image", axes=("slice", "y", "x"), unit=unit, modality="CT", geometry=None, spacing=(pixel, pixel, pixel),
                                        carry={"derivation": f"restore ct: {said}"}), 1000 * (x / self.water - 1) if self.water else x)

    def idle(self, options: Mapping[str, str], of: str, report: Report) -> None:
        """Say which of these options were given and say nothing of what is at hand."""
        if said := [word for part, word in options.items() if getattr(self, part) != getattr(Reconstruction, part)]:
            report.note(f"{', '.join(said)}: without effect on {of}")

    def grid(self, scan: Scan, name: str) -> tuple[Geometry, int, float]:
        """The geometry, the side of the picture and of a pixel in mm."""
        views, detectors = scan.array.shape[1:]
        stated = read_geometry(Path(self.geometry), views, detectors) if self.geometry else scan.header.geometry
        geometry = stated or Geometry(tuple(180 * k / views for k in range(views)), detectors)
        if len(geometry.angles) != views or geometry.detectors != detectors:
            raise RestoreError(f"{name}: {views} views of {detectors} pixels, the geometry is of {len(geometry.angles)} of {geometry.detectors}", "one geometry")
        if isinstance(self.center, float):
            geometry = geometry.replace(center=self.center)
        if geometry.center is not None and abs(geometry.center - (detectors - 1) / 2) > detectors:
            raise RestoreError(f"{name}: no ray meets the axis if its shadow falls on pixel {geometry.center:g} of {detectors}", "a pixel of the detector, or near it")
        off = abs(aside(geometry))
        across = detectors + (math.ceil(2 * off) if off > HALF * detectors else 0)  # a detector to one side of the axis sees as far to the other
        size = self.size or across
        return geometry, size, self.pixel or geometry.pitch / geometry.magnification * across / size

    def clean(self, scan: Scan, report: Report) -> Scan:
        """Slices in HU without their noise; what lies outside of [-1024, 3071], padding too, is left as it was."""
        slices = scan.array.astype(np.float32, copy=False)
        out, said, loaded = np.empty_like(slices), "", {}
        levels = [self.hu] * len(slices) if self.hu is not None else estimated(slices, report)
        for number, (slice, level) in enumerate(zip(slices, levels, strict=True)):
            hu = torch.from_numpy(slice)
            y, kept = unit(hu), (hu < HU_LOW) | (hu > HU_LOW + HU_SPAN)
            (chosen, card), problem = serving(self.model, level)
            said = card.full_name if card else chosen
            if said not in loaded:
                loaded[said] = cards.load(chosen, card, channels=1)
            x = HU_LOW + HU_SPAN * engine.solve(loaded[said], problem, y, self.settings, Report(note=report.note))[0, 0]
            out[number] = torch.where(kept, hu, hu + self.strength * (x - hu)).numpy()
            report.progress(number + 1, len(slices))
        how = f"restore ct: {said}{f', strength {self.strength:g}' if self.strength != 1 else ''}"
        heard = f"{min(levels):.3g}" + (f" to {max(levels):.3g}" if max(levels) > min(levels) else "")
        report.note(f"{said}, told of {heard} HU of noise")
        carry = {**scan.header.carry, "derivation": f"{how}, noise {heard} HU", "run": f"{how}, {self.hu or 'estimated'}"}
        return scan.replace(out, unit="HU", modality="CT", carry=carry)


def estimated(slices: np.ndarray, report: Report) -> list[float]:
    """The noise of each slice (y, x) inside the body in HU; where a slice shows none, the median of the others. RestoreError where none does."""
    found, last = [], RestoreError("no noise was found", "slices that are not without noise", "say how much there is: --hu LEVEL")
    for slice in slices:
        try:
            level = hounsfield.estimate(torch.from_numpy(slice))
            report.note(level.describe())
            found.append(level.hu if level.hu >= FAINTEST else None)
        except RestoreError as error:
            found.append(None)
            last = error
    known = [level for level in found if level is not None]
    if not known:
        raise last
    if len(known) < len(found):
        report.note(f"{len(found) - len(known)} slice(s) in which no noise was found are taken to have that of the others")
    return [float(np.median(known)) if level is None else level for level in found]


def is_slice(scan: Scan, name: str) -> bool:
    """Whether it is slices in HU, not a sinogram; raises where it is neither."""
    if scan.header.kind == "sinogram":
        return False
    if scan.header.kind == "kspace" or scan.header.modality == "MR":
        what = "k-space" if scan.header.kind == "kspace" else "an MR image"
        raise RestoreError(f"{name}: is {what}", "a sinogram, or CT slices", "restore mri takes k-space, restore denoise pictures")
    if scan.header.unit != "HU" and (scan.header.format != "nifti" or scan.array.min() > -500):
        raise RestoreError(f"{name}: is an image that is not in Hounsfield units", "a sinogram, or CT slices with rescale slope and intercept", "restore denoise takes pictures in PNG, TIFF and the like")
    return True


def unit(hu: Tensor) -> Tensor:
    """A slice (H, W) in HU as a picture (1, 1, H, W) on [0, 1]; what is below (padding) counts as air."""
    return ((hu.clamp(HU_LOW, HU_LOW + HU_SPAN).where(hu >= HU_LOW, torch.tensor(-1000.0)) - HU_LOW) / HU_SPAN)[None, None]


def serving(model: str | None, hu: float) -> tuple[tuple[str, cards.Card | None], Problem]:
    """The method's name and card, and its problem, for slices with so much noise. One made for pictures is asked as for a picture.

    Without `model`: weights made for slices where some cover the noise, else the default for pictures; the flagship was better than BM3D on all slices tried.
    """
    task = LowDose(hu=hu)
    if model is None:
        slices = any(card.task.covers(task) for card in cards.every())
    else:
        slices = "lowdose" in CATALOG[cards.find(model)[0]].tasks
    if not slices:
        task = Denoise(sigma=255 * hu / HU_SPAN)
    return cards.choose(task, model), problem_of(task)


def lines(scan: Scan, name: str) -> Tensor:
    """Line integrals (slice, 1, view, detector) in float32: -log of counts less the dark field over the bright field; other values as they are."""
    array, carry = scan.array.astype(np.float32), scan.header.carry
    if "data_white" in carry:
        dark = carry.get("data_dark", np.zeros_like(carry["data_white"]))
        light = (carry["data_white"] - dark)[:, None]
        if not (light > 0).any():
            raise RestoreError(f"{name}: its bright field is nowhere above its dark field", "fields taken with and without the beam")
        least = min(1.0, 1e-4 * float(np.median(light[light > 0])))  # one count, or next to nothing of fields that were divided already
        array = -np.log(np.maximum(array - dark[:, None], least) / np.maximum(light, least)).astype(np.float32)
    if array.max() > OPAQUE:
        raise RestoreError(f"{name}: its values go up to {array.max():g}, which is no line integral of attenuation", f"at most {OPAQUE:g} nepers, or counts with a bright field",
                           "take -log(counts / bright field) first, or put the field beside it: exchange/data_white")
    return torch.from_numpy(array)[:, None]


def fbp(y: Tensor, geometry: Geometry, size: int, pixel: float, window: str) -> Tensor:
    """Filtered back-projection on the CPU."""
    with torch.inference_mode():
        return FBP(window)(y, Problem(Projection(geometry, size, pixel), NoNoise()))


def reconstruct(y: Tensor, geometry: Geometry, size: int, pixel: float, method: Method, scaled: bool, settings: Settings, report: Report) -> Tensor:
    """Pictures (slice, 1, size, size) in 1/mm of line integrals; `scaled` for methods that want x on [0, 1], the noise, and a D that is nearly the identity."""
    operator = Projection(geometry, size, pixel)
    if not scaled:
        return engine.solve(method, Problem(operator, NoNoise()), y, settings, report)
    half = HalfRamp(geometry, pixel)
    first = FBP("ramp")(y, Problem(operator, NoNoise()))
    white = max(float(torch.quantile(part.flatten()[:: 1 + part.numel() // 1_000_000], 0.999)) for part in first)
    if not white > 0:
        return torch.zeros_like(first)
    sigma = noise_of(y, geometry) / white
    report.note(f"noise {sigma * white:.3g} 1/mm, {100 * sigma:.2g} % of the brightest")
    return white * engine.solve(method, Problem(half @ operator, Gaussian(sigma)), half(y) / white, settings, report)


def noise_of(y: Tensor, geometry: Geometry) -> float:
    """The noise of FBP in 1/mm: that of y, from the median of second differences along the detector, through ramp, interpolation and sum over views."""
    level = float((y[..., 2:] - 2 * y[..., 1:-1] + y[..., :-2]).abs().median()) / (0.6745 * math.sqrt(6))
    power = response(2 * y.shape[-1], geometry.pitch / geometry.magnification).square()
    beside = power * torch.cos(torch.linspace(0, math.pi, len(power), dtype=power.dtype))  # the ramp makes neighbours unlike
    return level * math.sqrt(float((2 * power + beside).mean() / 3 * counted(geometry).square().mean(1).sum()))


def memory(geometry: Geometry, size: int, slices: int) -> int:
    """Bytes that a reconstruction of so many slices takes beside its data: tables of turned pictures and what is gathered from them, and what is made."""
    return 4 * (min(slices, AT_ONCE) * (9 * size**2 + 12 * len(geometry.angles) * geometry.detectors) + slices * size**2) + (1 << 26)


def facts(scan: Scan, name: str) -> dict[str, object]:
    """What a file holds, for `restore ct info`."""
    header, array = scan.header, scan.array
    found: dict[str, object] = {"kind": header.kind, "format": header.format, "shape": list(array.shape), "axes": list(header.axes), "type": str(array.dtype),
                                "range": [float(array.min()), float(array.max())], "unit": header.unit or "unknown"}
    found |= {key: value for key, value in (("modality", header.modality), ("spacing", header.spacing)) if value}
    geometry = header.geometry
    if geometry:
        found |= {"beam": "fan" if geometry.fan else "parallel", "views": len(geometry.angles), "angles": [geometry.angles[0], geometry.angles[-1]],
                  "detectors": geometry.detectors, "pitch": geometry.pitch, "center": geometry.center}
        found |= {"source": geometry.source, "detector": geometry.detector} if geometry.fan else {}
    for field in ("data_dark", "data_white"):
        if field in header.carry:
            found[field] = float(header.carry[field].mean())
    datasets = header.carry.get("datasets")
    if datasets:
        words = (("manufacturer", "Manufacturer"), ("kernel", "ConvolutionKernel"), ("kvp", "KVP"), ("image_type", "ImageType"))
        found |= {key: str(datasets[0].get(keyword)) for key, keyword in words if datasets[0].get(keyword)}
        found["padding"] = float(header.carry["padding"].mean())
    return found

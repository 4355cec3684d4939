"""The walk of `restore isp`: what a sensor saw becomes a picture, by a chain of methods that is made for each file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from restore import cards, io
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.errors import RestoreError, UsageError, nearest
from restore.estimate import poisson_gaussian
from restore.image import BLACK, SPACES, WHITE, Header, Matrix, Profile, Sensor
from restore.io import exif, icc
from restore.jobs import overview
from restore.jobs.stating import Stated, out_header
from restore.jobs.walk import Open, Walk
from restore.method import Chain, Method
from restore.methods import vst
from restore.methods.development import Rendering, Repair, placed
from restore.methods.planes import SCALE, Mixed, Planes
from restore.numerics import camera, develop
from restore.operators.base import Identity
from restore.operators.noise import PoissonGaussian
from restore.operators.problem import Problem, problem_of
from restore.tasks import Denoise, Isp

LOW_LEVEL = ("demosaicnet", "deepisp-low")  # networks that demosaic and denoise at once, the better first
CURVES = ("filmic", "plain")
HIGHLIGHTS = ("rebuild", "clip")
LARGE = 4e6  # pixels from which a CPU takes the cheapest of several weights
FAR, STOPS = 1e6, 20.0  # no gain, no stop is beyond
LONG = 65_000  # bytes of EXIF: a JPEG holds hardly more
OF_PICTURES = {"exposure": "--exposure", "curve": "--curve", "space": "--space", "highlights": "--highlights", "sharpen": "--sharpen", "match": "--match-embedded"}
STEEP = 100.0  # read noise over noise of photons, at white: beyond it nothing changes any more


@dataclass(frozen=True)
class Look:
    """What the user asks of a development. `wb`: camera, daylight, auto, or gains (R, G, B). `noise`: auto, none, or (a, b) of variance = a x + b.

    `exposure` in stops, None: automatic. `dng`: a mosaic is written, or with `linear` what a demosaicing made of it. `matrix`: XYZ to camera.
    `low_level`: a network demosaics and denoises at once, or it is an error.
    """

    wb: str | tuple[float, float, float] = "camera"
    noise: str | tuple[float, float] = "auto"
    exposure: float | None = None
    curve: str = "filmic"
    linear: bool = False
    space: str = "srgb"
    highlights: str = "rebuild"
    sharpen: float = 0.5
    repair: bool = True
    match: bool = False  # the tone of the picture that the camera put into its file
    dng: bool = False
    low_level: bool = False  # by a network or not at all
    layout: object | None = None
    matrix: Matrix | None = None

    def __post_init__(self):
        for part, names in (("curve", CURVES), ("space", SPACES), ("highlights", HIGHLIGHTS)):
            if getattr(self, part) not in names:
                raise UsageError(f"unknown {part} {getattr(self, part)!r}", nearest(getattr(self, part), names))
        idle = OF_PICTURES.keys() if self.dng else ("curve", "sharpen", "match") if self.linear else ()
        for part in idle:
            if getattr(self, part) != getattr(Look, part):
                raise UsageError(f"{OF_PICTURES[part]} is for finished pictures, and {'a DNG' if self.dng else 'linear light'} is none", "",
                                 "leave it out" + (", and give it when the DNG is developed" if self.dng else ""))
        if not isinstance(self.wb, str) and not all(0 < gain < FAR for gain in self.wb):
            raise UsageError("gains of the white balance are above 0", "three of them, as --wb 2.1,1,1.4")
        if not isinstance(self.noise, str) and not all(0 <= part < FAR for part in self.noise):
            raise UsageError("the variance of noise is no less than 0", "A,B of A x + B, as --noise 1e-4,1e-6")
        if not abs(self.exposure or 0) <= STOPS:
            raise UsageError(f"an exposure of {self.exposure:g} is out of range", f"-{STOPS:g} to {STOPS:g} stops")
        if not 0 <= self.sharpen <= STOPS:
            raise UsageError(f"sharpening of {self.sharpen:g} is out of range", f"an amount of 0 to {STOPS:g}")
        if self.matrix is not None and not abs(torch.linalg.det(torch.tensor(self.matrix))) > 1e-6:
            raise UsageError("the matrix from XYZ to the camera has no inverse", "nine numbers by rows, as dcraw and DNG files have them")


@dataclass(frozen=True)
class Developed(Stated):
    """A development that is settled: its chain of methods, and the header of what it gives."""

    chain: Method | None = None
    header: Header | None = None


@dataclass(frozen=True)
class Seen:
    """A page before its development: its `cells` as `superpixels` gives them, and what the camera saw of a neutral surface, `how` that is known."""

    source: io.Source
    page: int
    sensor: Sensor
    cells: Tensor
    neutral: tuple[float, ...]
    how: str

    @property
    def header(self) -> Header:
        return self.source.headers[self.page]

    @property
    def gains(self) -> Tensor:
        return 1 / torch.tensor(self.neutral, dtype=torch.float64)


class Developing(Walk):
    """Jobs of `restore isp`. The method of the request is that of demosaicing."""

    def __init__(self, request, events, look: Look):
        super().__init__(request, events)
        self.asked = look

    def source(self, path: Path | BinaryIO) -> io.Source:
        return io.open_sensor(path, self.asked.layout)

    def _hints(self, opened: Open) -> Iterator[str]:
        yield from super()._hints(opened)
        if self._format(opened.names.target, opened.result.header) == "exr" and not self.asked.linear:
            yield "EXR holds linear light as a rule, and this is a finished picture: --linear writes light"

    def method(self, stated: Developed) -> Method:
        return stated.chain

    def header(self, opened: Open, number: int) -> Header:
        return opened.stated.header

    def state(self, opened: Open, page: int) -> Developed:
        look, seen = self.asked, self._seen(opened.source, page)
        sensor, header = seen.sensor, seen.header
        demosaics = bool(sensor.pattern) and (look.linear or not look.dng)
        task, lines = self._noise(Isp(sensor.pattern or "linear"), seen)
        problem, steps = problem_of(task), [Repair()] if look.repair and sensor.pattern else []
        frugal = engine.devices.pick(self.settings.device).type == "cpu" and header.height * header.width > LARGE
        name, card = self._demosaicing(task, frugal) if demosaics else ("libraw" if sensor.note and not sensor.pattern else "as stored", None)
        if task.noise != "none":
            called = card and card.full_name  # a network was trained for the noise of its card
            if not card:
                cleaner, called = denoiser(float(problem.noise.gain), float(problem.noise.sigma), header.channels, frugal)
                steps.append(Planes(cleaner) if sensor.pattern else cleaner)
            lines.append(f"noise is taken away by {called}")
        if look.low_level and not demosaics:
            lines.append("there is no mosaic: --low-level has nothing to do")
        rendering, said = (Rendering(seen.gains.float(), torch.eye(3)), []) if look.dng else self._rendering(seen)
        if demosaics:
            method = placed(_loaded(name, card and card.path), rendering, noisy=card is not None)
            if method.gives == "srgb" and (look.linear or look.dng or look.match or look.space != "srgb"):
                raise UsageError(f"{name} gives finished pictures in sRGB", "no --linear, --match-embedded, other --space or DNG", "type --model menon")
            steps.append(method.prepare(overview.parts(seen.source, page), problem))
        if steps and steps[-1].gives == "srgb":
            said.append("tone and sharpness are the network's")
        elif not look.dng:
            steps.append(rendering)
        made = self._made(task, seen)
        if len(made.exif or b"") > LONG and (self.request.format == "jpeg" or opened.names.target.suffix.lower() in (".jpg", ".jpeg")):
            made = made.replace(exif=exif.without_note(made.exif))
            said.append("the maker's own notes in EXIF are too long for a JPEG, and left away")
        chain = reduce(Chain, steps or [_As()])
        return Developed(task, problem, name, card, tuple(([sensor.note] if sensor.note else []) + lines + said), chain=chain, header=made)

    def _seen(self, source: io.Source, page: int) -> Seen:
        header, matrix = source.headers[page], self.asked.matrix
        sensor = header.sensor if matrix is None else replace(header.sensor, profiles=(Profile(6504.0, matrix),))
        if sensor.pattern and min(header.height, header.width) < 2:
            raise RestoreError(f"{source.name}: {header.width} x {header.height} samples hold no cell of a mosaic", "2 x 2 samples or more")
        cells = overview.superpixels(source, page)
        return Seen(source, page, sensor, cells, *overview.white_balance(self.asked.wb, sensor, cells))

    def _demosaicing(self, task: Isp, frugal: bool) -> tuple[str, cards.Card | None]:
        if not self.asked.low_level:
            return cards.choose(task, self.request.model, frugal)
        there = {card.name for card in cards.every() if card.task.covers(task)}
        name = next((name for name in LOW_LEVEL if name in there), None)
        if name is None:
            raise RestoreError(f"no network that demosaics and denoises at once is installed for {task}", f"weights of {' or '.join(LOW_LEVEL)}",
                               "leave --low-level out, or make them: restore train demosaicnet")
        return cards.choose(task, name, frugal)

    def _made(self, task: Isp, seen: Seen) -> Header:
        """The header of the output: a DNG holds all that the sensor saw, a picture the part that is to be shown."""
        look, header, sensor = self.asked, seen.header, seen.sensor
        if look.dng:
            pattern = "" if look.linear else sensor.pattern
            kept = replace(sensor, pattern=pattern, black=(BLACK,) * (4 if pattern else 3), white=(WHITE,) * (4 if pattern else 3),
                           neutral=seen.neutral, noise=None if task.noise != "none" else sensor.noise)
            return header.replace(channels=1 if pattern else 3, dtype=np.dtype(np.uint16), sensor=kept)
        dtype = np.dtype(np.float32 if look.linear else np.uint16)
        height, width = sensor.crop[2:] if sensor.crop else (header.height, header.width)
        return out_header(header.replace(height=height, width=width, channels=3, dtype=dtype, icc=icc.build(SPACES[look.space], look.linear), sensor=None), self.request)

    def _noise(self, task: Isp, seen: Seen) -> tuple[Isp, list[str]]:
        """The task with the noise that is given, that the file tells of, or that is found in the mosaic."""
        if self.asked.noise == "none":
            return task, []
        if self.asked.noise != "auto":
            (a, b), how = self.asked.noise, "as given"
        elif seen.sensor.noise:
            (a, b), how = np.mean(seen.sensor.noise, 0).tolist(), "as the file says"
        else:
            try:
                found = poisson_gaussian.estimate(overview.patch(seen.source, seen.page))
            except RestoreError as problem:
                return task, [f"no noise was estimated, and none is taken away: {problem.what}"]
            a, b, how = float(np.median(found.a)), float(np.median(found.b)), "estimated"
        if a <= 0 and b <= 0:
            return task, ["no noise was found"]
        a = max(a, b / STEEP)
        return replace(task, noise="poisson-gaussian", peak=1 / a, sigma=255 * b**0.5), [f"variance of the noise {a:.3g} x + {b:.3g}, {how}"]

    def _rendering(self, seen: Seen) -> tuple[Rendering, list[str]]:
        """White balance, colours, exposure and tone as they are asked for, and what is to be said of them."""
        look, space, sensor = self.asked, SPACES[self.asked.space], seen.sensor
        matrix = camera.matrix(sensor, seen.neutral, space)
        lines = [f"white balance {', '.join(f'{gain:.3g}' for gain in seen.gains)} ({seen.how})"]
        if not sensor.profiles:
            lines.append("colours by LibRaw's matrix" if sensor.to_srgb else "no colour matrix is known: the camera's colours are taken for sRGB's")
        curve = "linear" if look.linear else look.curve
        rendering = Rendering(seen.gains.float(), matrix.float(), 1.0, space, curve, look.sharpen, look.highlights == "rebuild")
        if look.match:
            own = seen.source.preview()
            if own is None:
                raise RestoreError(f"{seen.source.name}: holds no picture of the camera's own to match", "", "leave --match-embedded out")
            rendering.curve = develop.matching(rendering.linear(seen.cells), torch.from_numpy(own.copy()).float() / 255)
            lines.append(f"tone of the embedded picture ({own.shape[1]} x {own.shape[0]})")
        elif look.exposure is not None:
            rendering.exposure = 2.0 ** (look.exposure + (0 if look.linear else sensor.stops))
        elif not look.linear:
            rendering.exposure = float(develop.exposure(rendering.linear(seen.cells)))
            lines.append(f"exposure {np.log2(rendering.exposure):+.2f} stops (automatic)")
        return rendering, lines

    def work(self, opened: Open, write, report) -> None:
        stated, header = opened.stated, opened.ahead.header
        sensor, made, kept = header.sensor, stated.header, stated.header.sensor
        first, left = sensor.crop[:2] if sensor.crop and not kept else (0, 0)
        light = header.replace(dtype=np.dtype(np.float32))
        page = Page(lambda top, bottom: sensor.light(opened.ahead.read(top, bottom), top), light, stated.chain.multiple)
        self._plan(opened, timed=False)

        def finish(top: int, x: Tensor) -> None:
            rows = x[0, :, max(first - top, 0) : max(first + made.height - top, 0), left : left + made.width].permute(1, 2, 0).numpy()
            if len(rows):
                write(kept.stored(rows, top) / np.float32(65535) if kept else rows)

        self.settings = engine.run(stated.chain, stated.problem, page, finish, self.settings, report)


class _As(Method):
    """Nothing is left to do."""

    takes = gives = "camera"
    noises = ("NoNoise",)

    def restore(self, y, problem):
        return y


@lru_cache(maxsize=4)
def _loaded(name: str, path: Path | None) -> Method:
    return cards.load(name, cards.read(path) if path else None)


def denoiser(gain: float, sigma: float, channels: int, frugal: bool = False) -> tuple[Method, str]:
    """Variance stabilisation around the best denoiser for the level that follows, and its name: for the planes of a mosaic (1) or pictures in colour (3).

    Large mosaics on a CPU go through a network even if it was made for colour: a fifth of BM3D's time for a tenth of a decibel.
    """
    level = float(vst.stabilised(Problem(Identity(), PoissonGaussian(1 / gain, sigma))).noise.sigma)
    name, card = cards.choose(Denoise(sigma=255 * level * (SCALE if channels == 1 else 1)), frugal=frugal, channels=None if frugal and channels == 1 else channels)
    gaussian = _loaded(name, card and card.path)
    denoiser = vst.VST(Mixed(gaussian) if channels == 1 else gaussian)
    denoiser.takes = denoiser.gives = "camera"
    return denoiser, card.full_name if card else name

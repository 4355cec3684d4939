"""The walk of `restore burst`: many inputs, one output. Frames that cannot be used are left out, and said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from restore import cards, io
from restore.catalog import CATALOG
from restore.engine import merge
from restore.engine.run import Report
from restore.errors import RestoreError, UsageError
from restore.estimate import poisson_gaussian, shifts, sigma
from restore.image import BLACK, WHITE, Header, Image, Sensor, as_float
from restore.io.files import shown
from restore.jobs.stating import Request, Stated, choose, out_header
from restore.jobs.walk import Events, Open, Walk
from restore.method import Merge
from restore.names import STREAM
from restore.operators.noise import PoissonGaussian
from restore.operators.problem import Problem

STOPS = 0.32  # of difference in light that is said
SMALLEST = 16  # side of a frame
LOOKED_AT = 1 << 21  # pixels of a frame that registration sees, at most
PATCH = 512  # pixels of a plane, a side, that noise is estimated from
VIDEOS = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mts", ".3gp"}


@dataclass(frozen=True)
class Asked:
    """What the user asks of a merge. reference: number of a frame from 0, None: the sharpest. args: of the method. map: where it is told which frame gave what."""

    align: str = "homography"
    reference: int | None = None
    args: tuple[tuple[str, object], ...] = ()
    map: Path | None = None


@dataclass
class Frames:
    """A burst that is read and aligned, in the place of a source."""

    samples: list[np.ndarray]
    headers: list[Header]  # of the reference alone
    alignment: shifts.Alignment

    def close(self) -> None:
        self.samples = []


class Merging(Walk):
    """Jobs of `restore burst`: `Names.source` is the first frame, `Names.more` the others."""

    def __init__(self, request: Request, events: Events, asked: Asked):
        super().__init__(request, events)
        self.asked = asked

    def look(self, opened: Open) -> None:
        result, files = opened.result, opened.names.all
        slots = [page for file in files for page in self.read(file, result.notes) or [None]]
        named = [page for page in slots if page]
        if len(named) < 2:
            raise RestoreError(f"{named[0][0]} is all there is of the burst" if named else "no frame of the burst can be read", "two frames or more of one scene",
                               "restore denoise and restore deblur take one picture")
        _same_size(named)
        align = shifts.align(*_seen([image for _, image in named]), self.asked.align, _place(slots, self.asked.reference))
        reference = named[align.reference]
        result.header = reference[1].header
        result.notes.append(f"reference: {reference[0]}" + (", the sharpest" if self.asked.reference is None else ""))
        result.notes += [f"{name} is left out: {reason}" for (name, _), reason in zip(named, align.reasons, strict=True) if reason]
        result.notes += [f"{name} is {abs(stops):.1f} stops {'darker' if stops < 0 else 'brighter'} than the reference, and brought to its light"
                         for (name, _), reason, stops in zip(named, align.reasons, align.gain.clamp_min(1e-6).log2().tolist(), strict=True) if not reason and abs(stops) > STOPS]
        result.details = {"reference": reference[0], "frames": [_words(align, n, name) for n, (name, _) in enumerate(named)]}
        if len(align.kept) < 2:
            raise RestoreError(f"no other frame agrees with {reference[0]}", "frames of one scene", "name another with --reference, or try --align flow")
        opened.source = Frames([image.samples for _, image in named], [reference[1].header], align)
        opened.stated = self.stated(opened.source)
        result.notes += opened.stated.lines
        result.task, result.model, result.problem = opened.stated.task, opened.stated.full_name, opened.stated.problem.describe()

    def read(self, file: Path, notes: list[str]) -> list[tuple[str, Image]]:
        """The pages of a file, or none and a word why."""
        if file.suffix.lower() in VIDEOS:
            raise UsageError(f"{file} is a video", "the frames of a burst as pictures", "ffmpeg -i VIDEO frame%03d.png makes them; name a second or less of them")
        if file == STREAM:
            raise UsageError("a burst is not read from standard input", "its frames as files")
        try:
            return self.pages(file, notes)
        except RestoreError as error:
            notes.append(f"{file} is left out: {error.what.removeprefix(f'{shown(file)}: ')}")
            return []

    def pages(self, file: Path, notes: list[str]) -> list[tuple[str, Image]]:
        with io.open_source(file) as source:
            several = len(source.headers) > 1
            return [(f"{file} page {number + 1}" if several else str(file), Image(header, source.read(0, header.height, number).copy()))
                    for number, header in enumerate(source.headers)]

    def stated(self, frames: Frames) -> Stated:
        task, header, align = self.request.task, frames.headers[0], frames.alignment
        first = torch.from_numpy(as_float(frames.samples[align.reference][..., : header.channels])).permute(2, 0, 1)[None]
        if task.sigma is None:
            task = task.replace(sigma=sigma.rms(sigma.estimate(first, together=False).sigma))
        task = task.replace(frames=float(len(align.kept)))
        return choose(replace(self.request, task=task), self.settings, (header.channels, header.height, header.width))

    def method(self, stated: Stated) -> Merge:
        if stated.card:
            if self.asked.args:
                raise UsageError(f"{stated.full_name} does not take {', '.join(name for name, _ in self.asked.args)}", "the option of another method", "--model fba takes it")
            return super().method(stated)
        try:
            return cards.build(stated.model, dict(self.asked.args)).eval()
        except TypeError as error:
            raise UsageError(f"{stated.model} does not take {', '.join(name for name, _ in self.asked.args)}", "the method's own options") from error

    def _plan(self, opened: Open, timed: bool) -> None:
        opened.result.plan = merge.plan(self.method(opened.stated), opened.stated.problem, opened.source.headers[0], self.settings)

    def header(self, opened: Open, number: int) -> Header:
        """In 16 bits where the frames had 8: a merge knows more than a frame."""
        header = opened.source.headers[0].replace(pages=1)
        return out_header(header.replace(dtype=np.dtype(np.uint16)) if header.dtype == np.uint8 else header, self.request)

    def work(self, opened: Open, write: Callable[[np.ndarray], None], report: Report) -> None:
        self._plan(opened, timed=False)
        frames, header = opened.source, opened.source.headers[0]
        stack = merge.Stack(frames.samples, header, frames.alignment)
        chart = np.zeros((len(frames.samples), header.height, header.width), np.uint8) if self.asked.map else None

        def share(top: int, left: int, shares: Tensor) -> None:
            chart[stack.order, top : top + shares.shape[1], left : left + shares.shape[2]] = (255 * shares).round().byte().numpy()
        merge.run(self.method(opened.stated), opened.stated.problem, stack, write, self.settings, report, share if self.asked.map else None)
        if self.asked.map:
            _draw(chart, self.asked.map, self.request.overwrite)


class MergingMosaics(Merging):
    """Camera files to a DNG: the four planes of a mosaic (or what is linear already) are merged in linear light, with the noise of the sensor."""

    def __init__(self, request: Request, events: Events, asked: Asked):
        super().__init__(request, events, asked)
        if request.model and CATALOG[cards.find(request.model)[0]].trained:
            raise UsageError(f"{request.model} was trained on finished pictures, and a DNG holds linear light", "hdrplus, fba, mean or sharpest",
                             "merge pictures with it: restore isp develops the frames")

    def pages(self, file: Path, notes: list[str]) -> list[tuple[str, Image]]:
        with io.open_sensor(file) as source:
            header = source.headers[0]
            light = header.sensor.light(source.read(0, header.height))
        if header.sensor.pattern:
            if min(header.height, header.width) < 2:
                raise RestoreError(f"{file}: {header.width} x {header.height} samples hold no cell of a mosaic", "2 x 2 samples or more")
            if header.height % 2 or header.width % 2:
                notes.append(f"{file}: its last row or column is half a cell, and left away")
            height, width = header.height // 2, header.width // 2
            light = light[: 2 * height, : 2 * width].reshape(height, 2, width, 2).transpose(0, 2, 1, 3).reshape(height, width, 4)
        return [(str(file), Image(header.replace(height=light.shape[0], width=light.shape[1], channels=light.shape[2], dtype=np.dtype(np.float32)), light))]

    def stated(self, frames: Frames) -> Stated:
        header, first = frames.headers[0], frames.samples[frames.alignment.reference]
        (a, b), how = self._noise(header.sensor, first)
        line = f"variance of the noise {a:.3g} x + {b:.3g}, {how}" if a or b else "no noise was found, so frames are hardly mixed: --sigma says how much there is"
        task = self.request.task.replace(frames=float(len(frames.alignment.kept)), sigma=255 * sqrt(b))
        request = replace(self.request, task=task, model=self.request.model or "hdrplus")
        stated = choose(request, self.settings, (header.channels, header.height, header.width))
        problem = Problem(stated.problem.operator, PoissonGaussian(1 / a, sqrt(b))) if a > 0 else stated.problem
        return replace(stated, problem=problem, lines=(*stated.lines, line))

    def _noise(self, sensor: Sensor, planes: np.ndarray) -> tuple[tuple[float, float], str]:
        """(a, b) of the variance a x + b, and how it is known: as the user says, as the file says, as found in the middle of the reference."""
        if self.request.task.sigma is not None:
            return (0.0, (self.request.task.sigma / 255) ** 2), "as given"
        if sensor.noise:
            return tuple(np.mean(sensor.noise, 0).tolist()), "as the file says"
        top, left = (max(size - PATCH, 0) // 2 for size in planes.shape[:2])
        part = torch.from_numpy(planes[top : top + PATCH, left : left + PATCH].transpose(2, 0, 1).copy())[None]
        try:
            found = poisson_gaussian.estimate(part)
            a, b = float(np.median(found.a)), float(np.median(found.b))
        except RestoreError:
            a = b = 0.0
        if a <= 0 and b <= 0:  # too small, too flat or too clean for a line through many levels: one level for all
            a, b = 0.0, (sigma.rms(sigma.estimate(part, together=False).sigma) / 255) ** 2
        return (a, b), "estimated"

    def header(self, opened: Open, number: int) -> Header:
        header = opened.source.headers[0]
        cell, levels = (2, 4) if header.sensor.pattern else (1, 3)
        height, width, crop = cell * header.height, cell * header.width, header.sensor.crop
        if crop:  # half a cell may be gone
            crop = *crop[:2], min(crop[2], height - crop[0]), min(crop[3], width - crop[1])
        sensor = replace(header.sensor, black=(BLACK,) * levels, white=(WHITE,) * levels, noise=None, crop=crop)
        return header.replace(height=height, width=width, channels=1 if cell == 2 else 3, dtype=np.dtype(np.uint16), sensor=sensor)

    def work(self, opened: Open, write: Callable[[np.ndarray], None], report: Report) -> None:
        header = self.header(opened, 0)

        def mosaic(rows: np.ndarray) -> None:
            """Planes back to their places; every band begins with an even row."""
            height, width = rows.shape[:2]
            light = rows.reshape(height, width, 2, 2).transpose(0, 2, 1, 3).reshape(2 * height, 2 * width, 1) if header.sensor.pattern else rows
            write(header.sensor.stored(light) / np.float32(65535))
        super().work(opened, mosaic, report)


def _draw(chart: np.ndarray, path: Path, overwrite: bool) -> None:
    """A TIFF with a page (H, W) for each frame."""
    header = Header(*chart.shape[1:], 1, np.dtype(np.uint8), pages=len(chart), format="tiff")
    with io.open_sink(path, header, overwrite=overwrite) as sink:
        for number, page in enumerate(chart):
            if number:
                sink.page(header)
            sink.write(page[..., None])


def _place(slots: Sequence[tuple[str, Image] | None], reference: int | None) -> int | None:
    """Where the reference, counted among all that were named, stands among those that could be read."""
    if reference is None:
        return None
    if not 0 <= reference < len(slots):
        raise UsageError(f"there is no frame {reference + 1}", f"1 to {len(slots)}, in the order in which frames are named")
    if slots[reference] is None:
        raise RestoreError(f"frame {reference + 1}, the reference, was left out", "a frame that can be read", "name another with --reference")
    return sum(slot is not None for slot in slots[:reference])


def _same_size(named: Sequence[tuple[str, Image]]) -> None:
    first = named[0][1].header
    for name, image in named:
        header = image.header
        if (header.height, header.width, header.orientation) != (first.height, first.width, first.orientation):
            held = [f"{one.width} x {one.height} pixels, orientation {one.orientation}" for one in (header, first)]
            raise RestoreError(f"{name} has {held[0]}; {named[0][0]} has {held[1]}", "frames of one size, held the same way", "leave it out, or crop or turn it first")
        if min(header.height, header.width) < SMALLEST:
            raise RestoreError(f"{name} has {header.width} x {header.height} pixels, too few to be aligned", f"{SMALLEST} x {SMALLEST} or more")
        if header.sensor and header.sensor.pattern != first.sensor.pattern:
            raise RestoreError(f"{name} begins with {header.sensor.pattern or 'no mosaic'}, {named[0][0]} with {first.sensor.pattern or 'no mosaic'}",
                               "frames of one camera, cut alike")
        if header.channels != first.channels:
            raise RestoreError(f"{name} has {header.channels} channel(s), {named[0][0]} has {first.channels}", "frames that are all grey or all colour")


def _seen(images: Sequence[Image]) -> tuple[Tensor, int]:
    """Grey frames (F, 1, h, w) of at most LOOKED_AT pixels, and the factor that they are reduced by."""
    header = images[0].header
    factor = max(1, ceil(sqrt(header.height * header.width / LOOKED_AT)))
    grey = [torch.from_numpy(np.nan_to_num(image.pixels.mean(2), posinf=0, neginf=0))[None, None] for image in images]
    return torch.cat([F.avg_pool2d(part, factor) if factor > 1 else part for part in grey]), factor


def _words(align: shifts.Alignment, number: int, name: str) -> dict[str, object]:
    h = align.homography[number]
    return {"name": name, "used": not align.reasons[number], "reason": align.reasons[number], "shift": [round(float(h[0, 2]), 2), round(float(h[1, 2]), 2)],
            "gain": round(float(align.gain[number]), 3), "sharpness": float(f"{float(align.sharpness[number]):.3g}"), "trusted": round(float(align.trust[number].mean()), 3)}

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
from restore.engine import merge
from restore.engine.run import Report
from restore.errors import RestoreError, UsageError
from restore.estimate import shifts, sigma
from restore.image import Header, Image, as_float
from restore.jobs import Events, Open, Walk
from restore.method import Merge
from restore.names import STREAM, Names
from restore.stating import Request, Stated, choose, out_header

LOOKED_AT = 1 << 21  # pixels of a frame that registration sees, at most
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
        result, files = opened.result, (opened.names.source, *opened.names.more)
        named = [(name, image) for file in files for name, image in _read(file, result.notes)]
        if len(named) < 2:
            raise RestoreError(f"{named[0][0] if named else 'nothing'} is all there is of the burst", "two frames or more of one scene",
                               "restore denoise and restore deblur take one picture")
        _same_size(named)
        align = shifts.align(*_seen([image for _, image in named]), self.asked.align, self.asked.reference)
        reference = named[align.reference]
        result.header = reference[1].header
        result.notes.append(f"reference: {reference[0]}" + (", the sharpest" if self.asked.reference is None else ""))
        result.notes += [f"{name} is left out: {reason}" for (name, _), reason in zip(named, align.reasons, strict=True) if reason]
        result.details = {"reference": reference[0], "frames": [_words(align, n, name) for n, (name, _) in enumerate(named)]}
        if len(align.kept) < 2:
            raise RestoreError(f"no other frame agrees with {reference[0]}", "frames of one scene", "name another with --reference, or try --align flow")
        opened.source = Frames([image.samples for _, image in named], [reference[1].header], align)
        opened.stated = self.stated(opened.source)
        result.task, result.model, result.problem = opened.stated.task, opened.stated.full_name, opened.stated.problem.describe()

    def stated(self, frames: Frames) -> Stated:
        task, header, align = self.request.task, frames.headers[0], frames.alignment
        first = torch.from_numpy(as_float(frames.samples[align.reference][..., : header.channels])).permute(2, 0, 1)[None]
        if task.sigma is None:
            levels = sigma.estimate(first).sigma
            task = task.replace(sigma=sqrt(sum(level**2 for level in levels) / len(levels)))
        task = task.replace(frames=float(len(align.kept)))
        return choose(replace(self.request, task=task), self.settings, (header.channels, header.height, header.width))

    def method(self, stated: Stated) -> Merge:
        if stated.card:
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


def _draw(chart: np.ndarray, path: Path, overwrite: bool) -> None:
    """A TIFF with a page (H, W) for each frame."""
    header = Header(*chart.shape[1:], 1, np.dtype(np.uint8), pages=len(chart), format="tiff")
    with io.open_sink(path, header, overwrite=overwrite) as sink:
        for number, page in enumerate(chart):
            if number:
                sink.page(header)
            sink.write(page[..., None])


def _read(file: Path, notes: list[str]) -> list[tuple[str, Image]]:
    """The pages of a file, or none with a word why."""
    if file.suffix.lower() in VIDEOS:
        raise UsageError(f"{file} is a video", "the frames of a burst as pictures", "ffmpeg -i VIDEO frame%03d.png makes them; name a second or less of them")
    if file == STREAM:
        raise UsageError("a burst is not read from standard input", "its frames as files")
    try:
        with io.open_source(file) as source:
            several = len(source.headers) > 1
            return [(f"{file} page {number + 1}" if several else str(file), Image(header, source.read(0, header.height, number).copy()))
                    for number, header in enumerate(source.headers)]
    except RestoreError as error:
        notes.append(f"{file} is left out: {error.what}")
        return []


def _same_size(named: Sequence[tuple[str, Image]]) -> None:
    first = named[0][1].header
    for name, image in named:
        header = image.header
        if (header.height, header.width, header.orientation) != (first.height, first.width, first.orientation):
            raise RestoreError(f"{name} has {header.width} x {header.height} pixels, {named[0][0]} has {first.width} x {first.height}",
                               "frames of one size, held the same way", "leave it out, or crop it first")
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

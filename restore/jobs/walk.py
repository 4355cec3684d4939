"""The walk of one job and of a thousand: open, state the task, choose the method, estimate, load, plan, run, write."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from restore import io
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.engine.run import Plan, Report
from restore.errors import RestoreError, fault
from restore.image import Header
from restore.io.files import shown
from restore.io.overlap import Ahead, Behind
from restore.jobs import given
from restore.jobs.hints import hints
from restore.jobs.stating import Request, Stated, check, method_for, out_header, pushed, reduction, state
from restore.method import Method
from restore.names import STREAM, Names, make_folder
from restore.operators.blur import Unknown
from restore.streams import stdin, stdout
from restore.tasks import Task

COPIED = 256  # rows at one go
SLOW = 2_000_000  # pixels from which an untrained method is timed on a small tile first
WASTE = 4.0  # share of what is computed twice that is said
UNSEEN = 1e-3  # share of a sample of y that what is hidden may have
PATIENCE = 300  # seconds that nobody need be warned of


@dataclass
class Result:
    """What became of one job."""

    source: Path
    target: Path
    error: RestoreError | None = None
    skipped: bool = False
    task: Task | None = None
    model: str = ""
    problem: str = ""  # y = D x + n
    header: Header | None = None
    scale: int = 1  # pixels of the output per pixel of the input
    plan: Plan | None = None
    expected: float | None = None  # seconds, where a small tile was timed
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    details: dict[str, object] = field(default_factory=dict)  # what a command has to say beside, for --json

    @property
    def ok(self) -> bool:
        return self.error is None


@dataclass(frozen=True)
class Events:
    """Where a walk tells what happens; the defaults are silent."""

    started: Callable[[Path, int], None] = lambda source, number: None
    progress: Callable[[int, int], None] = lambda done, of: None
    note: Callable[[Path, str], None] = lambda source, text: None


@dataclass
class Open:
    """A file that is open and read ahead, its first page's task stated."""

    names: Names
    source: io.Source
    ahead: Ahead
    stated: Stated | None
    result: Result


class Walk:
    """Jobs one after another; the next file is opened, stated and read ahead, and the last one written, while this one is computed."""

    def __init__(self, request: Request, events: Events = Events()):
        check(request)
        self.request, self.events = request, events
        self.settings = request.settings  # what the engine settled on is handed to the next file

    def __call__(self, names: Sequence[Names]) -> Iterator[Result]:
        """A result per job, failed ones too, in order."""
        waiting: deque[tuple[Result, Behind | None, ExitStack]] = deque()  # computed; the last of their rows are being written
        with ThreadPoolExecutor(1) as opener:
            following: Future[Open] | None = opener.submit(self._open, names[0]) if names else None
            try:
                for index, one in enumerate(names):
                    opened, following = following.result(), opener.submit(self._open, names[index + 1]) if index + 1 < len(names) else None
                    self.events.started(one.source, index)
                    waiting.append(self._compute(opened))
                    if index:
                        yield self._finished(*waiting[0])
                        waiting.popleft()
                for last in waiting:
                    yield self._finished(*last)
                waiting.clear()
            finally:
                for left in waiting:
                    self._finished(*left)
                if following:
                    _close(following.result())

    def plans(self, names: Sequence[Names]) -> Iterator[Result]:
        """The walk up to the plan: `--dry-run`."""
        for one in names:
            opened = self._open(one)
            with ExitStack() as stack:
                stack.callback(_close, opened)
                if opened.stated:
                    with _into(opened.result):
                        self._plan(opened, timed=True)
            yield opened.result

    def _plan(self, opened: Open, timed: bool) -> None:
        """Put the plan into the result; a small tile is timed if asked, and always before a large picture goes through an untrained method."""
        stated, header, method = opened.stated, opened.ahead.header, self.method(opened.stated)
        size = (header.channels, header.height, header.width)
        opened.result.plan = engine.plan(method, stated.problem, *size, self.settings)
        if timed or (stated.card is None and header.height * header.width > SLOW):
            opened.result.expected = engine.expected_seconds(method, stated.problem, *size, self.settings)

    def _open(self, one: Names) -> Open:
        result = Result(one.source, one.target, skipped=one.skip)
        opened = Open(one, None, None, None, result)
        if one.skip:
            return opened
        with _into(result):
            self.look(opened)
            if one.target != STREAM:
                self.fits(opened)
        return opened

    def look(self, opened: Open) -> None:
        """Open the source and state the task."""
        result, source = opened.result, opened.names.source
        opened.source = self.source(stdin() if source == STREAM else source)
        result.header = opened.source.headers[0]
        opened.stated = self.state(opened, 0)
        result.task, result.model, result.problem = opened.stated.task, opened.stated.full_name, opened.stated.problem.describe()
        result.scale = opened.stated.problem.scale
        result.notes += [*opened.stated.lines, *self._hints(opened)]
        if self.request.factor != 1:
            result.task = result.task.replace(scale=self.request.factor * result.scale)
            result.notes.append(f"enlarged by {result.scale}, then reduced to {result.task.scale:g}")
        opened.ahead = self.ahead(opened.source)

    def fits(self, opened: Open) -> None:
        """Raise RestoreError where the target's format cannot hold the result: before it is computed."""
        io.fitted(opened.names.target, self.header(opened, 0), self.request.format)

    def _hints(self, opened: Open) -> Iterator[str]:
        """What a user may not have meant."""
        header = opened.result.header
        return hints(self.request, opened.names.source, header, opened.stated, self._format(opened.names.target, header), self.quality(opened))

    def _format(self, target: Path, header: Header) -> str:
        return self.request.format or (_streamed(header.format) if target == STREAM else io.SUFFIXES.get(target.suffix.lower(), ""))

    ahead = Ahead  # what reads a source's rows before they are asked for

    def source(self, path: Path | BinaryIO) -> io.Source:
        return io.open_source(path)

    def method(self, stated: Stated) -> Method:
        return method_for(stated)

    def state(self, opened: Open, number: int) -> Stated:
        header, source = opened.source.headers[number], opened.source
        found = given.read(self.request.task, source, number, opened.names.source)
        keep = found["keep"].numpy() if "keep" in found else None
        return state(self.request, Page(lambda top, bottom: source.read(top, bottom, number), header, keep=keep), self.settings, found)

    def _compute(self, opened: Open) -> tuple[Result, Behind | None, ExitStack]:
        result, stack, behind = opened.result, ExitStack(), None
        stack.callback(_close, opened)
        for line in result.notes:
            self.events.note(result.source, line)
        start = time.perf_counter()
        try:
            with _into(result):
                if result.ok and not result.skipped:
                    behind = Behind(lambda: self._sink(opened))
                    behind.ready()
                    for page in range(len(opened.source.headers)):
                        self._page(opened, page, behind)
                    behind.finish()
        finally:
            if behind and not behind.finished:
                behind.cancel()
        result.seconds = time.perf_counter() - start
        return result, behind, stack

    def _finished(self, result: Result, behind: Behind | None, stack: ExitStack) -> Result:
        start = time.perf_counter()
        with stack, _into(result):
            if behind and result.ok:
                behind.result()
                for line in behind.said:
                    self._note(result, line)
        result.seconds += time.perf_counter() - start
        return result

    def _note(self, result: Result, text: str) -> None:
        result.notes.append(text)
        self.events.note(result.source, text)

    def _page(self, opened: Open, number: int, behind: Behind) -> None:
        result, said = opened.result, f"page {number + 1}: " if number else ""
        if number:
            opened.ahead.close()
            opened.stated = self.state(opened, number)
            opened.ahead = Ahead(opened.source, number)
            behind.page(self.header(opened, number))
            for line in opened.stated.lines:
                self._note(result, said + line)
        self.work(opened, behind.write, Report(self.events.progress, lambda text: self._note(result, said + text)))

    def work(self, opened: Open, write: Callable[[np.ndarray], None], report: Report) -> None:
        """One page through the engine."""
        stated, header = opened.stated, opened.ahead.header
        method = self.method(stated)
        multiple = engine.wrapped(method, stated.problem, self.settings.ensemble, self.settings.consistent).multiple
        page = Page(opened.ahead.read, header, multiple, stated.problem.scale, stated.keep, stated.noisy, stated.problem.operator.beyond)
        if stated.keep is not None and not stated.noisy and (stated.keep == 1).all():
            report.note("nothing is missing: the picture stays as it is")
            for top in range(0, header.height, COPIED):
                write(opened.ahead.read(top, min(top + COPIED, header.height)))
            return
        self._plan(opened, timed=False)
        if opened.result.plan.overhead > WASTE:
            report.note(f"tiles of {opened.result.plan.height} x {opened.result.plan.width} compute every pixel {opened.result.plan.overhead + 1:.0f} times: a larger --tile or --memory is faster")
        if (opened.result.expected or 0) > PATIENCE:
            report.note(f"{stated.full_name} will take about {opened.result.expected / 60:.0f} minutes on {opened.result.plan.device}")
        kept: list[torch.Tensor] = []
        last = reduction(self.request, stated.problem.scale * header.height, stated.problem.scale * header.width)

        def take(top: int, x: torch.Tensor) -> None:
            rows = page.finish(top, x, self.request.strength)
            write(rows if last is None else pushed(last, rows, header))
            if self.request.check:
                kept.append(torch.from_numpy(rows[..., : header.channels]))
        self.settings = engine.run(method, stated.problem, page, take, self.settings, report)
        if kept:
            report.note(self._residual(opened, page, torch.cat(kept).permute(2, 0, 1)[None]))
        if page.hidden:
            report.note(f"{page.hidden} samples are NaN or Inf, of which nothing was made")

    def _residual(self, opened: Open, page: Page, x: torch.Tensor) -> str:
        """How far D x is from y, beside the noise, where y was measured and D sees nothing hidden."""
        header, source, problem = opened.ahead.header, opened.source, opened.stated.problem
        number = opened.ahead.page
        if isinstance(problem.operator, Unknown):
            return "nobody knows D, so there is nothing to compare with y"
        y = Page(lambda top, bottom: source.read(top, bottom, number), header, keep=opened.stated.keep).visible(0, header.height)
        hidden = y.isnan().float().repeat_interleave(problem.scale, 2).repeat_interleave(problem.scale, 3)
        measured = ~y.isnan() & (problem.operator(hidden).abs() < UNSEEN)
        error = 255 * float((problem.operator(torch.nan_to_num(x)) - y)[measured].square().mean().sqrt())
        return f"D x differs from y by {error:.2f}/255 (root mean square); {problem.noise}" if measured.any() else "nothing was measured that D x could be compared with"

    def header(self, opened: Open, number: int) -> Header:
        """The header of the page that is written."""
        return out_header(opened.source.headers[number], self.request, opened.stated.problem.scale)

    def _sink(self, opened: Open) -> io.Sink:
        target, request, header, quality = opened.names.target, self.request, self.header(opened, 0), self.quality(opened)
        if target == STREAM:
            return io.open_sink(stdout(), header, format=self._format(target, header), quality=quality, subsampling=request.subsampling)
        make_folder(target)
        return io.open_sink(target, header, format=request.format, quality=quality, subsampling=request.subsampling, overwrite=request.overwrite)

    def quality(self, opened: Open) -> int | None:
        """That of the file which is written."""
        return self.request.quality


def _streamed(format: str) -> str:
    return format if format in io.WRITABLE else "tiff"


class _into:
    """Errors of a job become its result; those of the machine get words."""

    def __init__(self, result: Result):
        self.result = result

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, RestoreError):
            self.result.error = error if shown(self.result.source) in error.what or self.result.source == STREAM else error.of(shown(self.result.source))
        elif isinstance(error, BrokenPipeError):
            return False
        elif isinstance(error, (OSError, MemoryError)):
            self.result.error = RestoreError(f"{self.result.source}: {getattr(error, 'strerror', None) or error or 'memory ended'}")
        elif isinstance(error, Exception):
            self.result.error = fault(str(self.result.source), error)
        return self.result.error is not None and isinstance(error, Exception)


def _close(opened: Open) -> None:
    if opened.ahead:
        opened.ahead.close()
    if opened.source:
        opened.source.close()

"""The walk of one job and of a thousand: open, state the task, choose the method, estimate, load, plan, run, write."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from restore import cards, io
from restore.cards import Card
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.engine.run import Plan, Report, Settings
from restore.errors import RestoreError, UsageError
from restore.estimate import fill
from restore.image import Header
from restore.io.overlap import Ahead, Behind
from restore.method import Method
from restore.names import STREAM, Names, make_folder
from restore.operators.problem import Problem, problem_of
from restore.tasks import Task

SAMPLED = 6 << 20  # pixels that an estimator looks at, at most
SLOW = 2_000_000  # pixels from which an untrained method is timed on a small tile first
PATIENCE = 300  # seconds that nobody need be warned of
ROWS = 64  # rows of noise drawn at one go; fixed, so that a seed means the same noise on every machine


@dataclass(frozen=True)
class Request:
    """What is the same for every file of a batch. `format`, `depth`, `quality`, `subsampling`: None keeps what the file has."""

    task: Task
    model: str | None = None
    settings: Settings = Settings()
    strength: float = 1.0
    overwrite: bool = False
    format: str | None = None
    depth: str | None = None  # "8", "16", "32"
    quality: int | None = None
    subsampling: str | None = None
    seed: int = 0  # of the noise that `degrade` draws


@dataclass(frozen=True)
class Stated:
    """A task without holes, and what will undo it."""

    task: Task
    problem: Problem
    model: str
    card: Card | None
    lines: tuple[str, ...] = ()  # what estimators found, for the user

    @property
    def full_name(self) -> str:
        return self.card.full_name if self.card else self.model


@dataclass
class Result:
    """What became of one job."""

    source: Path
    target: Path
    error: RestoreError | None = None
    skipped: bool = False
    task: Task | None = None
    model: str = ""
    header: Header | None = None
    plan: Plan | None = None
    expected: float | None = None  # seconds, where a small tile was timed
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

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


def state(task: Task, model: str | None, page: Page, settings: Settings) -> Stated:
    """Fill the task's holes by looking at the page, then choose the method: levels decide weights."""
    lines: tuple[str, ...] = ()
    if task.unknown():
        task, lines = fill(task, _sample(page))
    frugal = engine.devices.pick(settings.device).type == "cpu" and page.header.height * page.header.width > 4e6
    name, card = cards.choose(task, model, frugal, page.header.channels)
    return Stated(task, problem_of(task), name, card, lines)


def _sample(page: Page) -> torch.Tensor:
    """(1, C, H, W) of up to SAMPLED pixels: the whole page, or four bands spread over it; NaN where hidden."""
    height, width = page.header.height, page.header.width
    if height * width <= SAMPLED:
        return page.visible(0, height)
    rows = max(SAMPLED // 4 // width, 1)
    bands = []
    for i in range(4):
        top = (height - rows) * i // 3
        page.forget(top)
        bands.append(page.visible(top, top + rows))
    return torch.cat(bands, 2)


@lru_cache(maxsize=4)
def _loaded(name: str, weights: Path | None) -> Method:
    return cards.load(name, cards.read(weights.with_suffix(".toml")) if weights else None)


def method_for(stated: Stated) -> Method:
    """The method, loaded once for all files that need it."""
    return _loaded(stated.model, stated.card.weights if stated.card else None)


def check(request: Request) -> None:
    """Raise UsageError for what is wrong whatever the files are, before any is opened."""
    device = engine.devices.pick(request.settings.device)
    engine.devices.pick_precision(request.settings.precision, device, half_ok=True)
    out_header(Header(1, 1), request)
    if request.settings.tile is not None and request.settings.tile < 1:
        raise UsageError(f"a tile of {request.settings.tile} pixels is out of range", "1 or more")
    if request.model is not None:
        cards.find(request.model)
    if not request.task.unknown():
        cards.choose(request.task, request.model)


def out_header(header: Header, request: Request) -> Header:
    """The header to be written: the source's, in the depth that was asked for."""
    depths = {None: header.dtype, "8": np.dtype(np.uint8), "16": np.dtype(np.uint16), "32": np.dtype(np.float32)}
    if request.depth not in depths:
        raise UsageError(f"unknown depth {request.depth!r}", "8, 16 or 32 (float)")
    return header.replace(dtype=depths[request.depth])


class Walk:
    """Jobs one after another; the next file is opened, stated and read ahead, and the last one written, while this one is computed."""

    def __init__(self, request: Request, events: Events = Events()):
        check(request)
        self.request, self.events = request, events
        self.settings = request.settings  # what the engine settled on is handed to the next file

    def __call__(self, names: Sequence[Names]) -> Iterator[Result]:
        """A result per job, failed ones too, in order."""
        waiting: tuple[Result, Behind, ExitStack] | None = None
        with ThreadPoolExecutor(1) as opener:
            following: Future[Open] | None = opener.submit(self._open, names[0]) if names else None
            try:
                for index, one in enumerate(names):
                    opened, following = following.result(), opener.submit(self._open, names[index + 1]) if index + 1 < len(names) else None
                    self.events.started(one.source, index)
                    begun = self._compute(opened)
                    if waiting:
                        yield _finished(*waiting)
                    waiting = begun
                if waiting:
                    yield _finished(*waiting)
                    waiting = None
            finally:
                if waiting:
                    _finished(*waiting)
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
            opened.source = self.source(_stdin() if one.source == STREAM else one.source)
            result.header = opened.source.headers[0]
            opened.stated = self.state(opened.source, 0)
            result.task, result.model = opened.stated.task, opened.stated.full_name
            result.notes += opened.stated.lines
            opened.ahead = Ahead(opened.source)
        return opened

    def source(self, path: Path | BinaryIO) -> io.Source:
        return io.open_source(path)

    def method(self, stated: Stated) -> Method:
        return method_for(stated)

    def header(self, opened: Open) -> Header:
        """Of the output."""
        return out_header(opened.source.headers[0], self.request)

    def state(self, source: io.Source, page: int) -> Stated:
        header = source.headers[page]
        return state(self.request.task, self.request.model, Page(lambda top, bottom: source.read(top, bottom, page), header), self.settings)

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
                    for page in range(len(opened.source.headers)):
                        self._page(opened, page, behind)
                    behind.finish()
        finally:
            if behind and not behind.finished:
                behind.cancel()
        result.seconds = time.perf_counter() - start
        return result, behind, stack

    def _page(self, opened: Open, number: int, behind: Behind) -> None:
        result = opened.result
        if number:
            opened.ahead.close()
            opened.ahead, opened.stated = Ahead(opened.source, number), self.state(opened.source, number)
            behind.page(out_header(opened.ahead.header, self.request))
        def note(text: str) -> None:
            result.notes.append(text)
            self.events.note(result.source, text)
        self.work(opened, behind.write, Report(self.events.progress, note))

    def work(self, opened: Open, write: Callable[[np.ndarray], None], report: Report) -> None:
        """One page through the engine."""
        stated, header = opened.stated, opened.ahead.header
        method = self.method(stated)
        page = Page(opened.ahead.read, header, engine.wrapped(method, stated.problem, self.settings.ensemble).multiple)
        self._plan(opened, timed=False)
        if (opened.result.expected or 0) > PATIENCE:
            report.note(f"{stated.full_name} will take about {opened.result.expected / 60:.0f} minutes on {opened.result.plan.device}")
        self.settings = engine.run(method, stated.problem, page, lambda top, x: write(page.finish(top, x, self.request.strength)), self.settings, report)
        if page.hidden:
            report.note(f"{page.hidden} samples are NaN or Inf; they were left as they are")

    def _sink(self, opened: Open) -> io.Sink:
        target, request = opened.names.target, self.request
        header = self.header(opened)
        if target == STREAM:
            return io.open_sink(_stdout(), header, format=request.format or _streamed(header.format), quality=request.quality, subsampling=request.subsampling)
        make_folder(target)
        return io.open_sink(target, header, format=request.format, quality=request.quality, subsampling=request.subsampling, overwrite=request.overwrite)


class Degrading(Walk):
    """The walk of `degrade`: the problem itself is applied, nothing is undone."""

    def plans(self, names):
        raise UsageError("degrade has no plan to print")

    def state(self, source: io.Source, page: int) -> Stated:
        return Stated(self.request.task, problem_of(self.request.task), "degrade", None)

    def work(self, opened: Open, write: Callable[[np.ndarray], None], report: Report) -> None:
        header, generator = opened.ahead.header, torch.Generator().manual_seed(self.request.seed)
        page = Page(opened.ahead.read, header)
        for top in range(0, header.height, ROWS):
            bottom = min(top + ROWS, header.height)
            write(page.finish(top, opened.stated.problem.simulate(page.rows(top, bottom), generator)))
            page.forget(bottom)
            report.progress(bottom, header.height)


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
            self.result.error = error
        elif isinstance(error, BrokenPipeError):
            return False
        elif isinstance(error, (OSError, MemoryError)):
            self.result.error = RestoreError(f"{self.result.source}: {getattr(error, 'strerror', None) or error or 'memory ended'}")
        return self.result.error is not None and isinstance(error, Exception)


def _finished(result: Result, behind: Behind | None, stack: ExitStack) -> Result:
    start = time.perf_counter()
    with stack, _into(result):
        if behind and result.ok:
            behind.result()
    result.seconds += time.perf_counter() - start
    return result


def _close(opened: Open) -> None:
    if opened.ahead:
        opened.ahead.close()
    if opened.source:
        opened.source.close()


def _stdin():
    import sys

    return sys.stdin.buffer


def _stdout():
    import sys

    if sys.stdout.isatty():
        raise UsageError("a picture is not written to a terminal", "", "give -o a file, or redirect standard output")
    return sys.stdout.buffer

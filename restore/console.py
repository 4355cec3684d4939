"""The only place that prints. Data on standard output, everything else on standard error."""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from restore.errors import RestoreError, shown


def error(problem: RestoreError) -> None:
    """What happened; what was expected; what to type."""
    note(f"error: {problem}")


def note(text: str) -> None:
    print(_clean(text), file=sys.stderr)


@contextmanager
def _written() -> Iterator[None]:
    """A disk that is full under standard output is told as one under a file is."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as cause:
        sys.stdout = open(os.devnull, "w")  # what is left in it is not tried again
        raise RestoreError(f"standard output: cannot be written: {cause.strerror or cause}", "room for what is printed") from cause


def out(text: str) -> None:
    """A line of data."""
    with _written():
        print(_clean(text))


def json_line(words: Mapping[str, object]) -> None:
    """One JSON object on standard output."""
    with _written():
        print(json.dumps(words, ensure_ascii=True))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """A table on standard output; plain columns parted by tabs where that is no terminal."""
    if not sys.stdout.isatty():
        with _written():
            for row in [columns, *rows]:
                print("\t".join(str(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left")
    for column in columns:
        drawn.add_column(column)
    for row in rows:
        drawn.add_row(*(str(cell) for cell in row))
    Console().print(drawn)


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text).encode("utf-8", "backslashreplace").decode()


class Batch:
    """What is shown while files go by: bars on a terminal, else one line per file when it is done."""

    EVERY = 30.0  # seconds between two lines of one file

    def __init__(self, total: int, quiet: bool):
        self.total, self.quiet, self.bars = total, quiet, None
        self.name, self.began, self.told = "", 0.0, 0.0

    def started(self, source: Path, number: int) -> None:
        self.name, self.began = shown(source), time.monotonic()
        self.told = self.began
        if self.bars:
            self.bars.update(self.whole, completed=number)
            self.bars.reset(self.file, description=_clean(Path(shown(source)).name), total=None)

    def progress(self, done: int, of: int) -> None:
        now = time.monotonic()
        if self.bars:
            self.bars.update(self.file, completed=done, total=of)
        elif not self.quiet and 0 < done < of and now - self.told > self.EVERY:
            self.told = now
            note(f"{self.name}: {done} of {of}, about {(now - self.began) / done * (of - done):.0f} s left")

    def note(self, source: Path, text: str) -> None:
        if not self.quiet:
            self.line(f"{shown(source)}: {text}")

    def line(self, text: str) -> None:
        """A line above the bars."""
        if self.bars:
            self.bars.console.print(_clean(text), markup=False, highlight=False, soft_wrap=True)
        else:
            note(text)

    def failed(self, problem: RestoreError) -> None:
        self.line(f"error: {problem}")


@contextmanager
def batch(total: int, quiet: bool) -> Iterator[Batch]:
    """A bar for the file and one for the batch on standard error, if that is a terminal."""
    shown_batch = Batch(total, quiet)
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield shown_batch
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        shown_batch.bars = bars
        shown_batch.file = bars.add_task("", total=None)
        shown_batch.whole = bars.add_task("files", total=total, visible=total > 1)
        yield shown_batch


class Counted:
    """What is shown while a long count goes on: a bar on a terminal, else a line every half minute."""

    EVERY = 30.0  # seconds

    def __init__(self, quiet: bool):
        self.quiet, self.bar, self.shown = quiet, None, 0.0

    def progress(self, done: int, of: int, text: str, left: float) -> None:
        if self.bar:
            self.bar.update(self.task, completed=done, total=of, description=_clean(text))
        elif not self.quiet and time.monotonic() - self.shown > self.EVERY:
            self.shown = time.monotonic()
            note(f"{done} of {of}: {text}, about {left / 60:.0f} min left")

    def note(self, text: str) -> None:
        if not self.quiet:
            note(text)


@contextmanager
def counted(unit: str, quiet: bool) -> Iterator[Counted]:
    """A bar of `unit` on standard error, if that is a terminal."""
    view = Counted(quiet)
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield view
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as view.bar:
        view.task = view.bar.add_task("", total=None)
        yield view


class Training:
    """What is shown while a network trains: a live line on a terminal, else a line at every validation and at most one a minute."""

    EVERY = 60.0  # seconds

    def __init__(self, quiet: bool):
        self.quiet, self.bar, self.shown, self.psnr = quiet, None, 0.0, ""

    def event(self, event) -> None:
        """A `restore.train.progress.Event`."""
        self.psnr = f", validation {event.psnr:.2f} dB" if event.psnr is not None else self.psnr
        text = f"loss {event.loss:.5f}{self.psnr}, {event.patches:.0f} patches/s, {event.megapixels:.2f} Mpx/s, {_memory():.1f} GB"
        if self.bar:
            self.line.plain = text
            self.bar.update(self.task, completed=event.step, total=event.of or None)
        elif not self.quiet and (event.psnr is not None or time.monotonic() - self.shown > self.EVERY):
            self.shown = time.monotonic()
            left = f", {event.left / 60:.0f} min left" if event.of and event.left > 90 else f", {event.left:.0f} s left" if event.of else ""
            note(f"step {event.step} of {event.of or '?'}: {text}{left}")

    def note(self, text: str) -> None:
        if self.bar:
            self.live.console.print(_clean(text), markup=False, highlight=False, soft_wrap=True)
        elif not self.quiet:
            note(text)


def _memory() -> float:
    """Memory of this process, in GB."""
    import psutil

    return psutil.Process().memory_info().rss / 1e9


@contextmanager
def training(quiet: bool) -> Iterator[Training]:
    """Steps done, loss, validation PSNR, speed, memory and time left on standard error."""
    view = Training(quiet)
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield view
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    columns = (TextColumn("step"), MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    view.line, view.bar = Text("the first steps"), Progress(*columns)
    view.task = view.bar.add_task("", total=None)
    with Live(Group(view.line, view.bar), console=Console(stderr=True)) as view.live:
        yield view

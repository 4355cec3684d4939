"""What a run says of itself: events, the clock they are timed by, the log, Ctrl-C."""

import json
import math
import signal
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from restore.errors import shown
from restore.io.files import put, writing
from restore.names import make_folder

LOG = "log.jsonl"


@dataclass(frozen=True)
class Event:
    """How the run stands after `step` of `of` steps (0: not settled yet). psnr: of the averaged weights on the held-out pictures, or nothing."""

    step: int
    of: int
    loss: float  # the mean since the last event
    rate: float  # of learning
    patches: float  # per second
    megapixels: float  # per second
    left: float  # seconds; NaN while the number of steps is not settled
    psnr: float | None = None


class Clock:
    """Steps per second since the last mark, and seconds of training in all, those before a resumption included."""

    def __init__(self, before: float):
        self.begun = time.monotonic() - before
        self.marked, self.steps, self.rate = time.monotonic(), 0, math.nan

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def measure(self) -> float:
        """Steps per second; the last known rate where no step was taken since the mark."""
        if self.steps:
            self.rate = self.steps / max(time.monotonic() - self.marked, 1e-9)
        return self.rate

    def mark(self) -> None:
        self.marked, self.steps = time.monotonic(), 0


def write(folder: Path, event: Event) -> None:
    """One line of JSON at the end of the log."""
    make_folder(folder / LOG)
    line = {key: value for key, value in asdict(event).items() if value is not None and not (isinstance(value, float) and not math.isfinite(value))}
    with writing(shown(folder / LOG)), open(folder / LOG, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def trim(folder: Path, step: int) -> None:
    """Leave out of the log what came after the step that a run goes on from, or all where it begins."""
    log = folder / LOG
    if log.is_file():
        put(log, "".join(f"{json.dumps(row)}\n" for row in rows(folder) if row["step"] <= step).encode())


def rows(folder: Path) -> list[dict[str, float]]:
    """The log, without a line that was cut off while it was written."""
    found = []
    for line in (folder / LOG).read_text("utf-8").splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


class Interrupt:
    """Within it, Ctrl-C asks the run to stop after the step at hand; a second one stops it at once."""

    def __init__(self):
        self.asked = False

    def __enter__(self) -> "Interrupt":
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, *_) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

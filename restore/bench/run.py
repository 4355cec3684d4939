"""A table is run cell by cell; what was measured before is taken from the cache, so a run that broke off goes on where it was."""

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import isnan, nan, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from restore import cards
from restore.bench import cache, peers
from restore.bench.table import Entry, Level, Published, Table, row, shown
from restore.catalog import CATALOG
from restore.engine import device as devices
from restore.errors import RestoreError, UsageError, nearest
from restore.image import as_samples
from restore.jobs import given
from restore.measure import sets
from restore.measure.protocol import Protocol
from restore.measure.score import estimate_one, load
from restore.method import Method
from restore.numerics.liveliest import liveliest
from restore.operators import kernels
from restore.operators.problem import Given
from restore.tasks import Deblur, Task

CROP = 96  # pixels of the crops that a report shows
SHOWN = 2  # pictures of which crops are kept


@dataclass(frozen=True)
class Figures:
    """What one method did on one picture. `crop`: 8-bit samples of the shown box in base64, where they are kept."""

    picture: str
    psnr: float
    ssim: float
    seconds: float
    bytes: int  # peak of memory above what was there before
    crop: str = ""
    psnrb: float = nan


class Mean(NamedTuple):
    """A mean over pictures and its standard error, which is what choosing these pictures leaves open; NaN over none, and over one."""

    mean: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        count = len(values)
        middle = sum(values) / count if count else nan
        return cls(middle, sqrt(sum((value - middle) ** 2 for value in values) / (count - 1) / count) if count > 1 else nan)

    @classmethod
    def over(cls, rows: Sequence[object], part: str) -> "Mean":
        """Of one part of each row."""
        return cls.of([getattr(row, part) for row in rows])


@dataclass(frozen=True)
class Cell:
    """One method at one level: a row per picture, or why there is none."""

    entry: Entry
    level: Level
    model: str = ""
    rows: tuple[Figures, ...] = ()
    reason: str = ""

    def mean(self, figure: str) -> float:
        """Over the pictures; NaN where nothing was run."""
        return Mean.over(self.rows, figure).mean

    def error(self, figure: str) -> float:
        """The standard error of the mean."""
        return Mean.over(self.rows, figure).error


@dataclass(frozen=True)
class Picture:
    """A clean picture of the set, with the box of it that is shown."""

    name: str
    x: Tensor
    digest: str
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Choice:
    """What of a table is to be run. `pictures`: names; `every`: each n-th only."""

    set: str | None = None
    methods: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    pictures: tuple[str, ...] = ()
    every: int = 1
    device: str = "auto"


@dataclass(frozen=True)
class Events:
    """Where a run tells how far it is: `progress(done, of, text, seconds_left)`; NaN seconds where nothing is known yet."""

    progress: Callable[[int, int, str, float], None] = lambda done, of, text, left: None
    note: Callable[[str], None] = lambda text: None


@dataclass(frozen=True)
class Result:
    """A table that was run, in part or whole."""

    table: Table
    published: Published
    protocol: Protocol
    cells: tuple[Cell, ...]
    pictures: tuple[Picture, ...]
    of: int  # pictures in the set
    device: str
    levels: tuple[Level, ...]

    def cell(self, entry: str, level: Level) -> Cell | None:
        return next((cell for cell in self.cells if cell.entry.name == entry and cell.level == level), None)

    def entries(self) -> list[Entry]:
        return list(dict.fromkeys(cell.entry for cell in self.cells))

    def ours(self, entry: str, level: Level, figure: str = "psnr") -> float:
        cell = self.cell(entry, level)
        return cell.mean(figure) if cell else nan

    def theirs(self, entry: str, level: Level, figure: str = "psnr") -> float:
        """The published figure; NaN where there is none."""
        return self.table.printed(self.published, entry, level, figure)

    @property
    def absolute(self) -> bool:
        """Whether the pictures are the paper's, and all of them; else distances from the baseline are compared, which depend less on the pictures."""
        return self.published.absolute and len(self.pictures) == self.of

    def difference(self, entry: str, level: Level, figure: str = "psnr") -> float:
        """Ours less theirs, as figures or as distances from the baseline."""
        base = self.table.baseline
        if self.absolute:
            return self.ours(entry, level, figure) - self.theirs(entry, level, figure)
        return self.distance(entry, level, figure).mean - (self.theirs(entry, level, figure) - self.theirs(base, level, figure))

    def distance(self, entry: str, level: Level, figure: str = "psnr") -> Mean:
        """A method less the baseline, picture by picture; NaN where one of them was not run."""
        ours, base = self.cell(entry, level), self.cell(self.table.baseline, level)
        rows = zip(ours.rows, base.rows, strict=True) if ours and base and ours.rows and base.rows else ()
        return Mean.of([getattr(one, figure) - getattr(other, figure) for one, other in rows])


def run(table: Table, choice: Choice, protocol: Protocol, events: Events = Events()) -> Result:
    """Run what was chosen of a table. Raises UsageError for names that are not there; a method that fails leaves an empty cell with its reason."""
    device = devices.pick(choice.device)
    entries, levels = entries_of(table, choice.methods), tuple(dict.fromkeys(choice.levels or table.levels))
    name = choice.set or table.first()
    published, (pictures, of) = table.published(name), _pictures(table, name, choice, protocol)
    cells, clock = [], _Clock({entry.name: len(levels) * len(pictures) for entry in entries if entry.model}, events)
    for entry in entries:
        for level in levels:
            cells.append(_cell(entry, level, table, pictures, protocol, device, clock) if entry.model else Cell(entry, level, reason="published only"))
    return Result(table, published, protocol, tuple(cells), pictures, of, str(device), tuple(levels))


def entries_of(table: Table, chosen: Sequence[str]) -> list[Entry]:
    """The rows that were chosen, all if none; raises UsageError for a name that no row and no model has."""
    if not chosen:
        return list(table.entries)
    by_name = {entry.name.lower(): entry for entry in table.entries} | {entry.words.lower(): entry for entry in table.entries if entry.model and not entry.ensemble}
    found = []
    for name in chosen:
        plain = name.removesuffix(" x8")
        if name.lower() in by_name:
            found.append(by_name[name.lower()])
        elif plain.lower() in by_name and by_name[plain.lower()].model:
            found.append(replace(by_name[plain.lower()], name=name, ensemble=True))
        else:
            joined = row(name, name)  # any model of the catalog may join a table, and any peer
            try:
                (peers if name.startswith(peers.PREFIX) else cards).find(joined.model)
            except UsageError as error:
                raise UsageError(error.what, error.expected, f"or a row of {table.name}: {nearest(name, [entry.name for entry in table.entries])}") from None
            found.append(joined)
    return list(dict.fromkeys(found))


def _pictures(table: Table, name: str, choice: Choice, protocol: Protocol) -> tuple[tuple[Picture, ...], int]:
    name = next((row.set for row in table.sets if name == row.alias), name)
    files = sets.pictures(Path(name)) if name not in sets.SETS and Path(name).is_dir() else sets.find(name).files()
    of, known = len(files), _named(files)
    for word in choice.pictures:
        if word not in known:
            raise UsageError(f"there is no picture {word!r} in {name}", nearest(word, known))
    chosen = list(dict.fromkeys(choice.pictures or known))[:: choice.every]
    if not chosen:
        raise RestoreError(f"{name} holds no pictures", "a set, or a folder of pictures", "restore bench sets shows what is found")
    return tuple(_picture(word, known[word], table.channels, protocol, number < SHOWN) for number, word in enumerate(chosen)), of


def _named(files: Sequence[Path]) -> dict[str, Path]:
    """Pictures by their stem; by name, or by folder and name, where several have one stem."""
    stems = Counter(file.stem for file in files)
    names = Counter(file.name for file in files)
    return {file.stem if stems[file.stem] == 1 else file.name if names[file.name] == 1 else f"{file.parent.name}/{file.name}": file for file in files}


def _picture(name: str, file: Path, channels: int, protocol: Protocol, shown: bool) -> Picture:
    x = load(file, channels, protocol.channel)
    digest = hashlib.sha256(x.numpy().tobytes()).hexdigest()
    return Picture(name, x, digest, liveliest(x, CROP) if shown else None)


def _cell(entry: Entry, level: Level, table: Table, pictures: Sequence[Picture], protocol: Protocol, device: torch.device, clock: "_Clock") -> Cell:
    task, method, rows = table.at(level), None, []
    try:
        model, identity, load_it = _chosen(entry, task, table)
    except RestoreError as error:
        clock.skip(entry.name, len(pictures))
        return Cell(entry, level, reason=error.what)
    given_by_files = [hashlib.sha256(kernel.numpy().tobytes()).hexdigest() for kernel in _kernel(task).values()]
    for picture in pictures:
        key = cache.key(identity, entry.ensemble, task.to_dict(), *given_by_files, protocol.text(), picture.digest, picture.box, picture.name, device.type)
        kept = cache.read(key, [part.name for part in fields(Figures)])
        if kept is None:
            method = method or load_it().to(device)
            try:
                kept = asdict(_measure(method, task, picture, protocol, entry.ensemble, device))
            except RestoreError as error:
                clock.skip(entry.name, len(pictures) - len(rows))
                return Cell(entry, level, model, reason=f"{picture.name}: {error.what}")
            cache.write(key, kept)
            clock.measured(entry.name, f"{entry.name}, {table.part} {shown(level)}, {picture.name}: {kept['psnr']:.2f} dB")
        else:
            clock.skip(entry.name, 1)
        rows.append(Figures(**kept))
    return Cell(entry, level, model, tuple(rows))


def _chosen(entry: Entry, task: Task, table: Table) -> tuple[str, str, Callable[[], Method]]:
    """The full name of a row's model at a level, what it is for the cache, and what loads it."""
    model = entry.model
    if model.startswith(peers.PREFIX):
        method = peers.find(model)
        return model, peers.key(model), lambda: method
    name, card = cards.find(model) if table.beyond and "." in model else cards.choose(task, model, channels=table.channels)
    if card and card.channels not in (None, table.channels):
        raise RestoreError(f"no weights of {name} are made for {'grey' if table.channels == 1 else 'colour'} pictures")
    parts = dict.fromkeys(CATALOG[name].parts, entry.part) if entry.part else {}
    return (card.full_name if card else name, cache.key(cache.method_key(name, card, parts), table.channels),
            lambda: cards.load(name, card, parts, channels=table.channels))


def _measure(method: Method, task, picture: Picture, protocol: Protocol, ensemble: bool, device: torch.device) -> Figures:
    chance = protocol.generator(picture.name, task).initial_seed() % 2**31  # masks are drawn by it
    with devices.numerics(device), devices.PeakMemory(device) as memory:
        row, estimate = estimate_one(method, task, picture.name, picture.x, protocol, ensemble, device, given.draw(task, picture.x.shape[1:], chance) | _kernel(task))
    crop = ""
    if picture.box:
        top, left, height, width = picture.box
        samples = as_samples(estimate[0, :, top : top + height, left : left + width].permute(1, 2, 0).numpy(), "uint8")
        missing = ((0, height - samples.shape[0]), (0, width - samples.shape[1]), (0, 0))  # where the picture was cut to a multiple of the scale
        crop = base64.b64encode(np.pad(samples, missing, "edge").tobytes()).decode()
    return Figures(row.name, row.psnr, row.ssim, row.seconds, memory.bytes, crop, row.psnrb)


def _kernel(task: Task) -> Given:
    """The kernel of a table whose words are one of a file: FILE.npz:NAME in test/kernels."""
    if not isinstance(task, Deblur) or kernels.is_made(task.kernel):
        return {}
    return {"kernel": given.load_kernel(str(sets.root() / "test/kernels" / task.kernel))}


class _Clock:
    """Pictures done, and seconds left: of each method by its mean in this run, of those that are still to come by the mean of all."""

    def __init__(self, waiting: dict[str, int], events: Events):
        self.waiting, self.of, self.events, self.marked = waiting, sum(waiting.values()), events, time.monotonic()
        self.spent: dict[str, list[float]] = {name: [] for name in waiting}

    def skip(self, name: str, count: int) -> None:
        self.waiting[name] -= count
        self.marked = time.monotonic()

    def measured(self, name: str, text: str) -> None:
        self.spent[name].append(time.monotonic() - self.marked)
        self.skip(name, 1)
        overall = Mean.of([seconds for spent in self.spent.values() for seconds in spent]).mean
        left = sum(count * (Mean.of(self.spent[one]).mean if self.spent[one] else overall) for one, count in self.waiting.items())
        self.events.progress(self.of - sum(self.waiting.values()), self.of, text, left)


def beyond(result: Result, tolerance: float) -> list[tuple[str, Level, float]]:
    """Cells of ours whose PSNR is further from the published than `tolerance` dB, or that could not be run: (method, level, difference or NaN)."""
    found = [(entry.name, level, result.difference(entry.name, level)) for entry in result.entries() for level in result.levels
             if entry.model and not isnan(result.theirs(entry.name, level))]
    return [cell for cell in found if not abs(cell[2]) <= tolerance]


def comparable(table: Table, choice: Choice) -> bool:
    """Whether something is published for a cell of ours that is to be run."""
    published = table.published(choice.set or table.first())
    return any(not isnan(table.printed(published, entry.name, level)) for entry in entries_of(table, choice.methods) if entry.model for level in choice.levels or table.levels)

"""Tables of published figures: one TOML file each, with the source of every figure."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

from restore.catalog import CATALOG
from restore.errors import UsageError, nearest
from restore.measure import sets
from restore.tasks import Task, from_dict

Level = float | str  # a number, or a word as gaussian:1.6
FOLDER = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class Published:
    """What a paper prints for one set: per figure (psnr, ssim) and method a number per level; NaN or left out where it prints none.

    absolute: our figures may be compared as they are; else only as distances from the table's baseline. pictures: how many the paper has.
    """

    set: str
    title: str = ""
    alias: str = ""
    absolute: bool = True
    pictures: int = 0
    note: str = ""
    psnr: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    ssim: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    psnrb: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One row of a table: `model` is the catalog's NAME or NAME.TAG, empty where only the published figure is shown; `part` fills its part over the
    catalog's; x8 with the self-ensemble."""

    name: str
    model: str
    part: str = ""
    ensemble: bool = False

    @property
    def words(self) -> str:
        """The model as it is asked for, but for the self-ensemble."""
        return f"{self.model}+{self.part}" if self.part else self.model


@dataclass(frozen=True)
class Table:
    """Methods in rows, levels of one part of a task in columns."""

    name: str
    title: str
    source: str
    task: Mapping[str, object]
    part: str
    levels: tuple[Level, ...]
    protocol: str
    baseline: str
    channels: int
    entries: tuple[Entry, ...]
    sets: tuple[Published, ...]
    beyond: bool = False  # weights named by their tag are run at levels that they were not trained for too
    seconds: Mapping[str, float] = field(default_factory=dict)  # published, of a picture of 256 x 256 on a CPU
    drawn: str = ""  # what its page shows beside: phase, the diagram of recovery

    def at(self, level: Level) -> Task:
        """The task of one column."""
        return from_dict(dict(self.task) | {self.part: level})

    def printed(self, published: Published, entry: str, level: Level, figure: str = "psnr") -> float:
        """What is published of a method at a level; NaN where nothing is."""
        values = getattr(published, figure).get(entry)
        return float(values[self.levels.index(level)]) if values and level in self.levels else nan

    def first(self) -> str:
        """Its first set that is there, else the pictures that come with scikit-image."""
        return next((row.set for row in self.sets if sets.find(row.set).there), "skimage")

    def published(self, name: str) -> Published:
        """The figures for a set, by its name or alias; for a folder those of the first set, as absolute; none for another set."""
        for row in self.sets:
            if name in (row.set, row.alias):
                return row
        if Path(name).is_dir():
            first, count = self.sets[0], len(sets.pictures(Path(name)))
            if first.pictures != count:
                return Published(name, note=f"Nothing is published for this set: it has {count} pictures" + (f", the paper's {first.pictures}." if first.pictures else "."))
            return Published(name, first.title, psnr=first.psnr, ssim=first.ssim, note="A user's folder: the published figures apply if it holds the table's pictures.")
        return Published(name, note="Nothing is published for this set.")


def row(name: str, words: str) -> Entry:
    """The row of this name for a model in words: MODEL[+PART][ x8], the part a name of the catalog."""
    plain = words.removesuffix(" x8")
    model, _, part = plain.rpartition("+")
    return Entry(name, model, part, plain != words) if part in CATALOG and model else Entry(name, plain, ensemble=plain != words)


def shown(level: Level) -> str:
    """A level as tables print it."""
    return level if isinstance(level, str) else f"{level:g}"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(name: str) -> Table:
    """The table of this name."""
    if name not in names():
        raise UsageError(f"unknown table {name!r}", nearest(name, names()), "restore bench --list shows all")
    words = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    entries = tuple(row(shown, model) for shown, model in words.pop("models").items())
    sets = tuple(Published(**row) for row in words.pop("sets"))
    return Table(name=name, entries=entries, sets=sets, **words | {"levels": tuple(words["levels"])})

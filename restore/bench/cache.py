"""Figures that were measured before, each under a key made of all that it depends on."""

import ast
import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, fields
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from torch import __version__

from restore.cards import Card, every
from restore.catalog import CATALOG
from restore.errors import RestoreError
from restore.io.files import put

Row = TypeVar("Row")

MEASURING = ("restore.engine.wrap", "restore.measure.score", "restore.measure.metrics", "restore.measure.protocol", "restore.jobs.given", "restore.engine.device", "restore.bench.run")


def folder() -> Path:
    """RESTORE_CACHE, or the user's cache folder."""
    own = os.environ.get("RESTORE_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "restore"


def key(*words: object) -> str:
    return hashlib.sha256("\n".join(map(str, words)).encode()).hexdigest()


def read(name: str, parts: Collection[str]) -> dict[str, object] | None:
    """What was kept under a key; nothing where it cannot be read, or is not of these parts."""
    try:
        words = json.loads((folder() / name[:2] / f"{name}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return words if isinstance(words, dict) and words.keys() == set(parts) else None


def write(name: str, words: dict[str, object]) -> None:
    path = folder() / name[:2] / f"{name}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RestoreError(f"figures cannot be kept in {folder()}: {error.strerror}", "", "RESTORE_CACHE names another folder") from error
    put(path, json.dumps(words).encode())


def row(kind: type[Row], measure: Callable[..., Row], *args: object) -> Row:
    """measure(*args), a dataclass of a kind: as kept, where the files among the arguments, the others, our sources and all weights are the same."""
    name = key(_sources(), *sorted(card.sha256 for card in every()), kind, *map(_word, args))
    kept = read(name, [part.name for part in fields(kind)])
    if kept is None:
        kept = asdict(measure(*args))
        write(name, kept)
    return kind(**kept)


def _word(arg: object) -> str:
    return key(arg.name, _hash(arg)) if isinstance(arg, Path) else repr(arg)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _sources() -> str:
    return key(__version__, *map(_hash, sorted(Path(__file__).parents[1].rglob("*.py"))))


def method_key(name: str, card: Card | None, parts: Mapping[str, str] = {}) -> str:
    """What a method is: its source with all of ours that it imports, its parts and what it begins with, its weights and theirs; and how figures are taken."""
    row = CATALOG[name]
    filled = {**row.parts, **(card.parts if card else {}), **parts}
    others = {part.partition(".")[0] for part in (*filled.values(), *filter(None, [card and card.start]))}
    modules = {one for other in {name, *others} for one in closure(CATALOG[other].target.partition(":")[0])} | set(MEASURING)
    of_others = sorted(one.sha256 for one in every() if one.name in others)
    digests = [found for _, found in sorted((module, digest(module)) for module in modules)]
    rows = [(other, dict(CATALOG[other].args), dict(CATALOG[other].parts)) for other in sorted(others)]
    return key(name, dict(row.args), filled, rows, card.sha256 if card else "", card and dict(card.args), card and card.start, *of_others, *digests, __version__)


@cache
def closure(module: str) -> tuple[str, ...]:
    """A module of ours and those that it imports, and so on."""
    seen, waiting = set(), [module]
    while waiting:
        one = waiting.pop()
        if one not in seen and _path(one):
            seen.add(one)
            waiting += _imports(one)
    return tuple(sorted(seen))


def _imports(module: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(_path(module).read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("restore"):
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("restore")]
    return found


@cache
def _path(module: str) -> Path | None:
    """The file of a module; nothing where the name is that of something inside one."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


@cache
def digest(module: str) -> str:
    return _hash(_path(module))

"""Which files are read and which are written. All names are settled, and all clashes found, before the first pixel."""

import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restore.errors import RestoreError, UsageError, nearest

STREAM = Path("-")  # standard input or output
FIELDS = ("dir", "stem", "ext", "name", "cmd", "sigma", "model")


@dataclass(frozen=True)
class Input:
    """A file to read, and where it lay below the folder that was named, so that sub-folders can be kept."""

    path: Path
    below: Path = Path()


@dataclass(frozen=True)
class Names:
    """One input, one output; `skip`: the output is there already and was to be kept; `more`: the other frames of a burst."""

    source: Path
    target: Path
    skip: bool = False
    more: tuple[Path, ...] = ()


def expand(given: Sequence[str], readable: Iterable[str], command: str, from_file: str | None = None, nul: bool = False,
           known: Callable[[Path], bool] = lambda path: False) -> list[Input]:
    """Files, folders (with sub-folders), glob patterns and lists of names -> files, in natural order, each once.

    In folders, files of a readable suffix are taken, and those that are `known` by what they hold, but for those that this command wrote beside their input (`x.denoise.png`) and hidden ones.
    """
    suffixes, found = set(readable), []
    for name in [*given, *(_listed(from_file, nul) if from_file else ())]:
        path = Path(name)
        if name == "-":
            found.append(Input(STREAM))
        elif path.is_dir():
            inside = [p for p in path.rglob("*") if p.is_file() and not _ours(p, command) and not any(part.startswith(".") for part in p.relative_to(path).parts)
                      and (parted(p)[1].lower() in suffixes or known(p))]
            if not inside:
                raise UsageError(f"the folder {_show(path)} holds no picture", "files ending in " + " ".join(sorted(suffixes)))
            found += [Input(p, p.relative_to(path).parent) for p in sorted(inside, key=_natural)]
        elif not os.path.lexists(path) and any(c in name for c in "*?["):
            matches = sorted(map(Path, glob.glob(name, recursive=True)), key=_natural)
            if not matches:
                raise UsageError(f"nothing matches {name!r}", "", "check the pattern, or quote it from the shell")
            found += [Input(match) for match in matches if match.is_file() and not _ours(match, command)]
        else:
            found.append(Input(path))  # a missing file is one failed job, not the end of the batch
    if not found:
        raise UsageError("there is nothing to read", "files, folders, patterns, or - for standard input")
    unique = {os.path.abspath(item.path) if item.path != STREAM else "-": item for item in reversed(found)}
    return [item for item in found if unique.get(os.path.abspath(item.path) if item.path != STREAM else "-") is item]


def settle(inputs: Sequence[Input], command: str, output: str | None, fields: dict[str, str], writable: Iterable[str], raw: Iterable[str],
           overwrite: bool = False, skip_existing: bool = False, default: str = ".png") -> list[Names]:
    """An output name for every input, with the suffix `default` where the input's cannot be written. Raises UsageError on a clash, on an output that exists, and on one that is an input."""
    writable, raw = set(writable), set(raw)
    names = [Names(item.path, _target(item, command, output, fields, writable, raw, len(inputs), default)) for item in inputs]
    seen: dict[str, Path] = {}
    read = {os.path.realpath(n.source) for n in names if n.source != STREAM}
    for one in names:
        if one.target == STREAM:
            if len(names) > 1:
                raise UsageError("several pictures cannot go to one standard output", "", "give -o a folder or a template")
            continue
        key = os.path.normcase(os.path.realpath(one.target))
        if key in seen:
            raise UsageError(f"{_show(seen[key])} and {_show(one.source)} would both be written to {_show(one.target)}", "one output per input",
                             "give -o a template that tells them apart, as '{dir}/{stem}.{cmd}{ext}'")
        if key in read:
            raise UsageError(f"the output {_show(one.target)} is also an input", "an output that is no input", "give -o another name or folder")
        seen[key] = one.source
    return _existing(names, overwrite, skip_existing)


def together(inputs: Sequence[Input], command: str, output: str | None, fields: dict[str, str], writable: Iterable[str], raw: Iterable[str],
             overwrite: bool = False, skip_existing: bool = False, default: str = ".png") -> list[Names]:
    """One output for all inputs, named after the first; as `settle` in all else."""
    one = settle(inputs[:1], command, output, fields, writable, raw, overwrite, skip_existing, default)[0]
    for item in inputs[1:]:
        if one.target != STREAM and os.path.realpath(item.path) == os.path.realpath(one.target):
            raise UsageError(f"the output {_show(one.target)} is also an input", "an output that is no input", "give -o another name or folder")
    return [replace(one, more=tuple(item.path for item in inputs[1:]))]


def beside(path: Path, suffixes: Sequence[str], overwrite: bool) -> Path:
    """A second output that may be written. Raises UsageError for another suffix, and where it exists."""
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{_show(path)} does not end in {suffixes[0]}", " or ".join(suffixes))
    if os.path.lexists(path) and not overwrite:
        raise UsageError(f"{_show(path)} exists already", "", "type --overwrite, or give another name")
    return path


def _existing(names: list[Names], overwrite: bool, skip: bool) -> list[Names]:
    there = [one for one in names if one.target != STREAM and os.path.lexists(one.target)]
    if there and not (overwrite or skip):
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{_show(there[0].target)}{more} exists already", "", "type --overwrite or --skip-existing, or give another -o")
    for one in there:
        if one.target.is_dir():
            raise UsageError(f"the output {_show(one.target)} is a folder")
    return [Names(one.source, one.target, skip=skip and not overwrite and one in there) for one in names]


def _target(item: Input, command: str, output: str | None, fields: dict[str, str], writable: set[str], raw: set[str], count: int,
            default: str) -> Path:
    source = Path("stdin.png") if item.path == STREAM else item.path
    stem, suffix = parted(source)
    ext = ".tif" if suffix.lower() in raw else suffix if suffix.lower() in writable else default
    if output == "-" or (output is None and item.path == STREAM):
        return STREAM
    if output is None:
        return source.with_name(f"{stem}.{command}{ext}")
    if "{" in output:
        words = {"dir": str(source.parent), "stem": stem, "ext": ext, "name": source.name, "cmd": command} | fields
        target = Path(_format(output, words))
        if parted(target)[1].lower() not in writable:
            raise UsageError(f"{str(target)!r} has no suffix that can be written", nearest(parted(target)[1].lower(), writable), "the suffix chooses the format")
        return target
    folder = Path(output)
    if output.endswith(("/", os.sep)) or folder.is_dir() or item.below.parts or (count > 1 and not folder.suffix):
        return folder / item.below / (stem + ext)
    if count > 1:
        raise UsageError(f"{count} pictures cannot all be written to {output!r}", "a folder or a template", f"type -o {output}/ or -o '{{dir}}/{{stem}}.{command}{{ext}}'")
    given = parted(folder)[1].lower()
    if given not in writable:
        raise UsageError(f"{output!r} has no suffix that can be written", nearest(given, writable), "the suffix chooses the format")
    return folder


def _format(template: str, words: dict[str, str]) -> str:
    def fill(match: re.Match) -> str:
        if match[1] not in words:
            raise UsageError(f"the template {template!r} has an unknown field {{{match[1]}}}", "one of " + ", ".join(f"{{{f}}}" for f in FIELDS))
        return words[match[1]]
    return re.sub(r"\{([^{}]*)\}", fill, template)


def _listed(name: str, nul: bool) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"the list {name!r} cannot be read: {error.strerror}") from error
    return [os.fsdecode(part) for part in (data.split(b"\0") if nul else data.splitlines()) if part]


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """page2 before page10."""
    return [(0, int(part)) if part.isdecimal() else (1, part.lower()) for part in re.split(r"(\d+)", str(path)) if part]


def _ours(path: Path, command: str) -> bool:
    return parted(path)[0].endswith((f".{command}", f".{command}.compare"))


def parted(path: Path) -> tuple[str, str]:
    """A file's name without its suffix, and the suffix as it is written; `.nii.gz` is one."""
    whole = path.name[-7:]
    return (path.name[:-7], whole) if whole.lower() == ".nii.gz" else (path.stem, path.suffix)


def _show(path: Path) -> str:
    return repr(str(path))


def make_folder(target: Path) -> None:
    """The folder that the output goes to, made if need be."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RestoreError(f"the folder {_show(target.parent)} cannot be made: {error.strerror}") from error

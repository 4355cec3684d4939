"""Which files are read and which are written. All names are settled, and all clashes found, before the first pixel."""

import codecs
import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restore.errors import RestoreError, UsageError

STREAM = Path("-")  # standard input or output
FIELDS = ("dir", "stem", "ext", "name", "cmd", "sigma", "model")


@dataclass(frozen=True)
class Input:
    """A file to read, and where it lay below the folder that was named, if one was, so that sub-folders can be kept."""

    path: Path
    below: Path | None = None


@dataclass(frozen=True)
class Names:
    """One input, one output; `skip`: the output is there already and was to be kept; `more`: the other frames of a burst."""

    source: Path
    target: Path
    skip: bool = False
    more: tuple[Path, ...] = ()

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.source, *self.more)


Others = Callable[[Names], Sequence[Path]]  # further files of a job


def none(one: Names) -> Sequence[Path]:
    return ()


def expand(given: Sequence[str], readable: Iterable[str], command: str, from_file: str | None = None, nul: bool = False,
           known: Callable[[Path], bool] = lambda path: False) -> list[Input]:
    """Files, folders (with sub-folders), glob patterns and lists of names -> files, in natural order, each once.

    In folders, files of a readable suffix are taken, and those that are `known` by what they hold, but for those that this command wrote beside their input (`x.denoise.png`), masks of others
    (`x.mask.png`) and hidden ones.
    """
    suffixes, found = set(readable), []
    for name in [*given, *(_listed(from_file, nul) if from_file else ())]:
        path = Path(name)
        if not name:
            raise UsageError("a file name is empty", "files, folders, patterns, or - for standard input", "see whether a variable of the shell is not set")
        if name == "-":
            found.append(Input(STREAM))
        elif os.path.isdir(path):
            there = [p for p in path.rglob("*") if not any(part.startswith(".") for part in p.relative_to(path).parts)]
            inside = _without_masks([p for p in there if os.path.isfile(p) and not _ours(p, command) and (parted(p)[1].lower() in suffixes or known(p))])
            inside += [p for p in [path, *there] if os.path.isdir(p) and not os.access(p, os.R_OK | os.X_OK)]  # that it may not be read is one failed job
            if not inside:
                raise UsageError(f"the folder {_show(path)} holds no picture", "files ending in " + " ".join(sorted(suffixes)))
            found += [Input(p, p.relative_to(path).parent) for p in sorted(inside, key=_natural)]
        elif not os.path.lexists(path) and any(c in name for c in "*?["):
            matches = sorted(map(Path, glob.glob(name, recursive=True)), key=_natural)
            if not matches:
                raise UsageError(f"nothing matches {name!r}", "", "check the pattern, or quote it from the shell")
            found += [Input(match) for match in matches if os.path.isfile(match) and not _ours(match, command)]
        else:
            found.append(Input(path if path != STREAM else path.absolute()))  # a missing file is one failed job, not the end of the batch
    if not found:
        raise UsageError("there is nothing to read", "files, folders, patterns, or - for standard input")
    unique = {os.path.abspath(item.path) if item.path != STREAM else "-": item for item in reversed(found)}
    return [item for item in found if unique.get(os.path.abspath(item.path) if item.path != STREAM else "-") is item]


def settle(inputs: Sequence[Input], command: str, output: str | None, fields: dict[str, str], writable: Iterable[str], raw: Iterable[str],
           overwrite: bool = False, skip_existing: bool = False, default: str = ".png", gathered: bool = False, beside: Others = none, read: Others = none, bare: bool = False) -> list[Names]:
    """An output name for every input, or, if `gathered`, one for all, named after the first; with the suffix `default` where the input's cannot be written.
    A name without suffix is taken if `bare`.

    beside, read: what a job writes beside its output, and reads beside its inputs. Raises UsageError where two jobs would write one file, where one that is
    written is also read, and where it exists.
    """
    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing say what is to become of files that are there already", "one of them")
    writable, raw = set(writable), set(raw)
    first = inputs[:1] if gathered else inputs
    names = [Names(item.path, _target(item, command, output, fields, writable, raw, len(first), default, bare)) for item in first]
    if gathered:
        names = [replace(names[0], more=tuple(item.path for item in inputs[1:]))]
    if len(names) > 1 and STREAM in [one.target for one in names]:
        raise UsageError("several pictures cannot go to one standard output", "", "give -o a folder or a template")
    if skip_existing:  # what an earlier run wrote is no input of this one
        made = {_key(one.target): one.source for one in names if one.target != STREAM}
        names = [one for one in names if one.source == STREAM or made.get(_key(one.source), one.source) == one.source]
    _apart(names, beside, read)
    return _existing(names, overwrite, skip_existing, beside)


def _apart(names: Sequence[Names], beside: Others, read: Others) -> None:
    """Raise UsageError where a file would be written twice, or is also read."""
    reads = {_key(path) for one in names for path in (*one.all, *read(one)) if path != STREAM}
    writes: dict[str, Path] = {}
    for outputs in (lambda one: [one.target], beside):
        for one in names:
            for path in outputs(one):
                if path == STREAM:
                    continue
                if _key(path) in reads:
                    raise UsageError(f"the output {_show(path)} is also an input", "an output that is no input", "give it another name or folder")
                if _key(path) in writes:
                    raise UsageError(f"{_show(writes[_key(path)])} and {_show(one.source)} would both be written to {_show(path)}", "one output per input",
                                     "give -o a template that tells them apart, as '{dir}/{name}.{cmd}.png'" if outputs is not beside else "name what is written beside outputs with {stem}, or run them apart")
                writes[_key(path)] = one.source


def _key(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def earlier(inputs: Sequence[Input], command: str) -> list[Input]:
    """Those that this command wrote beside others of them: `x.burst.jpg` beside `x.jpg`."""
    stems = {item.path.with_name(parted(item.path)[0]) for item in inputs}
    return [item for item in inputs if parted(item.path)[0].endswith(f".{command}") and item.path.with_name(parted(item.path)[0].removesuffix(f".{command}")) in stems]


def filled(template: str, source: Path) -> Path:
    """A name in which {stem} and {dir} are those of a picture."""
    return Path(template.replace("{stem}", source.stem).replace("{dir}", str(source.parent)))


def companion(target: Path, word: str) -> Path:
    """NAME.WORD.png beside an output."""
    return target.with_name(f"{parted(target)[0]}.{word}.png")


def compared(target: Path) -> Path:
    """Where two pictures are laid side by side."""
    if target == STREAM:
        raise UsageError("there is no place for a side-by-side picture beside a stream", "", "give -o a file, or leave --compare out")
    return companion(target, "compare")


def suffixed(path: Path, suffixes: Sequence[str]) -> Path:
    """The path. Raises UsageError where it has another suffix."""
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{_show(path)} does not end in {suffixes[0]}", " or ".join(suffixes))
    return path


def _existing(names: list[Names], overwrite: bool, skip: bool, beside: Others) -> list[Names]:
    found = [one for one in names if one.target != STREAM and os.path.lexists(one.target) and (one.source == STREAM or os.path.lexists(one.source))]
    for one in found:
        if one.target.is_dir():
            raise UsageError(f"the output {_show(one.target)} is a folder")
    if overwrite:
        return names
    there = [] if skip else [one.target for one in found]
    there += [path for one in names if not (skip and one in found) for path in beside(one) if os.path.lexists(path)]
    if there:
        more = f" and {len(there) - 1} more exist" if len(there) > 1 else " exists"
        raise UsageError(f"{_show(there[0])}{more} already", "", f"type --overwrite{'' if skip else ' or --skip-existing'}, or give another name")
    return [replace(one, skip=skip and one in found) for one in names]


def _target(item: Input, command: str, output: str | None, fields: dict[str, str], writable: set[str], raw: set[str], count: int,
            default: str, bare: bool) -> Path:
    source = Path("stdin.png") if item.path == STREAM else item.path
    stem, suffix = parted(source)
    ext = ".tif" if suffix.lower() in raw else suffix if suffix.lower() in writable else default
    if output == "":
        raise UsageError("the name of the output is empty", "a file, a folder, a template or -", "see whether a variable of the shell is not set")
    if output == "-" or (output is None and item.path == STREAM):
        return STREAM
    if output is None:
        return source.with_name(f"{stem}.{command}{ext}")
    if "{" in output:
        words = {"dir": str(source.parent), "stem": stem, "ext": ext, "name": source.name, "cmd": command} | fields
        target = Path(_format(output, words))
        _check_suffix(target, str(target), writable, bare)
        return target
    folder = Path(output)
    if output.endswith(("/", os.sep)) or os.path.isdir(folder) or (count > 1 and not folder.suffix) or (item.below is not None and folder.suffix.lower() not in writable):
        return folder / (item.below or "") / (stem + ext)
    if count > 1:
        raise UsageError(f"{count} pictures cannot all be written to {output!r}", "a folder or a template", f"type -o {output}/ or -o '{{dir}}/{{stem}}.{command}{{ext}}'")
    _check_suffix(folder, output, writable, bare)
    return folder


def _check_suffix(target: Path, name: str, writable: set[str], bare: bool) -> None:
    given = parted(target)[1].lower()
    if bare and given and given not in writable:
        raise UsageError(f"{name!r} and --format say two formats", " ".join(sorted(writable)), "one of the two is enough")
    if given not in writable and not bare:
        raise UsageError(f"{name!r} has no suffix that can be written", " ".join(sorted(writable)), "the suffix chooses the format")


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
    if not nul and b"\0" in data:
        raise UsageError(f"the names in the list {name!r} end in NUL", "a name per line", "type -0 as well")
    data = data.removeprefix(codecs.BOM_UTF8)
    return [os.fsdecode(part) for part in (data.split(b"\0") if nul else data.splitlines()) if part]


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """page2 before page10."""
    return [(0, int(part)) if part.isdecimal() else (1, part.lower()) for part in re.split(r"(\d+)", str(path)) if part]


def _ours(path: Path, command: str) -> bool:
    return parted(path)[0].endswith((f".{command}", f".{command}.compare"))


def _without_masks(paths: list[Path]) -> list[Path]:
    """Those that are no `companion` mask of another of them."""
    masks = {companion(path, "mask") for path in paths}
    return [path for path in paths if path not in masks]


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

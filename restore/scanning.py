"""Scans from files to files: what the commands for scanners share. One file after another, the exit code made from the results."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import numpy as np

from restore import console
from restore.batch import Files
from restore.engine.run import Report
from restore.errors import RestoreError, UsageError, fault
from restore.image import Scan
from restore.io import scans
from restore.io.scans import SINGLE, SUFFIXES, VOLUMES, WRITABLE_SUFFIXES, read_scan, suffix_of, write_scan
from restore.names import STREAM, Input, Names, Others, expand, make_folder, none, parted, settle


class Work(Protocol):
    """What is done to a scan. `expect`: the kind that a bare array is taken for."""

    expect: str

    def plan(self, scan: Scan, name: str) -> str:
        """What will be done, before it is; raises where it cannot be."""

    def __call__(self, scan: Scan, name: str, report: Report) -> Scan:
        """What is written."""


@dataclass
class Done:
    """What became of one file; `scan`, `result`: as read and as written."""

    names: Names
    plan: str = ""
    scan: Scan | None = None
    result: Scan | None = None
    error: RestoreError | None = None
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def run(command: str, work: Work, files: Files, writable: Sequence[str] = WRITABLE_SUFFIXES, default: str = ".h5",
        after: Callable[[Done], None] | None = None, beside: Others = none) -> int:
    """Settle all names, work on all files, tell of each; the exit code: 0 all done, 1 some failed.

    writable: suffixes of what is made; default: the one taken where the input's is not among them. after: what is done with what was written, `beside`: the
    files that it writes.
    """
    given = files.files or []
    whole = len(given) == 1 and Path(given[0]).is_dir() and files.output is not None and suffix_of(Path(files.output)) in VOLUMES
    inputs = [Input(Path(given[0]))] if whole else expand(given, SUFFIXES, command, files.from_file, files.nul, scans.is_dicom)  # a series into one volume, or file by file
    if any(item.path == STREAM for item in inputs) or files.output == "-":
        raise UsageError("scans do not go through streams", "files", "give -o a file")
    names = [_numbers(one, files) for one in settle(inputs, command, files.output, {}, writable, (), files.overwrite or (files.dry_run and not files.skip_existing), files.skip_existing, default, beside=beside)]
    for one in names:
        scans.check_writable(one.target)
    failed = 0
    with console.batch(len(names), files.quiet) as shown:
        for number, one in enumerate(names):
            shown.started(one.source, number)
            done = _job(one, work, files, shown, after)
            failed += done.error is not None
            _tell(done, files, shown)
    if len(names) > 1 and not files.quiet:
        skipped = sum(one.skip for one in names)
        console.note(f"{len(names) - failed - skipped} {'planned' if files.dry_run else 'done'}, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def _job(one: Names, work: Work, files: Files, shown: console.Batch, after: Callable[[Done], None] | None) -> Done:
    done, began = Done(one), time.perf_counter()
    if one.skip:
        return done
    name = console.shown(one.source)

    def note(text: str) -> None:
        done.notes.append(text)
        shown.note(one.source, text)

    try:
        done.scan = read_scan(Path(one.source), work.expect)
        done.plan = work.plan(done.scan, name)
        if len(done.scan.array) > 1 and SUFFIXES.get(suffix_of(one.target)) == "dicom" and "datasets" in done.scan.header.carry:
            raise RestoreError(f"{name}: holds {len(done.scan.array)} frames, which do not fit into one DICOM file", "one slice per file", "-o NAME.nii.gz")
        if not files.dry_run:
            shown.note(one.source, done.plan)
            done.result = work(done.scan, name, Report(shown.progress, note))
            make_folder(one.target)
            _write(one.target, done.result, files.overwrite, note)
            if after:
                after(done)
    except RestoreError as error:
        done.error = error if name in error.what else error.of(name)
    except (OSError, MemoryError) as error:
        done.error = RestoreError(f"{name}: {getattr(error, 'strerror', None) or error or 'memory ended'}")
    except Exception as error:
        done.error = fault(name, error)
    done.seconds = time.perf_counter() - began
    return done


def _write(target: Path, scan: Scan, overwrite: bool, note: Callable[[str], None]) -> None:
    """A scan to its file. A volume goes to one file per slice, NAME.0001.dcm and so on, where a file holds but one; all of them or none."""
    finals = _finals(target, scan)
    if not _in_parts(target, scan):
        write_scan(target, scan, overwrite=overwrite)
        return
    series, white, window = str(uuid4()), float(np.abs(scan.array).max()), scans.window(scan.array, scan.header.unit)
    there = [path for path in finals if path.exists() and not overwrite]
    if there:
        raise RestoreError(f"{console.shown(there[0])}: exists already", "names that are free", "--overwrite replaces it")
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:200]}.", dir=target.parent) as staged:
        for number, path in enumerate(finals):
            part = scan.slices(number, number)
            write_scan(Path(staged, path.name), part.replace(part.array, carry={**part.header.carry, "place": (series, number + 1, white), "window": window}))
        for path in finals:
            os.replace(Path(staged, path.name), path)
    if (left := _numbered(target, len(finals) + 1)).exists():
        note(f"{console.shown(left)} and what follows it are of an earlier series, and were left")


def _finals(target: Path, scan: Scan) -> list[Path]:
    """The files that a scan goes to."""
    return [_numbered(target, number + 1) for number in range(len(scan.array))] if _in_parts(target, scan) else [target]


def _in_parts(target: Path, scan: Scan) -> bool:
    return suffix_of(target) in SINGLE and len(scan.array) > 1 and scan.header.kind == "image"


def _numbered(target: Path, number: int) -> Path:
    stem, suffix = parted(target)
    return target.with_name(f"{stem}.{number:04}{suffix}")


def _numbers(one: Names, files: Files) -> Names:
    """The name, where the first of the numbered files that may be written for it is not in the way; skipped where it is and is to be kept."""
    first = _numbered(one.target, 1)
    if one.skip or files.overwrite or files.dry_run and not files.skip_existing or suffix_of(one.target) not in SINGLE or not first.exists():
        return one
    if files.skip_existing:
        return replace(one, skip=True)
    raise UsageError(f"{console.shown(first)} exists already", "", "type --overwrite or --skip-existing, or give another -o")


def _tell(done: Done, files: Files, shown: console.Batch) -> None:
    one = done.names
    if files.json:
        words = {"schema": 1, "ok": done.error is None, "source": str(one.source), "target": str(one.target), "skipped": one.skip, "plan": done.plan,
                 "seconds": round(done.seconds, 3), "notes": done.notes}
        if done.result is not None:
            words["targets"] = [str(path) for path in _finals(one.target, done.result)]
            words |= {"shape": list(done.result.array.shape), "unit": done.result.header.unit, "spacing": done.result.header.spacing}
        if done.error:
            words["error"] = {"what": done.error.what, "expected": done.error.expected, "remedy": done.error.remedy}
        console.json_line(words)
    if done.error:
        shown.failed(done.error)
    elif files.dry_run and not files.json:
        console.out(f"{console.shown(one.source)} -> {console.shown(one.target)}: {'there already' if one.skip else done.plan}")
    elif not files.quiet and not files.dry_run:
        how = "there already" if one.skip else f"{done.seconds:.1f} s"
        written = one.target
        if done.result is not None and _in_parts(one.target, done.result):
            written = f"{_numbered(one.target, 1)} to {_numbered(one.target, len(done.result.array)).name}"
        if done.result is not None and suffix_of(one.target) == ".png":
            low, high = done.result.header.carry.get("window") or scans.window(done.result.array, done.result.header.unit)
            how += f", black at {low:.4g} and white at {high:.4g} {done.result.header.unit}".rstrip()
        shown.line(f"{console.shown(one.source)} -> {console.shown(written)}: {how}")


def info(names: list[str], expect: str, facts: Callable[[Scan, str], dict[str, object]], json: bool) -> int:
    """What each file holds, as lines or as JSON; the exit code."""
    if not names:
        raise UsageError("no file is named", "info FILE")
    failed = 0
    for name in names:
        try:
            found = facts(read_scan(Path(name), expect), console.shown(name))
        except RestoreError as error:
            failed += 1
            console.error(error)
            continue
        if json:
            console.json_line({"schema": 1, "source": name} | found)
        else:
            console.out("\n".join([f"{console.shown(name)}", *(f"  {key}: {value}" for key, value in found.items())]))
    return 1 if failed else 0

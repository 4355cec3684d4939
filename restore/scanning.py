"""Scans from files to files: what the commands for scanners share. One file after another, the exit code made from the results."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import numpy as np

from restore import console
from restore.batch import Files
from restore.engine.run import Report
from restore.errors import RestoreError, UsageError
from restore.image import Scan
from restore.io.scans import SUFFIXES, VOLUMES, WRITABLE_SUFFIXES, read_scan, suffix_of, write_scan
from restore.names import STREAM, Input, Names, expand, make_folder, parted, settle


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
        after: Callable[[Done], None] | None = None) -> int:
    """Settle all names, work on all files, tell of each; the exit code: 0 all done, 1 some failed.

    writable: suffixes of what is made; default: the one taken where the input's is not among them.
    """
    given = files.files or []
    whole = len(given) == 1 and Path(given[0]).is_dir() and files.output is not None and suffix_of(Path(files.output)) in VOLUMES
    inputs = [Input(Path(given[0]))] if whole else expand(given, SUFFIXES, command, files.from_file, files.nul)  # a series into one volume, or file by file
    if any(item.path == STREAM for item in inputs) or files.output == "-":
        raise UsageError("scans do not go through streams", "files", "give -o a file")
    names = settle(inputs, command, files.output, {}, writable, (), files.overwrite, files.skip_existing, default)
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
        if not files.dry_run:
            shown.note(one.source, done.plan)
            done.result = work(done.scan, name, Report(shown.progress, note))
            make_folder(one.target)
            _write(one.target, done.result, files.overwrite)
            if after:
                after(done)
    except RestoreError as error:
        done.error = error
    except (OSError, MemoryError) as error:
        done.error = RestoreError(f"{name}: {getattr(error, 'strerror', None) or error or 'memory ended'}")
    done.seconds = time.perf_counter() - began
    return done


def _write(target: Path, scan: Scan, overwrite: bool) -> None:
    """A scan to its file. A volume of which there are no DICOM slices goes to one per slice, NAME.0001.dcm and so on, as one series; all of them or none."""
    stem, suffix = parted(target)
    if SUFFIXES.get(suffix.lower()) != "dicom" or len(scan.array) == 1 or scan.header.kind != "image" or "datasets" in scan.header.carry:
        write_scan(target, scan, overwrite=overwrite)
        return
    series, white, written = str(uuid4()), float(np.abs(scan.array).max()), []
    try:
        for number in range(len(scan.array)):
            part = scan.slices(number, number)
            path = target.with_name(f"{stem}.{number + 1:04}{suffix}")
            write_scan(path, part.replace(part.array, carry={**part.header.carry, "place": (series, number + 1, white)}), overwrite=overwrite)
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _tell(done: Done, files: Files, shown: console.Batch) -> None:
    one = done.names
    if files.json:
        words = {"schema": 1, "ok": done.error is None, "source": str(one.source), "target": str(one.target), "skipped": one.skip, "plan": done.plan,
                 "seconds": round(done.seconds, 3), "notes": done.notes}
        if done.result is not None:
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
        shown.line(f"{console.shown(one.source)} -> {console.shown(one.target)}: {how}")


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

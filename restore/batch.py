"""What commands on files share: names, the plan, the walk, lines, the exit code made from the results."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restore import console
from restore.errors import RestoreError, UsageError
from restore.io import SUFFIXES, WRITABLE
from restore.jobs import given
from restore.jobs.stating import Request
from restore.jobs.walk import Events, Result, Walk
from restore.measure import sheet
from restore.names import STREAM, Others, compared, earlier, expand, none, settle
from restore.values import write_value


@dataclass(frozen=True)
class Files:
    """Which files, and what is said of them: the shared options as a value."""

    files: Sequence[str] | None
    output: str | None = None
    overwrite: bool = False
    skip_existing: bool = False
    from_file: str | None = None
    nul: bool = False
    dry_run: bool = False
    json: bool = False
    quiet: bool = False


def run(command: str, request: Request, files: Files, kind: Callable[[Request, Events], Walk] = Walk, compare: bool = False, beside: Others = none,
        gathered: bool = False, readable: Iterable[str] = SUFFIXES, writable: Sequence[str] = (), default: str = ".png") -> int:
    """Settle all names, walk all files, tell of each; the exit code: 0 all done, 1 some failed, 2 where no file could be right for what was asked.

    compare: also write what is to be looked at; beside: what else a job writes; gathered: all files are one job. readable, writable: suffixes of what is read and made where they are not those of pictures; the first one, or `default`, is taken where the input's cannot be written. A
    format that was asked for names the outputs too.
    """
    kinds = writable or [suffix for suffix, format in SUFFIXES.items() if format in WRITABLE]
    asked = [suffix for suffix, format in SUFFIXES.items() if format == request.format and (format == "dng" or suffix in kinds)]
    raw = [] if asked else [suffix for suffix, format in SUFFIXES.items() if format in ("raw", "dng")]
    default = (asked or writable or [default])[0]
    inputs = expand(files.files or [], readable, command, files.from_file, files.nul)
    if gathered and (own := earlier(inputs, command)):
        inputs = [item for item in inputs if item not in own]
        if not files.quiet:
            console.note(f"{', '.join(console.shown(item.path) for item in own)}: left out, for {command} wrote it")
    if compare and any(item.path == STREAM for item in inputs):
        raise UsageError("standard input can be read but once, and --compare looks at it again", "", "give the picture's name, or leave --compare out")
    fields = {part: str(write_value(value) if value is not None else "auto") for part, value in request.task.words().items() if part == "sigma"}
    fields = {"sigma": "auto", "model": Path(request.model or "auto").name.removesuffix(".safetensors")} | {part: value.removesuffix(".0") for part, value in fields.items()}
    names = settle(inputs, command, files.output, fields, asked or kinds, raw, files.overwrite or (files.dry_run and not files.skip_existing), files.skip_existing, default, gathered,
                   (lambda one: [*beside(one), compared(one.target)]) if compare else beside, lambda one: given.files(request.task, one.source), bare=bool(asked))
    if files.json and any(one.target == STREAM for one in names) and not files.dry_run:
        raise UsageError("standard output cannot carry both a picture and --json", "", "give -o a file")
    with console.batch(len(names), files.quiet) as shown:
        walk = kind(replace(request, overwrite=files.overwrite), Events(shown.started, shown.progress, shown.note))
        errors = []
        for result in walk.plans(names) if files.dry_run else walk(names):
            if compare and result.ok and not (files.dry_run or result.skipped):
                _lay_beside(result, files.overwrite)
            errors += [result.error] if result.error else []
            _tell(result, files, shown, walk if files.dry_run else None)
    if len(names) > 1 and not files.quiet:
        skipped = sum(one.skip for one in names)
        console.note(f"{len(names) - len(errors) - skipped} {'planned' if files.dry_run else 'done'}, {len(errors)} failed, {skipped} skipped")
    if errors and len(errors) == len(names) and all(isinstance(error, UsageError) for error in errors):
        return UsageError.exit_code
    return 1 if errors else 0


def _lay_beside(result: Result, overwrite: bool) -> None:
    try:
        sheet.write(compared(result.target), result.source, result.target, overwrite)
    except RestoreError as error:
        result.error = error


def _tell(result: Result, files: Files, shown: console.Batch, planned: Walk | None) -> None:
    if files.json:
        console.json_line(words(result))
    if result.error:
        shown.failed(result.error)
    elif planned and not files.json:
        if not files.quiet:
            for line in result.notes:
                shown.note(result.source, line)
        console.out(f"{console.shown(result.source)} -> {console.shown(result.target)}: {_plan(result)}")
    elif not files.quiet and not planned:
        how = "there already" if result.skipped else f"{result.model}, {result.task}, {result.seconds:.1f} s"
        shown.line(f"{console.shown(result.source)} -> {console.shown(result.target)}: {how}")


def _plan(result: Result) -> str:
    if result.skipped:
        return "there already"
    header = result.header
    size = f"{header.width} x {header.height} x {header.channels}{' + alpha' if header.alpha else ''}, {header.dtype}, {header.pages} page(s)"
    there = "; exists already" if result.target != STREAM and os.path.lexists(result.target) else ""
    return f"{size}; {result.problem}; {result.model}; {result.plan or 'all at once'}{_time(result)}{there}"


def _time(result: Result) -> str:
    return "" if result.expected is None else f"; about {result.expected:.1f} s" if result.expected < 120 else f"; about {result.expected / 60:.0f} minutes"


def words(result: Result) -> dict[str, object]:
    """A result as `--json` prints it."""
    said: dict[str, object] = {"schema": 1, "ok": result.ok, "source": str(result.source), "target": str(result.target), "skipped": result.skipped}
    if result.header:
        header = result.header
        said |= {"format": header.format, "width": header.width, "height": header.height, "channels": header.channels, "alpha": header.alpha,
                 "depth": str(header.dtype), "pages": header.pages}
    if result.task:
        said |= {"task": result.task.to_dict(), "model": result.model}
    if result.plan:
        plan = result.plan
        said |= {"device": str(plan.device), "precision": str(plan.dtype).removeprefix("torch."), "tile": [plan.height, plan.width],
                 "tiles": [plan.rows, plan.columns], "memory": plan.bytes, "halo_overhead": round(plan.overhead, 4)}
    if result.expected is not None:
        said["expected_seconds"] = round(result.expected, 2)
    said |= {"seconds": round(result.seconds, 3), "notes": result.notes}
    said |= result.details
    if result.error:
        said["error"] = {"what": result.error.what, "expected": result.error.expected, "remedy": result.error.remedy}
    return said

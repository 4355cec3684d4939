"""What `restore bench` does with a table that was asked for: runs it, shows it, writes it. The command beside it only reads the line."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from math import inf, isfinite, isnan
from pathlib import Path

from restore import cards, console
from restore.bench import carded, report
from restore.bench import speed as speeds
from restore.bench import table as tables
from restore.bench.run import Choice, Events, Mean, Result, beyond, comparable, run
from restore.bench.table import Level, Table, shown
from restore.errors import RestoreError, UsageError
from restore.io.files import put
from restore.measure import protocol as protocols
from restore.measure.sets import SETS

FIGURES = ("psnr", "ssim", "nmse", "ciede2000", "rmse_hu", "rmse_hu_before", "pictures", "slices", "rmse", "rmse_before", "every")


def levels(text: str | None) -> tuple[Level, ...]:
    """`10,50` as numbers, `gaussian:1.6,disk:7` as words."""
    return tuple(_level(part.strip()) for part in (text or "").split(",") if part.strip())


def numbers(text: str | None) -> tuple[float, ...]:
    """Levels that can only be numbers above 0."""
    found = levels(text)
    for one in found:
        if isinstance(one, str) or not 0 < one < inf:
            raise UsageError(f"{one!r} is no level of this table", "numbers above 0 with commas between them, as 4,8")
    return found


def _level(text: str) -> Level:
    try:
        return float(text)
    except ValueError:
        if ":" not in text:
            raise UsageError(f"{text!r} is no level", "numbers with commas between them, as 10,50, or words, as gaussian:1.6") from None
        return text


def table(asked: Table, choice: Choice, protocol: str | None, tolerance: float | None, outputs: Sequence[Path], json: bool, quiet: bool) -> int:
    """Run and show a table; the exit code: 0, or 3 where a figure is further from the published one than `tolerance`."""
    _suffixes(outputs, report.FORMATS)
    wanted = [protocols.find(one.strip()) for one in (protocol or asked.protocol).split(",")]
    if outputs and len(wanted) > 1:
        raise UsageError("a report is of one protocol", "one --protocol with -o, or several without")
    if tolerance is not None and not comparable(asked, choice):
        raise RestoreError("nothing is published that these figures could be compared with", "a set, methods and levels of the table", "leave --tolerance out")
    relative = choice.every > 1 or choice.pictures or not asked.published(choice.set or asked.first()).absolute
    if tolerance is not None and choice.methods and relative and asked.baseline.lower() not in map(str.lower, choice.methods):
        choice = replace(choice, methods=(*choice.methods, asked.baseline))  # on other pictures than the paper's, distances from it are compared
    with console.counted("pictures", quiet) as view:
        results = [run(asked, choice, one, Events(view.progress, view.note)) for one in wanted]
    result = results[0]
    for path in outputs:
        put(path, report.FORMATS[path.suffix](result).encode())
    if json:
        for one in results:
            for record in report.records(one):
                console.json_line({"schema": 1} | record)
    else:
        _show(result)
        _moved(results)
    far = beyond(result, tolerance) if tolerance is not None else []
    for name, level, difference in far:
        far_off = "cannot be compared with the published figure" if isnan(difference) else f"is {difference:+.2f} dB from the published figure, more than {tolerance:g}"
        console.note(f"{name} at {asked.part} {shown(level)} {far_off}")
    return 3 if far else 0 if any(cell.rows for one in results for cell in one.cells) else 1


def mri(names: Sequence[str], accelerations: Sequence[float], every: int, device: str, outputs: Sequence[Path], json: bool) -> int:
    """NMSE, PSNR and SSIM of every head volume, for every method and acceleration, and their means; the exit code."""
    from restore.bench import cache
    from restore.engine.device import pick
    from restore.engine.run import Settings
    from restore.measure import scans
    from restore.tasks import Mri

    _found(names)
    files = scans.volumes()
    sheet = _sheet([scans.FLATTERS, "random columns as fastMRI draws them by the file's name, a smooth phase, noise of sigma 1/255; per volume"
                    + (f", of every {every} slices one" if every > 1 else "")], ["method", "acceleration", "volume", "NMSE", "PSNR", "SSIM", "s/slice"], outputs)
    for acceleration in accelerations or scans.ACCELERATIONS:
        task = Mri(acceleration, sigma=1.0)
        for name in names or scans.methods(task):
            rows = []
            for file in files:
                rows.append(cache.row(scans.VolumeRow, scans.score, name, file, task, every, Settings(str(pick(device)))))
                console.note(f"{name}, {acceleration:g}x, {rows[-1].name}: {rows[-1].psnr:.2f} dB")
                _keep(sheet, {"method": name, "acceleration": acceleration} | asdict(rows[-1]), json)
            mean = [Mean.over(rows, part).mean for part in ("nmse", "psnr", "ssim", "seconds")]
            sheet.rows += [[name, f"{acceleration:g}", row.name, f"{row.nmse:.4f}", f"{row.psnr:.2f}", f"{row.ssim:.3f}", f"{row.seconds:.2f}"] for row in rows]
            sheet.rows.append([name, f"{acceleration:g}", "mean", *(f"{value:.{digits}f}" for value, digits in zip(mean, (4, 2, 3, 2), strict=True))])
    return _finish(sheet, outputs, json)


def ct(names: Sequence[str], every: int, device: str, outputs: Sequence[Path], json: bool) -> int:
    """RMSE in HU and SSIM of slices at a quarter of their dose, for every method and kernel of reconstruction; the exit code."""
    from restore.bench import cache, doses
    from restore.engine.device import pick
    from restore.engine.run import Settings

    _found(names)
    there = SETS["ct_test"].files()
    files, known = there[::every], names or [name for name in doses.NAMES if cards.usable(name)]
    sheet = _sheet([doses.TEXT, f"{len(files)} of {len(there)} slices of the set ct_test"], ["kernel", "slices", "method", "RMSE in HU", "SSIM", "s per slice"], outputs)
    rows = []
    for number, file in enumerate(files):
        for name in known:
            rows.append(cache.row(doses.Row, doses.score, file, name, Settings(str(pick(device)))))
            _keep(sheet, asdict(rows[-1]), json)
        console.note(f"{number + 1} of {len(files)}: {file.stem}")
    for kernel in sorted({row.kernel for row in rows}):
        for name in known:
            group = [row for row in rows if (row.kernel, row.method) == (kernel, name)]
            rmse, ssim, seconds = (Mean.over(group, part).mean for part in ("rmse", "ssim", "seconds"))
            sheet.rows.append([kernel, f"{len(group)}", name, f"{rmse:.1f}", f"{ssim:.3f}", f"{seconds:.1f}"])
    return _finish(sheet, outputs, json)


def sinograms(names: Sequence[str], arcs: Sequence[float], device: str, outputs: Sequence[Path], json: bool) -> int:
    """Reconstructions of a real scan from all its views and from arcs, beside its makers'; the exit code."""
    from restore.bench import sinograms as real
    from restore.engine.run import Settings

    _found(names)
    sheet = _sheet([real.TEXT], ["method", "degrees", "views", "correlation", "error in %", "s"], outputs)
    for row in real.score(names or real.NAMES, arcs or real.ARCS, Settings(device)):
        sheet.rows.append([row.method, f"{row.arc:g}", f"{row.views}", f"{row.correlation:.5f}", f"{row.error:.1f}", f"{row.seconds:.1f}"])
        _keep(sheet, asdict(row), json)
    return _finish(sheet, outputs, json)


def raw(names: tuple[str, ...], peaks: Sequence[float], every: int, outputs: Sequence[Path], json: bool) -> int:
    """Linear PSNR and CIEDE2000 over unprocessed photographs that training keeps for validation, for every method and peak; the exit code."""
    from restore.bench import cache, shots

    _found(names)
    held = SETS["held"].files()
    files = held[::every]
    sheet = _sheet([shots.TEXT, f"{len(files)} of {len(held)} pictures of the set held; untrained methods after the flagship denoiser"],
                   ["method", "peak", "linear PSNR", "CIEDE2000", "s per picture"], outputs)
    for peak in peaks or shots.PEAKS:
        for name in names or shots.NAMES:
            try:
                rows = [cache.row(shots.Row, shots.score, name, peak, file) for file in files]
            except RestoreError as error:
                sheet.said.append(f"empty: {name}, peak {peak:g}: {error.what}")
                console.note(sheet.said[-1])
                continue
            for row in rows:
                _keep(sheet, {"method": name, "peak": peak} | asdict(row), json)
            light, away, seconds = (Mean.over(rows, part).mean for part in ("psnr", "ciede", "seconds"))
            sheet.rows.append([name, f"{peak:g}", _known(light, 2), f"{away:.2f}", f"{seconds:.2f}"])
    return _finish(sheet, outputs, json)


def _sheet(said: list[str], columns: list[str], outputs: Sequence[Path]) -> report.Sheet:
    _suffixes(outputs, report.FORMATS)
    for line in said:
        console.note(line)
    return report.Sheet(said, columns, [], [])


def _found(names: Sequence[str]) -> None:
    """Raise UsageError for a name that is no method, before anything is measured."""
    for name in names:
        cards.find(name)


def _keep(sheet: report.Sheet, record: dict[str, object], json: bool) -> None:
    record = {part: None if isinstance(value, float) and not isfinite(value) else value for part, value in record.items()}  # as JSON wants it
    sheet.records.append(record)
    if json:
        console.json_line({"schema": 1} | record)


def _finish(sheet: report.Sheet, outputs: Sequence[Path], json: bool) -> int:
    for path in outputs:
        put(path, sheet.text(path.suffix).encode())
    if not json:
        console.table(sheet.columns, sheet.rows)
    return 0 if sheet.rows else 1


def captured(method: str, every: int, outputs: Sequence[Path], json: bool, quiet: bool) -> int:
    """Blind deblurring of the 32 captured blurs of Levin et al., kernels beside their truths; the exit code."""
    from restore.bench import captured as blurs

    _suffixes(outputs, (".html",))
    model = cards.load(*cards.choose(blurs.TASK, method, channels=1), channels=1)
    pairs = [(picture, shake) for shake in range(1, blurs.KERNELS + 1) for picture in range(1, blurs.PICTURES + 1)][::every]
    found, began = [], time.monotonic()
    with console.counted("pictures", quiet) as view:
        for picture, shake in pairs:
            found.append(blurs.score(model, picture, shake))
            view.progress(len(found), len(pairs), f"picture {picture}, kernel {shake}: error ratio {found[-1].ratio:.2f}", (time.monotonic() - began) / len(found) * (len(pairs) - len(found)))
            if json:
                console.json_line({"schema": 1} | {part: value for part, value in asdict(found[-1]).items() if part not in ("kernel", "truth")} | {"ratio": found[-1].ratio})
    title = f"blind deblurring of captured blurs, then {method}: Levin et al., CVPR 2009"
    for path in outputs:
        put(path, blurs.html(found, title).encode())
    if not json:
        console.table(list(blurs.COLUMNS), blurs.rows(found), title)
    console.note(blurs.summary(found))
    return 0


def _suffixes(outputs: Sequence[Path], known: Iterable[str]) -> None:
    for path in outputs:
        if path.suffix not in known:
            raise UsageError(f"{path} has a suffix that this report has not", ", ".join(known))
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", "one that exists")


def _show(result: Result) -> None:
    for line in report.lines(result):
        console.note(line)
    for title, columns, rows in report.grids(result):
        console.table(columns, rows, title)
    for reason in report.reasons(result):
        console.note(f"empty: {reason}")


def _moved(results: Sequence[Result]) -> None:
    """How far each further protocol moves the figures of the first."""
    first = results[0]
    for other in results[1:]:
        rows = [[entry.name, *(_signed(other.ours(entry.name, level) - first.ours(entry.name, level)) for level in first.levels)] for entry in first.entries()]
        console.table(["method", *(f"{first.table.part} {shown(level)}" for level in first.levels)], rows, f"PSNR, {other.protocol.name} less {first.protocol.name}")


def _signed(value: float) -> str:
    return "-" if isnan(value) else f"{value:+.3f}"


def sets(json: bool) -> int:
    """Sets by name, with what is found of each."""
    rows = [{"set": row.name, "role": row.role, "there": row.there, "pictures": len(row.files()) if row.there else 0, "about": row.line} for row in SETS.values()]
    if json:
        for row in rows:
            console.json_line({"schema": 1} | row)
    else:
        console.table(["set", "role", "pictures", "about"], [[row["set"], row["role"], row["pictures"] or "not found", row["about"]] for row in rows])
    return 0


def speed(names: tuple[str, ...], side: int, device: str, json: bool) -> int:
    """Megapixels per second and peak memory of each method, beside the bare network and the peers that are installed; `projection` stands for that of CT."""
    methods = tuple(name for name in names if name != "projection")
    for name in methods:
        cards.find(name)
    still = [name for name in methods if not speeds.timed((name,))]
    if still:
        raise UsageError(f"{', '.join(still)} cannot be timed on a noisy picture", "methods or weights that denoise, or projection")
    if side < 64:
        raise UsageError(f"a side of {side} pixels is too small to be timed", "64 or more")
    found, lines = [], [speeds.ours(side, device, methods)] if methods or not names else []
    lines += [] if names else [speeds.peers(side)]
    lines += [speeds.projections(side, device)] if not names or "projection" in names else []
    for line in chain.from_iterable(lines):
        found.append(line)
        if json:
            console.json_line({"schema": 1, "method": line.name, "side": line.side, "channels": line.channels, "seconds": round(line.seconds, 4),
                               "published_seconds": None if isnan(line.published) else line.published, "peak_bytes": line.bytes,
                               "flops_per_pixel": None if isnan(line.flops) else line.flops})
    if not json:
        console.table(["method", "size", "s", "Mpx/s", "peak MiB", "kFLOP/px", "GFLOP/s", "published s"],
                      [[one.name, f"{one.side} x {one.side} x {one.channels}", f"{one.seconds:.3f}", f"{one.rate:.3f}", f"{one.bytes / 2**20:.0f}", _known(one.flops / 1e3, 0),
                        _known(one.flops * one.rate / 1e3, 1), _known(one.published, 2)] for one in found])
    return 0


def _known(value: float, digits: int) -> str:
    return "" if isnan(value) else f"{value:.{digits}f}"


def card(name: str | None, choice: Choice, quiet: bool) -> int:
    """Score weights on every set of the tables that they can enter, and write the figures on their card."""
    if name is None:
        raise UsageError("no weights are named", "restore bench card NAME.TAG")
    _, found = cards.find(name)
    if found is None:
        raise UsageError(f"{name} has no card", "NAME.TAG of weights", "restore models list shows all")
    rows = []
    with console.counted("pictures", quiet) as view:
        for asked in map(tables.find, tables.names()):
            if found.channels in (None, asked.channels) and asked.task["name"] in found.task.name:
                for published in [row for row in asked.sets if SETS[row.set].there]:
                    covered = tuple(level for level in asked.levels if found.task.covers(asked.at(level)))
                    wanted = replace(choice, set=published.set, methods=(name, f"{name} x8")[: 1 + bool(found.recipe.get("x8"))], levels=covered)
                    rows += _rows(run(asked, wanted, protocols.find(asked.protocol), Events(view.progress, view.note))) if covered else []
    rows += carded.rows(name, found, choice.every, choice.device)
    if not rows:
        raise RestoreError(f"no pictures are there that {name} could be scored on; its card is left as it was", "the sets of its tables",
                           "RESTORE_DATA names their folder; restore bench sets shows what is found")
    cards.write(replace(found, results=tuple({frozenset(_what(row).items()): row for row in (*found.results, *rows)}.values())))
    for row in rows:
        console.note(", ".join(f"{part} {value}" for part, value in row.items()))
    return 0


def _what(row: Mapping[str, object]) -> dict[str, object]:
    """A row of a card without its figures."""
    return {part: value for part, value in row.items() if part not in FIGURES}


def _rows(result: Result) -> list[dict[str, object]]:
    return [{"set": result.published.set, result.table.part: cell.level, "psnr": round(cell.mean("psnr"), 3), "ssim": round(cell.mean("ssim"), 4), "x8": cell.entry.ensemble,
             "protocol": result.protocol.name} | ({"pictures": len(cell.rows)} if len(cell.rows) < result.of else {}) for cell in result.cells if cell.rows]

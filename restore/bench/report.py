"""A run as columns and rows, Markdown, CSV, JSON and one HTML page that needs nothing beside it."""

import base64
import csv
import json
from dataclasses import dataclass
from html import escape
from io import BytesIO, StringIO
from math import isfinite, isnan

import numpy as np

from restore.bench import phase
from restore.bench.plot import chart
from restore.bench.run import Figures, Mean, Picture, Result
from restore.bench.table import Level, shown
from restore.cards import every
from restore.image import Header, as_samples
from restore.io import open_sink

FIGURES = {"psnr": ("PSNR in dB", 2), "ssim": ("SSIM", 4), "psnrb": ("PSNR-B in dB", 2)}
STYLE = ("body{font-family:sans-serif;margin:2em;max-width:1200px}table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:3px 8px;text-align:right}"
         "td:first-child,th:first-child{text-align:left}small{color:#666}figure{display:inline-block;margin:4px;text-align:center}img{image-rendering:pixelated;width:192px}")


def lines(result: Result) -> list[str]:
    """What must stand above the table for it to be read."""
    count = len(result.pictures)
    said = [f"{result.table.title}{', ' + result.published.title if result.published.title else ''}: {result.table.source}",
            result.protocol.text(),
            f"{count} of {result.of} pictures" + (" (each mean ± its standard error)" if count < result.of else "") + f", on {result.device}"]
    if result.published.note:
        said.append(result.published.note)
    if weights := _weights(result):
        said.append(f"weights: {weights}")
    said.append("each cell: ours (published; ours less published" + (")" if result.absolute else f", of the distances from {result.table.baseline})"))
    return said


def _weights(result: Result) -> str:
    """By which weights each method ran, and what a pixel costs them."""
    costs, used = {card.full_name: card.flops_per_pixel for card in every()}, {}
    for cell in result.cells:
        if cell.rows and "." in cell.model:
            cost = costs.get(cell.model, 0.0)
            model, often = (f"{cell.model} x8", "8 x ") if cell.entry.ensemble else (cell.model, "")
            used.setdefault(cell.entry.name, {})[model + (f" ({often}{cost / 1e6:.2f} MFLOP/px)" if cost else "")] = None
    return ", ".join(f"{name} by {' and '.join(models)}" for name, models in used.items())


def figures(result: Result) -> list[str]:
    """Those that were measured or published."""
    return [figure for figure in FIGURES if getattr(result.published, figure) or figure != "psnrb" or any(not isnan(cell.mean(figure)) for cell in result.cells)]


def grid(result: Result, figure: str) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of one figure."""
    digits = FIGURES[figure][1]
    rows = []
    for entry in result.entries():
        measured = [row for cell in result.cells if cell.entry == entry for row in cell.rows]
        rows.append([entry.name, *(_cell(result, entry.name, level, figure, digits) for level in result.levels),
                     *((f"{Mean.over(measured, 'seconds').mean:.2f}", f"{max(row.bytes for row in measured) / 2**20:.0f}") if measured else ("", ""))])
    return ["method", *_columns(result), "s per picture", "peak MiB"], rows


def _columns(result: Result) -> list[str]:
    return [f"{result.table.part} {shown(level)}" for level in result.levels]


def distances(result: Result) -> tuple[list[str], list[list[str]]] | None:
    """Columns and rows of PSNR less the baseline's, ours ± the standard error of the differences (published); nothing where figures themselves are compared, or there is no baseline."""
    base, rows = result.table.baseline, []
    for entry in result.entries():
        found = [(result.distance(entry.name, level), result.theirs(entry.name, level) - result.theirs(base, level)) for level in result.levels]
        if entry.name != base and any(not isnan(ours.mean) for ours, _ in found):
            rows.append([entry.name, *(("-" if isnan(ours.mean) else f"{ours.mean:+.2f}") + ("" if isnan(ours.error) else f" ± {ours.error:.2f}")
                                       + ("" if isnan(theirs) else f" ({theirs:+.2f})") for ours, theirs in found)])
    return (["method", *_columns(result)], rows) if rows and not result.absolute else None


def grids(result: Result) -> list[tuple[str, list[str], list[list[str]]]]:
    """Each table with its title."""
    apart = distances(result)
    return ([(f"PSNR in dB less that of {result.table.baseline}, of the same pictures", *apart)] if apart else []) + [(FIGURES[figure][0], *grid(result, figure)) for figure in figures(result)]


def singly(result: Result, level: Level) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of PSNR at a level, a row per picture."""
    cells = [cell for cell in result.cells if cell.level == level and cell.rows]
    return (["picture", *(cell.entry.name for cell in cells)],
            [[f"{number + 1} {picture.name}", *(f"{cell.rows[number].psnr:.2f}" for cell in cells)] for number, picture in enumerate(result.pictures)])


def _cell(result: Result, entry: str, level: Level, figure: str, digits: int) -> str:
    ours, theirs, difference = (find(entry, level, figure) for find in (result.ours, result.theirs, result.difference))
    left = "-" if isnan(ours) else f"{ours:.{digits}f}"
    if len(result.pictures) < result.of and not isnan(error := result.cell(entry, level).error(figure)):
        left += f" ± {error:.{digits}f}"
    if isnan(theirs):
        return left
    return f"{left} ({theirs:.{digits}f})" if isnan(difference) else f"{left} ({theirs:.{digits}f}; {difference:+.{digits}f})"


def reasons(result: Result) -> list[str]:
    """Why cells are empty, each reason once."""
    found: dict[str, list[str]] = {}
    for cell in result.cells:
        if cell.reason and cell.entry.model:
            found.setdefault(cell.reason, []).append(cell.entry.name)
    return [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in found.items()]


def markdown(result: Result) -> str:
    parts = ["\n".join(f"> {line}  " for line in lines(result))]
    parts += [f"**{title}**\n\n{_markdown_grid(columns, rows)}" for title, columns, rows in grids(result)]
    parts += [f"Empty: {reason}." for reason in reasons(result)]
    return "\n\n".join(parts) + "\n"


def records(result: Result) -> list[dict[str, object]]:
    """One per cell: all that is known of it, pictures apart."""
    return [{"table": result.table.name, "set": result.published.set, "protocol": result.protocol.name, "method": cell.entry.name, "model": cell.model, "x8": cell.entry.ensemble,
             result.table.part: cell.level, "pictures": len(cell.rows), "of": result.of, "device": result.device,
             **{figure: _number(cell.mean(figure)) for figure in figures(result)}, **{f"{figure}_standard_error": _number(cell.error(figure)) for figure in figures(result)},
             **{f"{figure}_published": _number(result.theirs(cell.entry.name, cell.level, figure)) for figure in figures(result)},
             **{f"{figure}_difference": _number(result.difference(cell.entry.name, cell.level, figure)) for figure in figures(result)},
             **{f"psnr_less_baseline{part}": _number(value) for part, value in zip(("", "_standard_error"), result.distance(cell.entry.name, cell.level), strict=True)},
             "seconds": _number(cell.mean("seconds")), "peak_bytes": max((row.bytes for row in cell.rows), default=None), "reason": cell.reason}
            for cell in result.cells]


def _number(value: float, digits: int = 5) -> float | None:
    """Rounded; JSON has neither NaN nor infinity."""
    return round(value, digits) if isfinite(value) else None


def _row(result: Result, row: Figures) -> dict[str, object]:
    """One picture, its crop apart."""
    return {"picture": row.picture, **{figure: _number(getattr(row, figure)) for figure in figures(result)}, "seconds": _number(row.seconds, 3), "peak_bytes": row.bytes}


def to_csv(result: Result) -> str:
    """Per picture, with the cell's published figure beside it."""
    text = StringIO()
    rows = [record | _row(result, row) for record, cell in zip(records(result), result.cells, strict=True) for row in cell.rows]
    if rows:
        writer = csv.DictWriter(text, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def to_json(result: Result) -> str:
    cells = [record | {"rows": [_row(result, row) for row in cell.rows]} for record, cell in zip(records(result), result.cells, strict=True)]
    return json.dumps({"schema": 1, "title": result.table.title, "source": result.table.source, "protocol": result.protocol.text(), "cells": cells}, indent=1) + "\n"


def html(result: Result) -> str:
    """Tables, plots and crops in one page."""
    body = [f"<h1>{escape(result.table.title)}</h1>", *(f"<p>{escape(line)}</p>" for line in lines(result))]
    body += [f"<h2>{escape(title)}</h2>{_html_grid(columns, rows)}" for title, columns, rows in grids(result)]
    body += [f"<p><small>Empty: {escape(reason)}.</small></p>" for reason in reasons(result)]
    body += [plot for plot in _plots(result) if plot]
    if result.table.drawn == "phase":
        body.append(phase.diagram())
    body += [f"<details><summary>PSNR picture by picture, {escape(result.table.part)} {escape(shown(level))}</summary>{_html_grid(*singly(result, level))}</details>" for level in result.levels]
    body += [_crops(result, picture) for picture in result.pictures if picture.box]
    return _page(result.table.title, body)


def _plots(result: Result) -> list[str]:
    table, levels = result.table, result.levels
    entries = [cell.entry.name for cell in result.cells if cell.rows and cell.level == levels[-1]]
    if not entries:
        return []
    base = table.baseline if table.baseline in entries else entries[0]
    mean = chart(f"PSNR less that of {base}; rings: published", table.part, "dB",
                 {name: [(_place(level, levels), result.ours(name, level) - result.ours(base, level)) for level in levels] for name in entries},
                 rings={name: [(_place(level, levels), result.theirs(name, level) - result.theirs(base, level)) for level in levels] for name in entries})
    cost = chart("PSNR against seconds", "seconds per picture", "dB",
                 {name: [(cell.mean("seconds"), cell.mean("psnr")) for cell in result.cells if cell.entry.name == name and cell.level == levels[-1]] for name in entries},
                 logarithmic=True, joined=False)
    zero = {row.picture: row.psnr for row in result.cell(base, levels[-1]).rows}
    single = chart(f"distance from {base} per picture, {table.part} {shown(levels[-1])}", "picture", "dB",
                   {cell.entry.name: [(number + 1, row.psnr - zero[row.picture]) for number, row in enumerate(cell.rows)]
                    for cell in result.cells if cell.level == levels[-1] and cell.entry.name != base}, joined=False)
    return [mean, cost, single]


def _place(level: Level, levels: tuple[Level, ...]) -> float:
    """Where a level stands on an axis: words by their order."""
    return levels.index(level) + 1 if isinstance(level, str) else level


def _crops(result: Result, picture: Picture) -> str:
    """The box of one picture at every level: the truth, then each method's."""
    top, left, height, width = picture.box
    truth = as_samples(picture.x[0, :, top : top + height, left : left + width].permute(1, 2, 0).numpy(), np.dtype(np.uint8))
    parts = [f"<h2>{escape(picture.name)}</h2>"]
    for level in result.levels:
        crops = [("clean", truth)]
        for cell in result.cells:
            for row in cell.rows:
                if cell.level == level and row.picture == picture.name and row.crop:
                    crops.append((f"{cell.entry.name} {row.psnr:.2f} dB", np.frombuffer(base64.b64decode(row.crop), np.uint8).reshape(height, width, -1)))
        parts.append(f"<h3>{escape(result.table.part)} {escape(shown(level))}</h3>" + "".join(
            f'<figure><img alt="" src="data:image/png;base64,{png(samples)}"><figcaption>{escape(name)}</figcaption></figure>' for name, samples in crops))
    return "".join(parts)


def png(samples: np.ndarray) -> str:
    """8-bit samples (H, W, C) as PNG in base64."""
    stream = BytesIO()
    with open_sink(stream, Header(*samples.shape, format="png"), format="png") as sink:
        sink.write(samples)
    return base64.b64encode(stream.getvalue()).decode()


FORMATS = {".md": markdown, ".csv": to_csv, ".json": to_json, ".html": html}


@dataclass
class Sheet:
    """A table of another kind: what stands above it, its columns and rows as they are shown, and a record for each thing that was measured."""

    said: list[str]
    columns: list[str]
    rows: list[list[str]]
    records: list[dict[str, object]]

    def text(self, suffix: str) -> str:
        """As a file of a suffix of FORMATS holds it."""
        if suffix == ".csv":
            stream = StringIO()
            writer = csv.DictWriter(stream, list(self.records[0]) if self.records else [])
            writer.writeheader()
            writer.writerows(self.records)
            return stream.getvalue()
        if suffix == ".json":
            return json.dumps({"schema": 1, "said": self.said, "rows": self.records}, indent=1) + "\n"
        if suffix == ".md":
            return "\n".join(f"> {line}  " for line in self.said) + "\n\n" + _markdown_grid(self.columns, self.rows) + "\n"
        return _page(self.said[0], [*(f"<p>{escape(line)}</p>" for line in self.said), _html_grid(self.columns, self.rows)])


def _markdown_grid(columns: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows))


def _html_grid(columns: list[str], rows: list[list[str]]) -> str:
    return (f"<table><tr>{''.join(f'<th>{escape(column)}</th>' for column in columns)}</tr>"
            + "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows) + "</table>")


def _page(title: str, body: list[str]) -> str:
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style><body>{"".join(body)}</body></html>\n'

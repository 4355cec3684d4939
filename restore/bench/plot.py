"""Line charts as SVG text."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite, log10

WIDTH, HEIGHT = 560, 340
LEFT, TOP, RIGHT, BOTTOM = 56, 28, 150, 40
COLOURS = ("#1b6ca8", "#c0392b", "#27864a", "#8e44ad", "#d68910", "#117a8b", "#7b5d3b", "#566573", "#d81b60", "#5d8a00", "#000000", "#00897b", "#6d4c41", "#3949ab", "#9e9d24")

Points = Sequence[tuple[float, float]]


def chart(title: str, across: str, up: str, lines: Mapping[str, Points], logarithmic: bool = False, joined: bool = True, rings: Mapping[str, Points] = {}) -> str:
    """An SVG with one line (or one scatter of dots) per name, and further points of the same names as rings. Points that are not finite are left out; `logarithmic`: the axis across."""
    kept, rings = ({name: found for name, points in some.items() if (found := _finite(points, logarithmic))} for some in (lines, rings))
    if not kept:
        return ""
    every = [point for points in (*kept.values(), *rings.values()) for point in points]
    (x0, x1), (y0, y1) = (_span([point[axis] for point in every]) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - RIGHT) * (x - x0) / (x1 - x0), HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y0) / (y1 - y0)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-family="sans-serif" font-size="11">',
             f'<text x="{LEFT}" y="16" font-size="13">{escape(title)}</text>',
             f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>',
             f'<text x="12" y="{TOP - 8}">{escape(up)}</text>']
    for part in range(5):
        x, y = x0 + (x1 - x0) * part / 4, y0 + (y1 - y0) * part / 4
        (px, _), (_, py) = place(x, y0), place(x0, y)
        parts.append(f'<line x1="{LEFT}" y1="{py:.1f}" x2="{WIDTH - RIGHT}" y2="{py:.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{y:.4g}</text>'
                     f'<text x="{px:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10**x if logarithmic else x:.3g}</text>')
    for number, (name, points) in enumerate(kept.items()):
        colour, placed = COLOURS[number % len(COLOURS)], [place(*point) for point in points]
        if joined and len(placed) > 1:
            parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in placed)}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in placed]
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="none" stroke="{colour}"/>' for x, y in (place(*point) for point in rings.get(name, ()))]
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 4 + 15 * number}" fill="{colour}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def _finite(points: Points, logarithmic: bool) -> list[tuple[float, float]]:
    return [(_scaled(x, logarithmic), y) for x, y in points if isfinite(x) and isfinite(y) and (x > 0 or not logarithmic)]


def _scaled(value: float, logarithmic: bool) -> float:
    return log10(value) if logarithmic and value > 0 else value


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    slack = 0.05 * (high - low) or 0.5
    return low - slack, high + slack


def shades(title: str, across: str, up: str, columns: Sequence[float], rows: Sequence[float], values: Sequence[Sequence[float]]) -> str:
    """An SVG of squares, a row of `values` per number of `rows` from the bottom up: black at 0, white at 1."""
    side = (HEIGHT - TOP - BOTTOM) / len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-family="sans-serif" font-size="11">',
             f'<text x="4" y="14">{escape(title)}</text>',
             f'<text x="{LEFT + side * len(columns) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>',
             f'<text x="12" y="{TOP + 12}">{escape(up)}</text>']
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            shade = round(255 * min(max(value, 0), 1))
            parts.append(f'<rect x="{LEFT + side * column:.1f}" y="{HEIGHT - BOTTOM - side * (row + 1):.1f}" width="{side:.1f}" height="{side:.1f}" '
                         f'fill="rgb({shade},{shade},{shade})" stroke="#888" stroke-width="0.3"/>')
    parts += [f'<text x="{LEFT + side * (at + 0.5):.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{columns[at]:.2g}</text>' for at in range(0, len(columns), 3)]
    parts += [f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM - side * (at + 0.5) + 4:.1f}" text-anchor="end">{rows[at]:.2g}</text>' for at in range(0, len(rows), 3)]
    return "".join([*parts, "</svg>"])

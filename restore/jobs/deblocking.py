"""The walk of `restore jpeg`: a JPEG is restored to the ends of its last blocks, as it was coded, and cut where it is written.

Encoders fill those blocks by repeating the last row and column. So what lies beyond an edge was one value before it was coded, and the mean of what is restored
there and at the edge is nearer to that than the edge alone.
"""

from collections.abc import Callable

import numpy as np

from restore import io
from restore.image import Header
from restore.io.jpeg import JpegSource
from restore.jobs.walk import Open, Walk

REPEATED = 2.0  # times the noise that stands for the loss: what differs by more beyond an edge was filled in another way


class Deblocking(Walk):
    """`restore jpeg`, from names to results."""

    def source(self, path):
        source = super().source(path)
        if isinstance(source, JpegSource):
            source.to_blocks()
        return source

    def look(self, opened: Open) -> None:
        super().look(opened)
        opened.result.header = _cut(opened.result.header)

    def header(self, opened, number) -> Header:
        return _cut(super().header(opened, number))

    def work(self, opened, write, report) -> None:
        whole = opened.ahead.header
        height, width = whole.carry.get("size", (whole.height, whole.width)) if whole.format == "jpeg" else (whole.height, whole.width)
        if (height, width) == (whole.height, whole.width):
            return super().work(opened, write, report)
        down, across = _repeated(opened.source, whole, height, width, REPEATED * 255 * float(opened.stated.problem.operator.sigma))
        super().work(opened, _Cut(write, height, width, down, across, self.request.strength), report)


class _Cut:
    """Takes rows of whole blocks (rows, W, C), in order, and writes those of the picture. down, across: whether the last row, the last column is drawn, by
    `strength`, to the mean of what it was repeated to."""

    def __init__(self, write: Callable[[np.ndarray], None], height: int, width: int, down: bool, across: bool, strength: float):
        self.write, self.height, self.width, self.down, self.across, self.strength = write, height, width, down, across, np.float32(strength)
        self.at, self.last = 0, []

    def __call__(self, rows: np.ndarray) -> None:
        beyond = rows[:, self.width - 1 :]
        rows = rows[:, : self.width].copy()
        if self.across:
            rows[:, -1] += self.strength * (beyond.mean(1) - rows[:, -1])
        first = self.height - 1 - self.at  # of these rows, the last of the picture
        self.at += len(rows)
        if first > 0:
            self.write(rows[:first])
        self.last.extend(rows[max(first, 0) :])
        if self.at >= self.height and self.last and (not self.down or self.at == -(-self.height // 8) * 8):
            edge = self.last[0]
            self.write((edge + self.strength * (np.mean(self.last, 0) - edge) if self.down else edge)[None])
            self.last = []


def _repeated(source: io.Source, whole: Header, height: int, width: int, differs: float) -> tuple[bool, bool]:
    """Whether rows below the last one, and columns beyond the last one, are that one again, but for what coding did to them."""
    edges = (source.read(height - 1, whole.height)[:, :width], source.read(0, height)[:, width - 1 :].swapaxes(0, 1))
    return tuple(len(edge) > 1 and bool(np.square(edge[1:].astype(np.float32) - edge[0]).mean() <= differs**2) for edge in edges)


def _cut(header: Header | None) -> Header | None:
    """The header of the picture without what fills its last blocks."""
    if header is None or header.format != "jpeg" or "size" not in header.carry:
        return header
    height, width = header.carry["size"]
    return header.replace(height=height, width=width)

"""The walks of compressed sensing: pictures to measurements, measurements to pictures. y is no picture, so it goes through at once."""

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from restore import io
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.errors import RestoreError
from restore.image import Header
from restore.io.measured import Measured, MeasuredSink, MeasuredSource
from restore.jobs.degrading import ROWS, Degrading
from restore.jobs.stating import Stated, choose, out_header
from restore.jobs.walk import Open, Walk
from restore.names import STREAM, make_folder
from restore.operators.dense import SIDE
from restore.streams import stdout


class Still:
    """What stands for rows read ahead where there are none."""

    def __init__(self, source: MeasuredSource, page: int = 0):
        self.header, self.page = source.headers[page], page

    def close(self) -> None:
        pass


class Recovering(Walk):
    """Jobs of `restore cs`: what is known of the measurements stands in their file."""

    ahead = Still

    def source(self, path: Path | BinaryIO) -> MeasuredSource:
        if isinstance(path, Path):
            return MeasuredSource(path, str(path))
        return MeasuredSource(io.copied(path, "standard input"), "standard input")

    def state(self, opened: Open, number: int) -> Stated:
        measured, header = opened.source.measured, opened.source.headers[0]
        sigma = measured.sigma if self.request.task.sigma is None else self.request.task.sigma
        task = self.request.task.replace(ratio=measured.measurements.shape[1] / SIDE**2, seed=float(measured.seed), sigma=sigma)
        return choose(replace(self.request, task=task), self.settings, (header.channels, header.height, header.width))

    def header(self, opened: Open, number: int) -> Header:
        return out_header(opened.source.headers[0], self.request)

    def work(self, opened, write, report):
        stated = opened.stated
        y = torch.from_numpy(opened.source.measured.measurements).flatten(0, 1)[None]
        x = engine.solve(self.method(stated), stated.problem, y, self.settings, report)
        if self.request.check:
            error = 255 * float((stated.problem.operator(x) - y).square().mean().sqrt())
            report.note(f"D x differs from y by {error:.2f}/255 (root mean square); {stated.problem.noise}")
        rows = x[0].permute(1, 2, 0).contiguous().numpy()
        for top in range(0, len(rows), ROWS):
            write(rows[top : top + ROWS])

    def _plan(self, opened, timed):
        """The picture is recovered whole: there is no tile to tell of."""
        self.method(opened.stated)


class Measuring(Degrading):
    """Jobs of `restore degrade --task cs`: measurements instead of a picture."""

    def look(self, opened):
        super().look(opened)
        if len(opened.source.headers) > 1:
            raise RestoreError(f"{opened.names.source}: has {len(opened.source.headers)} pages, and measurements are of one picture", "one page", "take one out first")

    def work(self, opened, write, report):
        header, problem = opened.ahead.header, opened.stated.problem
        x = Page(opened.ahead.read, header).rows(0, header.height)
        y = problem.simulate(x, self.generator(opened))
        task = self.request.task
        if header.alpha:
            report.note("its transparency is not measured, and will not come back")
        write(Measured(y[0].unflatten(0, (header.channels, -1)).numpy().astype(np.float32), header.height, header.width, int(task.seed), float(task.sigma), header))

    def header(self, opened, number):
        return opened.source.headers[number]

    def fits(self, opened):
        """Measurements go to an array, which holds any."""

    def _sink(self, opened):
        target = opened.names.target
        if target == STREAM:
            return MeasuredSink(stdout(), True)
        make_folder(target)
        return MeasuredSink(target, self.request.overwrite)

"""The walk of `restore degrade`: the problem itself is applied, nothing is undone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from restore import io
from restore.engine.picture import Page
from restore.engine.run import Report
from restore.errors import UsageError
from restore.image import upright
from restore.io.files import shown
from restore.jobs import given
from restore.jobs.stating import Stated, fitting, out_header
from restore.jobs.walk import Open, Walk
from restore.names import STREAM, companion
from restore.numerics import resample
from restore.operators.base import Identity, Operator
from restore.operators.blur import Blur
from restore.operators.noise import NoNoise, seed_of
from restore.operators.problem import Problem, problem_of
from restore.tasks import Inpaint, Jpeg

ROWS = 64  # rows of noise drawn at one go; fixed, so that a seed means the same noise on every machine


class Degrading(Walk):
    """Jobs of `restore degrade`."""

    def plans(self, names):
        raise UsageError("degrade has no plan to print")

    def seed(self, opened: Open, page: int) -> int:
        return seed_of(self.request.seed, opened.names.source.name, page)

    def generator(self, opened: Open) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed(opened, opened.ahead.page))

    def state(self, opened, number):
        header = opened.source.headers[number]
        shape = (header.channels, header.height, header.width)
        found = given.read(self.request.task, opened.source, number, opened.names.source) | given.draw(self.request.task, shape, self.seed(opened, 0))
        fitting(self.request.task, header.channels)
        problem = Problem(Identity(), NoNoise()) if self._coded(opened) else problem_of(self.request.task, found, shape)
        problem.operator.out_shape(shape)  # raises where D does not take this size
        return Stated(self.request.task, problem, "degrade", None, given=found)

    def _coded(self, opened: Open) -> bool:
        """Whether the file that is written is the coding which is asked for."""
        return isinstance(self.request.task, Jpeg) and self._format(opened.names.target, opened.source.headers[0]) == "jpeg"

    def _hints(self, opened):
        yield from super()._hints(opened)
        target = self._format(opened.names.target, opened.result.header)
        if not isinstance(self.request.task, Jpeg) and io.is_lossy(target, opened.result.header, self.request.quality):
            yield f"a {target} file with loss takes part of the noise and adds its own: -o NAME.png holds what is made"

    def quality(self, opened):
        return super().quality(opened) if self._coded(opened) or not isinstance(self.request.task, Jpeg) else None

    def header(self, opened, number):
        header = out_header(opened.source.headers[number], self.request)
        height, width = opened.stated.problem.operator.out_shape((header.channels, header.height, header.width))[1:]
        return header.replace(height=height, width=width)

    def work(self, opened: Open, write: Callable[[np.ndarray], None], report: Report) -> None:
        """Noise alone goes row by row; any other D sees the whole picture."""
        header, problem, generator = opened.ahead.header, opened.stated.problem, self.generator(opened)
        if opened.ahead.page == 0 and isinstance(self.request.task, Inpaint):
            if opened.names.target == STREAM:
                report.note("which pixels are missing is not kept: -o NAME.png writes NAME.mask.png beside it")
            for path in mask_files(opened.names.target):
                io.write(path, upright(np.where(problem.operator.mask[0, 0].numpy() == 1, 0, 255).astype(np.uint8), header.orientation), overwrite=self.request.overwrite)
                report.note(f"what is missing is white in {shown(path)}: restore inpaint takes it as --mask")
        page = Page(opened.ahead.read, header)
        rows = ROWS if isinstance(problem.operator, Identity) else header.height
        for top in range(0, header.height, rows):
            bottom = min(top + rows, header.height)
            y = problem.simulate(page.rows(top, bottom), generator)
            write(page.finish(top, y) if y.shape[-2:] == (bottom - top, header.width) else _resampled(page, y, problem.operator))
            page.forget(bottom)
            report.progress(bottom, header.height)


def mask_files(target: Path) -> list[Path]:
    """NAME.mask.png beside an output."""
    return [] if target == STREAM else [companion(target, "mask")]


def _resampled(page: Page, y: torch.Tensor, operator: Operator) -> np.ndarray:
    """A y of another size than the page as its rows; alpha by means over the page's, or, of a blur seen whole, what lies under it."""
    alpha = page.alpha()
    if alpha is not None and isinstance(operator, Blur):
        top, left = ((whole - part) // 2 for whole, part in zip(alpha.shape[-2:], y.shape[-2:], strict=True))
        y = torch.cat([y, alpha[..., top : top + y.shape[-2], left : left + y.shape[-1]]], 1)
    elif alpha is not None:
        y = torch.cat([y, resample.resize(alpha, *y.shape[-2:], "area")], 1)
    return y[0].permute(1, 2, 0).contiguous().numpy()

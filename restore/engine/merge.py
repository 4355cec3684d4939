"""A burst through a method that merges: frames are brought onto the reference tile by tile, so that a picture of any size passes."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from restore.engine import device as devices
from restore.engine import plan as planning
from restore.engine.picture import Page
from restore.engine.run import MOST, ROWS, Plan, Report, Settings
from restore.errors import RestoreError
from restore.estimate.shifts import Alignment, read
from restore.image import Header, as_float
from restore.method import Exact, Merge
from restore.numerics import warp
from restore.operators.problem import Problem

SHARES = 8  # pixels over which it is seen which frame gave what


class Stack:
    """The frames of a burst as one page: aligned, in the reference's light, and the reference itself where a frame is not to be trusted."""

    def __init__(self, frames: Sequence[np.ndarray], header: Header, alignment: Alignment):
        self.frames, self.header, self.alignment = frames, header, alignment
        self.order = alignment.kept

    def box(self, top: int, left: int, height: int, width: int) -> Tensor:
        """(1, F, C, height, width), the reference first."""
        places = warp.grid(top, left, height, width)
        first = self._floats(self.order[0])[:, top : top + height, left : left + width]
        parts = [first]
        for number in self.order[1:]:
            parts.append(first + self._trust(number, places) * (self._aligned(number, places) - first))
        return torch.stack(parts)[None]

    def told(self, shares: Tensor, top: int, left: int) -> Tensor:
        """Shares (F, h, w) in what `box` gave -> of the frames themselves: where one was not trusted, the reference stood for it."""
        places = warp.grid(top, left, *shares.shape[1:])
        others = [share * self._trust(number, places)[0] for share, number in zip(shares[1:], self.order[1:], strict=True)]
        return torch.stack([1 - sum(others), *others])

    def _trust(self, number: int, places: Tensor) -> Tensor:
        return read(self.alignment.trust[number : number + 1], places, self.header.height, self.header.width)[0].float()

    def _aligned(self, number: int, places: Tensor) -> Tensor:
        at = self.alignment
        to = warp.project(at.homography[number : number + 1], places)
        if at.flow is not None:
            to = to + read(at.flow[number : number + 1], places, self.header.height, self.header.width).permute(0, 2, 3, 1)
        if torch.equal(to[0], places):  # nothing to interpolate
            (left, top), (right, bottom) = places[0, 0].long().tolist(), places[-1, -1].long().tolist()
            seen = self._floats(number)[:, top : bottom + 1, left : right + 1]
        else:
            seen, corner = self._around(number, to)
            seen = warp.sample(warp.coefficients(seen[None]), to - corner)[0]
        return (seen - at.offset[number].float()) / at.gain[number].float()

    def _around(self, number: int, to: Tensor) -> tuple[Tensor, Tensor]:
        """The part of a frame that these places read, with its top left corner (x, y)."""
        height, width = self.frames[number].shape[:2]
        low, high = to.flatten(0, 2).amin(0).floor().long() - warp.REACH, to.flatten(0, 2).amax(0).ceil().long() + warp.REACH
        x0, x1 = (int(v.clamp(0, width)) for v in (low[0], high[0] + 1))
        y0, y1 = (int(v.clamp(0, height)) for v in (low[1], high[1] + 1))
        x0, y0 = min(x0, width - 1), min(y0, height - 1)
        corner = torch.tensor([x0, y0], dtype=to.dtype)
        return self._floats(number)[:, y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)], corner

    def _floats(self, number: int) -> "_Lazy":
        return _Lazy(self.frames[number], self.header.channels)


class _Lazy:
    """Samples (H, W, ...) whose parts become floats (C, h, w) when they are cut; what is not finite is 0."""

    def __init__(self, samples: np.ndarray, channels: int):
        self.samples, self.channels = samples, channels

    def __getitem__(self, box) -> Tensor:
        part = as_float(self.samples[box[1:]][..., : self.channels])
        return torch.from_numpy(np.nan_to_num(part, posinf=0, neginf=0).transpose(2, 0, 1).copy())


def plan(method: Merge, problem: Problem, header: Header, settings: Settings) -> Plan:
    """The plan: tiles on multiples of the method's windows, as large as the memory allows."""
    device, kind = devices.pick(settings.device), method.tiling(problem)
    dtype = devices.pick_precision(settings.precision if settings.precision == "float32" else "auto", device, half_ok=False)
    per_pixel, (height, width) = method.bytes_per_pixel(problem), (header.height, header.width)
    down, across, rows, columns = height, width, 1, 1
    if isinstance(kind, Exact):
        size = [planning.round_up(length, kind.multiple) for length in (height, width)]
        allowed = settings.memory or devices.memory(device)
        down, across = planning.largest_tile(allowed, per_pixel, per_pixel * width / MOST, *size, kind.halo, kind.multiple, settings.tile or MOST)
        rows, columns = (planning.count(length, tile, kind.halo, kind.multiple) for length, tile in zip(size, (down, across), strict=True))
    return Plan(kind, down, across, rows, columns, 1, device, dtype, int(per_pixel * down * across), rows * down * columns * across / (height * width) - 1)


def run(method: Merge, problem: Problem, stack: Stack, write: Callable[[np.ndarray], None], settings: Settings,
        report: Report = Report(), share: Callable[[int, int, Tensor], None] | None = None) -> None:
    """Merge, rows in order: write gets (h, W, samples). share(top, left, shares (F, h, w)): what each frame gave, if asked. The last windows of a row
    and a column reach over the edge, where the picture is mirrored. Raises RestoreError where memory ends.
    """
    now, header = plan(method, problem, stack.header, settings), stack.header
    halo, multiple = (now.kind.halo, now.kind.multiple) if isinstance(now.kind, Exact) else (0, 1)
    first = stack.frames[stack.order[0]]
    page = Page(lambda top, bottom: first[top:bottom], header)
    down, across = (planning.windows(planning.round_up(length, multiple), tile, halo, multiple)
                    for length, tile in ((header.height, now.height), (header.width, now.width)))
    method, problem = method.to(now.device), problem.to(now.device)
    with devices.numerics(now.device):
        for index, row in enumerate(down):
            x = torch.empty(1, header.channels, min(row.until, header.height) - row.keep, header.width)
            for number, column in enumerate(across):
                box = (row.start, column.start, min(row.size, header.height - row.start), min(column.size, header.width - column.start))
                try:
                    parts = method.contributions(stack.box(*box).to(now.device), problem)
                except Exception as error:
                    if not devices.out_of_memory(error):
                        raise
                    raise RestoreError(f"memory ended with tiles of {now.height} x {now.width} and {len(stack.order)} frames", "",
                                       "take a smaller --tile, or fewer frames") from None
                inner = (slice(row.keep - row.start, min(row.until, header.height) - row.start),
                         slice(column.keep - column.start, min(column.until, header.width) - column.start))
                parts = parts[..., inner[0], inner[1]].cpu()
                x[..., column.keep : column.keep + parts.shape[-1]] = parts.sum(1)
                if share:
                    share(row.keep, column.keep, stack.told(_shares(parts[0]), row.keep, column.keep))
                report.progress(index * len(across) + number + 1, len(down) * len(across))
            page.rows(row.keep, row.keep + x.shape[2])
            for top in range(0, x.shape[2], ROWS):
                write(page.finish(row.keep + top, x[:, :, top : top + ROWS]))
            page.forget(row.keep + x.shape[2])


def _shares(parts: Tensor) -> Tensor:
    """The share of each frame (F, h, w) in the fine detail of contributions (F, C, h, w), over a neighbourhood."""
    padded = F.pad(parts, (1, 0, 1, 0), mode="replicate")
    energy = ((padded[..., 1:, 1:] - padded[..., 1:, :-1]).square() + (padded[..., 1:, 1:] - padded[..., :-1, 1:]).square()).sum(1, keepdim=True)
    local = F.avg_pool2d(energy, 2 * SHARES + 1, 1, SHARES, count_include_pad=False)[:, 0] + 1e-12
    return local / local.sum(0)

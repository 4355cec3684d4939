"""Any method on any size, device and precision: tiles, batches of tiles, and the ladder that is climbed down when memory ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.engine import device as devices
from restore.engine import plan as planning
from restore.engine.picture import Page
from restore.engine.wrap import Consistent, Guarded, Turned
from restore.errors import RestoreError
from restore.method import Blend, Exact, Method, Network, Tiling, Whole
from restore.numerics.leaves import leaves
from restore.operators.base import Box
from restore.operators.problem import Problem

MOST = 4096  # a tile's side at most: beyond it the index arithmetic of convolution libraries overflows
SCRATCH = 1.5  # what kernels take beside the tensors that the probe sees
ROW_BYTES = 24  # of a sample in the rows that are held: as read, as float in and out
LEVEL = 1 / 255  # by which D x may differ from y and is said to be the same
ROWS = 64  # handed over at a time


@dataclass(frozen=True)
class Settings:
    """What a user may choose, and what a run settled on. `tile` and `memory`: None lets the engine choose; memory in bytes.

    consistent: the result is moved to the nearest x that D takes to y; None: where the method says so.
    """

    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    memory: int | None = None
    ensemble: bool = False
    consistent: bool | None = None


@dataclass(frozen=True)
class Plan:
    """What a run will do: tiles of height x width in rows x columns, `batch` at a time, their kind, where, in which precision, with how much memory."""

    kind: Tiling
    height: int
    width: int
    rows: int
    columns: int
    batch: int
    device: torch.device
    dtype: torch.dtype
    bytes: int
    overhead: float  # pixels computed over pixels of the picture, less one: what halos cost

    def __str__(self) -> str:
        tiles = "the whole picture at once" if self.rows * self.columns == 1 else f"{self.rows} x {self.columns} tiles of {self.height} x {self.width}"
        return f"{tiles}, {self.device}, {str(self.dtype).removeprefix('torch.')}, about {self.bytes / 2**20:.0f} MiB"


@dataclass(frozen=True)
class Report:
    """Where events go: `progress(done, of)` in tiles, `note(text)` for what the user should know."""

    progress: Callable[[int, int], None] = lambda done, of: None
    note: Callable[[str], None] = lambda text: None


def wrapped(method: Method, problem: Problem, ensemble: bool = False, consistent: bool | None = False) -> Method:
    """The method as the engine runs it; its `multiple` is what a picture is padded to."""
    method = Turned(method, problem) if ensemble else method
    return Consistent(method) if (method.meets(problem) if consistent is None else consistent) else method


def plan(method: Method, problem: Problem, channels: int, height: int, width: int, settings: Settings) -> Plan:
    """The plan for a picture of `channels` x height x width. Allocates nothing."""
    device = devices.pick(settings.device)
    dtype = devices.pick_precision(settings.precision, device, method.half_ok)
    allowed = settings.memory or devices.memory(device)
    method = wrapped(method, problem, settings.ensemble, settings.consistent)
    height, width = planning.round_up(height, method.multiple), planning.round_up(width, method.multiple)
    kind = method.tiling(problem)
    per_pixel = SCRATCH * method.bytes_per_pixel(problem) * dtype.itemsize / 4
    if isinstance(kind, (Exact, Blend)):
        halo = kind.halo if isinstance(kind, Exact) else kind.overlap // 2
        down, across = planning.largest_tile(allowed, per_pixel, ROW_BYTES * problem.scale**2 * channels * width, height, width, halo, kind.multiple, settings.tile or MOST)
        rows, columns = (planning.count(length, size, halo, kind.multiple) for length, size in ((height, down), (width, across)))
    else:
        down, across, rows, columns = height, width, 1, 1
    tile = per_pixel * down * across
    batch = 1 if device.type == "cpu" else max(1, min(columns, int(allowed / tile)))  # a CPU is filled by one tile
    used = int(batch * tile + ROW_BYTES * problem.scale**2 * channels * width * down)
    return Plan(kind, down, across, rows, columns, batch, device, dtype, used, rows * down * columns * across / (height * width) - 1)


def run(method: Method, problem: Problem, page: Page, write: Callable[[int, Tensor], None], settings: Settings, report: Report = Report()) -> Settings:
    """Restore a page, rows in order: write(top, x) gets (1, C, scale rows, scale W) float32 on the CPU, of the page's rows from `top` on.

    The page is padded to `wrapped(...).multiple`.

    Returns the settings it settled on, to be handed to the next call. Raises RestoreError where memory ends on the last rung.
    """
    channels = page.header.channels
    done = tiles = 0
    while done < page.height:
        now = plan(method, problem, channels, page.height, page.width, settings)
        with devices.numerics(now.device):
            try:
                count = _Count(report, now.rows * now.columns)
                method.tick = count.tick
                work = _ready(method, problem, now, settings, report)
                if isinstance(now.kind, Blend):
                    _blend(work, problem.to(now.device), page, write, now, count)
                    done = page.height
                else:
                    done, tiles = _exact(work, problem.to(now.device), page, write, now, count, done, tiles)
                if isinstance(work, Consistent) and work.missed > LEVEL:
                    report.note(f"reduced again, the result differs from the input by up to {255 * work.missed:.0f}/255: no picture in range was found that does not")
            except _Short as short:  # some rows may be written; tiles of any size go on where they end
                done, tiles = short.done, short.tiles
                settings = _step_down(now, method, settings, report)
    return settings


def expected_seconds(method: Method, problem: Problem, channels: int, height: int, width: int, settings: Settings) -> float:
    """How long `run` will take, from one small noisy tile timed here and the pixels that tiles compute in all."""
    now = plan(method, problem, channels, height, width, settings)
    side = max(min(now.height, now.width, 160) // method.multiple * method.multiple, method.multiple)
    x = leaves(channels, side, side).to(now.device)  # sparse coders take as long as there is to see
    with devices.numerics(now.device):
        work = _ready(method, problem, now, settings, Report())
        part = (problem if problem.operator.reach is None else problem.crop([(0, 0, side * problem.scale, side * problem.scale)])).to(now.device)
        y = x + part.noise.std(x) * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
        for _ in range(2):  # the first call warms up
            start = time.perf_counter()
            work(y, part).cpu()
            seconds = time.perf_counter() - start
    return seconds / side**2 * (1 + now.overhead) * height * width


def solve(method: Method, problem: Problem, y: Tensor, settings: Settings, report: Report = Report()) -> Tensor:
    """x (1, C, H, W) float32 on the CPU, of a y that is no picture and goes through at once; the CPU is taken where another device's memory ends.

    Of a complex x the magnitude; a complex y is worked on in float32.
    """
    device = devices.pick(settings.device)
    dtype = devices.pick_precision(settings.precision, device, method.half_ok)
    with devices.numerics(device):
        try:
            method.tick = report.progress
            method = method.to(device=device)
            x = (method if y.is_complex() else Guarded(method, dtype, report.note))(y.to(device), problem.to(device))
            return (x.abs() if x.is_complex() else x.float()).cpu()
        except Exception as error:
            if not devices.out_of_memory(error):
                raise
            if device.type == "cpu":
                raise RestoreError("memory ended on the CPU", "", "close other programs") from None
    devices.release(device)
    report.note(f"memory ended on {device}; the CPU is used")
    return solve(method, problem, y, replace(settings, device="cpu", precision="float32"), report)


class _Count:
    """Tiles done of `of`, and, of methods that tell of their steps, the steps of the tile at hand."""

    def __init__(self, report: Report, of: int):
        self.report, self.of, self.done, self.steps = report, of, 0, 1

    def tick(self, step: int, steps: int) -> None:
        self.steps = steps
        self._tell(self.done * steps + step)

    def tile(self, done: int) -> None:
        self.done, self.of = done, max(self.of, done)
        self._tell(done * self.steps)

    def _tell(self, steps: int) -> None:
        self.report.progress(steps, self.of * self.steps)


class _Short(Exception):
    """Memory ended after `done` rows."""

    def __init__(self, done: int, tiles: int):
        self.done, self.tiles = done, tiles


def _ready(method: Method, problem: Problem, now: Plan, settings: Settings, report: Report) -> Method:
    layout = torch.channels_last if isinstance(method, Network) else torch.preserve_format
    method = method.to(device=now.device, memory_format=layout)
    return wrapped(Guarded(method, now.dtype, report.note), problem, settings.ensemble, settings.consistent)


def _exact(work: Method, problem: Problem, page: Page, write, now: Plan, count: "_Count", done: int, tiles: int) -> tuple[int, int]:
    halo, multiple = (now.kind.halo, now.kind.multiple) if isinstance(now.kind, Exact) else (0, 1)
    scale = problem.scale
    across = planning.windows(page.width, now.width, halo, multiple)
    while done < page.height:
        down = planning.next_window(done, page.height, now.height, halo, multiple)
        y = page.rows(down.start, down.start + down.size)
        x = None
        for group in planning.equal_groups(across, now.batch):
            try:
                boxes = [(down.start, window.start, down.size, window.size) for window in group]
                out = _known(page, problem, y, down.start, boxes)
                out = _tiles(work, problem, y, down.start, boxes, now) if out is None else out
            except Exception as error:
                if not devices.out_of_memory(error):
                    raise
                error.__traceback__ = None  # it holds the tensors that did not fit
                raise _Short(done, tiles) from None
            if x is None:  # a method may give other channels than it takes
                x = torch.empty(1, out.shape[1], scale * (down.until - down.keep), scale * page.width)
            for window, tile in zip(group, out, strict=True):
                rows, columns = (slice(scale * (w.keep - w.start), scale * (w.until - w.start)) for w in (down, window))
                x[0, ..., scale * window.keep : scale * window.until] = tile[..., rows, columns]
            tiles += len(group)
            count.tile(tiles)
        for top in range(0, min(down.until, page.header.height) - down.keep, ROWS):  # rows beyond fill the page up to the method's multiple
            write(down.keep + top, x[:, :, scale * top : scale * (top + ROWS), : scale * page.header.width])
        done = down.until
        if done < page.height:
            page.forget(min(planning.next_window(done, page.height, now.height, halo, multiple).start, done))
    return done, tiles


def _known(page: Page, problem: Problem, y: Tensor, base: int, boxes: list[Box]) -> Tensor | None:
    """y itself in boxes of which nothing is missing."""
    if problem.scale == 1 and all(page.known(top, height, left, width) for top, left, height, width in boxes):
        return torch.cat([y[..., top - base : top - base + height, left : left + width] for top, left, height, width in boxes])
    return None


def _tiles(work: Method, problem: Problem, y: Tensor, base: int, boxes: list[Box], now: Plan) -> Tensor:
    parts = torch.cat([y[..., top - base : top - base + height, left : left + width] for top, left, height, width in boxes]).to(now.device)
    if not isinstance(now.kind, Whole):
        problem = problem.crop([tuple(problem.scale * side for side in box) for box in boxes])
    return work(parts.contiguous(memory_format=torch.channels_last), problem).float().cpu()


def _blend(work: Method, problem: Problem, page: Page, write, now: Plan, count: "_Count") -> None:
    """Overlapping tiles averaged with ramps; a band of rows is written when no later tile reaches it. Places are in pixels of x."""
    half, multiple, scale = now.kind.overlap // 2, now.kind.multiple, problem.scale
    down, across = ([(w.start, w.size) for w in planning.windows(length, size, half, multiple)]
                    for length, size in ((page.height, now.height), (page.width, now.width)))
    total, weight, top = None, None, 0
    for index, (start, height) in enumerate(down):
        y = page.rows(start, start + height)
        bottom = scale * (start + height)
        weight = _grown(weight, (1, 1), bottom - top, scale * page.width)
        for left, width in across:
            ramp = _ramp(scale * height, scale * half)[:, None] * _ramp(scale * width, scale * half)[None]
            place = (..., slice(scale * start - top, bottom - top), slice(scale * left, scale * (left + width)))
            box = [(start, left, height, width)]
            x = _known(page, problem, y, start, box)
            try:
                x = _tiles(work, problem, y, start, box, now) if x is None else x
            except Exception as error:
                if not devices.out_of_memory(error):
                    raise
                error.__traceback__ = None
                if top == 0:  # nothing is written yet
                    raise _Short(0, 0) from None
                raise RestoreError(f"memory ended with tiles of {now.height} x {now.width}", "", "take a smaller --tile or --memory") from None
            if left == across[0][0]:
                total = _grown(total, x.shape[:2], bottom - top, scale * page.width)
            total[place] += ramp * x
            weight[place] += ramp
            count.tile(index * len(across) + across.index((left, width)) + 1)
        done = down[index + 1][0] if index + 1 < len(down) else page.height
        for row in range(top, scale * min(done, page.header.height), scale * ROWS):
            rows = slice(row - top, min(row + scale * ROWS, scale * done) - top)
            write(row // scale, (total[..., rows, :] / weight[..., rows, :])[..., : scale * page.header.width])
        total, weight, top = total[..., scale * done - top :, :], weight[..., scale * done - top :, :], scale * done
        page.forget(done)


def _grown(old: Tensor | None, lead: tuple[int, ...], rows: int, width: int) -> Tensor:
    new = torch.zeros(*lead, rows, width)
    if old is not None:
        new[..., : old.shape[-2], :] = old
    return new


def _ramp(size: int, half: int) -> Tensor:
    """Rises from just above 0 over 2 `half` samples at both ends."""
    at = torch.arange(size)
    return ((torch.minimum(at, size - 1 - at) + 1) / (2 * half + 1)).clamp(max=1)


def _step_down(now: Plan, method: Method, settings: Settings, report: Report) -> Settings:
    """The next rung: a smaller tile, a lower precision, the CPU."""
    reach = 2 * now.kind.halo if isinstance(now.kind, Exact) else now.kind.overlap if isinstance(now.kind, Blend) else 0
    smaller = max(now.height, now.width) // 2
    if not isinstance(now.kind, Whole) and smaller >= max(now.kind.multiple + reach, 16):
        report.note(f"memory ended with tiles of {now.height} x {now.width}; tiles of {smaller} are used")
        return replace(settings, tile=smaller)
    if now.device.type != "cpu" and now.dtype == torch.float32 and method.half_ok:
        report.note("memory ended with the smallest tile; fp16 is used")
        return replace(settings, precision="fp16", tile=None)
    if now.device.type != "cpu":
        devices.release(now.device)
        report.note(f"memory ended on {now.device}; the CPU is used")
        return replace(settings, device="cpu", precision="float32", tile=None)
    raise RestoreError(f"memory ended with tiles of {now.height} x {now.width} on the CPU", "", "close other programs, or take a smaller --tile or --memory")

"""From what is asked to what is to be done: the task's holes filled, the arrays that its words name, the problem, the method."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from restore import cards, io
from restore.cards import Card
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.engine.run import Settings
from restore.engine.wrap import Alike
from restore.errors import UsageError
from restore.estimate import doubt, fill
from restore.estimate.sigma import rms
from restore.image import Header
from restore.method import Method, Same
from restore.numerics import resample
from restore.operators import kernels, masks
from restore.operators.noise import NoNoise
from restore.operators.problem import Given, Problem, problem_of
from restore.tasks import Deblur, Denoise, Inpaint, Task
from restore.values import Range, parse_number

SAMPLED = 6 << 20  # pixels that an estimator looks at, at most
OUTSIDE = 1e-3  # of black or white, from which on a sample counts as clipped
BRIGHT = 1.5  # of a picture of floats, whose white is 1: the middle of its samples that is worth a word
UNEVEN = 1.5  # levels of channels that differ by more are worth a word where one is taken for all
TOP = 16  # rows that tell most pictures of colour from grey ones in three channels


@dataclass(frozen=True)
class Request:
    """What is the same for every file of a batch. `format`, `depth`, `quality`, `subsampling`: None keeps what the file has.

    parts: catalog names for the methods that a method is made of, over the catalog's own (denoiser -> bm3d); None keeps its.
    """

    task: Task
    model: str | None = None
    settings: Settings = Settings()
    strength: float = 1.0
    check: bool = False  # tell how far D x is from y
    overwrite: bool = False
    format: str | None = None
    depth: str | None = None  # "8", "16", "32"
    quality: int | None = None
    subsampling: str | None = None
    seed: int = 0  # of the noise that `degrade` draws
    parts: Mapping[str, str | None] = field(default_factory=dict)
    factor: float = 1.0  # by which the sides of the result are multiplied at the end, by bicubic interpolation


@dataclass(frozen=True)
class Stated:
    """A task without holes, and what will undo it. given: the arrays that words of the task name; lines: what estimators found, for the user."""

    task: Task
    problem: Problem
    model: str
    card: Card | None
    lines: tuple[str, ...] = ()
    given: Given = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    channels: int = 3
    frugal: bool = True  # of several weights that serve, the cheapest
    prepared: Method | None = None  # the method, where it has looked at the picture

    @property
    def full_name(self) -> str:
        return self.card.full_name if self.card else self.model

    @property
    def keep(self) -> np.ndarray | None:
        """(H, W): the share of each pixel of y that stays as it is, where the task says so."""
        return self.given["keep"].numpy() if "keep" in self.given else None

    @property
    def noisy(self) -> bool:
        """Whether the known pixels hold noise, which is taken off."""
        return not isinstance(self.problem.noise, NoNoise)


def state(request: Request, page: Page, settings: Settings, given: Given = {}, together: bool = True) -> Stated:
    """Fill the task's holes by looking at the page, then choose the method, for levels decide weights, and show it the picture. given: what was read for the task's words.

    A picture whose channels are the same is denoised as the grey one it is. together: whether the method treats the channels together; where it turns
    out not to, noise that they share is looked at again.
    """
    task, lines, whole = _told(request), (), copy(page)
    alike = isinstance(task, Denoise) and not any(isinstance(value, tuple) for value in (task.sigma, task.peak)) and _alike(page)
    asked, floats = bool(task.unknown()) or isinstance(task, Deblur), page.header.dtype.kind == "f" and page.header.sensor is None
    sample = _sample(page, 1 if "kernel" in task.unknown() else 4) if asked or floats else None
    if asked:
        doubts = doubt(task, sample)
        task, lines, found = fill(task, sample, page.header, together and not alike)
        given, lines = {**given, **found}, lines + doubts
    if floats and (middle := float(sample.nanmedian())) > BRIGHT:
        lines += (f"half of its samples are above {middle:.3g}, and white is 1 in a picture of floats: divide them by their white first",)
    if floats and request.depth in ("8", "16") and bool(((sample < -OUTSIDE) | (sample > 1 + OUTSIDE)).any()):
        lines += (f"some of its samples lie outside of black and white, and --depth {request.depth} clips them",)
    stated = choose(replace(request, task=task), settings, (1 if alike else page.header.channels, page.header.height, page.header.width), lines, given)
    method = method_for(stated)
    if together and not alike and method.channels == 1 < page.header.channels and "sigma" in _told(request).unknown():
        return state(request, whole, settings, given, together=False)
    if isinstance(request.task.words().get("sigma"), tuple) and not method.by_channel and method.channels != 1 and max(task.sigma) > UNEVEN * min(task.sigma):
        stated = replace(stated, lines=(*stated.lines, f"{stated.full_name} takes one level for all channels: sigma {rms(task.sigma):.1f}"))
    method = method.prepare(whole.parts(), stated.problem)
    return replace(stated, prepared=Alike(method) if alike else method)


def _alike(page: Page) -> bool:
    """Whether all channels of a picture are the same, as far as estimators look."""
    def same(samples: torch.Tensor) -> bool:
        return bool(((samples[:, 1:] == samples[:, :1]) | samples[:, 1:].isnan()).all())

    return page.header.channels > 1 and same(copy(page).visible(0, min(TOP, page.header.height))) and same(_sample(copy(page), 4))


def _told(request: Request) -> Task:
    """The task as the method must be told it: weights for one kernel, or for all shakes, say what the kernel is; to all else, one that nobody knows is a hole."""
    task = request.task
    if not isinstance(task, Deblur) or (task.kernel and not task.hidden):
        return task
    hole = task.replace(kernel=None, side=task.side or (parse_number(task.kernel.removeprefix("shake:"), "the side of a shake", 0) if task.hidden else None))
    if not request.model:
        return hole
    name, card = cards.find(request.model)
    if not (card or cards.usable(name, task)) or card and card.task.name == "deblur" and card.task.of_any:
        return hole
    card = cards.choose(task, request.model)[1]
    return task.replace(kernel=card.task.kernel) if card and not card.task.of_any else hole


def _sized(task: Task, given: Given) -> Task:
    """The task by which weights are chosen: a kernel in a file, or one that was estimated, is some kernel of its size."""
    if not isinstance(task, Deblur) or "kernel" not in given or task.kernel and kernels.is_made(task.kernel):
        return task
    return task.replace(kernel=f"any:{max(given['kernel'].shape[-2:])}")


def fitting(task: Task, channels: int) -> None:
    """Raise UsageError where there are levels for more or fewer channels than the picture has."""
    for part, said in (("sigma", "levels of noise"), ("peak", "peaks")):
        levels = getattr(task, part, None)
        if isinstance(levels, tuple) and len(levels) != channels:
            raise UsageError(f"{len(levels)} {said} for a picture of {channels} channel(s)", "one for all, or one per channel")


def choose(request: Request, settings: Settings, shape: tuple[int, int, int], lines: tuple[str, ...] = (), given: Given = {}) -> Stated:
    """The method for a task without holes, on x of this shape."""
    channels, height, width = shape
    fitting(request.task, channels)
    slow = engine.devices.pick(settings.device).type == "cpu"
    parts = {argument: part for argument, part in request.parts.items() if part}
    name, card = cards.choose(_sized(request.task, given), request.model, slow and height * width > 4e6, channels, parts)
    problem = problem_of(request.task, given, shape)
    if problem.solved:
        lines += ("nothing is to be undone: the picture stays as it is",)
    return Stated(request.task, problem, name, card, lines, given, parts, channels, slow)


def _sample(page: Page, count: int) -> torch.Tensor:
    """(1, C, H, W) of up to SAMPLED pixels: the whole page, or `count` bands spread over it; NaN where hidden or missing."""
    height, width = page.header.height, page.header.width
    if height * width <= SAMPLED:
        return page.visible(0, height)
    rows = max(SAMPLED // count // width, 1)
    bands = []
    for i in range(count):
        top = (height - rows) * i // (count - 1) if count > 1 else (height - rows) // 2
        page.forget(top)
        bands.append(page.visible(top, top + rows))
    return torch.cat(bands, 2)


@lru_cache(maxsize=4)
def _loaded(name: str, weights: Path | None, parts: tuple[tuple[str, str], ...], channels: int, frugal: bool) -> Method:
    return cards.load(name, cards.read(weights.with_suffix(".toml")) if weights else None, dict(parts), channels, frugal)


def method_for(stated: Stated) -> Method:
    """The method, loaded once for all files that need it."""
    if stated.problem.solved:
        return Same()
    return stated.prepared or _loaded(stated.model, stated.card.weights if stated.card else None, tuple(sorted(stated.parts.items())), stated.channels, stated.frugal)


def check(request: Request) -> None:
    """Raise UsageError for what is wrong whatever the files are, before any is opened."""
    device = engine.devices.pick(request.settings.device)
    engine.devices.pick_precision(request.settings.precision, device, half_ok=True)
    out_header(Header(1, 1), request)
    io.check_sink(request.format, request.quality, request.subsampling)
    for part, value in request.task.words().items():
        if isinstance(value, Range):
            raise UsageError(f"{part} {value} is a range", "a number, or one per channel", f"--{part} {value.high:g}")
    if not 0 <= request.strength <= 1:
        raise UsageError(f"a strength of {request.strength:g} is out of range", "0 to 1")
    if isinstance(request.task, Inpaint) and request.task.feather and request.task.sigma != 0:
        raise UsageError("feather blends the hole with pixels that stay as they are, and with sigma none does", "one of the two")
    if request.settings.memory is not None and not (isinstance(request.settings.memory, int) and request.settings.memory > 0):
        raise UsageError(f"a memory of {request.settings.memory!r} is out of range", "bytes, 1 or more")
    if request.settings.tile is not None and request.settings.tile < 1:
        raise UsageError(f"a tile of {request.settings.tile} pixels is out of range", "1 or more")
    if request.model is not None:
        cards.find(request.model)
    for part in filter(None, request.parts.values()):
        cards.denoiser(part)
    if isinstance(request.task, Deblur) and kernels.is_made(request.task.kernel or "") and not request.task.hidden:
        kernels.make(request.task.kernel)
    if isinstance(request.task, Inpaint) and masks.is_made(request.task.mask or ""):
        masks.make(request.task.mask, 1, 1)
    told = _told(request)
    if not told.unknown():
        cards.choose(told, request.model)


def out_header(header: Header, request: Request, scale: int = 1) -> Header:
    """The header to be written: the source's, in the depth that was asked for, on the result's grid."""
    depths = {None: header.dtype, "8": np.dtype(np.uint8), "16": np.dtype(np.uint16), "32": np.dtype(np.float32)}
    if request.depth not in depths:
        raise UsageError(f"unknown depth {request.depth!r}", "8, 16 or 32 (float)")
    return header.replace(dtype=depths[request.depth], height=resampled(scale * header.height, request), width=resampled(scale * header.width, request))


def resampled(size: int, request: Request) -> int:
    """What becomes of a side of the result at the end."""
    return max(1, int(request.factor * size + 0.5))


def reduction(request: Request, height: int, width: int) -> resample.Rows | None:
    """What takes a result of this size to the one that was asked for."""
    return None if request.factor == 1 else resample.Rows(height, width, resampled(height, request), resampled(width, request))


def pushed(last: resample.Rows, rows: np.ndarray, header: Header) -> np.ndarray:
    """Rows (h, W, samples) of a picture through `last`; alpha stays within [0, 1]."""
    out = last.push(torch.from_numpy(rows).permute(2, 0, 1)).permute(1, 2, 0).contiguous()
    out[..., header.channels :].clamp_(0, 1)
    return out.numpy()

"""How fast: each method and network of ours on this machine, the bare network on the same tiles, and the peers that are installed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from math import nan

import torch
from torch import Tensor

from restore import cards
from restore.bench import table
from restore.catalog import CATALOG
from restore.engine import device as devices
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.engine.run import Settings
from restore.image import Geometry, Header
from restore.method import Method, Network
from restore.numerics import probe
from restore.numerics.leaves import leaves
from restore.operators.problem import Problem, problem_of
from restore.operators.projection import Projection
from restore.tasks import Denoise, Task

SIGMA, COUNTED = 25.0, 64
VIEWS, BATCH = 720, 16  # of projections


@dataclass(frozen=True)
class Speed:
    """One line: the best of some runs on one picture. NaN where it is not known."""

    name: str
    side: int
    channels: int
    seconds: float
    bytes: int
    flops: float  # per pixel; of matrix products and convolutions
    published: float = nan  # seconds

    @property
    def rate(self) -> float:
        """Megapixels per second."""
        return self.side**2 / 1e6 / self.seconds


def ours(side: int, device: str, chosen: tuple[str, ...] = (), patience: float = 60.0) -> Iterator[Speed]:
    """Every method that serves Gaussian noise, through the engine, on a grey picture (colour where it is made for colour); a network also bare, on the engine's own tiles.

    Methods that would need more than `patience` seconds are timed on a smaller side.
    """
    where = devices.pick(device)
    for name, card, task in timed(chosen):
        yield from _method(name, card, task, side, where, patience)


def timed(chosen: tuple[str, ...] = ()) -> list[tuple[str, cards.Card | None, Denoise]]:
    """Methods that denoise, with each of their weights, and what they are timed on; of those chosen by either name."""
    found = []
    for name, row in ((name, row) for name, row in CATALOG.items() if "denoise" in row.tasks):
        noise = row.noises[0]
        task = Denoise(noise, SIGMA if "gaussian" in noise else None, 30.0 if "poisson" in noise else None)
        for card in [card for card in cards.every() if card.name == name and (chosen or not card.apart)] if row.trained else [None]:
            if (card is None or card.task.covers(task)) and (not chosen or name in chosen or (card and card.full_name in chosen)):
                found.append((name, card, task))
    return found


def _method(name: str, card, task: Task, side: int, where: torch.device, patience: float) -> Iterator[Speed]:
    method = cards.load(name, card).to(where)
    shown, channels = card.full_name if card else name, method.channels or 1
    problem, settings = problem_of(task), Settings(str(where))
    expected = engine.expected_seconds(method, problem, channels, side, side, settings)
    while expected > patience and side > 64:
        side, expected = side // 2, expected / 4
    y = noisy(channels, side, problem)
    flops = getattr(method, "flops_per_pixel", None) or _counted(method, problem.to(where), y.to(where))
    seconds, peak = _best(lambda: _through(method, problem, y, settings), where)
    yield Speed(shown, side, channels, seconds, peak, flops, _published(name) if side == 256 else nan)
    if isinstance(method, Network):
        yield _bare(shown, method, problem, y, settings, where, flops)


def noisy(channels: int, side: int, problem: Problem) -> Tensor:
    """What is timed: how long sparse coders take depends on what there is to see."""
    return problem.simulate(leaves(channels, side, side), torch.Generator().manual_seed(0))


def _counted(method: Method, problem, y: Tensor) -> float:
    """Per pixel, of a corner of the picture."""
    corner = y[..., :COUNTED, :COUNTED]
    return probe.flops(lambda: method(corner, problem)) / corner[0, 0].numel()


def _published(name: str) -> float:
    """Seconds that a paper gives for a method; NaN where none does."""
    grey = table.find("grey")
    return next((grey.seconds[entry.name] for entry in grey.entries if entry.model == name and entry.name in grey.seconds), nan)


def _bare(shown: str, method: Network, problem, y: Tensor, settings: Settings, where: torch.device, flops: float) -> Speed:
    """The network alone on as many tiles of the same shape: what the engine adds to it is its overhead."""
    plan = engine.plan(method, problem, *y.shape[1:], settings)
    tile = torch.rand(plan.batch, y.shape[1], plan.height, plan.width).to(where, plan.dtype, memory_format=torch.channels_last)
    net = method.to(memory_format=torch.channels_last)
    net = net if plan.dtype == torch.float32 else net.to(plan.dtype)
    calls = -(-plan.rows * plan.columns // plan.batch)

    def run() -> None:
        for _ in range(calls):
            net(tile, problem.to(where))
    with devices.numerics(where):
        seconds, peak = _best(run, where)
    return Speed(f"{shown}, bare", y.shape[-1], y.shape[1], seconds, peak, flops * (1 + plan.overhead))


def _through(method: Method, problem, y: Tensor, settings: Settings) -> None:
    samples = y[0].permute(1, 2, 0).numpy()
    header = Header(*samples.shape, samples.dtype)
    page = Page(lambda top, bottom: samples[top:bottom], header, method.multiple)
    engine.run(method, problem, page, lambda top, x: page.finish(top, x), settings)


def projections(side: int, device: str) -> Iterator[Speed]:
    """Line integrals of a disk along VIEWS parallel views and their way back, alone and each of BATCH slices, and scikit-image's where it is installed."""
    where, angles = devices.pick(device), tuple(180 * view / VIEWS for view in range(VIEWS))
    operator = Projection(Geometry(angles, side), side, 1.0).to(where)
    at = torch.arange(side, device=where) - (side - 1) / 2
    disk = (at[:, None].square() + at.square() < (0.4 * side) ** 2).float()
    for count, said in ((1, ""), (BATCH, f", each of {BATCH}")):
        x = disk.expand(count, 1, -1, -1).contiguous()
        y = operator(x)
        for name, call in ((f"projection, {VIEWS} views{said}", partial(operator, x)), (f"backprojection, {VIEWS} views{said}", partial(operator.backproject, y))):
            seconds, peak = _best(call, where)
            yield Speed(name, side, 1, seconds / count, peak, nan)
    if find_spec("skimage"):
        from skimage.transform import iradon, radon

        x, cpu = disk.cpu().numpy(), torch.device("cpu")
        y = radon(x, angles)
        for name, call in (("scikit-image radon", partial(radon, x, angles)), ("scikit-image iradon", partial(iradon, y, angles))):
            seconds, peak = _best(call, cpu)
            yield Speed(name, side, 1, seconds, peak, nan)


def peers(side: int) -> Iterator[Speed]:
    """Denoisers that users have, on the same noise, where they are installed. None of them is needed or shipped."""
    y = noisy(1, side, problem_of(Denoise(sigma=SIGMA)))[0, 0].numpy()
    cpu = torch.device("cpu")
    for name, module, call in (("bm3d wheel", "bm3d", _wheel), ("OpenCV NLM", "cv2", _opencv), ("scikit-image NLM", "skimage", _nlm),
                               ("scikit-image wavelet", "pywt", _wavelet), ("scikit-image TV", "skimage", _tv)):
        if find_spec(module):
            seconds, peak = _best(lambda: call(y), cpu)
            yield Speed(name, side, 1, seconds, peak, nan)


def _wheel(y) -> None:
    import bm3d

    bm3d.bm3d(y, sigma_psd=SIGMA / 255)


def _opencv(y) -> None:
    import cv2

    cv2.fastNlMeansDenoising((y.clip(0, 1) * 255).astype("uint8"), None, h=SIGMA, templateWindowSize=7, searchWindowSize=21)


def _nlm(y) -> None:
    from skimage.restoration import denoise_nl_means

    denoise_nl_means(y, patch_size=7, patch_distance=10, h=0.8 * SIGMA / 255, sigma=SIGMA / 255, fast_mode=True)


def _wavelet(y) -> None:
    from skimage.restoration import denoise_wavelet

    denoise_wavelet(y, sigma=SIGMA / 255)


def _tv(y) -> None:
    from skimage.restoration import denoise_tv_chambolle

    denoise_tv_chambolle(y, weight=SIGMA / 255)


def _best(call: Callable[[], object], where: torch.device, least: float = 0.5, most: int = 5) -> tuple[float, int]:
    """Seconds of the fastest of up to `most` calls after one that warms up, and the peak of memory above what was there."""
    found, peak, begun = [], 0, time.perf_counter()
    for number in range(most + 1):
        with devices.PeakMemory(where) as memory:
            start = time.perf_counter()
            call()
            devices.wait(where)
            seconds = time.perf_counter() - start
        peak = max(peak, memory.bytes)
        if number or seconds > 5:  # what takes long is not run twice
            found.append(seconds)
        if found and time.perf_counter() - begun > least * most:
            break
    return min(found), peak


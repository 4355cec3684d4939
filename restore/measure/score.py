"""The one function that scores a method: training validates with it, cards are written with it, bench prints it."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from restore.engine.run import wrapped
from restore.errors import RestoreError
from restore.io import read
from restore.measure.metrics import luma
from restore.measure.protocol import Protocol
from restore.measure.sets import is_scan
from restore.measure.volumes import volume
from restore.method import Method
from restore.operators.problem import Given, posed
from restore.tasks import Task


@dataclass(frozen=True)
class Row:
    """The figures of one picture, or their mean."""

    name: str
    psnr: float  # dB
    ssim: float
    seconds: float
    psnrb: float = math.nan  # dB, where the protocol asks for it


def score(method: Method, task: Task, files: Iterable[Path], protocol: Protocol, channels: int = 0, ensemble: bool = False,
          device: torch.device | str = "cpu") -> Iterator[Row]:
    """One row per picture x: y = D x + n by the protocol's seed, then method(y). `ensemble`: x8, the mean over the turns of the square.

    channels: 1 takes the luma of colour pictures, 3 repeats grey ones, 0 leaves them as they are. Seconds are of the method alone.
    """
    method = method.to(device)
    for file in files:
        yield score_one(method, task, file.stem, load(file, channels, protocol.channel), protocol, ensemble, device)


def score_one(method: Method, task: Task, name: str, x: Tensor, protocol: Protocol, ensemble: bool = False, device: torch.device | str = "cpu") -> Row:
    """The row of one clean picture x (1, C, H, W) on the CPU."""
    return estimate_one(method, task, name, x, protocol, ensemble, device)[0]


@torch.inference_mode()
def estimate_one(method: Method, task: Task, name: str, x: Tensor, protocol: Protocol, ensemble: bool = False,
                 device: torch.device | str = "cpu", given: Given = {}) -> tuple[Row, Tensor]:
    """As `score_one`, with the estimate of x on the CPU. given: arrays that words of the task leave to chance."""
    protocol, x = protocol.at(task), protocol.clean(x)
    operator = posed(task, x.shape[1:], protocol.generator(name, task), given).operator
    align = operator.align if operator.linear else 1  # coding takes any size
    x = x[..., : x.shape[-2] // align * align, : x.shape[-1] // align * align]  # as papers crop it
    generator = protocol.generator(name, task)
    problem = posed(task, x.shape[1:], generator, given)
    y = protocol.measured(problem.simulate(x, generator)).to(device)
    problem = problem.to(device)
    began = time.perf_counter()
    estimate = wrapped(method, problem, ensemble)(y, problem).float().cpu()
    seconds = time.perf_counter() - began
    return Row(name, *protocol.scores(estimate, x), seconds, protocol.blocking(estimate, x)), estimate


def mean(rows: Iterable[Row], name: str = "mean") -> Row:
    """The mean of rows: of dB, of SSIM, of seconds."""
    rows = list(rows)
    if not rows:
        raise RestoreError("nothing was scored", "a set with pictures in it")
    return Row(name, *(sum(getattr(row, part) for row in rows) / len(rows) for part in ("psnr", "ssim", "seconds", "psnrb")))


def load(file: Path, channels: int = 0, channel: str = "rgb") -> Tensor:
    """A clean picture (1, C, H, W) in float32; grey from colour as MATLAB's rgb2gray does, or as its luma where `channel` is y, in the file's own bits.

    Of a scan the middle slice.
    """
    if is_scan(file):
        slices = volume(file)
        return torch.from_numpy(slices[len(slices) // 2])[None, None]
    image = read(file)
    pixels = torch.from_numpy(image.pixels).permute(2, 0, 1)[None].contiguous()
    if channels == 1 and (channel == "y" or pixels.shape[1] == 3):
        weights = torch.tensor([0.2989, 0.5870, 0.1140]).reshape(1, 3, 1, 1)
        grey, white = luma(pixels) if channel == "y" else (pixels * weights).sum(1, keepdim=True), image.header.white
        return grey if white == 1 else (grey * white).round() / white
    return pixels.expand(-1, 3, -1, -1) if channels == 3 else pixels

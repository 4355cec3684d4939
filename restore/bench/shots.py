"""Photographs made raw again and developed: how far the light is from the truth, and how far the colours of the picture are."""

import math
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from restore import cards
from restore.jobs import isp, overview
from restore.measure.metrics import ciede2000, psnr
from restore.measure.protocol import Protocol
from restore.measure.score import load
from restore.method import Chain, Method
from restore.methods.development import Rendering, placed
from restore.methods.planes import Planes
from restore.numerics import develop
from restore.numerics.colour import lab
from restore.numerics.unprocess import Shot, unprocess
from restore.operators.problem import READ_NOISE, Problem, problem_of
from restore.tasks import Isp

NAMES = ("malvar", "menon", "demosaicnet", "deepisp-low", "deepisp")
PEAKS = (1000.0, 200.0)  # photons at white
PROTOCOL = Protocol("raw")
TEXT = ("unprocessed photographs, rggb, noise of photons and of readout as sensors have it, seed 0 by name; linear PSNR in camera colours over all pixels, float; CIEDE2000 "
        "of the picture that the chain makes of it (the white balance and the matrix known, exposure automatic, filmic curve, no sharpening) from the photograph")


@dataclass(frozen=True)
class Row:
    """One photograph by one method. NaN: it gives no light."""

    picture: str
    psnr: float
    ciede: float
    seconds: float


def score(name: str, peak: float, file: Path) -> Row:
    """The row of a photograph. Untrained demosaicings come after the flagship denoiser on the planes of the mosaic, as `restore isp` puts them."""
    task = task_of(peak)
    problem = problem_of(task)
    generator = PROTOCOL.generator(file.stem, task)
    x = load(file, 3)
    x = x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
    shot = unprocess(x, generator)
    y = problem.simulate(shot.light, generator)
    began = time.perf_counter()
    with torch.inference_mode():
        method = _method(name, task, problem, shot, y).prepare(iter([y]), problem)
        found = method(y, problem)
    seconds = time.perf_counter() - began
    finished = method.gives == "srgb"
    picture = found if finished else developed(found, shot)
    away = float(ciede2000(lab(picture), lab(x)).mean())
    return Row(file.stem, math.nan if finished else float(psnr(found, shot.light)), away, seconds)


def task_of(peak: float) -> Isp:
    """The task at so many photons at white, readout as sensors have it."""
    return Isp("rggb", "poisson-gaussian", peak, 255 * math.exp((READ_NOISE[1] - READ_NOISE[0] * math.log(peak)) / 2))


def developed(light: Tensor, shot: Shot) -> Tensor:
    """The picture that `restore isp` makes of camera light."""
    return rendering(light, shot)(light, Problem(None, problem_of(Isp("linear")).noise))


def rendering(light: Tensor, shot: Shot) -> Rendering:
    """The white balance and the matrix of the shot, and the exposure for this light."""
    known = Rendering(1 / shot.neutral.flatten(), shot.matrix[0])
    known.exposure = float(develop.exposure(known.linear(light)))
    return known


def _method(name: str, task: Isp, problem: Problem, shot: Shot, y: Tensor) -> Method:
    name, card = cards.choose(task, name)
    method = _loaded(name, card and card.path)
    whole = placed(method, rendering(overview.cells(y, problem.operator.pattern), shot), noisy=card is not None)
    return whole if card else Chain(Planes(isp.denoiser(float(problem.noise.gain), float(problem.noise.sigma), 1, frugal=True)[0]), whole)


@lru_cache(maxsize=8)
def _loaded(name: str, path: Path | None) -> Method:
    return cards.load(name, cards.read(path) if path else None)

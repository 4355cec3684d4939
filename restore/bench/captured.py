"""Blind deblurring of really captured blurs: four pictures shaken in eight ways, with the truth of both.

Levin, Weiss, Durand & Freeman, Understanding and evaluating blind deconvolution algorithms, CVPR 2009: the error ratio is the sum of squared errors of what the
estimated kernel gives over that of what the true one gives, by the same method; shifts, which no picture tells, are taken out first.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from restore.bench.report import STYLE, png
from restore.errors import RestoreError
from restore.estimate import fill
from restore.io import read
from restore.jobs.given import load_kernel
from restore.measure.metrics import psnr
from restore.measure.sets import root
from restore.method import Method
from restore.operators.problem import problem_of
from restore.tasks import Deblur

PICTURES, KERNELS = 4, 8
EDGE = 20  # pixels at each side that are not compared
REACH = 8  # pixels that a result may be moved by
SUCCESS = 3.0  # the error ratio up to which a kernel counts as found
TASK = Deblur(sigma=0.0)


@dataclass(frozen=True)
class Captured:
    """One picture of the set and what became of it. likeness: the largest normalised correlation of kernel and truth over all shifts; seconds: of the estimate."""

    picture: int
    shake: int
    kernel: Tensor
    truth: Tensor
    likeness: float
    blurred: float  # PSNR in dB: as captured,
    blind: float  # with the estimated kernel,
    known: float  # with the true one
    seconds: float

    @property
    def ratio(self) -> float:
        return 10 ** ((self.known - self.blind) / 10)


def score(method: Method, picture: int, shake: int) -> Captured:
    """Estimate the kernel of one picture, deblur with it and with the true one, compare."""
    folder = root() / "test/levin09"
    if not folder.is_dir():
        raise RestoreError(f"there is no folder {folder}", "the 32 pictures of Levin et al. in it")
    x, y = (torch.from_numpy(read(folder / name).pixels).mean(2)[None, None] for name in (f"gt/im{picture}.png", f"im{picture}_kernel{shake}_img.png"))
    truth = load_kernel(f"{root() / 'test/kernels/Levin09.npz'}:conv{shake}")
    began = time.perf_counter()
    task, _, given = fill(Deblur(), y)
    seconds = time.perf_counter() - began
    with torch.inference_mode():
        blind, known = (method(y, problem_of(task, {"kernel": kernel})) for kernel in (given["kernel"], truth))
    figures = (float(psnr(moved(one, x), x, border=EDGE)) for one in (y, blind, known))
    return Captured(picture, shake, given["kernel"], truth, likeness(given["kernel"], truth), *figures, seconds)


def likeness(a: Tensor, b: Tensor) -> float:
    """The largest normalised correlation of two kernels (h, w) over all shifts."""
    size = [sum(pair) for pair in zip(a.shape, b.shape, strict=True)]
    both = torch.fft.irfft2(torch.fft.rfft2(a, s=size) * torch.fft.rfft2(b, s=size).conj(), s=size)
    return float(both.max() / (a.norm() * b.norm()))


def moved(estimate: Tensor, x: Tensor) -> Tensor:
    """The estimate (1, 1, H, W) moved to where it is nearest to x: by whole pixels, then by quarters."""
    at = (0.0, 0.0)
    for reach, step in ((REACH, 1.0), (1, 0.25)):
        line = torch.arange(-reach, reach + step / 2, step).tolist()
        places = torch.tensor([(at[0] + down, at[1] + across) for down in line for across in line])
        errors = [float((_shifted(estimate, place) - x)[..., EDGE:-EDGE, EDGE:-EDGE].square().sum()) for place in places]
        at = places[min(range(len(errors)), key=errors.__getitem__)].tolist()
    return _shifted(estimate, torch.tensor(at))


def _shifted(x: Tensor, by: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    phase = torch.fft.fftfreq(height)[:, None] * by[0] + torch.fft.rfftfreq(width) * by[1]
    return torch.fft.irfft2(torch.fft.rfft2(x) * torch.exp(-2j * math.pi * phase), s=(height, width))


COLUMNS = ("picture", "kernel", "found", "likeness", "PSNR blurred", "blind", "with the true kernel", "error ratio", "s to estimate")


def rows(found: Sequence[Captured]) -> list[list[str]]:
    """One line of the table per picture."""
    return [[str(one.picture), f"{one.shake} ({one.truth.shape[1]} x {one.truth.shape[0]})", f"{one.kernel.shape[1]} x {one.kernel.shape[0]}", f"{one.likeness:.3f}",
             f"{one.blurred:.2f}", f"{one.blind:.2f}", f"{one.known:.2f}", f"{one.ratio:.2f}", f"{one.seconds:.1f}"] for one in found]


def summary(found: Sequence[Captured]) -> str:
    """The share of pictures whose kernel was found."""
    good, ratios = sum(one.ratio <= SUCCESS for one in found), [one.ratio for one in found]
    return (f"error ratio at most {SUCCESS:g} on {good} of {len(found)} ({100 * good / len(found):.0f} %), median {median(ratios):.2f}; "
            f"mean likeness of kernels {sum(one.likeness for one in found) / len(found):.3f}")


def html(found: Sequence[Captured], title: str) -> str:
    """The table, and every kernel beside its truth."""
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(found))
    shown = "".join(f"<figure>{_drawn(one.kernel)}{_drawn(one.truth)}<figcaption>picture {one.picture}, kernel {one.shake}: ratio {one.ratio:.2f}</figcaption></figure>"
                    for one in found)
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style><body><h1>{escape(title)}</h1>'
            f"<p>{escape(summary(found))}</p><table><tr>{''.join(f'<th>{escape(column)}</th>' for column in COLUMNS)}</tr>{cells}</table>"
            f"<h2>Kernels: estimated, true</h2>{shown}</body></html>\n")


def _drawn(kernel: Tensor, side: int = 35) -> str:
    """A kernel in the middle of a square, its largest sample white."""
    height, width = kernel.shape
    top, left = max(side - height, 0) // 2, max(side - width, 0) // 2
    square = F.pad(kernel / kernel.max(), (left, max(side - width - left, 0), top, max(side - height - top, 0)))
    return f'<img alt="" src="data:image/png;base64,{png((255 * square.numpy()).round().astype(np.uint8)[..., None])}">'

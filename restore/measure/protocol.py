"""How a figure is measured: seed, clipping, rounding, border, channel. Printed above every table."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.errors import UsageError, nearest
from restore.measure import metrics
from restore.operators.noise import seed_of
from restore.tasks import Task


@dataclass(frozen=True)
class Protocol:
    """The conventions of one school of papers. Estimate and truth are treated alike."""

    name: str
    clip: bool = False  # the estimate, to [0, 1]
    round: bool = False  # to 8 bits, after clipping
    border: int = 0  # pixels not counted at each side
    shave: bool = False  # as many pixels more as the task's scale
    channel: str = "rgb"  # rgb: the mean over all channels; y: luma alone
    eight_bit_y: bool = False  # y clipped to [0, 1] and rounded to 8 bits, as a file would hold it
    blocks: bool = False  # PSNR-B too
    stretch: bool = False  # x divided by its maximum, so that `peak` is the largest mean count
    seed: int = 0

    def text(self, simulated: bool = True) -> str:
        """One line that says all of it; of y too, where there is one."""
        values = "and reference rounded to 8 bits" if self.round else "clipped to [0, 1]" if self.clip else "in float, not clipped, not rounded"
        channel = "luma (BT.601)" if self.channel == "y" else "all channels"
        y = "clipped and rounded to 8 bits" if self.eight_bit_y else "neither clipped nor rounded"
        x = "x divided by its maximum; " if self.stretch else ""
        return (f"protocol {self.name}: {x}estimate {values}; {channel}; border {self.border}{' + scale' if self.shave else ''}; PSNR from the mean over pictures of dB, "
                "SSIM 11x11 Gaussian, valid" + (f"; y {y}, seed {self.seed} by picture name and task" if simulated else ""))

    def clean(self, x: Tensor) -> Tensor:
        """The truth as it is degraded and compared with."""
        return x / x.max().clamp_min(1e-6) if self.stretch else x

    def measured(self, y: Tensor) -> Tensor:
        """The simulated y as the method gets it."""
        return (y.clamp(0, 1) * 255).round() / 255 if self.eight_bit_y else y

    def generator(self, picture: str, task: Task) -> torch.Generator:
        """The generator of the noise of a picture, from its name and the task alone: the order of a run never matters. CPU."""
        return torch.Generator().manual_seed(seed_of(self.seed, picture, task))

    def at(self, task: Task) -> "Protocol":
        """The same with the border that it has for a task."""
        return replace(self, border=self.border + int(task.scale), shave=False) if self.shave and hasattr(task, "scale") else self

    def view(self, picture: Tensor) -> Tensor:
        """A picture as it is compared."""
        if self.clip or self.round:
            picture = picture.clamp(0, 1)
        if self.round:
            picture = (picture * 255).round() / 255
        return metrics.luma(picture) if self.channel == "y" else picture

    def scores(self, estimate: Tensor, x: Tensor) -> tuple[float, float]:
        """PSNR in dB and SSIM of one picture (1, C, H, W)."""
        estimate, x = self.view(estimate), self.view(x)
        return float(metrics.psnr(estimate, x, border=self.border)), float(metrics.ssim(estimate, x, border=self.border))

    def blocking(self, estimate: Tensor, x: Tensor) -> float:
        """PSNR-B in dB of one picture (1, C, H, W), of its luma; NaN where it is not asked for."""
        return float(metrics.psnr_b(metrics.luma(self.view(estimate)), metrics.luma(self.view(x)), border=self.border)) if self.blocks else math.nan


PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (
    Protocol("rednet"),  # RED-Net, WNNM, NCSR: float, as it is
    Protocol("dncnn", clip=True, round=True),  # DnCNN, FFDNet, DRUNet: both pictures in 8 bits
    Protocol("demosaic", clip=True, round=True, border=10),  # DPIR's demosaicing
    Protocol("pgpd", clip=True),  # PGPD, EPLL: the estimate clipped
    Protocol("files", clip=True, round=True, eight_bit_y=True),  # the noisy picture comes from an 8-bit file, as Burger's and a user's does
    Protocol("sr", channel="y"),  # SRCNN's pictures as RED-Net scores them: luma, nothing shaved
    Protocol("sr-shaved", clip=True, round=True, channel="y", eight_bit_y=True, shave=True),  # EDSR and most that came after: y comes from an 8-bit file
    Protocol("jpeg", clip=True, round=True, channel="y", blocks=True),  # AR-CNN, DnCNN: luma, both pictures in 8 bits; they code luma itself, while a colour JPEG codes it in full range and begins higher
    Protocol("poisson", stretch=True),  # Poisson denoising: the peak is the largest mean count, PSNR over the peak
)}


def find(name: str) -> Protocol:
    """The protocol of this name."""
    if name not in PROTOCOLS:
        raise UsageError(f"unknown protocol {name!r}", nearest(name, PROTOCOLS))
    return PROTOCOLS[name]

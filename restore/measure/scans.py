"""Reconstructions of simulated k-space, scored volume by volume: what tables of `mri` are made of."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from restore import cards
from restore.engine.run import Settings
from restore.image import Scan
from restore.io.scans import read_scan
from restore.jobs import mri
from restore.measure import sets
from restore.measure.volumes import scores
from restore.tasks import Mri

FLATTERS = "k-space simulated from magnitude pictures flatters every method: these figures are not comparable with the fastMRI leaderboard"
ACCELERATIONS = (4.0, 8.0)
METHODS = ("zerofill", "cswavelet", "tv", "pnp", "fastmri-unet", "varnet")


@dataclass(frozen=True)
class VolumeRow:
    """The figures of one volume; seconds per slice, of the method alone."""

    name: str
    nmse: float
    psnr: float  # dB
    ssim: float
    seconds: float


def methods(task: Mri) -> list[str]:
    """Those of METHODS that can run here: untrained, or with weights that cover the task."""
    return [name for name in METHODS if cards.usable(name, task)]


def volumes(name: str = "heads_test") -> list[Path]:
    """The files of a set of volumes."""
    return sets.find(name).files()


def score(model: str, file: Path, task: Mri, every: int = 1, settings: Settings = Settings()) -> VolumeRow:
    """One row of a volume: simulated with the mask that its name gives, reconstructed, measured as fastMRI does; every so many slices, for speed."""
    volume = thinned(read_scan(file), every)
    kspace = mri.simulate(volume, task, file.name)
    method, _ = mri.load(kspace, str(file), model)
    began = time.perf_counter()
    found = mri.reconstruct(kspace, method, settings)
    seconds = (time.perf_counter() - began) / len(volume.array)
    measured = scores(torch.from_numpy(found.array), torch.from_numpy(volume.array))
    return VolumeRow(file.name.split(".")[0], measured.nmse, measured.psnr, measured.ssim, seconds)


def thinned(volume: Scan, every: int) -> Scan:
    """Every so many slices, from the middle of the first so many on."""
    return volume.replace(volume.array[min(every // 2, len(volume.array) // 2) :: every])

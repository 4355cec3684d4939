"""Pictures decoded once and held on the device in 8 or 16 bits; patches are cut and turned there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.image import as_samples
from restore.io import read

EVERY = 20  # every 20th picture by name is kept for validation


@dataclass
class Pool:
    """Clean pictures of any sizes as one run of pixels (N, C), uint8 or 16 bits in int16, on the device.

    `position` counts patches drawn: pictures come in an order shuffled anew for each round, from `seed` and the round alone.
    """

    pixels: Tensor
    start: Tensor  # (n,) where each picture begins
    height: Tensor
    width: Tensor
    seed: int
    position: int = 0

    def __len__(self) -> int:
        return len(self.start)

    def patches(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """(count, C, size, size) in float32 on [0, 1]: the next pictures in order, at any place, in any of the eight turns."""
        device = self.pixels.device
        which = self._next(count).to(device)
        place = torch.rand(2, count, generator=generator, device=device)
        turn = torch.randint(8, (count,), generator=generator, device=device)
        top = (place[0] * (self.height[which] - size + 1)).long()
        left = (place[1] * (self.width[which] - size + 1)).long()
        index = _turned(size, turn)
        at = self.start[which, None, None] + (top[:, None, None] + index[0]) * self.width[which, None, None] + left[:, None, None] + index[1]
        return _unit(self.pixels[at]).permute(0, 3, 1, 2)  # channels_last as it lies

    def picture(self, number: int) -> Tensor:
        """One whole picture (1, C, H, W) in float32 on [0, 1]."""
        height, width, start = int(self.height[number]), int(self.width[number]), int(self.start[number])
        return _unit(self.pixels[start : start + height * width].reshape(1, height, width, -1)).permute(0, 3, 1, 2)

    def _next(self, count: int) -> Tensor:
        taken = []
        while count:
            at, place = divmod(self.position, len(self))
            order = torch.randperm(len(self), generator=torch.Generator().manual_seed(self.seed * 1_000_003 + at))
            taken.append(order[place : place + count])
            count -= len(taken[-1])
            self.position += len(taken[-1])
        return torch.cat(taken)


def _turned(size: int, turn: Tensor) -> Tensor:
    """Rows and columns (2, count, size, size) that a patch is read at: bit 0 mirrors, bit 1 turns upside down, bit 2 transposes."""
    line = torch.arange(size, device=turn.device).expand(len(turn), size)
    bits = [(turn >> bit & 1).bool()[:, None] for bit in range(3)]
    rows = torch.where(bits[1], size - 1 - line, line)[:, :, None].expand(-1, size, size)
    columns = torch.where(bits[0], size - 1 - line, line)[:, None, :].expand(-1, size, size)
    swap = bits[2][:, :, None]
    return torch.stack([torch.where(swap, rows.mT, rows), torch.where(swap, columns.mT, columns)])


def _unit(samples: Tensor) -> Tensor:
    if samples.dtype == torch.uint8:
        return samples.float() / 255
    return (samples.int() & 0xFFFF).float() / 65535


def gather(files: Iterable[Path], channels: int, least: int, seed: int, device: torch.device | str = "cpu",
           note: Callable[[str], None] = lambda text: None) -> tuple[Pool, Pool, list[Path]]:
    """Decode files; the pool for training, the one for validation, and the files in them. Unreadable or too small ones are named and skipped.

    channels: 1 takes the luma of colour pictures (MATLAB's rgb2gray), 3 repeats grey ones. least: the side of a patch, in pixels.
    """
    kept, samples = [], []
    for file in sorted(files, key=lambda file: file.name):
        try:
            picture = _decoded(file, channels)
        except (RestoreError, OSError, ValueError) as error:
            note(f"{file} is skipped: it cannot be read ({str(error).splitlines()[0]})")
            continue
        if min(picture.shape[:2]) < least:
            note(f"{file} is skipped: {picture.shape[1]} x {picture.shape[0]} pixels, patches take {least} x {least}")
            continue
        kept.append(file)
        samples.append(picture)
    if len(kept) < 2:
        raise RestoreError(f"{len(kept)} of the pictures can be trained on", "at least two that can be read and are no smaller than a patch")
    if any(picture.dtype == np.uint16 for picture in samples):
        samples = [picture if picture.dtype == np.uint16 else picture.astype(np.uint16) * 257 for picture in samples]
    held = range(0, len(samples), EVERY)
    split = ([picture for index, picture in enumerate(samples) if index not in held], [samples[index] for index in held])
    return *(_pool(part, seed, device) for part in split), kept


def _decoded(file: Path, channels: int) -> np.ndarray:
    image = read(file)
    picture = image.samples[..., : image.header.channels]
    if picture.dtype.kind == "f":
        picture = as_samples(picture, np.uint16)
    if channels == 1 and picture.shape[2] == 3:
        return np.rint(picture @ np.array([[0.2989], [0.5870], [0.1140]])).astype(picture.dtype)
    return np.repeat(picture, 3, axis=2) if channels == 3 and picture.shape[2] == 1 else picture


def _pool(pictures: list[np.ndarray], seed: int, device: torch.device | str) -> Pool:
    flat = np.concatenate([picture.reshape(-1, picture.shape[2]) for picture in pictures])
    sizes = torch.tensor([picture.shape[:2] for picture in pictures], device=device)
    area = sizes.prod(1)
    pixels = torch.from_numpy(flat if flat.dtype == np.uint8 else flat.view(np.int16)).to(device)
    return Pool(pixels, area.cumsum(0) - area, sizes[:, 0], sizes[:, 1], seed)

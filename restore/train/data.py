"""Pictures decoded once and held on the device in 8 or 16 bits; patches are cut and turned there."""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restore.engine import device as devices
from restore.errors import RestoreError, UsageError
from restore.image import as_samples
from restore.io import read
from restore.measure.sets import EVERY, SETS, is_scan, pictures
from restore.measure.volumes import volume

FAINT, EMPTY = 0.05, 0.1  # of the largest value; share of pixels above it, under which a slice is taken for empty


@dataclass
class Pool:
    """Pictures of any sizes as one run of pixels (N, C), uint8 or 16 bits in int16, on the device: x alone, or x and y one after the other if `paired`.

    `position` counts patches drawn: pictures come in an order shuffled anew for each round, from `seed` and the round alone.
    """

    pixels: Tensor
    start: Tensor  # (n,) where each picture begins
    height: Tensor
    width: Tensor
    seed: int
    paired: bool = False
    position: int = 0

    def __len__(self) -> int:
        return len(self.start)

    def patches(self, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """x and, if paired, y (count, C, size, size) in float32 on [0, 1]: the next pictures in order, at any place, in any of the eight turns."""
        device = self.pixels.device
        which = devices.sent(self._next(count), device)
        place = torch.rand(2, count, generator=generator, device=device)
        turn = torch.randint(8, (count,), generator=generator, device=device)
        top = (place[0] * (self.height[which] - size + 1)).long()
        left = (place[1] * (self.width[which] - size + 1)).long()
        index = _turned(size, turn)
        at = self.start[which, None, None] + (top[:, None, None] + index[0]) * self.width[which, None, None] + left[:, None, None] + index[1]
        return self._parted(self.pixels[at])

    def picture(self, number: int) -> tuple[Tensor, Tensor | None]:
        """One whole picture x and, if paired, y (1, C, H, W) in float32 on [0, 1]."""
        height, width, start = int(self.height[number]), int(self.width[number]), int(self.start[number])
        return self._parted(self.pixels[start : start + height * width].reshape(1, height, width, -1))

    def _parted(self, samples: Tensor) -> tuple[Tensor, Tensor | None]:
        both = _unit(samples).permute(0, 3, 1, 2)  # channels_last as it lies
        return tuple(both.chunk(2, 1)) if self.paired else (both, None)

    @cached_property
    def fingerprint(self) -> str:
        """How many pictures of how many pixels, and a checksum of these: other pictures have another."""
        return f"{len(self)} pictures of {len(self.pixels)} pixels, crc {zlib.crc32(self.pixels.cpu().numpy()):08x}"

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


def gather(items: Iterable[tuple[Path, ...]], channels: int, least: int, seed: int, device: torch.device | str = "cpu",
           note: Callable[[str], None] = lambda text: None) -> tuple[Pool, Pool, list[Path]]:
    """Decode pictures (x,) or pairs (x, y); the pool for training, the one for validation, and the files of x. What cannot be used is named and skipped.

    channels: 1 takes the luma of colour pictures (MATLAB's rgb2gray), 3 repeats grey ones. least: the side of a patch, in pixels.
    """
    kept, samples = [], []
    for item in sorted(items, key=lambda item: item[0].name):
        try:
            if len(item) > 1 and any(map(is_scan, item)):
                raise ValueError("scans are not trained on in pairs")
            found = _slices(item[0], least, channels) if is_scan(item[0]) else [_joined([_decoded(file, channels) for file in item], item, least)]
            samples += found
            kept += [item] * len(found)
        except (RestoreError, OSError, ValueError) as error:
            note(f"{item[0]} is skipped: {str(error).splitlines()[0]}")
    if len(set(kept)) < 2:
        raise RestoreError(f"{len(set(kept))} of the pictures can be trained on", "at least two that can be read and are no smaller than a patch")
    samples = _one_depth(samples)
    never = {file.resolve() for file in SETS["held"].files()} if SETS["held"].there else set()
    held = {item for number, item in enumerate(dict.fromkeys(kept)) if number % EVERY == 0 or item[0].resolve() in never}  # a volume as a whole
    if len(held) == len(set(kept)):
        raise RestoreError("all of the pictures are held out of training", "some that are not in the set `held`")
    split = ([picture for picture, item in zip(samples, kept, strict=True) if (item in held) == for_test] for for_test in (False, True))
    return *(pool_of(part, seed, device, len(kept[0]) == 2) for part in split), [item[0] for item in kept]


def pairs(degraded: Path, clean: Path, note: Callable[[str], None] = lambda text: None) -> list[tuple[Path, Path]]:
    """(x, y) by path below the folder, without suffix, from a folder of y and a folder of x; those without a partner are named."""
    y, x = (_by_place(folder) for folder in (degraded, clean))
    for lonely in sorted(y.keys() ^ x.keys()):
        note(f"{y.get(lonely) or x[lonely]} has no partner of that name")
    return [(x[name], y[name]) for name in sorted(x.keys() & y.keys())]


def _by_place(folder: Path) -> dict[Path, Path]:
    found: dict[Path, Path] = {}
    for file in pictures(folder):
        place = file.relative_to(folder).with_suffix("")
        if place in found:
            raise UsageError(f"{found[place]} and {file} have one name", "a picture per name")
        found[place] = file
    return found


def _joined(parts: list[np.ndarray], item: tuple[Path, ...], least: int) -> np.ndarray:
    height, width = parts[0].shape[:2]
    for part, file in zip(parts, item, strict=True):
        if part.shape[:2] != (height, width):
            raise ValueError(f"{width} x {height} pixels, and {file} has {part.shape[1]} x {part.shape[0]}")
    if min(height, width) < least:
        raise ValueError(f"{width} x {height} pixels, patches take {least} x {least}")
    return np.concatenate(_one_depth(parts), axis=2)


def _slices(file: Path, least: int, channels: int) -> list[np.ndarray]:
    """The slices of a scan (H, W, C), all channels alike, in 16 bits, its largest value white; those that are nearly empty are left out."""
    slices = volume(file)
    if min(slices.shape[1:]) < least:
        raise ValueError(f"slices of {slices.shape[2]} x {slices.shape[1]} pixels, patches take {least} x {least}")
    return [as_samples(np.repeat(picture[..., None], channels or 1, axis=2), np.uint16) for picture in slices if (picture > FAINT).mean() > EMPTY]


def _one_depth(parts: list[np.ndarray]) -> list[np.ndarray]:
    """All in 16 bits if one of them is; 255 becomes 65535."""
    if not any(part.dtype == np.uint16 for part in parts):
        return parts
    return [part if part.dtype == np.uint16 else part.astype(np.uint16) * np.uint16(257) for part in parts]


def _decoded(file: Path, channels: int) -> np.ndarray:
    image = read(file)
    picture = image.samples[..., : image.header.channels]
    if picture.dtype.kind == "f":
        picture = as_samples(picture, np.uint16)
    if channels == 1 and picture.shape[2] == 3:
        return np.rint(picture @ np.array([[0.2989], [0.5870], [0.1140]])).astype(picture.dtype)
    return np.repeat(picture, 3, axis=2) if channels == 3 and picture.shape[2] == 1 else picture


def pool_of(parts: list[np.ndarray], seed: int, device: torch.device | str, paired: bool) -> Pool:
    """Pictures (H, W, C) of one depth as a pool; x and y one after the other along C if `paired`."""
    flat = np.concatenate([part.reshape(-1, part.shape[2]) for part in parts])
    sizes = torch.tensor([part.shape[:2] for part in parts], device=device)
    area = sizes.prod(1)
    pixels = torch.from_numpy(flat if flat.dtype == np.uint8 else flat.view(np.int16)).to(device)
    return Pool(pixels, area.cumsum(0) - area, sizes[:, 0], sizes[:, 1], seed, paired)

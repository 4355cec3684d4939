"""A picture to be looked at: before and after side by side, and crops, enlarged, where most changed."""

from pathlib import Path

import numpy as np
import torch

from restore import io
from restore.errors import RestoreError
from restore.image import Header, Image, as_samples, upright
from restore.numerics import resample

WIDTH = 900  # of each of the two pictures, at most
CROP, ZOOM, CROPS = 96, 3, 3
GAP = 8


def write(path: Path, source: Path, target: Path, overwrite: bool = False) -> None:
    """Write a sheet of two pictures, the first pages of their files."""
    before, after = io.read(source), io.read(target)
    first, second = _seen(before), _seen(after)
    if first.shape != second.shape:
        first = resample.resize(torch.from_numpy(np.array(first)).permute(2, 0, 1), *second.shape[:2]).permute(1, 2, 0).clamp(0, 1).numpy()
    sheet = draw(first, second)
    header = Header(*sheet.shape[:2], 3, np.dtype(np.uint8), format="png", icc=before.header.icc if before.header.channels == 3 else None)
    io.write(path, Image(header, as_samples(sheet, np.dtype(np.uint8))), overwrite=overwrite)


def _seen(picture: Image) -> np.ndarray:
    """(H, W, 3) upright, finite, on [0, 1]."""
    pixels = np.nan_to_num(np.clip(upright(picture.pixels, picture.header.orientation), 0, 1))
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def draw(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(H, W, 3) of two pictures (h, w, 3) on [0, 1]: the pair above; below, crops of the first and under them the same crops of the second."""
    if before.shape != after.shape:
        raise RestoreError(f"pictures of {before.shape[:2]} and {after.shape[:2]} cannot be laid side by side")
    boxes = _most_changed(before, after)
    crops = [[np.kron(p[t : t + h, l : l + w], np.ones((ZOOM, ZOOM, 1), p.dtype)) for t, l, h, w in boxes] for p in (before, after)]
    return _stacked([_row([_reduced(before), _reduced(after)]), *map(_row, crops)])


def _most_changed(before: np.ndarray, after: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Boxes (top, left, height, width) where the mean square change is largest, none touching another."""
    height, width = before.shape[:2]
    h, w = min(CROP, height), min(CROP, width)
    change = ((after - before) ** 2).mean(2)
    means = change[: height // h * h, : width // w * w].reshape(height // h, h, width // w, w).mean((1, 3))
    order = np.argsort(means, axis=None)[::-1][:CROPS]
    return [(int(i // means.shape[1]) * h, int(i % means.shape[1]) * w, h, w) for i in order]


def _reduced(picture: np.ndarray) -> np.ndarray:
    """Area means by a whole factor, to at most WIDTH across."""
    factor = -(-max(picture.shape[:2]) // WIDTH)
    height, width = (max(size // factor, 1) * factor if size >= factor else size for size in picture.shape[:2])
    if factor == 1 or min(height, width) < factor:
        return picture
    return picture[:height, :width].reshape(height // factor, factor, width // factor, factor, 3).mean((1, 3))


def _row(pictures: list[np.ndarray]) -> np.ndarray:
    gap = np.ones((pictures[0].shape[0], GAP, 3), pictures[0].dtype)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)


def _stacked(rows: list[np.ndarray]) -> np.ndarray:
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, GAP), (0, width - row.shape[1]), (0, 0)), constant_values=1) for row in rows]
    return np.concatenate(padded)

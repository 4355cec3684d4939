"""Pictures of one scan side by side, to be looked at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from restore import io
from restore.image import Header, Image, as_samples

GAP = 4


def write(path: Path, views: Sequence[np.ndarray], overwrite: bool = False) -> None:
    """Write a sheet: grey pictures (H, W) on [0, 1] in a row, each in the middle of its field."""
    height, width = (max(view.shape[axis] for view in views) for axis in (0, 1))
    fields = []
    for view in views:
        down, across = height - view.shape[0], width - view.shape[1]
        fields.append(np.pad(view, ((down // 2, down - down // 2), (across // 2, across - across // 2 + GAP))))
    sheet = np.concatenate(fields, axis=1)[..., None]
    header = Header(*sheet.shape[:2], 1, np.dtype(np.uint8), format="png")
    io.write(path, Image(header, as_samples(sheet.astype(np.float32), np.dtype(np.uint8))), overwrite=overwrite)

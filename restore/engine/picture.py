"""Pages of pictures <-> tensors on [0, 1], band by band. Floats begin and end here."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from restore.image import Header, as_float


class Page:
    """Rows of one page as float tensors, read once and forward; holds only the rows that tiles still need.

    read: (top, bottom) -> samples (rows, W, channels [+ alpha]) in the file's own dtype.
    The picture is extended by reflection to multiples of `multiple`. Samples that must not be seen (NaN, Inf, colour where alpha is 0)
    are hidden: the nearest colour of their row stands in for them, and `finish` puts back what was there.
    """

    def __init__(self, read: Callable[[int, int], np.ndarray], header: Header, multiple: int = 1):
        self.read, self.header, self.multiple = read, header, multiple
        self.height, self.width = -(-header.height // multiple) * multiple, -(-header.width // multiple) * multiple
        self.hidden = 0  # how many samples were NaN or Inf, so far
        self._base = 0
        self._kept = np.empty((0, header.width, header.samples), header.dtype)

    def rows(self, top: int, bottom: int) -> Tensor:
        """(1, C, bottom - top, W padded) in float32."""
        height = self.header.height
        self._reach(min(bottom, height))
        samples = self._kept[_reflected(top, bottom, height) - self._base]
        pixels = as_float(samples[..., : self.header.channels])
        mask = self._mask(samples)
        if mask.any():
            pixels = _filled(pixels, mask)
        pixels = pixels[:, _reflected(0, self.width, self.header.width)]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]

    def visible(self, top: int, bottom: int) -> Tensor:
        """As `rows`, without padding, and NaN where a sample is hidden: what estimators look at."""
        x = self.rows(top, bottom)[..., : self.header.width]
        mask = self._mask(self._kept[top - self._base : bottom - self._base]).transpose(2, 0, 1)
        return x.masked_fill(torch.from_numpy(np.broadcast_to(mask, x.shape[1:]).copy()), float("nan"))

    def finish(self, top: int, x: Tensor, strength: float = 1.0) -> np.ndarray:
        """Restored rows x (1, C, h, W) from row `top` on, ready for a sink: (h, W, samples) in float32, alpha and hidden samples as they were."""
        height = min(x.shape[2], self.header.height - top)
        samples = self._kept[top - self._base : top - self._base + height]
        out = as_float(samples)
        fresh = x[0, :, :height, : self.header.width].permute(1, 2, 0).float().numpy()
        colour = out[..., : self.header.channels]
        mask = self._mask(samples)
        if strength != 1:
            fresh = colour + np.float32(strength) * (fresh - colour)
        if mask.any():
            fresh = np.where(mask, colour, fresh)
            if samples.dtype.kind == "f":
                self.hidden += int((~np.isfinite(colour)).sum())
        out[..., : self.header.channels] = fresh
        return out

    def forget(self, top: int) -> None:
        """Rows above `top` are needed no more (but for what the reflection at the bottom may still want)."""
        drop = top - self.multiple - self._base
        if drop > 0:
            self._kept, self._base = self._kept[drop:].copy(), self._base + drop

    def _reach(self, bottom: int) -> None:
        have = self._base + len(self._kept)
        if bottom > have:
            self._kept = np.concatenate([self._kept, self.read(have, bottom)])

    def _mask(self, samples: np.ndarray) -> np.ndarray:
        colour = samples[..., : self.header.channels]
        mask = ~np.isfinite(colour) if samples.dtype.kind == "f" else np.zeros((1, 1, 1), bool)
        if self.header.alpha:
            mask = mask | (samples[..., -1:] == 0)
        return mask


def _reflected(first: int, last: int, size: int) -> np.ndarray:
    """Indices first to last of a line extended by reflection without repeating the edge sample."""
    if size == 1:
        return np.zeros(last - first, int)
    index = np.arange(first, last) % (2 * size - 2)
    return np.where(index < size, index, 2 * size - 2 - index)


def _filled(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Masked samples take the nearest unmasked value of their row and channel; rows without any become 0. The row alone decides, whatever the tile."""
    mask = np.broadcast_to(mask, pixels.shape)
    at = np.arange(pixels.shape[1])[None, :, None]
    left = np.maximum.accumulate(np.where(mask, -1, at), axis=1)
    right = np.minimum.accumulate(np.where(mask, pixels.shape[1], at)[:, ::-1], axis=1)[:, ::-1]
    use_left = (left >= 0) & ((right == pixels.shape[1]) | (at - left <= right - at))
    nearest = np.where(use_left, left, right)
    found = np.take_along_axis(pixels, np.clip(nearest, 0, pixels.shape[1] - 1), axis=1)
    return np.where(mask, np.where((left < 0) & (right == pixels.shape[1]), np.float32(0), found), pixels)

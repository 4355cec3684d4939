"""Pages of pictures <-> tensors on [0, 1], band by band. Floats begin and end here."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from restore.image import Header, as_float
from restore.numerics import resample
from restore.numerics.mirror import mirrored_index

PARTS, SIDE = 3, 512  # along a side of a page, by which a method decides what it decides once


class Page:
    """Rows of one page as float tensors, read once and forward; holds only the rows that tiles still need.

    read: (top, bottom) -> samples (rows, W, channels [+ alpha]) in the file's own dtype.
    The picture is continued by `beyond`, as `Operator.beyond`, to multiples of `multiple`. Samples that must not be seen (NaN, Inf, colour where alpha is 0)
    are hidden: the nearest colour of their row stands in for them, and `finish` puts back what was there. scale: pixels of the result per pixel.
    keep: (H, W), the share of each pixel that stays as it was; where it is below 1 the pixel is missing, and is not hidden but 0.
    noisy: the known pixels hold noise: what the method gives takes their place too.
    """

    def __init__(self, read: Callable[[int, int], np.ndarray], header: Header, multiple: int = 1, scale: int = 1, keep: np.ndarray | None = None,
                 noisy: bool = False, beyond: Callable[[Tensor, int], Tensor] = mirrored_index):
        self.read, self.header, self.multiple, self.scale, self.keep, self.noisy, self.beyond = read, header, multiple, scale, keep, noisy, beyond
        self.height, self.width = -(-header.height // multiple) * multiple, -(-header.width // multiple) * multiple
        self.hidden = 0  # how many samples were NaN or Inf, so far
        self._base = 0
        self._kept = np.empty((0, header.width, header.samples), header.dtype)

    def rows(self, top: int, bottom: int) -> Tensor:
        """(1, C, bottom - top, W padded) in float32."""
        height = self.header.height
        self._reach(min(bottom, height))
        samples = self._kept[self._beyond(top, bottom, height) - self._base]
        pixels = as_float(samples[..., : self.header.channels])
        mask = self._mask(samples)
        if self.keep is not None:
            share = self._share(self._beyond(top, bottom, height))
            mask, pixels = mask & (share == 1), np.where(share < 1, np.float32(0), pixels)
        if mask.any():
            pixels = _filled(pixels, mask)
        pixels = pixels[:, self._beyond(0, self.width, self.header.width)]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]

    def visible(self, top: int, bottom: int) -> Tensor:
        """As `rows`, without padding, and NaN where a sample is hidden: what estimators look at."""
        x = self.rows(top, bottom)[..., : self.header.width]
        mask = self._mask(self._kept[top - self._base : bottom - self._base])
        if self.keep is not None:
            mask = mask | (self._share(slice(top, bottom)) < 1)
        mask = mask.transpose(2, 0, 1)
        return x.masked_fill(torch.from_numpy(np.broadcast_to(mask, x.shape[1:]).copy()), float("nan"))

    def parts(self) -> Iterator[Tensor]:
        """Squares (1, C, h, w) spread over the page, up to PARTS x PARTS of them: the whole of a small one."""
        (height, down), (width, across) = spread(self.header.height), spread(self.header.width)
        for top in down:
            self.forget(top)
            rows = self.rows(top, top + height)
            yield from (rows[..., left : left + width] for left in across)

    def known(self, top: int, height: int, left: int, width: int) -> bool:
        """Whether all pixels of a box stay as they were."""
        if self.keep is None or self.noisy:
            return False
        rows, columns = self._beyond(top, top + height, self.header.height), self._beyond(left, left + width, self.header.width)
        return bool((self.keep[rows][:, columns] == 1).all())

    def alpha(self) -> Tensor | None:
        """(1, 1, h, W) of the rows at hand, on [0, 1], or nothing."""
        return torch.from_numpy(as_float(self._kept[..., -1]))[None, None] if self.header.alpha else None

    def finish(self, top: int, x: Tensor, strength: float = 1.0) -> np.ndarray:
        """Restored rows x (1, C, scale h, scale W), of the page's rows from `top` on, ready for a sink: (scale h, scale W, samples) in float32, or
        float64 where the file has more bits.

        Alpha, hidden samples and kept pixels are as they were; a missing pixel that is filled becomes visible. Where a method gives other
        channels than it takes (demosaicing), there is nothing to keep.
        """
        height = min(x.shape[2] // self.scale, self.header.height - top)
        if x.shape[1] != self.header.channels:
            return x[0, :, :height, : self.header.width].permute(1, 2, 0).float().numpy()
        out, hidden = self._before(top, height)
        if self.scale == 1 and self.header.dtype in (np.uint32, np.float64):  # which single precision would round
            samples = self._kept[top - self._base : top - self._base + height]
            out = samples.astype(np.float64) / self.header.white if self.header.dtype == np.uint32 else samples.copy()
        fresh = x[0, :, : height * self.scale, : self.header.width * self.scale].permute(1, 2, 0).float().numpy()
        colour = out[..., : self.header.channels]
        if strength != 1:
            with np.errstate(invalid="ignore"):  # what is not finite is hidden below
                fresh = colour + np.float32(strength) * (fresh - colour)
        if self.keep is not None:
            share = self._share(slice(top, top + height))
            if self.noisy:
                fresh = np.where(hidden & (share == 1), colour, fresh)
            else:
                fresh = np.where(share == 1, colour, fresh + share * np.where(share > 0, colour - fresh, 0))
            if not self.header.spare:
                out[..., self.header.channels :] = np.maximum(out[..., self.header.channels :], 1 - share)
        elif hidden.any():
            fresh = np.where(hidden, colour, fresh)
        if colour.size and self.header.dtype.kind == "f":
            self.hidden += int((~np.isfinite(fresh)).sum())
        out[..., : self.header.channels] = fresh
        return out

    def _before(self, top: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """What the rows were, on the result's grid, and which samples of them are hidden."""
        if self.scale == 1:
            samples = self._kept[top - self._base : top - self._base + height]
            return as_float(samples), self._mask(samples)
        first, last = max(top - 1, 0), min(top + height + 1, self.header.height)
        self._reach(last)
        samples = self._kept[first - self._base : last - self._base]
        hidden = self._mask(samples)
        planes = torch.from_numpy(np.where(np.isfinite(as_float(samples)), as_float(samples), 0).transpose(2, 0, 1).copy())
        wide = resample.resize(planes, self.scale * planes.shape[1], self.scale * planes.shape[2], "bilinear").permute(1, 2, 0).contiguous().numpy()
        rows = slice(self.scale * (top - first), self.scale * (top - first + height))
        if not hidden.any():
            return wide[rows].copy(), hidden
        out, hidden = wide[rows].copy(), np.broadcast_to(hidden, (*samples.shape[:2], self.header.channels)).repeat(self.scale, 0).repeat(self.scale, 1)[rows]
        before = as_float(samples[..., : self.header.channels]).repeat(self.scale, 0).repeat(self.scale, 1)[rows]
        out[..., : self.header.channels] = np.where(hidden & ~np.isfinite(before), before, out[..., : self.header.channels])  # NaN stays NaN
        return out, hidden

    def _beyond(self, first: int, last: int, size: int) -> np.ndarray:
        """Which samples of a line of `size` stand at places first to last."""
        return self.beyond(torch.arange(first, last), size).numpy()

    def _share(self, rows) -> np.ndarray:
        return self.keep[rows, :, None].astype(np.float32)

    def forget(self, top: int) -> None:
        """Rows above `top` are needed no more (but for what continues the bottom and the interpolation may still want)."""
        drop = top - self.multiple - 1 - self._base
        if drop > 0:
            self._kept, self._base = self._kept[drop:].copy(), self._base + drop

    def _reach(self, bottom: int) -> None:
        have = self._base + len(self._kept)
        if bottom > have:
            self._kept = np.concatenate([self._kept, self.read(have, bottom)])

    def _mask(self, samples: np.ndarray) -> np.ndarray:
        colour = samples[..., : self.header.channels]
        mask = ~np.isfinite(colour) if samples.dtype.kind == "f" else np.zeros((1, 1, 1), bool)
        if self.header.alpha and not self.header.spare:
            mask = mask | (samples[..., -1:] == 0)
        return mask


def spread(size: int, step: int = 1) -> tuple[int, list[int]]:
    """The side of up to PARTS squares along a line of `size` samples, and where they begin, at multiples of `step`."""
    side = min(size, SIDE)
    return side, sorted({(size - side) * part // (step * (PARTS - 1)) * step for part in range(PARTS)})


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

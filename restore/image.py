"""What is read and written: a header and samples. Numpy only, no file, no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Header:
    """What is known of one page of a picture before a sample is read.

    `icc`, `exif` and `xmp` are the bytes as the file had them (EXIF without the `Exif\\0\\0` prefix).
    `carry` holds what only this format knows (quantisation tables, PNG chunks, TIFF tags): a sink of
    the same format writes it back, any other ignores it.
    """

    height: int
    width: int
    channels: int = 3  # colour samples alone: 1 grey, 3 RGB
    dtype: np.dtype = np.dtype(np.uint8)  # of the file's samples: uint8, uint16, float16 or float32 (TIFF also uint32, float64)
    alpha: bool = False
    premultiplied: bool = False  # the colour is stored times alpha (EXR, some TIFFs)
    pages: int = 1
    format: str = "png"
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    orientation: int = 1  # EXIF 1 to 8; the samples stay as stored
    carry: Mapping[str, object] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Samples per pixel: colour and alpha."""
        return self.channels + self.alpha

    @property
    def white(self) -> float:
        """The sample that stands for 1.0."""
        return float(np.iinfo(self.dtype).max) if self.dtype.kind == "u" else 1.0

    def replace(self, **changes) -> "Header":
        return replace(self, **changes)


@dataclass(frozen=True)
class Image:
    """A header and its samples (H, W, channels [+ alpha]), in the header's dtype or in float on [0, 1]."""

    header: Header
    samples: np.ndarray

    @property
    def pixels(self) -> np.ndarray:
        """(H, W, 1 or 3) colour in float32, nominal [0, 1]; not clipped."""
        return as_float(self.samples[..., : self.header.channels])

    @property
    def alpha(self) -> np.ndarray | None:
        """(H, W) in float32 on [0, 1], or nothing."""
        return as_float(self.samples[..., -1]) if self.header.alpha else None


def as_float(samples: np.ndarray) -> np.ndarray:
    """Integer samples divided by their white, floats as they are; float32."""
    if samples.dtype.kind == "u":
        return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
    return samples.astype(np.float32)


def as_samples(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floats on [0, 1] rounded and clipped to an integer dtype (NaN is 0), or cast to a float dtype; `dtype` itself untouched.

    The only rounding in the program; sinks call it.
    """
    dtype = np.dtype(dtype)
    if values.dtype == dtype:
        return values
    if values.dtype.kind == "u":  # another depth was asked for
        values = as_float(values)
    if dtype.kind == "u":
        white = np.iinfo(dtype).max
        return np.rint(np.fmin(np.fmax(values, 0), 1).astype(np.float64 if white > 65535 else np.float32) * white).astype(dtype)
    return values.astype(dtype)


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Samples (H, W, ...) turned as the EXIF orientation says, for formats that cannot carry the tag."""
    turns = {1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}
    quarter, mirror = turns.get(orientation, (0, False))
    turned = np.rot90(samples, quarter, axes=(0, 1))
    return np.ascontiguousarray(turned[:, ::-1] if mirror else turned)

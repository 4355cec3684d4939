"""What a camera's sensor saw, before any development: the mosaic with its levels and colours, and mosaics without a header."""

import io
import math
import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError, UsageError
from restore.image import Header, Matrix, Profile, Sensor
from restore.io import dngtags
from restore.io import exif as tags
from restore.io.base import Source, WholeSource, sane
from restore.io.raw import ORIENTATIONS, cropped, first_directory, listening, opened, told, uneven, unpacked

PATTERNS = ("rggb", "bggr", "grbg", "gbrg")
_D65 = 6504.0
_MAKE, _MODEL = 271, 272
_BITS, _PART = (8, 10, 12, 14, 16), 1 << 22  # of samples without a header; bytes looked at at one go
_UNCLIPPED, _ENOUGH = 60000, 1000  # of 65535; pixels that a matrix is fitted to


class MosaicSource(WholeSource):
    """The visible part of the sensor as stored, unturned: (H, W, 1) of a Bayer mosaic, (H, W, 3) of what is linear already.

    Mosaics that are no Bayer mosaics (X-Trans, oblong pixels) go through LibRaw's demosaicing; the sensor's `note` says so. RestoreError for four colours.
    """

    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, name)
        self.raw = opened(file, name)
        unpacked(self.raw, name)
        said = dngtags.read(file, *first_directory(file))
        self._whole, pattern, black, white, note = self._samples(said)
        height, width, channels = self._whole.shape
        sane(name, height, width)
        exif, xmp = told(self.raw, file)
        orientation = ORIENTATIONS.get(self.raw.sizes.flip, 1)
        exif, xmp = tags.with_orientation(exif, orientation) if exif else None, tags.xmp_with_orientation(xmp, orientation)
        self.headers = [Header(height, width, channels=channels, dtype=np.dtype(np.uint16), format="raw", exif=exif, xmp=xmp, orientation=orientation,
                               sensor=self._sensor(said, pattern, black, white, note))]

    def _samples(self, said: dngtags.Said) -> tuple[np.ndarray, str, tuple[float, ...], tuple[float, ...], str]:
        """The samples, their pattern, black and white, and what is to be said of it."""
        import rawpy

        raw, colours = self.raw, self.raw.color_desc.decode("latin-1").lower()
        if raw.raw_type == rawpy.RawType.Flat and raw.raw_pattern is not None and raw.raw_pattern.shape == (2, 2) and not uneven(raw, self.file):
            cell = raw.raw_colors_visible[:2, :2]
            pattern = "".join(colours[index] for index in cell.flat)
            if pattern in PATTERNS:
                levels = raw.camera_white_level_per_channel or [raw.white_level] * 4
                black = tuple(float(raw.black_level_per_channel[index]) for index in cell.flat)
                white = tuple(float(levels[index] if levels[index] > black[place] else raw.white_level) for place, index in enumerate(cell.flat))
                return raw.raw_image_visible[..., None].copy(), pattern, black, white, ""
        if raw.raw_type == rawpy.RawType.Stack and raw.num_colors == 3 and not uneven(raw, self.file):
            black = tuple(map(float, raw.black_level_per_channel[:3]))
            white = tuple(level if level > dark else float(raw.white_level) for level, dark in zip(said.white or (0.0,) * 3, black, strict=True))
            return raw.raw_image_visible[..., :3].copy(), "", black, white, ""
        if raw.num_colors > 3:
            raise RestoreError(f"{self.name}: its sensor sees {raw.num_colors} colours", "a sensor of red, green and blue",
                               "restore denoise takes it as LibRaw develops it, in 16-bit sRGB")
        with listening(self.name):
            whole = raw.postprocess(output_color=rawpy.ColorSpace.raw, gamma=(1, 1), user_wb=[1.0] * 4, no_auto_bright=True, output_bps=16,
                                    adjust_maximum_thr=0, user_flip=0)
        if whole.shape[2] == 1:
            return np.repeat(whole, 3, 2), "", (0.0,) * 3, (65535.0,) * 3, "its sensor sees no colours"
        return whole[..., :3], "", (0.0,) * 3, (65535.0,) * 3, f"its mosaic ({_kind(raw)}) is no Bayer mosaic: demosaiced by LibRaw"

    def _sensor(self, said: dngtags.Said, pattern: str, black: tuple[float, ...], white: tuple[float, ...], note: str) -> Sensor:
        directory, profiles = first_directory(self.file)[1], said.profiles
        if not profiles and np.any(matrix := self.raw.rgb_xyz_matrix[:3]):
            profiles = (Profile(_D65, _matrix(matrix)),)
        to_srgb = self.raw.color_matrix[:, :3]
        if not profiles and not np.any(to_srgb) and self.raw.num_colors == 3:
            to_srgb = self._asked()
        names = [directory[tag][2].rstrip(b"\0 ").decode("utf-8", "replace") for tag in (_MAKE, _MODEL) if isinstance(directory.get(tag), tuple)]
        neutral = said.neutral or (None if said.lit else _neutral(self.raw.camera_whitebalance))
        return Sensor(pattern, black, white, neutral, _neutral(self.raw.daylight_whitebalance), profiles, _matrix(to_srgb) if np.any(to_srgb) else None,
                      said.noise, said.stops, said.camera or " ".join(names), note, said.lit, cropped(self.raw, self.file, said))

    def _asked(self) -> np.ndarray:
        """The matrix to sRGB of cameras whose colours LibRaw knows and does not tell: found from its own development, with and without it."""
        import rawpy

        how = {"gamma": (1, 1), "user_wb": [1.0] * 4, "no_auto_bright": True, "output_bps": 16, "half_size": True}
        with listening(self.name):
            plain, coloured = (self.raw.postprocess(output_color=space, **how).reshape(-1, 3).astype(np.float64)
                               for space in (rawpy.ColorSpace.raw, rawpy.ColorSpace.sRGB))
        whole = np.all((plain < _UNCLIPPED) & (coloured < _UNCLIPPED) & (coloured > 0), 1)
        found = np.linalg.lstsq(plain[whole], coloured[whole], rcond=None)[0].T if whole.sum() > _ENOUGH else np.zeros((3, 3))
        return np.zeros((3, 3)) if np.allclose(found, np.eye(3), atol=0.01) else found  # it knows none either

    def preview(self) -> np.ndarray | None:
        """The picture that the camera made itself, (h, w, 3) in 8 bits, as far as it put one in."""
        import rawpy
        from PIL import Image

        self.file.seek(0)
        try:
            with rawpy.RawPy() as fresh:  # after unpacking some files LibRaw looks for it in the wrong place
                fresh.open_buffer(self.file)
                thumb = fresh.extract_thumb()
            picture = thumb.data if thumb.format == rawpy.ThumbFormat.BITMAP else np.asarray(Image.open(io.BytesIO(thumb.data)).convert("RGB"))
        except (rawpy.LibRawError, OSError, ValueError):
            return None
        return picture if picture.ndim == 3 and picture.dtype == np.uint8 else None

    def close(self) -> None:
        self.raw.close()
        super().close()


@dataclass(frozen=True)
class Layout:
    """Of a mosaic without a header: 8 bits, or 16 with the low byte first. `white`: by default the largest sample of the fewest bits that hold all of them."""

    width: int
    height: int
    pattern: str = "rggb"
    black: float = 0.0
    white: float | None = None

    def __post_init__(self):
        if self.pattern not in PATTERNS:
            raise UsageError(f"unknown pattern {self.pattern!r}", " or ".join(PATTERNS), "the colours of the first 2 x 2 pixels in reading order")
        if not math.isfinite(self.black) or self.white is not None and not self.black < self.white < math.inf:
            raise UsageError(f"white {self.white} is not above black {self.black:g}", "two levels of the file's samples, as --black 600 --white 15520")


class HeaderlessSource(Source):
    """Rows of samples from the first byte to the last, and nothing else in the file."""

    def __init__(self, file: BinaryIO, name: str, layout: Layout):
        super().__init__(file, name)
        sane(name, layout.height, layout.width)
        size, pixels = file.seek(0, os.SEEK_END), layout.width * layout.height
        if size not in (pixels, 2 * pixels):
            raise RestoreError(f"{name}: has {size} bytes, and {layout.width} x {layout.height} samples take {pixels} or {2 * pixels}",
                               "8 or 16 bits for every sample and no header", "give the size of the whole sensor: --raw-size WIDTHxHEIGHT")
        dtype = np.dtype("<u2") if size > pixels else np.dtype(np.uint8)
        bits = 0 if layout.white else _bits(file, dtype)
        white, most = layout.white or 2.0**bits - 1, np.iinfo(dtype).max
        if not layout.black < white:
            raise RestoreError(f"{name}: its samples have {bits} bits, and black is said to be {layout.black:g}", "black below the brightest sample",
                               "check --black and --raw-size, or give --white")
        if max(white, layout.black) > most:
            raise RestoreError(f"{name}: {layout.width} x {layout.height} samples in {size} bytes have 8 bits, and do not reach white {white:g}", f"levels up to {most}",
                               "check --raw-size")
        sensor = Sensor(layout.pattern, (layout.black,) * 4, (white,) * 4, note=f"white {2**bits - 1}: its samples have {bits} bits" if bits else "")
        self.headers = [Header(layout.height, layout.width, channels=1, dtype=dtype.newbyteorder("="), format="raw", sensor=sensor)]
        self.stored = dtype

    def preview(self) -> None:
        """There is none."""

    def _rows(self, top: int, bottom: int, page: int) -> np.ndarray:
        width = self.headers[0].width
        self.file.seek(top * width * self.stored.itemsize)
        samples = np.frombuffer(self.file.read((bottom - top) * width * self.stored.itemsize), self.stored)
        return samples.reshape(bottom - top, width, 1).astype(self.headers[0].dtype)


def _bits(file: BinaryIO, dtype: np.dtype) -> int:
    """The fewest that sensors have and the samples of a file take."""
    file.seek(0)
    largest = max(int(np.frombuffer(part, dtype).max()) for part in iter(lambda: file.read(_PART), b""))
    return next(bits for bits in _BITS if largest < 2**bits)


def _neutral(gains: list[float]) -> tuple[float, ...] | None:
    """What the gains make neutral, green 1; nothing where the camera says none."""
    red, green, blue = gains[:3]
    return (green / red, 1.0, green / blue) if min(red, green, blue) > 0 else None


def _matrix(values: np.ndarray) -> Matrix:
    return tuple(tuple(float(value) for value in row) for row in values)


def _kind(raw) -> str:
    cell = raw.raw_pattern
    return "colours side by side" if cell is None else f"{cell.shape[1]} x {cell.shape[0]} of {raw.color_desc.decode('latin-1')}"

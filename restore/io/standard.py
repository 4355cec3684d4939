"""WebP, BMP and GIF: small formats of 8 bits, decoded and encoded whole (Pillow; BMP is written here)."""

import io
import struct
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError
from restore.image import Header
from restore.io.base import WholeSink, WholeSource, no_alpha, one_page, sane, turned
from restore.io.exif import agreeing, dpi, orientation, with_dpi
from restore.io.files import broken

_METRE = 0.0254  # inches
_WEBP_RATIO, _BMP_RATIO, _GIF_RATIO = 1 << 16, 1 << 10, 1 << 13  # pixels to a byte: one colour over all, long runs, the longest LZW strings


def animated(name: str, frames: int) -> RestoreError:
    return RestoreError(f"{name}: is an animation of {frames} frames", "one still picture", "take the frames apart first: ffmpeg -i FILE frame%04d.png")


def _array(picture, mode: str) -> np.ndarray:
    samples = np.asarray(picture if picture.mode == mode else picture.convert(mode))
    return samples.reshape(samples.shape[0], samples.shape[1], -1)


def _is_grey(picture) -> bool:
    """Grey, or a palette of greys alone."""
    if picture.mode != "P":
        return picture.mode in ("1", "L")
    palette = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


class WebpSource(WholeSource):
    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, name)
        from PIL.WebPImagePlugin import WebPImageFile

        chunks = _riff(file, name)
        frames = sum(kind == b"ANMF" for kind, _ in chunks)
        if frames > 1:
            raise animated(name, frames)
        size = file.seek(0, 2)
        file.seek(0)
        self.picture = WebPImageFile(file)
        width, height = self.picture.size
        sane(name, height, width, size, _WEBP_RATIO)
        told = dict(reversed(chunks))
        exif = told.get(b"EXIF")
        exif = exif.removeprefix(b"Exif\0\0") if exif else None
        carry = {"lossless": any(kind == b"VP8L" for kind, _ in chunks)}
        self.headers = [Header(height, width, channels=3, alpha=self.picture.mode == "RGBA", format="webp", icc=told.get(b"ICCP"), exif=exif,
                               xmp=told.get(b"XMP "), dpi=dpi(exif), orientation=orientation(exif), carry=carry)]

    def _decode(self) -> np.ndarray:
        return _array(self.picture, "RGBA" if self.headers[0].alpha else "RGB")


def _riff(file: BinaryIO, name: str) -> list[tuple[bytes, bytes]]:
    """The chunks of a WebP file; of those with pixels only the name."""
    size = file.seek(0, 2)
    file.seek(4)
    end = struct.unpack("<L", file.read(4))[0] + 8
    if end > size:
        raise broken(name, f"the file is cut off: {size} bytes of {end}")
    file.seek(12)
    chunks = []
    while file.tell() + 8 <= end:
        kind, length = struct.unpack("<4sL", file.read(8))
        keep = kind in (b"ICCP", b"EXIF", b"XMP ")
        chunks.append((kind, file.read(length) if keep else b""))
        file.seek(length % 2 + (0 if keep else length), 1)
    return chunks


class WebpSink(WholeSink):
    """Lossless unless a quality is asked for or the source was lossy, which then stays so at 95. Grey is stored as RGB."""

    turns, limit = True, 16383

    def __init__(self, target, header: Header, quality: int | None = None, subsampling: str | None = None):
        self.quality = quality
        super().__init__(target, header)

    @classmethod
    def fit(cls, name: str, header: Header) -> Header:
        if header.pages > 1:
            raise one_page(name, "webp", header.pages)
        return header.replace(format="webp", channels=3, dtype=np.dtype(np.uint8), premultiplied=False)

    def _encode(self, samples: np.ndarray) -> None:
        from PIL import Image

        given = self.given
        lossless = not is_lossy(given, self.quality)
        exif, xmp = agreeing(given if given.exif else given.replace(exif=with_dpi(given.dpi)))  # EXIF is the one place that a WebP has for it
        coded = io.BytesIO()
        Image.fromarray(samples).save(coded, "WEBP", lossless=lossless, exact=True, quality=80 if lossless else self.quality or 95,
                                      icc_profile=given.icc or b"", exif=exif or b"", xmp=xmp or b"")
        self.file.write(coded.getbuffer())


def is_lossy(header: Header, quality: int | None) -> bool:
    """Whether a picture becomes a WebP with loss."""
    return quality is not None or header.format == "webp" and not header.carry.get("lossless", True)


class BmpSource(WholeSource):
    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, name)
        from PIL.BmpImagePlugin import BmpImageFile

        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(54)
        across, down = struct.unpack_from("<ll", start, 38) if len(start) == 54 and struct.unpack_from("<L", start, 14)[0] >= 40 else (0, 0)
        file.seek(0)
        self.picture = BmpImageFile(file)
        width, height = self.picture.size
        sane(name, height, width, size, _BMP_RATIO)
        self.mode = "L" if _is_grey(self.picture) else "RGBA" if self.picture.mode == "RGBA" else "RGB"
        self.headers = [Header(height, width, channels=1 if self.mode == "L" else 3, alpha=self.mode == "RGBA", format="bmp",
                               dpi=(across * _METRE, down * _METRE) if across > 0 and down > 0 else None)]

    def _decode(self) -> np.ndarray:
        return _array(self.picture, self.mode)


class BmpSink(WholeSink):
    """8-bit grey or 24-bit colour, uncompressed; turned upright, for nothing in the file can tell an orientation."""

    def __init__(self, target, header: Header, quality: int | None = None, subsampling: str | None = None):
        super().__init__(target, header)

    @classmethod
    def fit(cls, name: str, header: Header) -> Header:
        if header.pages > 1:
            raise one_page(name, "bmp", header.pages)
        if header.alpha:
            raise no_alpha(name, "BMP")
        return turned(header).replace(format="bmp", dtype=np.dtype(np.uint8), premultiplied=False, icc=None, exif=None, xmp=None)

    def said(self) -> list[str]:
        lost = [name for name in ("icc", "exif", "xmp") if getattr(self.given, name)]
        return super().said() + ([f"a BMP has no place for {', '.join(lost).upper()}: left out"] if lost else [])

    def _encode(self, samples: np.ndarray) -> None:
        height, width, channels = samples.shape
        rows = np.zeros((height, -(-width * channels // 4) * 4), np.uint8)  # rows end at whole words
        rows[:, : width * channels] = samples[::-1, :, ::-1].reshape(height, -1)  # bottom row first, blue first
        palette = np.repeat(np.arange(256, dtype=np.uint8), 4).reshape(256, 4) * np.array([1, 1, 1, 0], np.uint8) if channels == 1 else np.empty(0, np.uint8)
        across, down = (min(round(value / _METRE), 2**31 - 1) for value in self.header.dpi or (0, 0))
        start = 54 + palette.size
        if start + rows.size >= 2**32:
            raise RestoreError(f"{self.name}: the picture is too large for BMP", "at most 4 GB", "choose PNG or TIFF: -o NAME.png")
        self.file.write(struct.pack("<2sLLL", b"BM", start + rows.size, 0, start))
        self.file.write(struct.pack("<LllHHLLllLL", 40, width, height, 1, 8 * channels, 0, rows.size, across, down, palette.size // 4, palette.size // 4))
        self.file.write(palette.tobytes())
        self.file.write(rows.data)


class GifSource(WholeSource):
    """Read only: its palette becomes RGB, or grey where it holds nothing else."""

    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, name)
        from PIL.GifImagePlugin import GifImageFile

        size = file.seek(0, 2)
        file.seek(0)
        self.picture = GifImageFile(file)
        width, height = self.picture.size
        sane(name, height, width, size, _GIF_RATIO)
        if self.picture.n_frames > 1:
            raise animated(name, self.picture.n_frames)
        grey, alpha = _is_grey(self.picture), "transparency" in self.picture.info
        self.mode = ("L" if grey else "RGB") + "A" * alpha
        self.headers = [Header(height, width, channels=1 if grey else 3, alpha=alpha, format="gif")]

    def _decode(self) -> np.ndarray:
        return _array(self.picture, self.mode)

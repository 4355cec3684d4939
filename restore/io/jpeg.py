"""JPEG: decoded and encoded by libjpeg (Pillow) with the tables and the subsampling of its source; all segments are copied byte for byte."""

import io
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError
from restore.image import Header
from restore.io import segments
from restore.io.base import WholeSink, WholeSource, no_alpha, one_page, sane
from restore.io.exif import orientation

_RATIO = 4096  # pixels to a byte, above what a blank progressive picture comes to
_ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))  # T.81, figure 5
_SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


class JpegSource(WholeSource):
    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, name)
        self.parts = parts = segments.walk(file)
        self.scans = file.tell() - 4 - len(parts[-1][1])
        marker, frame = segments.frame(parts)
        height, width, components = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"), frame[5]
        if components not in (1, 3) or len(frame) < 6 + 3 * components:
            raise RestoreError(f"{name}: is a JPEG of {components} colour channels, CMYK or YCCK", "grey or RGB",
                               "convert it first: magick FILE -colorspace sRGB OUT.jpg")
        if frame[0] != 8:
            raise RestoreError(f"{name}: is a JPEG of {frame[0]} bits", "8 bits", "convert it first to a 16-bit PNG or TIFF")
        sane(name, height, width, file.seek(0, 2), _RATIO)
        layers = [(frame[at], frame[at + 1] >> 4, frame[at + 1] & 15, frame[at + 2]) for at in range(6, 6 + 3 * components, 3)]
        carry = {"segments": segments.told(parts), "tables": _tables(parts, [layer[3] for layer in layers]), "progressive": marker in (0xC2, 0xCA),
                 "rgb": _is_rgb(parts, layers), "subsampling": _ratio(layers), "sampling": _sampling(parts, layers)}
        said = segments.facts(carry["segments"])
        self.headers = [Header(height, width, channels=components, format="jpeg", orientation=orientation(said["exif"]), carry=carry, **said)]

    def to_blocks(self) -> None:
        """From now on the picture goes to the ends of its last blocks of 8 x 8, which encoders fill with something; `carry["size"]`: (height, width) of the picture itself."""
        header, = self.headers
        height, width = (-(-side // 8) * 8 for side in (header.height, header.width))
        if max(height, width) <= JpegSink.limit and (header.channels == 1 or header.carry["sampling"]):  # where no block of chroma is smaller than one of luma
            self.headers = [header.replace(height=height, width=width, carry=header.carry | {"size": (header.height, header.width)})]

    def _decode(self) -> np.ndarray:
        """By libjpeg, which is shown the segments that tell of the coding and no others, and the size that is wanted."""
        from PIL.JpegImagePlugin import JpegImageFile

        self.file.seek(self.scans)
        needed = (segments.sized(part, self.headers[0]) for part in self.parts[:-1] if not (0xE1 <= part[0] <= 0xEF and part[0] != segments.ADOBE) and part[0] != 0xFE)
        with JpegImageFile(io.BytesIO(b"\xff\xd8" + segments.pack(needed) + self.file.read())) as picture:
            samples = np.asarray(picture)
        return samples.reshape(samples.shape[0], samples.shape[1], -1)


def _tables(parts: segments.Segments, used: list[int]) -> list[list[int]]:
    """The quantisation tables of the components, row by row of the block; none where one is missing. The last serves the components that follow."""
    while len(used) > 1 and used[-1] == used[-2]:
        used = used[:-1]
    tables = {}
    for data in (p for m, p in parts if m == 0xDB):
        while len(data) > 64:
            wide = data[0] >> 4
            values = np.frombuffer(data, ">u2" if wide else np.uint8, 64, 1)
            table = np.empty(64, int)
            table[_ZIGZAG] = values
            tables[data[0] & 15] = table.tolist()
            data = data[1 + (128 if wide else 64) :]
    return [tables[table] for table in used] if set(used) <= set(tables) else []


def _is_rgb(parts: segments.Segments, layers: list) -> bool:
    """Coded as RGB: Adobe's transform 0, or components named R, G, B."""
    adobe = next((p for m, p in parts if m == segments.ADOBE and p.startswith(b"Adobe") and len(p) >= 12), None)
    return len(layers) == 3 and (adobe[11] == 0 if adobe else bytes(layer[0] for layer in layers) == b"RGB")


def _sampling(parts: segments.Segments, layers: list) -> tuple[int, int] | None:
    """Rows and columns of pixels per sample of the second and third component, where they are 1 or 2; of RGB, 1."""
    if len(layers) != 3 or layers[1][1:3] != (1, 1) or layers[2][1:3] != (1, 1):
        return None
    across, down = layers[0][1:3]
    return (down, across) if {across, down} <= ({1} if _is_rgb(parts, layers) else {1, 2}) else None


def _ratio(layers: list) -> str:
    """Chroma subsampling as the encoder knows it; the rare others (4:4:0, 4:1:1) become 4:4:4, which loses nothing of them."""
    if any(0 in layer[1:3] for layer in layers) or (len(layers) == 3 and layers[1][1:3] != layers[2][1:3]):
        return "4:4:4"
    across, down = (layers[0][side] / (layers[1][side] if len(layers) == 3 else 1) for side in (1, 2))
    return {(2, 1): "4:2:2", (2, 2): "4:2:0"}.get((across, down), "4:4:4")


class JpegSink(WholeSink):
    """The tables and subsampling of a JPEG source unless asked otherwise; from other formats quality 95, 4:4:4."""

    turns, limit = True, 65500

    def __init__(self, target, header: Header, quality: int | None = None, subsampling: str | None = None):
        self.quality, self.subsampling = quality, subsampling
        super().__init__(target, header)

    @classmethod
    def fit(cls, name: str, header: Header) -> Header:
        if header.pages > 1:
            raise one_page(name, "jpeg", header.pages)
        if header.alpha:
            raise no_alpha(name, "JPEG")
        return header.replace(format="jpeg", dtype=np.dtype(np.uint8), premultiplied=False)

    def _encode(self, samples: np.ndarray) -> None:
        from PIL import Image

        carry = self.given.carry if self.given.format == "jpeg" else {}
        rgb = bool(carry.get("rgb")) and self.header.channels == 3
        options = {"progressive": bool(carry.get("progressive")), "keep_rgb": rgb}
        if not rgb:
            options["subsampling"] = _SUBSAMPLING[self.subsampling or carry.get("subsampling", "4:4:4")]
        tables = carry.get("tables", [])[: self.header.channels]
        if self.quality is None and tables:
            options["qtables"] = tables
        else:
            options["quality"] = self.quality or 95
        coded = io.BytesIO()
        Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples).save(coded, "JPEG", **options)
        data = coded.getbuffer()
        self.file.write(data[:2])
        self.file.write(segments.joined(self._said(rgb), self.name))
        at = 2
        while data[at + 1] == 0xE0 or (data[at + 1] == segments.ADOBE and not rgb):  # libjpeg's own JFIF segment; ours stands already
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        self.file.write(data[at:])

    def _said(self, rgb: bool) -> Header:
        """The header without a segment that would name another colour coding than the one written."""
        parts = self.given.carry.get("segments")
        if self.given.format != "jpeg" or parts is None or bool(self.given.carry.get("rgb")) == rgb and not rgb:
            return self.given
        return self.given.replace(carry={**self.given.carry, "segments": tuple(p for p in parts if p[0] != segments.ADOBE)})

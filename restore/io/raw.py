"""Camera files as pictures: LibRaw's own development to 16-bit sRGB. What the sensor saw is in `mosaic`."""

import io
import os
import re
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError, UsageError, nearest
from restore.image import Header, upright
from restore.io import dngtags, segments
from restore.io import exif as tags
from restore.io.base import WholeSource, sane
from restore.io.files import broken

ORIENTATIONS = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8}  # LibRaw's turns in EXIF's words
_SRGB = (2.4, 12.92)  # exponent and slope at black
_COMPLAINT = re.compile(rb".*(data corrupted at|Unexpected end of file|Premature end of JPEG|Corrupt JPEG data)", re.IGNORECASE)
_LOCK = threading.Lock()


class RawSource(WholeSource):
    """The picture upright, cut as a DNG says: white balance of the camera, sRGB, no brightening by content, one page. Clipped where the sensor was."""

    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, name)
        self.raw = opened(file, name)
        self.orientation, self.crop = ORIENTATIONS.get(self.raw.sizes.flip, 1), cropped(self.raw, file, dngtags.read(file, *first_directory(file)))
        height, width = (self.raw.sizes.iheight, self.raw.sizes.iwidth) if self.crop is None else self.crop[2:]
        height, width = (width, height) if self.orientation >= 5 else (height, width)
        sane(name, height, width)
        if uneven(self.raw, file):  # only the development knows the size
            self._whole = self._decode()
            height, width = self._whole.shape[:2]
        exif, xmp = told(self.raw, file)
        self.headers = [Header(height, width, channels=3, dtype=np.dtype(np.uint16), format="raw", exif=tags.with_orientation(exif, 1) if exif else None,
                               xmp=tags.xmp_with_orientation(xmp, 1))]

    def _decode(self) -> np.ndarray:
        import rawpy

        with listening(self.name):
            whole = self.raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_color=rawpy.ColorSpace.sRGB, output_bps=16, gamma=_SRGB, user_flip=0)
        top, left, height, width = self.crop or (0, 0, *whole.shape[:2])
        return upright(whole[top : top + height, left : left + width], self.orientation)

    def close(self) -> None:
        self.raw.close()
        super().close()


def opened(file: BinaryIO, name: str):
    """The file as rawpy has it; RestoreError where LibRaw does not know it."""
    import rawpy

    file.seek(0)
    try:
        with listening(name):
            return rawpy.imread(file)
    except rawpy.LibRawError as cause:
        raise RestoreError(f"{name}: is no camera file that LibRaw {'.'.join(map(str, rawpy.libraw_version))} reads ({_reason(cause)})",
                           "the file of a camera that LibRaw knows", "copy the file again" if name.lower().endswith(".dng") else "convert it to DNG first") from cause


def unpacked(raw, name: str) -> None:
    """Decode the samples, which else happens when somebody looks at them; RestoreError where the file is damaged."""
    import rawpy

    try:
        with listening(name):
            raw.unpack()
    except rawpy.LibRawError as cause:
        raise broken(name, _reason(cause)) from cause


def demosaiced(file: BinaryIO, name: str, algorithm: str) -> np.ndarray:
    """(H, W, 3) in 16 bits: a mosaic in the camera's colours as LibRaw's `algorithm` (AHD, DHT, PPG, VNG, LINEAR ...) demosaics it, and nothing else done."""
    import rawpy

    known = rawpy.DemosaicAlgorithm.__members__
    if algorithm not in known:
        raise UsageError(f"LibRaw has no demosaicing {algorithm!r}", nearest(algorithm, known))
    with opened(file, name) as raw, listening(name):
        return raw.postprocess(demosaic_algorithm=known[algorithm], output_color=rawpy.ColorSpace.raw, gamma=(1, 1), user_wb=[1.0] * 4, no_auto_bright=True,
                               adjust_maximum_thr=0, output_bps=16, user_flip=0)


def uneven(raw, file: BinaryIO) -> bool:
    """Oblong pixels, or rows at 45 degrees."""
    file.seek(0)
    return raw.sizes.pixel_aspect != 1 or file.read(15) == b"FUJIFILMCCD-RAW"


def cropped(raw, file: BinaryIO, said: dngtags.Said) -> tuple[int, int, int, int] | None:
    """First row and column, height and width of what a DNG says is to be shown of the visible pixels; nothing where that is all of them, or cannot be."""
    top, left, height, width = said.crop or (0, 0, 0, 0)
    inside = top + height <= raw.sizes.height and left + width <= raw.sizes.width and (height, width) != (raw.sizes.height, raw.sizes.width)
    return said.crop if said.crop and inside and not uneven(raw, file) else None


def told(raw, file: BinaryIO) -> tuple[bytes | None, bytes | None]:
    """EXIF and XMP: of the directories where the file is made like a TIFF, else of the preview that the camera put in."""
    order, directory = first_directory(file)
    if directory:
        exif = {tag: value for tag, value in directory.items() if tag in tags.DESCRIPTIVE}
        xmp = directory.get(700)
        return (tags.build(order, exif) if exif else None), (xmp[2] if isinstance(xmp, tuple) else None)
    said = _preview(raw)
    return said.get("exif"), said.get("xmp")


@contextmanager
def listening(name: str) -> Iterator[None]:
    """LibRaw tells of missing data on the error stream alone and goes on with half a picture.

    What it says becomes an error; what others say there meanwhile is passed on.
    """
    try:
        stream = os.dup(2)
    except OSError:  # the program has no error stream
        yield
        return
    with _LOCK, tempfile.TemporaryFile() as heard:
        try:
            sys.stderr.flush()
            os.dup2(heard.fileno(), 2)
            yield
        finally:
            os.dup2(stream, 2)
            os.close(stream)
            heard.seek(0)
            lines = heard.readlines()
            complaints = [line for line in lines if _COMPLAINT.match(line)]
            os.write(2, b"".join(line for line in lines if line not in complaints))
    if complaints:
        raise broken(name, complaints[0].decode("utf-8", "replace").removeprefix("unknown file: "))


def is_dng(file: BinaryIO) -> bool:
    """A TIFF that says it is a digital negative."""
    return dngtags.VERSION in first_directory(file)[1]


def first_directory(file: BinaryIO) -> tuple[str, tags.Directory]:
    """Byte order and first directory of a file made like a TIFF (cameras change its 42); an empty one of any other."""
    file.seek(0)
    start = file.read(8)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 8:
        return "<", {}
    try:
        return order, tags.read_directory(file, struct.unpack(order + "L", start[4:])[0], order)
    except (struct.error, MemoryError, OverflowError):
        return order, {}


def _preview(raw) -> dict:
    import rawpy

    try:
        thumb = raw.extract_thumb()
        return segments.facts(segments.walk(io.BytesIO(thumb.data))) if thumb.format == rawpy.ThumbFormat.JPEG else {}
    except (rawpy.LibRawError, ValueError):
        return {}


def _reason(cause: Exception) -> str:
    reason = cause.args[0] if cause.args else cause
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)

"""OpenEXR: half and float through OpenImageIO. Colour stays premultiplied and linear, as the format has it; all attributes are kept."""

import os
import shutil
import struct
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError
from restore.image import SPACES, Header
from restore.io import exif as tags
from restore.io import icc
from restore.io.base import Source, WholeSink, one_page, sane, turned
from restore.io.files import broken

_CHANNELS = {("Y",): (1, False), ("Y", "A"): (1, True), ("R", "G", "B"): (3, False), ("R", "G", "B", "A"): (3, True)}
_RATIO = 1 << 16  # pixels to a byte, above what runs of zeros come to
_UNBOUND = 1 << 22  # megabytes: the size is checked here


class ExrSource(Source):
    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, name)
        import OpenImageIO as oiio

        self.folder = tempfile.TemporaryDirectory(prefix="restore-")
        try:
            oiio.attribute("limits:imagesize_MB", _UNBOUND)
            self.input = oiio.ImageInput.open(_plain(file, self.folder.name))
            if self.input is None:
                raise broken(name, self._cause(oiio.geterror()))
            self.headers = [self._header(file.seek(0, 2))]
            self._tiles: tuple[int, np.ndarray] | None = None  # first row, and the rows, of those decoded last
        except BaseException:
            self.folder.cleanup()
            raise

    def _header(self, size: int) -> Header:
        spec = self.input.spec()
        kinds = {str(kind) for kind in spec.channelformats} or {str(spec.format)}
        shape = _CHANNELS.get(tuple(name.upper() for name in spec.channelnames))
        if spec.deep or shape is None or self.input.seek_subimage(1, 0):
            deep = " of deep samples" if spec.deep else ""
            raise RestoreError(f"{self.name}: holds the channels {', '.join(spec.channelnames[:8])}{deep}, or several parts",
                               "one part of Y or R, G, B and at most A", "take the colour out first: oiiotool FILE --ch R,G,B,A -o OUT.exr")
        if not kinds <= {"half", "float"}:
            raise RestoreError(f"{self.name}: its samples are {', '.join(sorted(kinds))}", "half or float",
                               "convert it first: oiiotool FILE -d half -o OUT.exr")
        sane(self.name, spec.height, spec.width, size, _RATIO)
        self.input.seek_subimage(0, 0)
        dpi = spec.getattribute("XResolution"), spec.getattribute("YResolution")
        dtype = np.dtype(np.float16 if kinds == {"half"} else np.float32)
        return Header(spec.height, spec.width, channels=shape[0], alpha=shape[1], premultiplied=shape[1], dtype=dtype, format="exr",
                      dpi=dpi if all(dpi) and spec.getattribute("ResolutionUnit") in (None, "in") else None, carry={"spec": spec})

    def _rows(self, top: int, bottom: int, page: int) -> np.ndarray:
        spec, header = self.input.spec(), self.headers[0]
        kind, tall = "half" if header.dtype == np.float16 else "float", spec.tile_height
        if not tall:
            return self._read_as(self.input.read_scanlines(spec.y + top, spec.y + bottom, 0, 0, spec.nchannels, kind), bottom - top)
        parts = []
        for first in range(top // tall * tall, bottom, tall):
            last = min(first + tall, header.height)
            if not self._tiles or self._tiles[0] != first:
                rows = self.input.read_tiles(spec.x, spec.x + header.width, spec.y + first, spec.y + last, spec.z, spec.z + 1, 0, spec.nchannels, kind)
                self._tiles = first, self._read_as(rows, last - first)
            parts.append(self._tiles[1][max(top - first, 0) : bottom - first])
        return np.concatenate(parts)

    def _read_as(self, rows: np.ndarray | None, count: int) -> np.ndarray:
        if rows is None or self.input.has_error:
            raise broken(self.name, self._cause(self.input.geterror()))
        return rows.reshape(count, self.headers[0].width, self.headers[0].samples)

    def _cause(self, text: str) -> str:
        """The library's words without the name under which it saw the file."""
        return text.replace(f"EXR Error ({self.folder.name}/picture.exr): ", "").replace(self.folder.name + "/", "") or "its pixels are damaged"

    def close(self) -> None:
        self.input.close()
        self.folder.cleanup()
        super().close()


def _plain(file: BinaryIO, folder: str) -> str:
    """A name that the library can open: it takes text alone, and reads meaning into marks such as ? and %."""
    plain = Path(folder, "picture.exr")
    path = os.path.abspath(os.fsdecode(file.name))
    try:
        plain.symlink_to(path)
    except OSError:  # not everybody may make links on Windows
        shutil.copyfile(path, plain)
    return str(plain)


class ExrSink(WholeSink):
    """Half stays half, all else is float; alpha is multiplied in; turned upright. New files are zip-compressed."""

    def __init__(self, target, header: Header, quality: int | None = None, subsampling: str | None = None):
        super().__init__(target, header)

    @classmethod
    def fit(cls, name: str, header: Header) -> Header:
        if header.pages > 1:
            raise one_page(name, "exr", header.pages)
        dtype = np.dtype(np.float16 if header.dtype == np.float16 else np.float32)
        return turned(header).replace(format="exr", dtype=dtype, premultiplied=header.alpha, icc=None, exif=None, xmp=None)

    def _encode(self, samples: np.ndarray) -> None:
        import OpenImageIO as oiio

        with tempfile.TemporaryDirectory(prefix="restore-") as folder:
            path = Path(folder, "picture.exr")
            output = oiio.ImageOutput.create("exr")
            done = output.open(str(path), self._spec(samples)) and output.write_image(samples)
            cause = output.geterror()
            if not (output.close() and done):
                raise OSError(" ".join((cause or output.geterror()).split()))
            self._verify(oiio, path)
            with path.open("rb") as file:
                shutil.copyfileobj(file, self.file, 1 << 20)

    def _spec(self, samples: np.ndarray):
        import OpenImageIO as oiio

        height, width, channels = samples.shape
        kind = oiio.TypeDesc("half" if samples.dtype == np.float16 else "float")
        carried = self.given.carry.get("spec") if self.given.format == "exr" else None
        spec = oiio.ImageSpec(carried) if carried is not None else oiio.ImageSpec(width, height, channels, kind)
        if carried is None:
            spec.attribute("compression", "zip")
        if (spec.width, spec.height) != (width, height):  # the windows of another size mean nothing
            spec.x = spec.y = spec.full_x = spec.full_y = 0
            spec.width, spec.height, spec.full_width, spec.full_height = width, height, width, height
        spec.nchannels, spec.channelnames, spec.channelformats = channels, [*("Y" if self.header.channels == 1 else "RGB"), *"A" * self.header.alpha], ()
        spec.set_format(kind)
        if carried is None:
            self._tell(oiio, spec)
        if self.header.dpi:
            spec.attribute("XResolution", float(self.header.dpi[0]))
            spec.attribute("YResolution", float(self.header.dpi[1]))
            spec.attribute("PixelAspectRatio", float(self.header.dpi[1] / self.header.dpi[0]))
        return spec

    def _tell(self, oiio, spec) -> None:
        """Whose light it is, by the linear profiles that are made here, and the words of EXIF that the format knows."""
        space = next((space for space in SPACES.values() if self.given.icc == icc.build(space, linear=True)), None)
        if space:
            spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), [value for pair in (*space.primaries, icc.D65) for value in pair])
        order, directory = tags.parse(self.given.exif)
        for tag, name in ((271, "Make"), (272, "Model"), (306, "DateTime"), (315, "Artist"), (33432, "Copyright")):
            value = directory.get(tag)
            if isinstance(value, tuple):
                spec.attribute(name, value[2].rstrip(b"\0 ").decode("utf-8", "replace"))
        exposed = directory.get(tags.EXIF)
        for tag, name in ((33434, "ExposureTime"), (33437, "FNumber"), (37386, "Exif:FocalLength")):
            value = exposed.get(tag) if isinstance(exposed, dict) else None
            if value and value[0] == 5 and (parts := struct.unpack(order + "LL", value[2][:8]))[1]:
                spec.attribute(name, parts[0] / parts[1])
        speed = tags.number(exposed, 34855, order) if isinstance(exposed, dict) else None
        if speed:
            spec.attribute("Exif:ISOSpeedRatings", speed)

    def _verify(self, oiio, path: Path) -> None:
        """Read it back: the library does not tell when its last bytes did not reach the disk."""
        check = oiio.ImageInput.open(str(path))
        whole = check.read_image() if check else None
        if whole is None:
            raise OSError("what was written cannot be read back; the disk may be full")
        check.close()

"""TIFF and BigTIFF, read in bands: only the strips or tiles that a band meets are decoded (tifffile, imagecodecs); tags are carried raw."""

import logging
import threading
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError
from restore.image import Header
from restore.io import exif as tags
from restore.io.base import Ordered, Source, sane
from restore.io.files import broken

# what says how this file lays out its samples; a writer says its own
STRUCTURE = {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 288, 289, 317, 320, 322, 323, 324, 325, 338, 339, 347, 529, 530, 531, 532, *range(512, 522)}
LINKED = {330, 37724}  # other pictures of the same scene: sub-directories, the layers of an editor
XMP, ICC, RESOLUTION = 700, 34675, {282, 283, 296}
_RATIO = 40000  # pixels to a byte, above what zstd's runs come to
_LONG = 4096  # bytes of a description above which it is a file's own affair (OME, ImageJ) and not EXIF
_REFUSED = {5: ("CMYK", "-colorspace sRGB"), 6: ("YCbCr", "-colorspace sRGB"), 8: ("CIE Lab", "-colorspace sRGB"), 9: ("ICC Lab", "-colorspace sRGB"),
            10: ("ITU Lab", "-colorspace sRGB")}
logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its warnings are no messages of ours


class TiffSource(Source):
    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, name)
        import tifffile

        self.size = file.seek(0, 2)
        file.seek(0)
        self.tiff = tifffile.TiffFile(file, name="picture")
        _, _, places = tags.chain(file)
        self.pages = list(self.tiff.pages)
        if not places or [page.offset for page in self.pages] != places:
            raise broken(name, f"{len(self.pages)} of its {len(places)} pages can be read")
        if len(self.pages) == 1 and (self.tiff.is_imagej or self.tiff.is_shaped) and self.tiff.series[0].size > self.pages[0].size:
            frames = self.tiff.series[0].size // self.pages[0].size
            raise RestoreError(f"{name}: holds {frames} frames in a row and lists the first alone, as ImageJ and tifffile do with large stacks", "a page for every frame",
                               "save it again as a TIFF with pages")
        self.headers = [self._header(page) for page in self.pages]
        self._block: tuple[int, int, np.ndarray] | None = None
        self._lock = threading.Lock()

    def _header(self, page) -> Header:
        """What a page says of itself; RestoreError where it is no grey or RGB picture."""
        name, order = self.name, self.tiff.byteorder
        samples, photometric = page.samplesperpixel, 1 if page.photometric is None else int(page.photometric)
        channels = 1 if photometric in (0, 1) or (photometric == 3 and _grey_palette(page)) else 3
        stored = 1 if photometric in (0, 1, 3) else 3
        jpeg = page.compression in (6, 7)
        if photometric in (32803, 34892):
            raise RestoreError(f"{name}: holds the mosaic of a camera", "a finished picture, or a camera file under its own suffix", "name it .dng")
        if photometric in _REFUSED and not (photometric == 6 and jpeg) or photometric not in (0, 1, 2, 3, 6):
            kind, option = _REFUSED.get(photometric, (f"of colour type {photometric}", "-colorspace sRGB"))
            raise RestoreError(f"{name}: is a TIFF that is {kind}", "grey, RGB or a palette", f"convert it first: magick FILE {option} OUT.tif")
        if not stored <= samples <= stored + 1 or page.imagedepth > 1:
            raise RestoreError(f"{name}: has {samples} samples per pixel and {page.imagedepth} planes in depth", "grey or RGB with at most one alpha",
                               "split its channels into pages first")
        sane(name, page.imagelength, page.imagewidth)
        dtype = _dtype(page, name)
        self._check_data(page)
        directory = tags.read_directory(self.file, page.offset, order, self.tiff.is_bigtiff)
        extra = page.extrasamples[0] if samples > stored and page.extrasamples else 2 * (samples > stored)
        kept = {tag: value for tag, value in directory.items()
                if tag not in STRUCTURE | LINKED | {XMP, ICC} and (tag not in tags.DESCRIPTIVE or _private(tag, value)) and not _of_layout(tag, value)}
        carry = {"size": (page.imagelength, page.imagewidth), "order": order, "big": self.tiff.is_bigtiff, "compression": int(page.compression), "predictor": int(page.predictor),
                 "planar": int(page.planarconfig), "tile": (page.tilelength, page.tilewidth) if page.is_tiled else None,
                 "strip": None if page.is_tiled else int(min(page.rowsperstrip, page.imagelength)), "white": photometric == 0,
                 "dtype": dtype, "stated": frozenset(directory), "tags": kept}
        return Header(page.imagelength, page.imagewidth, channels=channels, dtype=dtype, alpha=samples > stored, premultiplied=extra == 1, spare=samples > stored and extra == 0,
                      pages=len(self.pages), format="tiff", carry=carry, **_said(directory, order))

    def _check_data(self, page) -> None:
        """As many strips or tiles as the size asks for, all inside the file."""
        down, across = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        planes = page.samplesperpixel if page.planarconfig == 2 else 1
        wanted = -(-page.imagelength // down) * -(-page.imagewidth // across) * planes if down and across else 0
        counts, offsets = page.databytecounts, page.dataoffsets
        if not wanted or len(offsets) < wanted or len(counts) < wanted:
            raise broken(self.name, f"it has {len(offsets)} strips or tiles where its size asks for {wanted}")
        end = max((offset + count for offset, count in zip(offsets, counts) if count), default=0)
        if end > self.size:
            raise broken(self.name, f"the file is cut off: {self.size} bytes of {end}")
        if all(counts):  # those of no bytes are blank, by a custom of GDAL
            sane(self.name, page.imagelength, page.imagewidth, sum(counts), 8 if page.compression == 1 else _RATIO)

    def _rows(self, top: int, bottom: int, page: int) -> np.ndarray:
        header, layout = self.headers[page], self.pages[page]
        rows = np.empty((bottom - top, header.width, header.samples), header.dtype)
        if self._plain(layout):
            self._read_plain(rows, top, layout)
            return rows if not header.carry["white"] else _inverted(rows)
        height = layout.tilelength if layout.is_tiled else min(layout.rowsperstrip, layout.imagelength)

        def take(result: tuple[int, np.ndarray]) -> None:
            first, block = result
            low, high = max(top, first), min(bottom, first + len(block))
            rows[low - top : high - top] = block[low - first : high - first]
            self._block = page, first, block

        work = Ordered(take)
        try:
            for first in range(top // height * height, bottom, height):
                if self._block and self._block[:2] == (page, first):
                    take((first, self._block[2]))
                else:
                    work.submit(self._decode, layout, first, height, header)
            work.drain()
        finally:
            work.close()
        return rows

    @staticmethod
    def _plain(page) -> bool:
        """Strips of plain samples, of which any row can be read alone."""
        return (page.compression == 1 and page.predictor == 1 and not page.is_tiled and page.fillorder == 1 and page.bitspersample in (8, 16, 32, 64)
                and int(page.photometric or 0) in (0, 1, 2) and all(page.databytecounts))

    def _read_plain(self, rows: np.ndarray, top: int, page) -> None:
        planes = rows.shape[2] if page.planarconfig == 2 else 1
        together, strip = rows.shape[2] // planes, min(page.rowsperstrip, page.imagelength)
        stride, per_plane = rows.shape[1] * together * rows.itemsize, -(-page.imagelength // strip)
        dtype = rows.dtype.newbyteorder(self.tiff.byteorder)
        for plane in range(planes):
            row = top
            while row < top + len(rows):
                index, inside = divmod(row, strip)
                count = min(strip - inside, top + len(rows) - row)
                self.file.seek(page.dataoffsets[plane * per_plane + index] + inside * stride)
                data = self.file.read(count * stride)
                if len(data) < count * stride:
                    raise broken(self.name, "the file is cut off")
                values = np.frombuffer(data, dtype).reshape(count, rows.shape[1], together)
                rows[row - top : row - top + count, :, plane : plane + together] = values
                row += count

    def _decode(self, page, first: int, height: int, header: Header) -> tuple[int, np.ndarray]:
        """The strips or the row of tiles that begin at row `first`, as samples of the header."""
        planes = page.samplesperpixel if page.planarconfig == 2 else 1
        across = -(-page.imagewidth // page.tilewidth) if page.is_tiled else 1
        down = -(-page.imagelength // height)
        options = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader} if page.compression in (6, 7) else {}
        block = None
        for plane in range(planes):
            for column in range(across):
                index = (plane * down + first // height) * across + column
                part, (_, _, _, x, _), shape = page.decode(self._segment(page, index), index, **options)
                if part is None:
                    part = np.zeros(shape, page.dtype)
                part = part[0, : page.imagelength - first, : page.imagewidth - x]
                if planes == across == 1:
                    block = part
                    break
                if block is None:
                    block = np.empty((part.shape[0], page.imagewidth, page.samplesperpixel), part.dtype)
                block[:, x : x + part.shape[1], plane : plane + part.shape[2]] = part
        return first, _as_header(block, page, header)

    def _segment(self, page, index: int) -> bytes | None:
        count = page.databytecounts[index]
        if not count:
            return None
        with self._lock:
            self.file.seek(page.dataoffsets[index])
            return self.file.read(count)

    def close(self) -> None:
        self._block = None
        super().close()


def _dtype(page, name: str) -> np.dtype:
    """The depth in which samples are handed on: their own, or the next one that holds them."""
    bits, kind = page.bitspersample, "f" if page.sampleformat == 3 else "u" if page.sampleformat in (1, 4) else "i"
    if isinstance(bits, int) and kind == "u" and bits <= 32:
        return np.dtype(np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32)
    if kind == "f" and bits in (16, 24, 32, 64):
        return np.dtype({16: np.float16, 64: np.float64}.get(bits, np.float32))
    raise RestoreError(f"{name}: its samples are {bits}-bit {'integers' if kind == 'u' else 'floats' if kind == 'f' else 'signed or complex numbers'}",
                       "unsigned integers of up to 32 bits, or floats of 16 to 64", "convert it first to a 32-bit float TIFF")


def _as_header(block: np.ndarray, page, header: Header) -> np.ndarray:
    """Decoded samples in the header's depth: a palette looked up, odd depths scaled to full range, white made the highest value."""
    if page.photometric == 3:
        table = np.asarray(page.colormap).T[:, : header.channels]  # (entries, 3) of 16 bits; some writers fill the low byte alone
        full = table.max(initial=0) > 255
        if header.dtype == np.uint8:
            table = table >> 8 if full else table
        elif not full:
            table = 257 * table
        table = table.astype(header.dtype)
        colour = table[np.minimum(block[..., 0], len(table) - 1)]
        return colour if not header.alpha else np.concatenate([colour, block[..., 1:].astype(header.dtype)], axis=-1)
    bits = page.bitspersample
    if header.dtype.kind == "u" and bits != 8 * header.dtype.itemsize:
        white = 2**bits - 1
        block = (block.astype(np.uint64) * int(header.white) + white // 2) // white
    block = np.ascontiguousarray(block, header.dtype)
    return _inverted(block) if header.carry["white"] else block


def _grey_palette(page) -> bool:
    return bool((np.asarray(page.colormap) == np.asarray(page.colormap)[:1]).all())


def _inverted(rows: np.ndarray) -> np.ndarray:
    """Grey counted from white: 0 is white. The alpha stays."""
    rows = rows.copy()
    rows[..., 0] = (rows.dtype.type(np.iinfo(rows.dtype).max) if rows.dtype.kind == "u" else rows.dtype.type(1)) - rows[..., 0]
    return rows


def _private(tag: int, value) -> bool:
    return tag == 270 and isinstance(value, tuple) and len(value[2]) > _LONG


def _of_layout(tag: int, value) -> bool:
    """A description by tifffile or ImageJ of how many pages of which size the file has: no longer true of one that is made from it."""
    return tag == 270 and isinstance(value, tuple) and bytes(value[2]).startswith((b'{"shape": [', b"ImageJ="))


def _said(directory: tags.Directory, order: str) -> dict[str, object]:
    """icc, exif, xmp, dpi and orientation of a directory."""
    told = {tag: value for tag, value in directory.items() if tag in tags.DESCRIPTIVE | RESOLUTION and not _private(tag, value) and not _of_layout(tag, value)}
    turn = tags.number(directory, tags.ORIENTATION, order)
    turn = turn if turn in range(1, 9) else 1
    worth = turn != 1 or told.keys() - {tags.ORIENTATION} - RESOLUTION
    raw = {key: directory[tag][2] if tag in directory else None for key, tag in (("icc", ICC), ("xmp", XMP))}
    return raw | {"exif": tags.build(order, told) if worth else None, "dpi": tags.resolution(directory, order), "orientation": turn}

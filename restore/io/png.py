"""PNG in bands, both ways: zlib streams, scanlines are filtered here and unfiltered by libpng, ancillary chunks are copied byte for byte."""

import struct
import zlib
from typing import BinaryIO

import numpy as np

from restore.image import Header
from restore.io import pngchunks
from restore.io.base import Ordered, Sink, Source, one_page, sane
from restore.io.files import broken

_BLOCK = 1 << 20  # bytes deflated at a time
_CACHE = 1 << 16  # bytes filtered at a time
_DEFLATE_RATIO = 1032 * 8  # the most pixels (of one bit) that a byte of deflate can stand for
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # x, y, step in x and y
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # per pixel, by colour type
_COLOUR = {(1, False): 0, (3, False): 2, (1, True): 4, (3, True): 6}


class PngSource(Source):
    """Rows decoded as they are asked for; going back begins again; an interlaced picture is decoded whole."""

    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, name)
        self.layout = layout = pngchunks.walk(file, name)
        sane(name, layout.height, layout.width, sum(length for _, length in layout.data), _DEFLATE_RATIO)
        self.table, self.key = _palette(layout, name), None
        transparent = layout.find(b"tRNS")
        if layout.colour in (0, 2) and transparent:
            self.key = np.frombuffer(transparent, ">u2", _SAMPLES[layout.colour]).astype(np.uint16)
        dtype = np.dtype(np.uint16 if layout.depth == 16 else np.uint8)
        grey = layout.colour in (0, 4) or (self.table is not None and self.table.shape[1] < 3)
        self.headers = [Header(layout.height, layout.width, channels=1 if grey else 3, dtype=dtype,
                               alpha=layout.colour in (4, 6) or transparent is not None, format="png", **pngchunks.header(layout))]
        self._whole: np.ndarray | None = None
        self._rewind()

    def _rewind(self) -> None:
        self.row, self.inflate, self.chunk, self.tail = 0, zlib.decompressobj(), 0, b""
        self.above: np.ndarray | None = None

    def _rows(self, top: int, bottom: int, page: int) -> np.ndarray:
        if self.layout.interlaced:
            if self._whole is None:
                self._whole = self._interlaced()
            return self._whole[top:bottom]
        if top < self.row:
            self._rewind()
        header = self.headers[0]
        rows = np.empty((bottom - top, header.width, header.samples), header.dtype)
        step = max(1, 4 * _BLOCK // self._stride(header.width))
        while self.row < bottom:
            stop = min(bottom, self.row + step, top if self.row < top else bottom)
            values = self._scanlines(header.width, stop - self.row)
            if stop > top:
                rows[self.row - top : stop - top] = self._expand(values, header.width)
            self.row = stop
        return rows

    def _stride(self, width: int) -> int:
        return (width * _SAMPLES[self.layout.colour] * self.layout.depth + 7) // 8

    def _scanlines(self, width: int, rows: int) -> np.ndarray:
        """The next scanlines without their filters: (rows, W, samples), packed bytes as (rows, bytes, 1)."""
        stride, depth, samples = self._stride(width), self.layout.depth, _SAMPLES[self.layout.colour]
        if depth < 8:
            across, depth, samples = stride, 8, 1
        else:
            across = width
        filtered = self._inflated(rows * (1 + stride))
        if self.above is None:
            self.above = np.zeros((across, samples), np.uint16 if depth == 16 else np.uint8)
        values = _unfilter(filtered, self.above, depth)
        self.above = values[-1].copy()
        return values

    def _inflated(self, wanted: int) -> bytes:
        parts = []
        while wanted:
            if self.tail:
                part = self.inflate.decompress(self.tail, wanted)
                self.tail = self.inflate.unconsumed_tail
                if self.inflate.eof:
                    self.tail = b""
            elif self.chunk < len(self.layout.data):
                part, self.tail = b"", self._next_chunk()
            else:
                part = self.inflate.decompress(b"", wanted)
                if not part:
                    raise broken(self.name, "its pixels end before the last row")
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def _next_chunk(self) -> bytes:
        offset, length = self.layout.data[self.chunk]
        self.file.seek(offset)
        data = self.file.read(length)
        if zlib.crc32(data, zlib.crc32(b"IDAT")) != struct.unpack(">L", self.file.read(4))[0]:
            raise broken(self.name, f"the checksum of its pixels is wrong near byte {offset}")
        self.chunk += 1
        return data

    def _interlaced(self) -> np.ndarray:
        header = self.headers[0]
        whole = np.empty((header.height, header.width, header.samples), header.dtype)
        for x, y, across, down in _ADAM7:
            part = whole[y::down, x::across]
            if part.size:
                self.above = None
                part[:] = self._expand(self._scanlines(part.shape[1], part.shape[0]), part.shape[1])
        return whole

    def _expand(self, values: np.ndarray, width: int) -> np.ndarray:
        """Samples as the header has them: bits unpacked, palette looked up, the transparent colour made alpha."""
        depth = self.layout.depth
        if depth < 8:
            shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
            values = ((values >> shifts) & (2**depth - 1)).reshape(len(values), -1, 1)[:, :width]
        if self.table is not None:
            return self.table[values[..., 0]]
        alpha = None
        if self.key is not None:
            alpha = np.any(values != self.key, axis=-1, keepdims=True).astype(values.dtype) * values.dtype.type(np.iinfo(values.dtype).max)
        if depth < 8:
            values = values * np.uint8(255 // (2**depth - 1))
        return values if alpha is None else np.concatenate([values, alpha], axis=-1)


def _palette(layout: pngchunks.Layout, name: str) -> np.ndarray | None:
    """(256, samples) uint8, grey where it holds nothing else, or nothing for a picture without a palette; indices beyond it are black."""
    if layout.colour != 3:
        return None
    colours, alpha = layout.find(b"PLTE"), layout.find(b"tRNS")
    if not colours or len(colours) % 3 or len(colours) > 768:
        raise broken(name, "its palette is missing or damaged")
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours) // 3] = np.frombuffer(colours, np.uint8).reshape(-1, 3)
    if (table == table[:, :1]).all():
        table = table[:, :1]
    if alpha is None:
        return table
    opacity = np.full((256, 1), 255, np.uint8)
    opacity[: min(256, len(alpha)), 0] = np.frombuffer(alpha[:256], np.uint8)
    return np.concatenate([table, opacity], axis=1)


def _unfilter(filtered: bytes, above: np.ndarray, depth: int) -> np.ndarray:
    """Scanlines as samples. libpng does it: a small PNG is made of the unfiltered row `above` and the filtered rows."""
    import imagecodecs

    across, samples = above.shape
    rows = len(filtered) // (1 + across * samples * depth // 8)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[samples]
    first = b"\0" + above.astype(above.dtype.newbyteorder(">")).tobytes()
    png = b"".join((pngchunks.SIGNATURE, pngchunks.chunk(b"IHDR", struct.pack(">LLBBBBB", across, rows + 1, depth, colour, 0, 0, 0)),
                    pngchunks.chunk(b"IDAT", zlib.compress(first + filtered, 0)), pngchunks.chunk(b"IEND", b"")))
    return imagecodecs.png_decode(png).reshape(rows + 1, across, samples)[1:]


class PngSink(Sink):
    """Rows filtered and deflated in blocks on all cores; the same bytes come out for any number of cores and any bands."""

    def __init__(self, target, header: Header, quality: int | None = None, subsampling: str | None = None):
        super().__init__(target, header)

    @classmethod
    def fit(cls, name: str, header: Header) -> Header:
        if header.pages > 1:
            raise one_page(name, "png", header.pages)
        return header.replace(format="png", dtype=np.dtype(np.uint8 if header.dtype == np.uint8 else np.uint16), premultiplied=False)

    def page(self, header: Header) -> None:
        raise one_page(self.name, "png", header.pages)

    def _begin(self) -> None:
        header = self.header
        self.above: np.ndarray | None = None
        self.checksum, self.held = 1, np.empty((0, header.width * header.samples * header.dtype.itemsize), np.uint8)
        self.work = Ordered(self._emit)
        stored = _COLOUR[header.channels, header.alpha], 8 * header.dtype.itemsize
        before, self.after = pngchunks.chunks(self.given, stored)
        self.file.write(pngchunks.SIGNATURE + pngchunks.chunk(b"IHDR", struct.pack(">LLBBBBB", header.width, header.height, stored[1], stored[0], 0, 0, 0)))
        for kind, data in before:
            self.file.write(pngchunks.chunk(kind, data))
        self.file.write(pngchunks.chunk(b"IDAT", b"\x78\x9c"))  # the zlib header; the blocks follow as raw deflate

    def _rows(self, rows: np.ndarray) -> None:
        raw = np.ascontiguousarray(rows, rows.dtype.newbyteorder(">")).view(np.uint8).reshape(len(rows), -1)
        raw = np.concatenate([self.held, raw]) if len(self.held) else raw
        step = max(1, _BLOCK // raw.shape[1])
        whole = len(raw) // step * step  # blocks of equal height, so that the bytes do not depend on how the rows came
        for at in range(0, whole, step):
            self._block(raw[at : at + step])
        self.held = raw[whole:].copy()

    def _block(self, raw: np.ndarray) -> None:
        above = np.zeros(raw.shape[1], np.uint8) if self.above is None else self.above
        self.above = raw[-1].copy()
        self.work.submit(_compressed, raw, above, self.header.samples * self.header.dtype.itemsize)

    def _emit(self, block: tuple[bytes, bytes]) -> None:
        filtered, deflated = block
        self.checksum = zlib.adler32(filtered, self.checksum)
        self.file.write(pngchunks.chunk(b"IDAT", deflated))

    def _end(self) -> None:
        if len(self.held):
            self._block(self.held)
        self.work.drain()
        self.file.write(pngchunks.chunk(b"IDAT", b"\x03\0" + struct.pack(">L", self.checksum)))  # an empty last block and the checksum
        for kind, data in (*self.after, (b"IEND", b"")):
            self.file.write(pngchunks.chunk(kind, data))

    def _release(self) -> None:
        self.work.close()


def _compressed(raw: np.ndarray, above: np.ndarray, pixel: int) -> tuple[bytes, bytes]:
    up = np.concatenate([above[None], raw[:-1]])
    step = max(1, _CACHE // raw.shape[1])
    filtered = b"".join(_filter(raw[at : at + step], up[at : at + step], pixel).tobytes() for at in range(0, len(raw), step))
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15, 9, zlib.Z_FILTERED)
    return filtered, deflate.compress(filtered) + deflate.flush(zlib.Z_SYNC_FLUSH)


def _filter(raw: np.ndarray, up: np.ndarray, pixel: int) -> np.ndarray:
    """Each row behind the filter with the least sum of absolute differences (PNG, section 12.7): (rows, 1 + bytes) uint8. `up` holds the rows above."""
    left, corner = np.zeros_like(raw), np.zeros_like(raw)
    left[:, pixel:], corner[:, pixel:] = raw[:, :-pixel], up[:, :-pixel]
    best = np.empty((len(raw), 1 + raw.shape[1]), np.uint8)
    least = np.full(len(raw), np.iinfo(np.int64).max)
    for kind, guess in ((0, None), (1, left), (2, up), (3, (left >> 1) + (up >> 1) + (left & up & 1)), (4, _paeth(left, up, corner))):
        row = raw if guess is None else raw - guess
        cost = np.minimum(row, 0 - row).sum(axis=1, dtype=np.int64)
        better = cost < least
        least[better] = cost[better]
        best[better, 0] = kind
        best[better, 1:] = row[better]
    return best


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of three neighbours the one nearest to left + up - corner, ties in that order; in bytes throughout.

    Where both slopes have one sign the guess lies beyond left and up, so that the corner is never the nearest.
    """
    across = np.maximum(up, corner) - np.minimum(up, corner)  # |guess - left|
    down = np.maximum(left, corner) - np.minimum(left, corner)  # |guess - up|
    far = np.maximum(across, down) - np.minimum(across, down)  # |guess - corner| where the slopes have different signs
    far = _choose((up > corner) == (left > corner), np.uint8(255), far)
    return _choose((across <= down) & (across <= far), left, _choose(down <= far, up, corner))


def _choose(where: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """np.where on bytes without its branches: twenty times as fast on noise."""
    return other ^ ((one ^ other) & (0 - where.view(np.uint8)))

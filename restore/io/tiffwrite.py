"""TIFF and BigTIFF written in bands: segments as rows come, the directory behind them. A TIFF source's layout and tags are kept. TIFF 6.0; Adobe TN 3."""

import struct
import zlib

import numpy as np

from restore.errors import RestoreError
from restore.image import Header
from restore.io import exif as tags
from restore.io.base import Ordered, Sink

_CLASSIC = 2**32 - 1
_STRIP = 1 << 18  # bytes of a strip of our own choice
_LARGE = 1 << 25  # bytes above which a packed strip is cut: it has to be held whole
_CODES = {1, 5, 8, 32946, 32773, 50000}  # none, LZW, deflate and its old number, PackBits, zstd
_NEW = {"order": None, "big": False, "compression": 8, "predictor": 2, "planar": 1, "tile": None, "strip": None, "white": False, "tags": {}}


class TiffSink(Sink):
    """From other formats: deflate with horizontal differences for integers, plain floats, strips of a quarter of a megabyte."""

    new = _NEW  # the layout of a file that was no TIFF
    link = 0  # where the place of the next directory is to be written
    work: Ordered | None = None

    def __init__(self, target, header: Header, quality: int | None = None, subsampling: str | None = None):
        super().__init__(target, header)

    @classmethod
    def fit(cls, name: str, header: Header) -> Header:
        return header.replace(format="tiff", dtype=np.dtype(header.dtype) if header.dtype.kind in "uf" else np.dtype(np.float32))

    def _begin(self) -> None:
        header = self.header
        self.layout = layout = {**self.new, **(self.given.carry if self.given.format == "tiff" else {})}
        if layout["order"] is None:
            layout["order"] = tags.parse(header.exif)[0]
        if self.given.format != "tiff" and header.dtype.kind == "f":
            layout["compression"], layout["predictor"] = 1, 1
        if layout["compression"] not in _CODES:
            layout["compression"], layout["predictor"] = 8, 2
        if layout["compression"] in (1, 32773):
            layout["predictor"] = 1
        elif layout["predictor"] not in (1, 2) or header.dtype.kind == "f":
            layout["predictor"] = {"u": 2, "f": 3}[header.dtype.kind] if layout["predictor"] != 1 else 1
        if header.samples == 1:
            layout["planar"] = 1
        if not self.link:
            self._start(layout)
        self.planes = header.samples if layout["planar"] == 2 else 1
        self._choose_strip()
        tall, wide = layout["tile"] or (layout["strip"], header.width)
        self.across, self.down = -(-header.width // wide), -(-header.height // tall)
        self.tall, self.wide = tall, wide
        self.plain = layout["compression"] == 1 and not layout["tile"] and self.planes == 1
        self.first, self.held, self.done = self.file.tell(), [], 0
        self.offsets, self.counts = [0] * (self.planes * self.across * self.down), [0] * (self.planes * self.across * self.down)
        self.work = Ordered(self._emit)

    def _start(self, layout: dict) -> None:
        """The file's first bytes: byte order, and 64-bit offsets where the samples may need them."""
        size = self.header.height * self.header.width * self.header.samples * self.header.dtype.itemsize * max(1, self.header.pages)
        self.order, self.big = layout["order"], layout["big"] or size * 1.05 + 2**24 > _CLASSIC
        mark = b"II" if self.order == "<" else b"MM"
        if self.big:
            self.file.write(mark + struct.pack(self.order + "HHHQ", 43, 8, 0, 0))
        else:
            self.file.write(mark + struct.pack(self.order + "HL", 42, 0))
        self.link = 8 if self.big else 4

    def _choose_strip(self) -> None:
        header, layout = self.header, self.layout
        if layout["tile"]:
            return
        stride = header.width * header.samples * header.dtype.itemsize
        strip = layout["strip"] or max(1, _STRIP // stride)
        if layout["compression"] != 1 and strip * stride > _LARGE:
            strip = max(1, _STRIP // stride)
        layout["strip"] = min(strip, header.height)

    def _rows(self, rows: np.ndarray) -> None:
        if self.layout["white"]:
            rows = rows.copy()
            rows[..., 0] = rows.dtype.type(self.header.white) - rows[..., 0]
        if self.plain:
            self.file.write(np.ascontiguousarray(rows, rows.dtype.newbyteorder(self.order)).data)
            return
        self.held.append(rows)
        while self.held and sum(map(len, self.held)) >= self.tall:
            held = np.concatenate(self.held) if len(self.held) > 1 else self.held[0]
            self._segments(held[: self.tall])
            self.held = [held[self.tall :]] if len(held) > self.tall else []

    def _segments(self, rows: np.ndarray) -> None:
        """A row of tiles, or a strip, of every plane."""
        if self.layout["tile"] and len(rows) < self.tall:
            rows = np.pad(rows, ((0, self.tall - len(rows)), (0, 0), (0, 0)), "edge")
        for plane in range(self.planes):
            samples = rows[..., plane : plane + 1] if self.planes > 1 else rows
            for column in range(self.across):
                part = samples[:, column * self.wide : (column + 1) * self.wide]
                if part.shape[1] < self.wide:
                    part = np.pad(part, ((0, 0), (0, self.wide - part.shape[1]), (0, 0)), "edge")
                index = (plane * self.down + self.done) * self.across + column
                self.work.submit(_packed, index, part, self.layout["compression"], self.layout["predictor"], self.order)
        self.done += 1

    def _emit(self, segment: tuple[int, bytes]) -> None:
        index, data = segment
        self.offsets[index], self.counts[index] = self.file.tell(), len(data)
        self.file.write(data)

    def _end(self) -> None:
        if self.held:
            self._segments(np.concatenate(self.held))
            self.held = []
        self.work.drain()
        self.work.close()
        if self.plain:
            stride = self.header.width * self.header.samples * self.header.dtype.itemsize
            heights = [min(self.tall, self.header.height - at) for at in range(0, self.header.height, self.tall)]
            self.offsets = [self.first + index * self.tall * stride for index in range(len(heights))]
            self.counts = [height * stride for height in heights]
        self.file.write(b"\0" * (self.file.tell() % 2))
        place, directory = self.file.tell(), self._directory()
        table = tags.pack(directory, place, self.order, self.big)
        if not self.big and place + len(table) > _CLASSIC:
            raise RestoreError(f"{self.name}: its pages grew past 4 GB, the most that a TIFF of this kind holds", "a BigTIFF, or fewer pages",
                               "split its pages into files")
        self.file.write(table)
        end = self.file.tell()
        self.file.seek(self.link)
        self.file.write(struct.pack(self.order + ("Q" if self.big else "L"), place))
        self.file.seek(end)
        self.link = place + (8 + 20 * len(directory) if self.big else 2 + 12 * len(directory))

    def _release(self) -> None:
        if self.work is not None:
            self.work.close()

    def _directory(self) -> tags.Directory:
        """The layout as it was written, and around it what the header and its carry say."""
        header, layout, order = self.header, self.layout, self.order

        def number(kind: int, *values) -> tags.Entry:
            return kind, len(values), struct.pack(order + {3: "H", 4: "L", 16: "Q"}[kind] * len(values), *values)

        place = 16 if self.big else 4
        tiled = layout["tile"] is not None
        entries = {256: number(4, header.width), 257: number(4, header.height), 258: number(3, *[8 * header.dtype.itemsize] * header.samples),
                   259: number(3, layout["compression"]), 262: number(3, 2 if header.channels == 3 else 0 if layout["white"] else 1),
                   277: number(3, header.samples),
                   324 if tiled else 273: number(place, *self.offsets), 325 if tiled else 279: number(place, *self.counts)}
        entries |= {322: number(4, self.wide), 323: number(4, self.tall)} if tiled else {278: number(4, self.tall)}
        stated = layout.get("stated", ())  # these are written in so far as they are no defaults, or the source had them
        if header.samples > 1 or 284 in stated:
            entries[284] = number(3, layout["planar"])
        if header.dtype.kind == "f" or 339 in stated:
            entries[339] = number(3, *[3 if header.dtype.kind == "f" else 1] * header.samples)
        if layout["predictor"] != 1 or 317 in stated:
            entries[317] = number(3, layout["predictor"])
        if header.alpha:
            entries[338] = number(3, 1 if header.premultiplied else 0 if header.spare else 2)
        return self._told() | entries

    def _told(self) -> tags.Directory:
        header, order = self.header, self.order
        carried = tags.reordered(self.layout["tags"], self.layout["order"], order)
        if self.layout.get("dtype", header.dtype) != header.dtype:  # what counts in the old depth
            carried = {tag: value for tag, value in carried.items() if tag not in (280, 281, 301, 340, 341)}
        if (size := self.layout.get("size", (header.height, header.width))) != (header.height, header.width):
            carried = tags.regridded(carried, order, header.height, header.width, size)
        exif_order, exif = tags.parse(tags.agreeing(header)[0])
        told = {tag: value for tag, value in tags.reordered(exif, exif_order, order).items() if tag in tags.DESCRIPTIVE}
        told = carried | told
        if header.orientation != 1 or tags.ORIENTATION in told:
            told[tags.ORIENTATION] = tags.short(header.orientation, order)
        if header.dpi != tags.resolution(carried, order):
            told = {tag: value for tag, value in told.items() if tag not in (282, 283, 296)}
            told |= tags.resolution_entries(header.dpi, order) if header.dpi else {}
        for tag, kind, data in ((34675, 7, header.icc), (700, 1, tags.agreeing(header)[1])):
            if data:
                told[tag] = kind, len(data), data
        return told


def _packed(index: int, part: np.ndarray, compression: int, predictor: int, order: str) -> tuple[int, bytes]:
    """A strip or tile (rows, columns, samples): differences between neighbours, then the compression."""
    import imagecodecs

    part = np.ascontiguousarray(part)
    if predictor == 2:
        whole = part.copy()
        whole[:, 1:] -= part[:, :-1]
        part = whole
    if predictor == 3:
        part = imagecodecs.floatpred_encode(part.astype(part.dtype.newbyteorder(order)), axis=-2, dist=1)
    else:
        part = part.astype(part.dtype.newbyteorder(order), copy=False)
    if compression == 1:
        return index, part.tobytes()
    if compression == 5:
        return index, imagecodecs.lzw_encode(part.tobytes())
    if compression == 32773:  # its runs end with the row
        return index, b"".join(imagecodecs.packbits_encode(row.tobytes()) for row in part)
    if compression == 50000:
        return index, imagecodecs.zstd_encode(part.tobytes())
    return index, zlib.compress(part.tobytes(), 6)

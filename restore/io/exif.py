"""EXIF and TIFF directories as raw entries: read, found, patched and built without interpreting a value.

A directory is {tag: (type, count, bytes)}; the value of a sub-directory tag (Exif, GPS, Interoperability) is a directory instead.
Values keep the byte order of their block, so that what is copied is copied byte for byte. TIFF 6.0, section 2; EXIF 2.32, section 4.6.
"""

import io
import re
import struct
from typing import BinaryIO

import numpy as np

from restore.image import Header

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WORDS = {5: 4, 10: 4}  # a rational is two words
ORIENTATION, EXIF, GPS, INTEROP = 274, 34665, 34853, 40965
FOLDERS = {EXIF, GPS, INTEROP}
NOTE = 37500  # the maker's own
WIDTH, HEIGHT = 40962, 40963  # PixelXDimension, PixelYDimension
# what a TIFF directory says of the picture and not of its layout; with Exif and GPS it is what other formats carry as EXIF
DESCRIPTIVE = {270, 271, 272, ORIENTATION, 305, 306, 315, 316, 18246, 18249, 33432, EXIF, GPS, 40091, 40092, 40093, 40094, 40095}

Entry = tuple[int, int, bytes]
Directory = dict[int, "Entry | Directory"]


def read_directory(file: BinaryIO, offset: int, order: str, big: bool = False, depth: int = 0) -> Directory:
    """The directory at `offset`; entries that point outside the file are left out."""
    counts, entry, inline = ("Q", "HHQ", 8) if big else ("H", "HHL", 4)
    end = file.seek(0, 2)
    file.seek(offset)
    (number,) = struct.unpack(order + counts, file.read(struct.calcsize(order + counts)))
    width = struct.calcsize(order + entry) + inline
    raw = file.read(width * number)
    found: Directory = {}
    for at in range(0, len(raw) - width + 1, width):
        tag, kind, count = struct.unpack_from(order + entry, raw, at)
        size = SIZES.get(kind, 0) * count
        data = raw[at + width - inline : at + width]
        if size > inline:
            (place,) = struct.unpack(order + ("Q" if big else "L"), data)
            if place + size > end:
                continue
            file.seek(place)
            data = file.read(size)
        if not size or len(data) < size:
            continue
        if tag in FOLDERS and kind in (4, 13, 16, 18) and depth < 2:
            try:
                found[tag] = read_directory(file, _number(data, kind, order), order, big, depth + 1)
            except struct.error:  # points outside the file
                continue
        else:
            found[tag] = kind, count, data[:size]
    return found


def chain(file: BinaryIO) -> tuple[str, bool, list[int]]:
    """Byte order, whether it is a BigTIFF, and where each directory of a TIFF file begins; ValueError where the chain leaves the file."""
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(16).ljust(16, b"\0")
    order = "<" if start[:2] == b"II" else ">"
    big = start[2:4] in (b"+\0", b"\0+")
    counts, word, width = ("Q", "Q", 20) if big else ("H", "L", 12)
    place, places = struct.unpack_from(order + word, start, 8 if big else 4)[0], []
    while place:
        if place in places:
            raise ValueError("its directories run in a circle")
        places.append(place)
        file.seek(place)
        number = struct.unpack(order + counts, file.read(struct.calcsize(order + counts)).ljust(struct.calcsize(order + counts), b"\0"))[0]
        after = file.tell() + width * number
        if not number or after + struct.calcsize(order + word) > size:
            raise ValueError("the file is cut off before the end of its directories")
        file.seek(after)
        (place,) = struct.unpack(order + word, file.read(struct.calcsize(order + word)))
    return order, big, places


def regridded(found: Directory, order: str, height: int, width: int, before: tuple[int, int]) -> Directory:
    """The directory for a picture of another size than `before`, (height, width): places on the earth (GeoTIFF 1.1, annex B) follow, descriptions of a program's own go."""
    down, across = height / before[0], width / before[1]
    scales = {33550: (1 / across, 1 / down, 1), 33922: (across, down, 1, 1, 1, 1), 34264: (1 / across, 1 / down, 1, 1)}
    found = {tag: value for tag, value in found.items() if tag != 270}
    if stale := _stale(found, order, height, width):
        found[EXIF] = found[EXIF] | stale
    for tag in scales.keys() & found.keys():
        kind, count, data = found[tag]
        if kind == 12:
            found[tag] = kind, count, (np.frombuffer(data, order + "f8") * np.resize(scales[tag], count)).astype(order + "f8").tobytes()
    return found


def _number(data: bytes, kind: int, order: str) -> int:
    return struct.unpack_from(order + {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q", 18: "Q"}[kind], data)[0]


def parse(exif: bytes | None) -> tuple[str, Directory]:
    """Byte order and first directory of an EXIF block; an empty one where the block makes no sense."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get((exif or b"")[:4])
    if order is None:
        return "<", {}
    try:
        return order, read_directory(io.BytesIO(exif), struct.unpack_from(order + "L", exif, 4)[0], order)
    except struct.error:
        return order, {}


def build(order: str, directory: Directory) -> bytes:
    """An EXIF block that holds the directory."""
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", 8)
    return start + pack(directory, 8, order)


def pack(directory: Directory, offset: int, order: str, big: bool = False, following: int = 0) -> bytes:
    """The bytes of a directory that is to stand at `offset`: entries, their long values and sub-directories; `following` is the next directory's place."""
    counts, entry, word, inline = ("Q", "HHQ", "Q", 8) if big else ("H", "HHL", "L", 4)
    head = struct.calcsize(order + counts) + len(directory) * (struct.calcsize(order + entry) + inline) + inline
    heap, table = bytearray(), bytearray()
    for tag, value in sorted(directory.items()):
        heap += b"\0" * ((offset + head + len(heap)) % 2)  # values begin at even offsets
        place = offset + head + len(heap)
        if isinstance(value, dict):
            kind, count, data = 18 if big else 4, 1, struct.pack(order + word, place)
            heap += pack(value, place, order, big)
        else:
            kind, count, data = value
            if len(data) > inline:
                heap += data
                data = struct.pack(order + word, place)
        table += struct.pack(order + entry, tag, kind, count) + data.ljust(inline, b"\0")
    return struct.pack(order + counts, len(directory)) + bytes(table) + struct.pack(order + word, following) + bytes(heap)


def reordered(directory: Directory, order: str, wanted: str) -> Directory:
    """The directory with the numbers of its values in the other byte order; opaque bytes (MakerNote) stay."""
    if order == wanted:
        return directory
    turned: Directory = {}
    for tag, value in directory.items():
        if isinstance(value, dict):
            turned[tag] = reordered(value, order, wanted)
            continue
        kind, count, data = value
        word = _WORDS.get(kind, SIZES[kind])
        turned[tag] = kind, count, b"".join(data[at : at + word][::-1] for at in range(0, len(data), word)) if word > 1 else data
    return turned


def number(directory: Directory, tag: int, order: str) -> int | None:
    """The first integer of an entry."""
    value = directory.get(tag)
    if isinstance(value, tuple) and value[0] in (1, 3, 4, 13, 16, 18):
        return _number(value[2], value[0], order)
    return None


def without_note(exif: bytes | None) -> bytes | None:
    """The block without the maker's own notes, whose offsets mean nothing in another file."""
    order, directory = parse(exif)
    inner = directory.get(EXIF)
    if not isinstance(inner, dict) or NOTE not in inner:
        return exif
    return build(order, directory | {EXIF: {tag: value for tag, value in inner.items() if tag != NOTE}})


def short(value: int, order: str) -> Entry:
    return 3, 1, struct.pack(order + "H", value)


def orientation(exif: bytes | None) -> int:
    """EXIF orientation 1 to 8; 1 where nothing sensible is said."""
    order, directory = parse(exif)
    value = number(directory, ORIENTATION, order)
    return value if value in range(1, 9) else 1


def dpi(exif: bytes | None) -> tuple[float, float] | None:
    """Resolution in dots per inch, where the block says it with a unit."""
    order, directory = parse(exif)
    return resolution(directory, order)


def resolution(directory: Directory, order: str) -> tuple[float, float] | None:
    """XResolution and YResolution of a directory in dots per inch, where the unit is the inch or the centimetre."""
    unit = {2: 1.0, 3: 2.54}.get(number(directory, 296, order) or 2)
    sides = []
    for tag in (282, 283):
        value = directory.get(tag)
        over, under = struct.unpack_from(order + "LL", value[2]) if isinstance(value, tuple) and value[0] == 5 else (0, 0)
        if not (unit and over and under):
            return None
        sides.append(over / under * unit)
    return sides[0], sides[1]


def resolution_entries(dpi: tuple[float, float], order: str) -> Directory:
    """XResolution, YResolution and their unit, to a ten-thousandth of a dot."""
    def rational(value: float) -> bytes:
        under = 1 if abs(value - round(value)) < 1e-9 else 10000
        return struct.pack(order + "LL", min(2**32 - 1, round(value * under)), under)

    return {282: (5, 1, rational(dpi[0])), 283: (5, 1, rational(dpi[1])), 296: short(2, order)}


def with_dpi(dpi: tuple[float, float] | None) -> bytes | None:
    """A block that says a resolution and nothing else."""
    return build("<", resolution_entries(dpi, "<")) if dpi else None


def with_orientation(exif: bytes | None, value: int) -> bytes | None:
    """The block saying another orientation: two bytes change where the tag is there, otherwise a directory with it is built."""
    if orientation(exif) == value:
        return exif
    order, directory = parse(exif)
    if ORIENTATION in directory:
        at = _places(exif, struct.unpack_from(order + "L", exif, 4)[0], order)[ORIENTATION]
        return exif[:at] + struct.pack(order + "HHLHxx", ORIENTATION, 3, 1, value) + exif[at + 12 :]
    return build(order, directory | {ORIENTATION: short(value, order)})


def with_size(exif: bytes | None, height: int, width: int) -> bytes | None:
    """The block saying the size of the picture, where it says another: the bytes of those entries change alone."""
    order, directory = parse(exif)
    stale = _stale(directory, order, height, width)
    if not stale:
        return exif
    first = _places(exif, struct.unpack_from(order + "L", exif, 4)[0], order)
    inner = _places(exif, struct.unpack_from(order + "L", exif, first[EXIF] + 8)[0], order)
    for tag, (_, _, data) in stale.items():
        exif = exif[: inner[tag]] + struct.pack(order + "HHL", tag, 4, 1) + data + exif[inner[tag] + 12 :]
    return exif


def _stale(directory: Directory, order: str, height: int, width: int) -> dict[int, Entry]:
    """Sizes in the Exif directory that are not the picture's, as they should be."""
    inner, sizes = directory.get(EXIF), {WIDTH: width, HEIGHT: height}
    return {tag: (4, 1, struct.pack(order + "L", size)) for tag, size in sizes.items() if isinstance(inner, dict) and number(inner, tag, order) not in (None, size)}


def _places(exif: bytes, start: int, order: str) -> dict[int, int]:
    """Where the entries of the directory at `start` stand."""
    (count,) = struct.unpack_from(order + "H", exif, start)
    return {struct.unpack_from(order + "H", exif, at)[0]: at for at in range(start + 2, start + 2 + 12 * count, 12)}


def xmp_with_orientation(xmp: bytes | None, value: int) -> bytes | None:
    """The packet saying another orientation, where it says one."""
    if xmp is None:
        return None
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))[1-8]", rb"\g<1>%d" % value, xmp)


def agreeing(header: Header) -> tuple[bytes | None, bytes | None]:
    """EXIF and XMP of a header as they are to be written: with its size, and both changed where its orientation is no longer that of its EXIF."""
    exif = with_size(header.exif, header.height, header.width)
    if orientation(exif) == header.orientation:
        return exif, header.xmp
    return with_orientation(exif, header.orientation), xmp_with_orientation(header.xmp, header.orientation)

"""PNG chunks: found, checked, copied byte for byte, and read for what a header says. PNG specification, third edition, sections 5 and 11."""

import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from restore.errors import RestoreError
from restore.image import Header
from restore.io import exif as exif_blocks
from restore.io.files import broken

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP = b"XML:com.adobe.xmp\0"
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_PIXELS = {b"PLTE", b"tRNS", b"hIST"}  # used up when a palette or a transparent colour becomes samples
_TYPED = {b"bKGD", b"sBIT"}  # their meaning hangs on colour type and depth
_TRUE = {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD", b"tIME", b"sPLT", b"sCAL", b"pCAL", b"sTER"}  # of new pixels too
_METRE = 0.0254  # inches
_ICC_LIMIT = 1 << 28

Chunks = tuple[tuple[bytes, bytes], ...]


@dataclass
class Layout:
    """What the walk over a file finds: IHDR, where the IDAT data lie, and all other chunks before and after them."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    data: list[tuple[int, int]] = field(default_factory=list)  # offset, length
    before: list[tuple[bytes, bytes]] = field(default_factory=list)
    after: list[tuple[bytes, bytes]] = field(default_factory=list)

    def find(self, kind: bytes) -> bytes | None:
        return next((data for name, data in self.before + self.after if name == kind), None)


def walk(file: BinaryIO, name: str) -> Layout:
    """All chunks of a file, its pixels not read; an error where it ends early or a chunk other than IDAT is damaged."""
    size = file.seek(0, 2)
    file.seek(len(SIGNATURE))
    layout = None
    while True:
        start = file.read(8)
        if len(start) < 8:
            raise broken(name, "the file is cut off: it has no end mark")
        length, kind = struct.unpack(">L4s", start)
        if file.tell() + length + 4 > size:
            raise broken(name, f"the file is cut off in a chunk {kind.decode('latin-1')!r} of {length} bytes")
        if kind == b"IDAT" and layout:
            layout.data.append((file.tell(), length))
            file.seek(length + 4, 1)
            continue
        data = file.read(length)
        if zlib.crc32(data, zlib.crc32(kind)) != struct.unpack(">L", file.read(4))[0]:
            raise broken(name, f"the checksum of its chunk {kind.decode('latin-1')!r} is wrong")
        if layout is None:
            if kind != b"IHDR" or length != 13:
                raise broken(name, "it does not begin with a PNG header")
            layout = _layout(data, name)
        elif kind == b"IEND":
            return layout
        elif kind == b"acTL" and struct.unpack_from(">L", data)[0] > 1:
            raise RestoreError(f"{name}: is an animation of {struct.unpack_from('>L', data)[0]} frames", "one still picture",
                               "take the frames apart first: ffmpeg -i FILE frame%04d.png")
        else:
            (layout.after if layout.data else layout.before).append((kind, data))


def _layout(data: bytes, name: str) -> Layout:
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">LLBBBBB", data)
    allowed = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    if depth not in allowed.get(colour, ()) or compression or filtering or interlace > 1:
        raise broken(name, f"no PNG has colour type {colour} with {depth} bits, compression {compression}, filter {filtering}, interlace {interlace}")
    return Layout(width, height, depth, colour, bool(interlace))


def facts(before: Chunks, after: Chunks) -> dict[str, object]:
    """icc, exif, xmp and dpi as the chunks say them."""
    said: dict[str, object] = {"icc": None, "exif": None, "xmp": None, "dpi": None}
    for kind, data in (*before, *after):
        key = _speaks_of(kind, data)
        if key:
            said[key] = _READ[key](data)
    return said


def _speaks_of(kind: bytes, data: bytes) -> str | None:
    if kind == b"iTXt":
        return "xmp" if data.startswith(XMP) else None
    return {b"iCCP": "icc", b"eXIf": "exif", b"pHYs": "dpi"}.get(kind)


def _read_icc(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(data[data.index(b"\0") + 2 :], _ICC_LIMIT)
    except (ValueError, zlib.error):
        return None


def _read_xmp(data: bytes) -> bytes | None:
    packed, _, rest = data[len(XMP)], data[len(XMP) + 1], data[len(XMP) + 2 :]
    parts = rest.split(b"\0", 2)
    try:
        return zlib.decompressobj().decompress(parts[2], _ICC_LIMIT) if packed else parts[2]
    except (IndexError, zlib.error):
        return None


def _read_dpi(data: bytes) -> tuple[float, float] | None:
    across, down, unit = struct.unpack(">LLB", data)
    return (across * _METRE, down * _METRE) if unit == 1 and across and down else None


_READ = {"icc": _read_icc, "exif": lambda data: data.removeprefix(b"Exif\0\0"), "xmp": _read_xmp, "dpi": _read_dpi}


def _make(key: str, value) -> tuple[bytes, bytes]:
    if key == "icc":
        return b"iCCP", b"ICC profile\0\0" + zlib.compress(value, 9)
    if key == "exif":
        return b"eXIf", value
    if key == "xmp":
        return b"iTXt", XMP + b"\0\0\0\0" + value
    return b"pHYs", struct.pack(">LLB", *(min(round(side / _METRE), 2**31 - 1) for side in value), 1)


def header(layout: Layout) -> dict[str, object]:
    """icc, exif, xmp, dpi, orientation and carry of a header."""
    before, after = (tuple(c for c in side if c[0] not in _ANIMATION) for side in (layout.before, layout.after))
    said = facts(before, after)
    carry = {"before": before, "after": after, "type": (layout.colour, layout.depth)}
    return said | {"orientation": exif_blocks.orientation(said["exif"]), "carry": carry}


def chunks(header: Header, stored: tuple[int, int]) -> tuple[Chunks, Chunks]:
    """The chunks to write before and after the pixels: those carried, byte for byte, save where the header says otherwise by now."""
    carried = header.carry if header.format == "png" else {}
    sides = carried.get("before", ()), carried.get("after", ())
    exif, xmp = exif_blocks.agreeing(header)
    wanted = {"icc": header.icc, "exif": exif, "xmp": xmp, "dpi": header.dpi}
    said = facts(*sides)
    unlike = {key for key, value in wanted.items() if said[key] != value}
    drop = _PIXELS if carried.get("type") == stored else _PIXELS | _TYPED
    before, after = ([c for c in side if c[0] not in drop and _copied(c[0]) and _speaks_of(*c) not in unlike] for side in sides)
    if "icc" in unlike:  # these two say the colour space again, or say another one
        before = [c for c in before if c[0] not in (b"sRGB", b"iCCP", b"cICP")]
    new = [_make(key, wanted[key]) for key in ("icc", "dpi", "exif", "xmp") if key in unlike and wanted[key] is not None]
    return (*new, *before), tuple(after)


def _copied(kind: bytes) -> bool:
    """Whether a chunk may stand beside pixels that have changed: by a small last letter, or as one that is known here. Section 14.2."""
    return bool(kind[3] & 0x20) or kind in _TRUE


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(data, zlib.crc32(kind)))

"""JPEG marker segments: found, copied byte for byte, and read for what a header says. ITU T.81 annex B; JFIF 1.02; EXIF 2.32; ICC.1 annex B.4; XMP part 3."""

import hashlib
import struct
from collections.abc import Iterable
from typing import BinaryIO

from restore.errors import RestoreError
from restore.image import Header
from restore.io import exif as exif_blocks

JFIF, EXIF, XMP, XMP_MORE, ICC = b"JFIF\0", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0", b"ICC_PROFILE\0"
PICTURES = b"MPF\0"  # says where further pictures follow in the file; they are not copied
ADOBE = 0xEE
_ROOM = 65533  # bytes of a segment, its length apart
_STUB = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
         b'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"/></rdf:RDF></x:xmpmeta>')

Segments = tuple[tuple[int, bytes], ...]


def walk(file: BinaryIO) -> Segments:
    """The segments (marker, payload) from the start of the file to the head of its first scan, which is the last of them."""
    file.seek(2)
    found = []
    while True:
        marker = file.read(2)
        while len(marker) == 2 and marker[0] == 0xFF and marker[1] == 0xFF:  # fill bytes
            marker = marker[1:] + file.read(1)
        if len(marker) < 2 or marker[0] != 0xFF:
            raise ValueError("its segments end before the picture begins")
        if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD7:  # these stand alone
            continue
        size = file.read(2)
        payload = file.read(int.from_bytes(size, "big") - 2) if len(size) == 2 else b""
        if len(size) < 2 or len(payload) != int.from_bytes(size, "big") - 2:
            raise ValueError("the file is cut off before its pixels")
        found.append((marker[1], payload))
        if marker[1] == 0xDA:
            return tuple(found)


def frame(segments: Segments) -> tuple[int, bytes]:
    """The frame header: its marker and payload (precision, height, width, components)."""
    for marker, payload in segments:
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(payload) >= 6:
            return marker, payload
    raise ValueError("it has no frame header")


def sized(segment: tuple[int, bytes], header: Header) -> tuple[int, bytes]:
    """A segment as it is; the frame header with the size of this one."""
    marker, payload = segment
    if not 0xC0 <= marker <= 0xCF or marker in (0xC4, 0xC8, 0xCC) or len(payload) < 6:
        return segment
    return marker, payload[:1] + struct.pack(">HH", header.height, header.width) + payload[5:]


def told(segments: Segments) -> Segments:
    """The segments that say something beside the picture: APPn and comments, less the index of further pictures."""
    return tuple((m, p) for m, p in segments if (0xE0 <= m <= 0xEF or m == 0xFE) and not (m == 0xE2 and p.startswith(PICTURES)))


def _speaks_of(marker: int, payload: bytes) -> str | None:
    if marker == 0xE1:
        return "exif" if payload.startswith(EXIF) else "xmp" if payload.startswith((XMP, XMP_MORE)) else None
    if marker == 0xE2 and payload.startswith(ICC):
        return "icc"
    return "dpi" if marker == 0xE0 and payload.startswith(JFIF) else None


def facts(segments: Segments) -> dict[str, object]:
    """icc, exif, xmp and dpi as the segments say them. Of an extended XMP the main packet; the rest is carried."""
    exif = next((p[len(EXIF) :] for m, p in segments if _speaks_of(m, p) == "exif"), None)
    xmp = next((p[len(XMP) :] for m, p in segments if m == 0xE1 and p.startswith(XMP)), None)
    parts = sorted((p[len(ICC)], p[len(ICC) + 2 :]) for m, p in segments if _speaks_of(m, p) == "icc" and len(p) > len(ICC) + 2)
    dpi = next((_density(p) for m, p in segments if _speaks_of(m, p) == "dpi"), None)
    return {"icc": b"".join(data for _, data in parts) or None, "exif": exif, "xmp": xmp, "dpi": dpi or exif_blocks.dpi(exif)}


def _density(jfif: bytes) -> tuple[float, float] | None:
    if len(jfif) < 12:
        return None
    unit, across, down = struct.unpack_from(">BHH", jfif, 7)
    inch = {1: 1.0, 2: 2.54}.get(unit)
    return (across * inch, down * inch) if inch and across and down else None


def joined(header: Header, name: str) -> bytes:
    """The segments to write: those carried, byte for byte, save where the header says otherwise by now."""
    carried = header.carry.get("segments") if header.format == "jpeg" else None
    exif, xmp = exif_blocks.agreeing(header)
    wanted = {"icc": header.icc, "exif": exif, "xmp": xmp, "dpi": header.dpi}
    said = facts(carried or ())
    unlike = {key for key, value in wanted.items() if said[key] != value}
    kept = [s for s in carried or () if _speaks_of(*s) not in unlike]
    new = [segment for key in ("dpi", "exif", "xmp", "icc") if key in unlike for segment in _make(key, wanted[key], name)]
    if carried is None and "dpi" not in unlike:
        new[:0] = _make("dpi", None, name)
    at = 1 if kept and kept[0][0] == 0xE0 else 0  # JFIF stands first
    at = 0 if new and new[0][0] == 0xE0 else at
    return pack((*kept[:at], *new, *kept[at:]))


def pack(segments: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">BBH", 0xFF, marker, 2 + len(payload)) + payload for marker, payload in segments)


def _make(key: str, value, name: str) -> list[tuple[int, bytes]]:
    if key == "dpi":
        across, down = (min(65535, max(1, round(v))) for v in value or (1, 1))
        return [(0xE0, JFIF + struct.pack(">BBBHHBB", 1, 1, 1 if value else 0, across, down, 0, 0))]
    if value is None:
        return []
    if key == "exif":
        if len(EXIF) + len(value) > _ROOM:
            raise RestoreError(f"{name}: its EXIF block of {len(value)} bytes does not fit in a JPEG", f"at most {_ROOM - len(EXIF)} bytes",
                               "choose PNG, TIFF or WebP: -o NAME.png")
        return [(0xE1, EXIF + value)]
    if key == "icc":
        step = _ROOM - len(ICC) - 2
        parts = [value[at : at + step] for at in range(0, len(value), step)]
        return [(0xE2, ICC + bytes((index + 1, len(parts))) + part) for index, part in enumerate(parts)]
    if len(XMP) + len(value) <= _ROOM:
        return [(0xE1, XMP + value)]
    digest, step = hashlib.md5(value, usedforsecurity=False).hexdigest().upper().encode(), _ROOM - len(XMP_MORE) - 40
    return [(0xE1, XMP + _STUB % digest)] + [(0xE1, XMP_MORE + digest + struct.pack(">LL", len(value), at) + value[at : at + step])
                                             for at in range(0, len(value), step)]

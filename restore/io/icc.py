"""ICC profiles of RGB spaces: three primaries, a white, a curve. ICC.1:2010 (version 4.3), sections 7 to 10."""

import struct

import numpy as np

from restore.image import Space

D50 = (0.9642, 1.0, 0.8249)  # the white of every profile
D65 = (0.3127, 0.3290)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # (a x + b)^g from d on, c x below


def build(space: Space, linear: bool = False) -> bytes:
    """The profile of a space, or of its linear light."""
    name = f"{space.name}, linear" if linear else space.name
    adapt = _adaptation()
    red, green, blue = (adapt @ _primaries(space)).T
    curve = _curve((1.0,), 0) if linear else _curve((space.gamma,), 0) if space.gamma else _curve(SRGB, 3)
    tags = {b"desc": _text(name), b"cprt": _text("No copyright, use freely"), b"wtpt": _xyz(D50), b"chad": _numbers(b"sf32", adapt.flat), b"rXYZ": _xyz(red),
            b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    offset, table, body, places = 128 + 4 + 12 * len(tags), b"", b"", {}
    for signature, data in tags.items():
        if data not in places:
            places[data] = offset + len(body)
            body += data + b"\0" * (-len(data) % 4)
        table += signature + struct.pack(">LL", places[data], len(data))
    head = struct.pack(">L4sL4s4s4s", offset + len(body), b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ") + struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head += b"acsp" + bytes(28) + struct.pack(">3l", *(round(value * 65536) for value in D50))
    return head.ljust(128, b"\0") + struct.pack(">L", len(tags)) + table + body


def _adaptation() -> np.ndarray:
    """XYZ under D65 to XYZ under D50."""
    return np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ _point(D65))) @ BRADFORD


def _primaries(space: Space) -> np.ndarray:
    points = np.stack([_point(primary) for primary in space.primaries], 1)
    return points * np.linalg.solve(points, _point(D65))


def _point(at: tuple[float, float]) -> np.ndarray:
    return np.array([at[0] / at[1], 1.0, (1 - at[0] - at[1]) / at[1]])


def _numbers(kind: bytes, values) -> bytes:
    values = [round(float(value) * 65536) for value in values]
    return kind + bytes(4) + struct.pack(f">{len(values)}l", *values)


def _xyz(values) -> bytes:
    return _numbers(b"XYZ ", values)


def _curve(parameters: tuple[float, ...], function: int) -> bytes:
    return b"para" + bytes(4) + struct.pack(">HH", function, 0) + struct.pack(f">{len(parameters)}l", *(round(value * 65536) for value in parameters))


def _text(text: str) -> bytes:
    coded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">LL2s2sLL", 1, 12, b"en", b"US", len(coded), 28) + coded

"""What a digital negative says of colour and noise. DNG 1.4, chapters 4 and 6."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from restore.image import Matrix, Profile
from restore.io import exif as tags

SUB_DIRECTORIES, PHOTOMETRIC, MOSAIC, LINEAR = 330, 262, 32803, 34892
CAMERA, BALANCE, EXPOSURE, NOISE = 50708, 50727, 50730, 51041
ILLUMINANTS, COLOUR, CALIBRATION, FORWARD = (50778, 50779), (50721, 50722), (50723, 50724), (50964, 50965)
KELVIN = {1: 5500, 2: 4150, 3: 2856, 4: 5500, 9: 5500, 10: 6500, 11: 7500, 12: 6430, 13: 5000, 14: 4150, 15: 3450, 16: 2940, 17: 2856, 18: 4874,
          19: 6774, 20: 5503, 21: 6504, 22: 7504, 23: 5003, 24: 3200}  # of EXIF's light sources
_UNKNOWN = 5003


@dataclass(frozen=True)
class Said:
    """Profiles by rising temperature; noise (a, b) of R, G, B; stops of exposure to be added."""

    profiles: tuple[Profile, ...] = ()
    noise: tuple[tuple[float, float], ...] | None = None
    stops: float = 0.0
    camera: str = ""


def read(file: BinaryIO, order: str, directory: tags.Directory) -> Said:
    """What is said in the first directory and those of the raw picture below it; nothing of a file that is no DNG."""
    if COLOUR[0] not in directory:
        return Said()
    balance = numbers(directory, BALANCE, order)
    balance = balance if len(balance) == 3 else (1.0,) * 3
    profiles = []
    for light, colour, calibration, forward in zip(ILLUMINANTS, COLOUR, CALIBRATION, FORWARD, strict=True):
        matrix = _square(numbers(directory, colour, order))
        if matrix is None:
            continue
        own = _square(numbers(directory, calibration, order)) or ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        own = tuple(tuple(gain * value for value in row) for gain, row in zip(balance, own, strict=True))
        kelvin = KELVIN.get(tags.number(directory, light, order) or 0, _UNKNOWN)
        profiles.append(Profile(float(kelvin), _product(own, matrix), _square(numbers(directory, forward, order))))
    name = directory.get(CAMERA)
    stops = numbers(directory, EXPOSURE, order)
    return Said(tuple(sorted(profiles, key=lambda profile: profile.kelvin)), _noise(file, order, directory), stops[0] if stops else 0.0,
                name[2].rstrip(b"\0").decode("utf-8", "replace") if isinstance(name, tuple) else "")


def _noise(file: BinaryIO, order: str, directory: tags.Directory) -> tuple[tuple[float, float], ...] | None:
    found = ()
    for place in _integers(directory, SUB_DIRECTORIES, order):
        below = tags.read_directory(file, place, order)
        if tags.number(below, PHOTOMETRIC, order) in (MOSAIC, LINEAR):
            found = found or numbers(below, NOISE, order)
    found = found or numbers(directory, NOISE, order)
    if len(found) not in (2, 6) or min(found) < 0 or not found[0] > 0:
        return None
    pairs = tuple(zip(found[::2], found[1::2], strict=True))
    return pairs if len(pairs) == 3 else pairs * 3


def numbers(directory: tags.Directory, tag: int, order: str) -> tuple[float, ...]:
    """The values of an entry; none where it is missing or of a kind that holds no numbers."""
    entry = directory.get(tag)
    letter = {3: "H", 4: "L", 5: "L", 8: "h", 9: "l", 10: "l", 11: "f", 12: "d"}.get(entry[0]) if isinstance(entry, tuple) else None
    if letter is None:
        return ()
    values = [value for (value,) in struct.iter_unpack(order + letter, entry[2])]
    if entry[0] in (5, 10):
        values = [over / under if under else 0.0 for over, under in zip(values[::2], values[1::2], strict=True)]
    return tuple(float(value) for value in values)


def _integers(directory: tags.Directory, tag: int, order: str) -> tuple[int, ...]:
    return tuple(int(value) for value in numbers(directory, tag, order))


def _square(values: tuple[float, ...]) -> Matrix | None:
    return (values[0:3], values[3:6], values[6:9]) if len(values) == 9 and any(values) else None


def _product(a: Matrix, b: Matrix) -> Matrix:
    return tuple(tuple(sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)) for i in range(3))

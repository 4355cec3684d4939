"""What a digital negative says of colour and noise. DNG 1.4, chapters 4 and 6."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from restore.image import Matrix, Profile
from restore.io import exif as tags

SUB_DIRECTORIES, PHOTOMETRIC, MOSAIC, LINEAR = 330, 262, 32803, 34892
VERSION, CAMERA, WHITE, CROP, BALANCE, NEUTRAL, LIGHT, EXPOSURE, NOISE = 50706, 50708, 50717, (50719, 50720), 50727, 50728, 50729, 50730, 51041
ILLUMINANTS, COLOUR, CALIBRATION, FORWARD = (50778, 50779), (50721, 50722), (50723, 50724), (50964, 50965)
KELVIN = {1: 5500, 2: 4150, 3: 2856, 4: 5500, 9: 5500, 10: 6500, 11: 7500, 12: 6430, 13: 5000, 14: 4150, 15: 3450, 16: 2940, 17: 2856, 18: 4874,
          19: 6774, 20: 5503, 21: 6504, 22: 7504, 23: 5003, 24: 3200}  # of EXIF's light sources
_UNKNOWN = 5003
_KIND, _COMPRESSION, _LOSSY, _FORMAT = 254, 259, 34892, 339


@dataclass(frozen=True)
class Said:
    """Profiles by rising temperature; noise (a, b) of R, G, B; stops of exposure to be added.

    neutral: what the camera saw of a neutral surface, as R, G, B, green 1; or lit: x, y of the light. white: the samples of R, G, B that stand for 1, where the picture is linear.
    crop: first row and column, height and width of the part to be shown.
    """

    profiles: tuple[Profile, ...] = ()
    neutral: tuple[float, ...] | None = None
    lit: tuple[float, ...] | None = None
    white: tuple[float, ...] | None = None
    noise: tuple[tuple[float, float], ...] | None = None
    stops: float = 0.0
    camera: str = ""
    crop: tuple[int, int, int, int] | None = None


def read(file: BinaryIO, order: str, directory: tags.Directory) -> Said:
    """What is said in the first directory and those of the raw picture below it; nothing of a file that is no DNG."""
    if VERSION not in directory:
        return Said()
    raw = _raw(file, order, directory)
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
    name, neutral, stops = directory.get(CAMERA), numbers(directory, NEUTRAL, order), numbers(directory, EXPOSURE, order)
    seen, light = tuple(value / neutral[1] for value in neutral) if len(neutral) == 3 and min(neutral) > 0 else None, numbers(directory, LIGHT, order)
    return Said(tuple(sorted(profiles, key=lambda profile: profile.kelvin)), seen, light if len(light) == 2 and min(*light, 1 - sum(light)) > 0 else None, _white(raw, order),
                _noise(numbers(raw, NOISE, order) or numbers(directory, NOISE, order)), stops[0] if stops else 0.0,
                name[2].rstrip(b"\0").decode("utf-8", "replace") if isinstance(name, tuple) else "", _crop(raw, order))


def _raw(file: BinaryIO, order: str, directory: tags.Directory) -> tags.Directory:
    """The directory of the raw picture: one of those below the first, or that itself."""
    below = (tags.read_directory(file, int(place), order) for place in numbers(directory, SUB_DIRECTORIES, order))
    return next((one for one in below if tags.number(one, PHOTOMETRIC, order) in (MOSAIC, LINEAR) and not tags.number(one, _KIND, order)), directory)


def _white(raw: tags.Directory, order: str) -> tuple[float, ...] | None:
    """Of linear samples; nothing where LibRaw gives others than those that are stored: lossy ones become 16 bits, floats integers."""
    white = numbers(raw, WHITE, order)
    stored = tags.number(raw, _COMPRESSION, order) != _LOSSY and (tags.number(raw, _FORMAT, order) or 1) == 1
    return white * (3 // len(white)) if tags.number(raw, PHOTOMETRIC, order) == LINEAR and len(white) in (1, 3) and stored else None


def _crop(raw: tags.Directory, order: str) -> tuple[int, int, int, int] | None:
    origin, size = (numbers(raw, tag, order) for tag in CROP)
    if len(origin) != 2 or len(size) != 2 or min(origin) < 0 or min(size) < 1:
        return None
    return round(origin[1]), round(origin[0]), round(size[1]), round(size[0])


def _noise(found: tuple[float, ...]) -> tuple[tuple[float, float], ...] | None:
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


def _square(values: tuple[float, ...]) -> Matrix | None:
    return (values[0:3], values[3:6], values[6:9]) if len(values) == 9 and any(values) else None


def _product(a: Matrix, b: Matrix) -> Matrix:
    return tuple(tuple(sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)) for i in range(3))

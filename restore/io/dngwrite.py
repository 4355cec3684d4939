"""Digital negatives: a mosaic or linear samples with what is known of their levels and colours. DNG 1.4, chapters 3 and 4."""

import struct

import numpy as np

from restore.errors import RestoreError
from restore.image import Header, Matrix, Profile, Sensor
from restore.io import dngtags
from restore.io import exif as tags
from restore.io.tiffwrite import TiffSink

TO_SRGB = ((3.2404542, -1.5371385, -0.4985314), (-0.9692660, 1.8760108, 0.0415560), (0.0556434, -0.2040259, 1.0572252))  # of XYZ under D65
D65, UNKNOWN = 6504.0, "unknown camera"
CELLS = ((2, 2), (1, 1))  # of levels: in a mosaic, in linear samples
_LETTERS = {1: "B", 3: "H", 4: "L"}


class DngSink(TiffSink):
    """16 bits, not compressed, which every reader knows; rows hold what the sensor's `stored` gives."""

    new = TiffSink.new | {"compression": 1, "predictor": 1}

    @classmethod
    def fit(cls, name: str, header: Header) -> Header:
        if header.sensor is None:
            raise RestoreError(f"{name}: a DNG holds what a sensor saw, and this is a finished picture", "the output of restore isp",
                               "choose another format: -o NAME.tif")
        return super().fit(name, header.replace(dtype=np.dtype(np.uint16), icc=None))

    def _directory(self) -> tags.Directory:
        sensor, order = self.header.sensor, self.order
        mosaic = bool(sensor.pattern)

        def whole(kind: int, *values: float) -> tags.Entry:
            return kind, len(values), struct.pack(order + _LETTERS[kind] * len(values), *map(round, values))

        def ratio(kind: int, *values: float) -> tags.Entry:
            under = 10**6 if kind == 5 else 10**5
            return kind, len(values), b"".join(struct.pack(order + {5: "LL", 10: "ll"}[kind], round(value * under), under) for value in values)

        told = {254: whole(4, 0), dngtags.PHOTOMETRIC: whole(3, dngtags.MOSAIC if mosaic else dngtags.LINEAR),
                dngtags.VERSION: whole(1, 1, 4, 0, 0), 50707: whole(1, 1, 1, 0, 0),
                dngtags.CAMERA: _text(sensor.camera or UNKNOWN), 50713: whole(3, *CELLS[not mosaic]), 50714: whole(4, *sensor.black),
                dngtags.WHITE: whole(4, *sensor.white[: 1 if mosaic else 3]), dngtags.EXPOSURE: ratio(10, sensor.stops)}
        if mosaic:
            told |= {33421: whole(3, 2, 2), 33422: whole(1, *("rgb".index(colour) for colour in sensor.pattern)), 50710: whole(1, 0, 1, 2), 50711: whole(3, 1)}
        if sensor.crop:
            top, left, height, width = sensor.crop
            told |= {dngtags.CROP[0]: whole(4, left, top), dngtags.CROP[1]: whole(4, width, height)}
        if sensor.noise:
            told[dngtags.NOISE] = 12, 6, struct.pack(order + "6d", *sum(sensor.noise, ()))
        if sensor.neutral:
            told[dngtags.NEUTRAL] = ratio(5, *(value / max(sensor.neutral) for value in sensor.neutral))
        elif sensor.lit:
            told[dngtags.LIGHT] = ratio(5, *sensor.lit)
        profiles = sensor.profiles[:: max(len(sensor.profiles) - 1, 1)] or (_profile(sensor),)
        for profile, light, colour, forward in zip(profiles, dngtags.ILLUMINANTS, dngtags.COLOUR, dngtags.FORWARD, strict=False):
            nearest = min(dngtags.KELVIN, key=lambda source: abs(dngtags.KELVIN[source] - profile.kelvin))
            told |= {light: whole(3, nearest), colour: ratio(10, *sum(profile.colour, ()))}
            if profile.forward:
                told[forward] = ratio(10, *sum(profile.forward, ()))
        return super()._directory() | told


def _profile(sensor: Sensor) -> Profile:
    """What the matrix to sRGB, or none, comes to: XYZ under D65 to camera."""
    back = np.linalg.inv(np.array(sensor.to_srgb)) if sensor.to_srgb else np.eye(3)
    colour: Matrix = tuple(map(tuple, (np.diag(sensor.neutral or (1.0,) * 3) @ back @ np.array(TO_SRGB)).tolist()))
    return Profile(D65, colour)


def _text(value: str) -> tags.Entry:
    data = value.encode() + b"\0"
    return 2, len(data), data

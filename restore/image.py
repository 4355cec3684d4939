"""What is read and written: a header and samples, a picture or a scan. Numpy only, no file, no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]  # rows


@dataclass(frozen=True)
class Space:
    """A space of RGB: x, y of its primaries, white D65; `gamma`, or where it is 0 the curve of sRGB."""

    name: str
    primaries: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    gamma: float = 0.0


SPACES: dict[str, Space] = {
    "srgb": Space("sRGB", ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))),  # IEC 61966-2-1
    "p3": Space("Display P3", ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))),
    "adobergb": Space("Adobe RGB (1998)", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256),
}


@dataclass(frozen=True)
class Profile:
    """How a camera sees colour under one light. DNG 1.4, chapter 6.

    kelvin: of the light. colour: XYZ to camera, calibration and analog balance included. forward: white-balanced camera to XYZ under D50.
    """

    kelvin: float
    colour: Matrix
    forward: Matrix | None = None


BLACK, WHITE = 2048.0, 65535.0  # of the camera files that are made here: noise goes below black


@dataclass(frozen=True)
class Sensor:
    """What a camera says of its samples: how they become light, and how light becomes colour.

    pattern: the colours of the 2 x 2 cell in reading order (`rggb`), or empty where all three are known of every pixel.
    black, white: samples that stand for 0 and 1, in the pattern's order, or of R, G, B. `neutral`, `daylight`: what the camera saw, and would
    see by day, of a neutral surface, as R, G, B (None: it does not say). to_srgb: white-balanced camera to linear sRGB, for cameras without `profiles`.
    noise: variance = a x + b of x on [0, 1], for R, G, B. stops: of exposure, to be added. note: what the user should know.
    lit: x, y of the light, of cameras that tell it in place of `neutral`. crop: first row and column, height and width of the part to be shown.
    """

    pattern: str
    black: tuple[float, ...]
    white: tuple[float, ...]
    neutral: tuple[float, ...] | None = None
    daylight: tuple[float, ...] | None = None
    profiles: tuple[Profile, ...] = ()
    to_srgb: Matrix | None = None
    noise: tuple[tuple[float, float], ...] | None = None
    stops: float = 0.0
    camera: str = ""
    note: str = ""
    lit: tuple[float, float] | None = None
    crop: tuple[int, int, int, int] | None = None

    def light(self, samples: np.ndarray, top: int = 0) -> np.ndarray:
        """Samples (rows, W, 1 or 3) from row `top` on as float32: 0 at black, 1 at white; not clipped."""
        black, white = (np.asarray(part, np.float32) for part in (self.black, self.white))
        if not self.pattern:
            return (samples - black) / (white - black)
        light = samples.astype(np.float32)
        for place in range(4):
            phase = light[(place // 2 + top) % 2 :: 2, place % 2 :: 2]
            phase -= black[place]
            phase /= white[place] - black[place]
        return light

    def stored(self, light: np.ndarray, top: int = 0) -> np.ndarray:
        """The inverse of `light`, in float32, neither rounded nor clipped."""
        black, white = (np.asarray(part, np.float32) for part in (self.black, self.white))
        if not self.pattern:
            return light * (white - black) + black
        samples = light.astype(np.float32)
        for place in range(4):
            phase = samples[(place // 2 + top) % 2 :: 2, place % 2 :: 2]
            phase *= white[place] - black[place]
            phase += black[place]
        return samples


@dataclass(frozen=True)
class Header:
    """What is known of one page of a picture before a sample is read.

    `icc`, `exif` and `xmp` are the bytes as the file had them (EXIF without the `Exif\\0\\0` prefix).
    `carry` holds what only this format knows (quantisation tables, PNG chunks, TIFF tags): a sink of
    the same format writes it back, any other ignores it.
    """

    height: int
    width: int
    channels: int = 3  # colour samples alone: 1 grey, 3 RGB
    dtype: np.dtype = np.dtype(np.uint8)  # of the file's samples: uint8, uint16, float16 or float32 (TIFF also uint32, float64)
    alpha: bool = False
    premultiplied: bool = False  # the colour is stored times alpha (EXR, some TIFFs)
    spare: bool = False  # what stands in the place of alpha is no transparency: its meaning is not stated (TIFF)
    pages: int = 1
    format: str = "png"
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    orientation: int = 1  # EXIF 1 to 8; the samples stay as stored
    carry: Mapping[str, object] = field(default_factory=dict)
    sensor: Sensor | None = None  # of samples that are a camera's own and no picture yet

    @property
    def samples(self) -> int:
        """Samples per pixel: colour and alpha."""
        return self.channels + self.alpha

    @property
    def white(self) -> float:
        """The sample that stands for 1.0."""
        return float(np.iinfo(self.dtype).max) if self.dtype.kind == "u" else 1.0

    def replace(self, **changes) -> "Header":
        return replace(self, **changes)


@dataclass(frozen=True)
class Image:
    """A header and its samples (H, W, channels [+ alpha]), in the header's dtype or in float on [0, 1]."""

    header: Header
    samples: np.ndarray

    @property
    def pixels(self) -> np.ndarray:
        """(H, W, 1 or 3) colour in float32, nominal [0, 1]; not clipped."""
        return as_float(self.samples[..., : self.header.channels])

    @property
    def alpha(self) -> np.ndarray | None:
        """(H, W) in float32 on [0, 1], or nothing."""
        return as_float(self.samples[..., -1]) if self.header.alpha else None


@dataclass(frozen=True)
class Geometry:
    """How the rays of a sinogram ran through the object: parallel where no source is given, else a fan from a point onto a flat detector.

    angles: of the views, in degrees. detectors: pixels of the detector, `pitch` mm apart. source: mm from source to the axis of rotation;
    detector: mm from source to detector. center: the detector pixel, counted from 0, that the axis casts its shadow on; None where unknown.
    """

    angles: tuple[float, ...]
    detectors: int
    pitch: float = 1.0
    source: float | None = None
    detector: float | None = None
    center: float | None = None

    @property
    def fan(self) -> bool:
        return self.source is not None

    @property
    def magnification(self) -> float:
        """How much larger the shadow of the axis' surroundings is than they are."""
        return self.detector / self.source if self.fan else 1.0

    def replace(self, **changes) -> "Geometry":
        return replace(self, **changes)


@dataclass(frozen=True)
class ScanHeader:
    """What is known of a scan beside its array.

    kind: image (slice, y, x), sinogram (slice, view, detector), kspace (slice, coil, ky, kx); `axes` names them, one per axis of the array.
    unit: of its values: HU, 1/mm, counts, or nothing where they are arbitrary. modality: CT, MR, or nothing where the file does not say.
    spacing: mm between neighbours along slice, y, x. affine: (4, 4), from index (x, y, slice) to mm, right-anterior-superior, as NIfTI has it.
    carry: what only this format knows; a writer of the same format puts it back, any other ignores it.
    """

    kind: str
    axes: tuple[str, ...]
    unit: str = ""
    modality: str = ""
    spacing: tuple[float, float, float] | None = None
    affine: np.ndarray | None = None
    geometry: Geometry | None = None
    format: str = ""
    carry: Mapping[str, object] = field(default_factory=dict)

    def placed(self, height: int, width: int) -> np.ndarray:
        """The affine; where none is known that of slices seen from the feet, the patient on the back, as radiologists hang them, centred."""
        if self.affine is not None:
            return np.asarray(self.affine, float)
        apart, down, across = self.spacing or (1.0, 1.0, 1.0)
        affine = np.diag([-across, -down, apart, 1.0])
        affine[:2, 3] = (width - 1) / 2 * across, (height - 1) / 2 * down
        return affine

    def replace(self, **changes) -> "ScanHeader":
        return replace(self, **changes)


@dataclass(frozen=True)
class Scan:
    """A header and an array that is no picture: a volume in HU, a sinogram, complex k-space."""

    header: ScanHeader
    array: np.ndarray

    def slices(self, first: int, last: int) -> "Scan":
        """Those from `first` to `last`, both included: the affine moves with them, and what is carried for each slice is cut alike."""
        kept = {key: value[first : last + 1] if key in ("datasets", "stored", "padding", "reference") else value for key, value in self.header.carry.items()}
        affine = None if self.header.affine is None else np.array(self.header.affine, float)
        if affine is not None:
            affine[:, 3] += first * affine[:, 2]
        return self.replace(self.array[first : last + 1], carry=kept, affine=affine)

    def replace(self, array: np.ndarray, **changes) -> "Scan":
        """The same scan with another array, and what else changed in the header."""
        return Scan(self.header.replace(**changes), array)


def as_float(samples: np.ndarray) -> np.ndarray:
    """Integer samples divided by their white, floats as they are; float32."""
    if samples.dtype.kind == "u":
        return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
    return samples.astype(np.float32)


def as_samples(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floats on [0, 1] rounded and clipped to an integer dtype (NaN is 0), or cast to a float dtype; `dtype` itself untouched.

    The only rounding in the program; sinks call it.
    """
    dtype = np.dtype(dtype)
    if values.dtype == dtype:
        return values
    if values.dtype.kind == "u":  # another depth was asked for
        values = as_float(values)
    if dtype.kind == "u":
        white = np.iinfo(dtype).max
        return np.rint(np.fmin(np.fmax(values, 0), 1).astype(np.float64 if white > 65535 else np.float32) * white).astype(dtype)
    return values.astype(dtype)


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Samples (H, W, ...) turned as the EXIF orientation says, for formats that cannot carry the tag."""
    turns = {1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}
    quarter, mirror = turns.get(orientation, (0, False))
    turned = np.rot90(samples, quarter, axes=(0, 1))
    return np.ascontiguousarray(turned[:, ::-1] if mirror else turned)

"""What one can say of how a picture was spoiled, as frozen values in the user's units. No numpy, no torch.

Every part of a task is a number, a `Range`, a word, or None (unknown). The same words stand on the command
line, on a model card, in a recipe, in a bench table, in `--json` and in the Python call.
"""

from dataclasses import dataclass, fields, replace
from math import ceil, inf
from typing import ClassVar

from restore.errors import UsageError, nearest
from restore.values import Range, Value, covers, parse_number, parse_value, write_value


@dataclass(frozen=True)
class Task:
    """The base: a name and parts. `relevant` says which parts mean something for this one."""

    name: ClassVar[str]

    def __post_init__(self):
        for field in fields(self):
            if field.name in LIMITS:
                _check(field.name, getattr(self, field.name))

    def relevant(self) -> tuple[str, ...]:
        return tuple(field.name for field in fields(self))

    def unknown(self) -> tuple[str, ...]:
        """The relevant parts that an estimator has to fill."""
        return tuple(part for part in self.relevant() if getattr(self, part) is None)

    def covers(self, other: "Task") -> bool:
        """Whether what was trained (or written) for this task serves the other; unknown parts of the other are no obstacle."""
        if self.name != other.name:
            return False
        mine, theirs = self.words(), other.words()
        return mine.keys() == theirs.keys() and all(covers(mine[part], value) for part, value in theirs.items())

    def admits(self, other: "Task") -> bool:
        """Whether what was trained for this task may be taken for the other where a user asks for it by name."""
        return self.covers(other)

    def words(self) -> dict[str, object]:
        """Relevant parts by name."""
        return {part: getattr(self, part) for part in self.relevant()}

    def replace(self, **changes) -> "Task":
        return replace(self, **changes)

    def to_dict(self) -> dict[str, object]:
        """What a card and `--json` hold; unknown parts are left out."""
        words = {k: v if isinstance(v, str) else write_value(v) for k, v in self.words().items()}
        return {"name": self.name} | {k: v for k, v in words.items() if v is not None}

    def __str__(self) -> str:
        parts = [v if isinstance(v, str) else f"{k} {'unknown' if v is None else write_value(v) if not isinstance(v, float) else format(v, '.4g')}"
                 for k, v in self.words().items()]
        return ", ".join([self.name, *parts])


@dataclass(frozen=True)
class Denoise(Task):
    """y = x + n. `sigma`: standard deviation on the 0-255 scale, whatever the file's depth; `peak`: photons at white."""

    name: ClassVar[str] = "denoise"
    NOISES: ClassVar[tuple[str, ...]] = ("gaussian", "poisson", "poisson-gaussian")
    noise: str = "gaussian"
    sigma: Value = None
    peak: Value = None

    def __post_init__(self):
        _known("noise", self.noise, self.NOISES)
        for part in {"sigma", "peak"} - set(self.relevant()):
            if getattr(self, part) is not None:
                raise UsageError(f"{part} says nothing of {self.noise} noise", " and ".join(self.relevant()[1:]), "type --noise poisson-gaussian where there are both")
        super().__post_init__()

    def relevant(self):
        return {"gaussian": ("noise", "sigma"), "poisson": ("noise", "peak"), "poisson-gaussian": ("noise", "sigma", "peak")}[self.noise]


ACROSS = {"gaussian": 8.0, "disk": 2.0, "motion": 1.0, "airy": 6.6, "shake": 1.0, "any": 1.0}  # of a kernel, times the size that its word says


@dataclass(frozen=True)
class Deblur(Task):
    """y = k * x + n. `kernel`: gaussian:SIGMA, disk:RADIUS, motion:LENGTH@DEGREES, airy:RADIUS, shake:SIDE@SEED in pixels, or a file; shake:SIDE is some
    shake of which nobody knows more, any:SIDE, for networks, some kernel that is known where it is undone. `boundary`: what lies beyond the edges; `side`: pixels across in which an unknown kernel is looked for, None: as many as it takes."""

    name: ClassVar[str] = "deblur"
    BOUNDARIES: ClassVar[tuple[str, ...]] = ("reflect", "circular", "valid")
    kernel: str | None = None
    sigma: Value = None
    boundary: str = "reflect"
    side: Value = None

    def __post_init__(self):
        _known("boundary", self.boundary, self.BOUNDARIES)
        super().__post_init__()

    def covers(self, other):  # what lies beyond the edges matters at the edges alone
        if self.name == other.name and self.of_any and other.kernel and not other.hidden and (other.widest or 0) <= self.widest:
            other = other.replace(kernel=self.kernel)
        return self.name == other.name and super().covers(other.replace(boundary=self.boundary))

    def relevant(self):
        return ("kernel", "sigma", "boundary")

    @property
    def of_any(self) -> bool:
        """Whether the kernel is some one, known where it is undone."""
        return self.kernel is not None and self.kernel.startswith("any:")

    @property
    def widest(self) -> float | None:
        """Pixels across, about, of a kernel that words make."""
        name, _, rest = (self.kernel or "").partition(":")
        if name not in ACROSS:
            return None
        return ACROSS[name] * parse_number(rest.partition("@")[0], f"the size of the kernel {self.kernel!r}", 0)

    @property
    def hidden(self) -> bool:
        """Whether the kernel is a shake that nobody knows."""
        return self.kernel is not None and self.kernel.startswith("shake:") and "@" not in self.kernel


@dataclass(frozen=True)
class SuperResolution(Task):
    """y = D x + n, D reduces by `scale`. `down`: bicubic (with antialiasing), area, or a blur as gaussian:1.6 before every scale-th pixel is taken."""

    name: ClassVar[str] = "sr"
    scale: Value = None
    down: str = "bicubic"
    sigma: Value = 0.0

    def whole(self) -> tuple["SuperResolution", float]:
        """The task by the next whole scale, and by what its result is then to be multiplied in size."""
        scale = float(ceil(self.scale)) if isinstance(self.scale, float) else self.scale
        return self.replace(scale=scale), self.scale / scale if isinstance(scale, float) else 1.0


@dataclass(frozen=True)
class Inpaint(Task):
    """y = M x + n. `mask`: a picture (white is missing), alpha, nan, color:#ff00ff, or missing:SHARE@SEED, text:SIZE, scratches:COUNT, marks:SIZE, any:SIZE, which draw one; then inverted and grown by pixels."""

    name: ClassVar[str] = "inpaint"
    mask: str | None = None
    sigma: Value = 0.0
    grow: Value = 0.0
    feather: Value = 0.0
    invert: bool = False

    def relevant(self):
        return ("mask", "sigma")

    def covers(self, other):
        """Marks are letters and scratches of any size; of any mask the holes are."""
        if self.name == other.name and str(self.mask).startswith("any:") and other.mask:
            other = other.replace(mask=self.mask)
        if self.name == other.name and str(self.mask).startswith("marks:") and str(other.mask).startswith(("text:", "scratches:")):
            other = other.replace(mask=self.mask)
        return super().covers(other)

    def admits(self, other):  # what the holes of a mask in a file look like is for the user to know
        return self.name == other.name and self.covers(other.replace(mask=self.mask))


@dataclass(frozen=True)
class Jpeg(Task):
    """y = decode(code(x)). `quality`: 1 to 100 on the scale of the Independent JPEG Group."""

    name: ClassVar[str] = "jpeg"
    quality: Value = None


@dataclass(frozen=True)
class CompressedSensing(Task):
    """y = F x + n: `ratio` of as many random measurements as there are pixels, of blocks of 33 x 33, by the matrix of `seed`."""

    name: ClassVar[str] = "cs"
    ratio: Value = None
    seed: Value = 0.0
    sigma: Value = 0.0

    def __post_init__(self):
        if isinstance(self.sigma, tuple):
            raise UsageError("measurements have one sigma, whatever the colours", "one number")
        super().__post_init__()


LIMITS: dict[str, tuple[float, float, str]] = {  # what a part may be, and how that is said
    "sigma": (0, 255, "sigma on the 0-255 scale of the papers, whatever the file's depth"),
    "peak": (1e-9, 1e12, "a peak above 0 in photons"),
    "scale": (1, 64, "from 1 to 64"),
    "quality": (1, 100, "1 to 100"),
    "ratio": (9e-4, 1, "a share of measurements up to 1, as 0.25"),
    "hu": (0.1, 4095, "0.1 to 4095 Hounsfield units"),
    "dose": (1e-4, 100, "a share of the routine dose, as 0.25"),
    "photons": (1, 1e12, "photons per ray, as 1e5"),
    "side": (3, 255, "3 to 255 pixels"),
    "grow": (0, 4096, "0 to 4096 pixels"),
    "feather": (0, 4096, "0 to 4096 pixels"),
}


NOISELESS = 1e9  # photons at white: of their noise nothing is seen


def _known(part: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise UsageError(f"unknown {part} {word!r}", nearest(word, words))


def _check(part: str, value: Value) -> None:
    numbers = (value.low, value.high) if isinstance(value, Range) else value if isinstance(value, tuple) else () if value is None else (value,)
    low, high, said = LIMITS[part]
    if isinstance(value, tuple) and part not in ("sigma", "peak"):
        raise UsageError(f"{part} {write_value(value)} is more than one number", said)
    for number in numbers:
        if not low <= number <= high:
            remedy = f"if {number:g} is in 16-bit levels, type --sigma {number / 257:.3g}" if part == "sigma" and high < number < 65536 else ""
            raise UsageError(f"{part} {number:g} is out of range", said, remedy)


@dataclass(frozen=True)
class Isp(Task):
    """y = M x + n, M the mosaic `pattern` of a sensor (linear: none; None: any). `peak`: photons at white; `sigma`: read noise on the 0-255 scale, None: that of sensors."""

    name: ClassVar[str] = "isp"
    PATTERNS: ClassVar[tuple[str | None, ...]] = ("rggb", "bggr", "grbg", "gbrg", "linear")
    NOISES: ClassVar[tuple[str, ...]] = ("none", "poisson-gaussian")
    pattern: str | None = None
    noise: str = "none"
    peak: Value = None
    sigma: Value = None

    def __post_init__(self):
        if self.pattern is not None:
            _known("pattern", self.pattern, self.PATTERNS)
        _known("noise", self.noise, self.NOISES)
        super().__post_init__()

    def relevant(self):
        return ("pattern", "noise") if self.noise == "none" else ("pattern", "noise", "peak", "sigma")

    def unknown(self):
        return tuple(part for part in super().unknown() if part == "peak")

    def covers(self, other):
        if self.name != other.name or (self.pattern is None and other.pattern == "linear"):
            return False
        if other.noise == "none" != self.noise:  # none is the noise of very many photons
            other = other.replace(noise=self.noise, peak=NOISELESS, sigma=0.0)
        return super().covers(other)

    def admits(self, other):  # cleaner light than it was trained for is less work
        if isinstance(other, Isp) and isinstance(self.peak, Range) and (other.noise == "none" or isinstance(other.peak, float) and other.peak > self.peak.high):
            other = other.replace(noise=self.noise, peak=self.peak.high, sigma=None)
        return self.covers(other)


SPREAD = 1.5  # times the acceleration that is meant may be that of a mask drawn at random


@dataclass(frozen=True)
class Mri(Task):
    """y = M (F S x + n): k-space of which one sample in `acceleration` was taken, the central `center_fraction` of lines whole (None: 0.32 /
    acceleration, as fastMRI pairs them). `sigma`: of the noise, on the scale on which the picture goes to 255; `coils` of smooth sensitivity."""

    name: ClassVar[str] = "mri"
    MASKS: ClassVar[tuple[str, ...]] = ("random", "equispaced", "poisson")
    acceleration: Value = None
    mask: str | None = "random"
    sigma: Value = 0.0
    center_fraction: Value = None
    coils: Value = 1.0

    def __post_init__(self):
        if self.mask is not None:
            _known("mask", self.mask, self.MASKS)
        if not (isinstance(self.coils, float | int) and self.coils >= 1 and self.coils % 1 == 0):
            raise UsageError(f"coils {self.coils} is out of range", "a whole number, 1 or more")
        if isinstance(self.acceleration, float | int) and not 1 <= self.acceleration < inf:
            raise UsageError(f"acceleration {self.acceleration:g} is out of range", "1 or more")
        super().__post_init__()

    def relevant(self):
        return ("acceleration", "mask", "sigma", "coils")

    def covers(self, other):  # a mask drawn for one acceleration has another, which is all that a file tells
        if isinstance(other, Mri) and isinstance(self.acceleration, Range) and isinstance(other.acceleration, float):
            high = self.acceleration.high
            if high < other.acceleration <= high * SPREAD:
                other = other.replace(acceleration=high)
        return super().covers(other)


@dataclass(frozen=True)
class Burst(Task):
    """y_f = k_f * x + n for each of `frames`: every frame has its own shake, at most `kernel` pixels across; nobody estimates it. `sigma`: on the 0-255 scale."""

    name: ClassVar[str] = "burst"
    frames: Value = None
    kernel: Value = None
    sigma: Value = None

    def relevant(self):
        return ("frames", "sigma") if self.kernel is None else ("frames", "kernel", "sigma")

    def covers(self, other):
        return self.name == other.name and super().covers(other.replace(kernel=self.kernel))  # how far a hand shook is not known beforehand


@dataclass(frozen=True)
class Tomography(Task):
    """y = D x + n: line integrals of attenuation along the rays of a scanner, whose geometry the file says. `photons`: counts of a ray that meets nothing."""

    name: ClassVar[str] = "ct"
    photons: Value = None

    def unknown(self):
        return ()


@dataclass(frozen=True)
class LowDose(Task):
    """y = x + n in Hounsfield units, n what too few photons leave after back-projection. `hu`: its standard deviation inside the body; simulated,
    `dose`: share of the routine exposure, which is set for each slice as exposure control does, or `photons` per ray."""

    name: ClassVar[str] = "lowdose"
    hu: Value = None
    dose: Value = 0.25
    photons: Value = None

    def relevant(self):
        return ("hu",)


TASKS: dict[str, type[Task]] = {task.name: task for task in (Denoise, Deblur, SuperResolution, Inpaint, Jpeg, CompressedSensing, Isp, Mri, Burst, Tomography, LowDose)}
WORDS = (str, str | None, bool)  # types of parts that are no numbers


def from_dict(words: dict[str, object]) -> Task:
    """The inverse of `Task.to_dict`."""
    words = dict(words)
    name = str(words.pop("name"))
    if name not in TASKS:
        raise UsageError(f"unknown task {name!r}", nearest(name, TASKS))
    kind = TASKS[name]
    known = {field.name: field for field in fields(kind)}
    for part in words:
        if part not in known:
            raise UsageError(f"the task {name} has no part {part!r}", nearest(part, known))
        if known[part].type in WORDS and not isinstance(words[part], known[part].type):
            said = repr(words[part])
            raise UsageError(f"{part} {said if len(said) < 80 else f'{said[:70]} ...'} is not understood", "True or False" if known[part].type is bool else "a word, or an array in a call")
    return kind(**{k: v if known[k].type in WORDS else parse_value(v, k) for k, v in words.items()})

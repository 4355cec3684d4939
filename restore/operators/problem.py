"""A task on a grid, ready to compute: y = D x + n. The one place where a user's units become internal ones."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.operators import jpeg, kernels, masks
from restore.operators.base import Box, Identity, Operator, of_channel, of_rows
from restore.operators.blur import Blur, Unknown
from restore.operators.burst import Shake
from restore.operators.decimation import Downsample
from restore.operators.dense import GaussianMatrix, measured
from restore.operators.fourier import Fourier, Loops, Pattern, smooth_phase
from restore.operators.masks import Mask
from restore.operators.mosaic import PATTERNS, Mosaic
from restore.operators.noise import Gaussian, Noise, NoNoise, Poisson, PoissonGaussian
from restore.operators.sampling import seed_of
from restore.tasks import Isp, LowDose, Mri, Task
from restore.values import Range, Value

Given = Mapping[str, Tensor]  # what words of a task name, as arrays: kernel, mask, maps
HU_LOW, HU_SPAN = -1024.0, 4095.0  # what of Hounsfield units becomes [0, 1]: the 12 bits of scanners

SMALLEST = 0.2  # of the side: shakes of shake:SIDE are so large at least
READ_NOISE = (2.18, 1.20, 0.26)  # slope, offset and spread of the logarithm of its variance: Brooks et al., CVPR 2019


@dataclass(frozen=True)
class Problem:
    """y = D x + n. Frozen; `crop`, `turn` and `channel` return the problem of a part, a turned picture or one channel."""

    operator: Operator
    noise: Noise

    def simulate(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """y for the clean x (B, C, H, W); not clipped."""
        return self.noise.sample(self.operator(x), generator)

    def describe(self) -> str:
        """The line that the user sees."""
        left = "x" if isinstance(self.operator, Identity) else f"{self.operator} x"
        return f"y = {left}" if isinstance(self.noise, NoNoise) else f"y = {left} + n, {self.noise}"

    def crop(self, boxes: Sequence[Box]) -> "Problem":
        """The problem on a batch of equal boxes of x."""
        return replace(self, operator=self.operator.crop(boxes))

    def rows(self, rows: slice) -> "Problem":
        """The problem of some pictures of a batch."""
        return replace(self, operator=self.operator.rows(rows), noise=self.noise.map(lambda value: of_rows(value, rows)))

    def turn(self, turn: int) -> "Problem":
        """The problem of the turned picture."""
        return replace(self, operator=self.operator.turn(turn))

    def channel(self, number: int) -> "Problem":
        """The problem of one channel, taken as a grey picture."""
        return replace(self, operator=self.operator.channel(number), noise=self.noise.map(lambda value: of_channel(value, number)))

    @property
    def scale(self) -> int:
        """Pixels of x per pixel of y along each axis."""
        return self.operator.scale

    @property
    def solved(self) -> bool:
        """Whether y is x."""
        return type(self.operator) is Identity and isinstance(self.noise, NoNoise)

    def on_x(self) -> "Problem":
        """What is left to do for a first reconstruction: a picture on x's grid with this noise."""
        return Problem(Identity(), self.noise)

    def to(self, device: torch.device) -> "Problem":
        return replace(self, operator=self.operator.to(device), noise=self.noise.to(device))


@dataclass(frozen=True)
class Exposed(Problem):
    """The problem of a mosaic after white balance and exposure. matrix (B | 1, 3, 3): x to linear sRGB."""

    matrix: Tensor

    def rows(self, rows):
        return replace(super().rows(rows), matrix=of_rows(self.matrix, rows))

    def to(self, device):
        return replace(super().to(device), matrix=self.matrix.to(device))


def exposed(problem: Problem, gains: Tensor, matrix: Tensor, like: Tensor) -> Exposed:
    """The problem of gains (B | 1, 3, 1, 1) times the y of a mosaic, for x like this one: gains times x, with noise of the same kind and more of it where the
    gain is high."""
    return Exposed(problem.operator, problem.noise.amplified(problem.operator.gain(like, gains)), matrix)


@dataclass(frozen=True)
class Acquisition(Problem):
    """y = M (F S x + n). Simulated from a magnitude, x is first given a smooth phase that nobody is told; noise falls on what is sampled alone."""

    def simulate(self, x, generator=None):
        phased = x * smooth_phase(x.shape, generator, x.device)
        return self.operator.outer(self.noise.sample(self.operator.inner(phased), generator))


def acquisition(task: Mri, name: str = "", acceleration: float | None = None, sigma: Tensor | float | None = None) -> Acquisition:
    """The problem of simulated k-space, for any grid; `name` decides the mask. acceleration, sigma: over the task's own."""
    rate = task.acceleration if acceleration is None else acceleration
    if rate is None or isinstance(rate, Range) or isinstance(task.sigma if sigma is None else sigma, Range):
        raise RestoreError(f"k-space cannot be simulated for {task}", "an acceleration and a sigma that are numbers")
    fraction = 0.32 / rate if task.center_fraction is None else task.center_fraction
    inner = Fourier() if task.coils == 1 else Fourier() @ Loops(int(task.coils))
    sigma = (task.sigma or 0.0) / 255 if sigma is None else sigma
    return Acquisition(Pattern(task.mask or "random", rate, fraction, seed_of(name)) @ inner, Gaussian(sigma))


def problem_of(task: Task, given: Given = {}, shape: Sequence[int] | None = None) -> Problem:
    """The problem of a task whose parts are all known: sigma / 255, photons at white as they are.

    A part with one number per channel becomes (1, C, 1, 1). Ranges are drawn first, with `draw`. given: the arrays that words of the task name,
    over those that the words describe. shape: of x without batch, for operators that live on one grid.
    """
    for part in task.unknown():
        raise RestoreError(f"{part} is unknown for the task {task.name}", "a number for every part")
    if isinstance(task, Mri):
        return acquisition(task)
    if isinstance(task, Isp):
        return _sensor(task.pattern or "rggb", task, None if task.peak is None else _tensor(task.peak), None if task.sigma is None else _tensor(task.sigma))
    parts = {part: _tensor(value) for part, value in task.words().items() if not isinstance(value, str)}
    return Problem(OPERATORS[task.name](task, parts, given, shape), _noise(task, parts))


def draw(task: Task, count: int, generator: torch.Generator, device: torch.device | str = "cpu", shape: Sequence[int] | None = None) -> Problem:
    """The problem of a batch of `count` pictures of `shape`: each range of the task is drawn from uniformly, per picture, as (B, 1, 1, 1), peaks by
    their logarithm; and so is what a word leaves open, as a shake without a seed.
    """
    def value(given: Value) -> Tensor:
        if isinstance(given, Range):
            return given.low + (given.high - given.low) * torch.rand(count, 1, 1, 1, generator=generator, device=device)
        return _tensor(given).to(device)

    def peaks(given: Value) -> Tensor:
        return value(Range(math.log(given.low), math.log(given.high))).exp() if isinstance(given, Range) else value(given)

    for part in task.unknown():
        raise RestoreError(f"{part} is unknown for the task {task.name}", "a number or a range for every part")
    if isinstance(task, Mri):  # one mask for the batch
        rate, seed = value(task.acceleration).flatten()[0], torch.randint(2**31, (1,), generator=generator, device=device)
        return acquisition(task, str(int(seed)), float(rate), value(task.sigma) / 255).to(device)
    if isinstance(task, Isp):  # one pattern for the batch; read noise is drawn by its root: most sensors have little
        pattern = task.pattern or PATTERNS[int(torch.randint(len(PATTERNS), (1,), generator=generator, device=device))]
        peak = peaks(1.0 if task.peak is None else task.peak)
        spread = READ_NOISE[2] * torch.randn(count, 1, 1, 1, generator=generator, device=device)
        sigma = value(Range(task.sigma.low**0.5, task.sigma.high**0.5)).square() if isinstance(task.sigma, Range) else None if task.sigma is None else value(task.sigma)
        return _sensor(pattern, task, peak, sigma, spread).to(device)
    parts = {part: (peaks if part == "peak" else value)(given) for part, given in task.words().items() if not isinstance(given, str)}
    given = DRAWN[task.name](task, count, generator, device, shape) if task.name in DRAWN else {}
    return Problem(OPERATORS[task.name](task, parts, given, shape), _noise(task, parts)).to(device)


def posed(task: Task, shape: Sequence[int], generator: torch.Generator, given: Given = {}) -> Problem:
    """The problem of one picture x of `shape`, where figures are measured: what the words of the task leave to chance is drawn, unless it is given."""
    return draw(task, 1, generator, shape=shape) if task.name in DRAWN and not given else problem_of(task, given, shape)


def _deblur(task, parts, given, shape) -> Operator:
    if task.hidden and "kernel" not in given:
        return Unknown()
    return Blur(given["kernel"] if "kernel" in given else kernels.make(task.kernel), task.boundary)


def _reduce(task, parts, given, shape) -> Operator:
    scale = float(parts["scale"])
    if scale != int(scale):
        raise RestoreError(f"a picture cannot be reduced by {scale:g}", "a whole number", "enlarge by the next whole number and reduce the result")
    return Identity() if scale == 1 and task.down in ("bicubic", "area") else Downsample(int(scale), task.down)


def _coding(task, parts, given, shape) -> Operator:
    sampling = tuple(given["sampling"].tolist()) if "sampling" in given else None
    return jpeg.Coding(given["tables"] if "tables" in given else jpeg.tables(parts["quality"]), sampling, "rgb" in given)


def _drawn_sampling(task, count, generator, device, shape) -> Given:
    """One for the batch: chroma of every pixel, or of every second one along both axes."""
    return {"sampling": torch.randint(1, 3, (1,), generator=generator, device=device).expand(2)} if shape[0] == 3 else {}


def _mask(task, parts, given, shape) -> Operator:
    return Mask(given["mask"])


def _shake(task, parts, given, shape) -> Operator:
    return Shake(given["kernels"].shape[1], given["kernels"], shape) if "kernels" in given else Shake(int(parts["frames"]), None, shape)


def _drawn_shakes(task, count, generator, device, shape) -> Given:
    """One number of frames and one size of kernels for the batch."""
    frames, side = (int(torch.randint(int(value.low), int(value.high) + 1, (1,), generator=generator, device=device)) if isinstance(value, Range) else int(value)
                    for value in (task.frames, task.kernel))
    return {"kernels": kernels.shakes(count * frames, side | 1, generator, device).reshape(count, frames, side | 1, side | 1)}


def _drawn_masks(task, count, generator, device, shape) -> Given:
    seeds = torch.randint(2**31, (count,), generator=generator, device=device).tolist()
    return {"mask": torch.cat([masks.make(task.mask, *shape[1:], seed) for seed in seeds]).to(device)}


def _drawn_kernels(task, count, generator, device, shape) -> Given:
    if not (task.hidden or task.of_any):
        return {}
    return {"kernel": (kernels.shakes if task.hidden else kernels.various)(count, int(task.widest) | 1, generator, device, SMALLEST)}


# a new task is one row: its words and arrays -> D
OPERATORS: dict[str, Callable[[Task, dict[str, Tensor], Given, Sequence[int] | None], Operator]] = {
    "denoise": lambda task, parts, given, shape: Identity(),
    "lowdose": lambda task, parts, given, shape: Identity(),
    "jpeg": _coding,
    "deblur": _deblur, "sr": _reduce, "inpaint": _mask, "burst": _shake,
    "cs": lambda task, parts, given, shape: GaussianMatrix(measured(float(parts["ratio"])), int(task.seed), tuple(shape)),
}
DRAWN: dict[str, Callable[..., Given]] = {"deblur": _drawn_kernels, "inpaint": _drawn_masks, "jpeg": _drawn_sampling, "burst": _drawn_shakes}


def _sensor(pattern: str, task: Isp, peak: Tensor | None, sigma: Tensor | None, spread: Tensor | float = 0.0) -> Problem:
    """The mosaic of a sensor. Where its read noise is not known it is as sensors have it: log variance = 2.18 log(1 / peak) + 1.20 + spread."""
    operator = Identity() if pattern == "linear" else Mosaic(pattern)
    if task.noise == "none":
        return Problem(operator, NoNoise())
    read = torch.exp((READ_NOISE[1] - READ_NOISE[0] * peak.log() + spread) / 2) if sigma is None else sigma / 255
    return Problem(operator, PoissonGaussian(peak, read))


def _tensor(value: Value) -> Tensor:
    if isinstance(value, Range):
        raise RestoreError(f"the range {value} cannot be computed with", "a number, or one per channel")
    return torch.tensor(value, dtype=torch.float32).reshape(1, -1, 1, 1) if isinstance(value, tuple) else torch.tensor(float(value))


def _noise(task: Task, parts: dict[str, Tensor]) -> Noise:
    if isinstance(task, LowDose):
        return Gaussian(parts["hu"] / HU_SPAN)
    kind, sigma = getattr(task, "noise", "gaussian"), parts.get("sigma")
    if task.name == "burst" and sigma.ndim:  # one level for all frames of a burst (B, F, C, H, W)
        sigma = sigma[:, None]
    if kind == "poisson":
        return Poisson(parts["peak"])
    if kind == "poisson-gaussian":
        return PoissonGaussian(parts["peak"], sigma / 255)
    return NoNoise() if sigma is None or (sigma.ndim == 0 and float(sigma) == 0) else Gaussian(sigma / 255)

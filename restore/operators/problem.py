"""A task on a grid, ready to compute: y = D x + n. The one place where a user's units become internal ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.operators.base import Box, Identity, Operator
from restore.operators.fourier import Fourier, Loops, Pattern, smooth_phase
from restore.operators.mosaic import PATTERNS, Mosaic
from restore.operators.noise import Gaussian, NoNoise, Noise, Poisson, PoissonGaussian
from restore.operators.sampling import seed_of
from restore.tasks import Denoise, Isp, Mri, Range, Task, Value

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
        """The problem on a batch of equal boxes."""
        return Problem(self.operator.crop(boxes), self.noise)

    def turn(self, turn: int) -> "Problem":
        """The problem of the turned picture."""
        return Problem(self.operator.turn(turn), self.noise)

    def channel(self, number: int) -> "Problem":
        """The problem of one channel, taken as a grey picture."""
        return Problem(self.operator, self.noise.map(lambda value: value[:, number : number + 1] if value.shape[1] > 1 else value))

    def to(self, device: torch.device) -> "Problem":
        return Problem(self.operator.to(device), self.noise.to(device))


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


def problem_of(task: Task) -> Problem:
    """The problem of a task whose parts are all known: sigma / 255, photons at white as they are.

    A part with one number per channel becomes (1, C, 1, 1). Ranges are drawn first, with `draw`.
    """
    for part in task.unknown():
        raise RestoreError(f"{part} is unknown for the task {task.name}", "a number for every part")
    if isinstance(task, Mri):
        return acquisition(task)
    if isinstance(task, Isp):
        return _sensor(task.pattern or "rggb", task, None if task.peak is None else _tensor(task.peak), None if task.sigma is None else _tensor(task.sigma))
    return Problem(Identity(), _noise(task, {part: _tensor(value) for part, value in task.words().items() if not isinstance(value, str)}))


def draw(task: Task, count: int, generator: torch.Generator, device: torch.device | str = "cpu") -> Problem:
    """The problem of a batch of `count` pictures: each range of the task is drawn from uniformly, per picture, as (B, 1, 1, 1)."""
    def value(given: Value) -> Tensor:
        if isinstance(given, Range):
            return given.low + (given.high - given.low) * torch.rand(count, 1, 1, 1, generator=generator, device=device)
        return _tensor(given).to(device)
    for part in task.unknown():
        raise RestoreError(f"{part} is unknown for the task {task.name}", "a number or a range for every part")
    if isinstance(task, Mri):  # one mask for the batch
        rate, seed = value(task.acceleration).flatten()[0], torch.randint(2**31, (1,), generator=generator, device=device)
        return acquisition(task, str(int(seed)), float(rate), value(task.sigma) / 255).to(device)
    if isinstance(task, Isp):  # one pattern for the batch; peaks are drawn by their logarithm
        pattern = task.pattern or PATTERNS[int(torch.randint(len(PATTERNS), (1,), generator=generator, device=device))]
        low, high = (task.peak.low, task.peak.high) if isinstance(task.peak, Range) else (task.peak or 1.0,) * 2
        peak = value(Range(math.log(low), math.log(high))).exp()
        spread = READ_NOISE[2] * torch.randn(count, 1, 1, 1, generator=generator, device=device)
        return _sensor(pattern, task, peak, None if task.sigma is None else value(task.sigma), spread).to(device)
    return Problem(Identity(), _noise(task, {part: value(given) for part, given in task.words().items() if not isinstance(given, str)}).to(device))


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
    if not isinstance(task, Denoise):
        return NoNoise()
    if task.noise == "gaussian":
        return Gaussian(parts["sigma"] / 255)
    if task.noise == "poisson":
        return Poisson(parts["peak"])
    return PoissonGaussian(parts["peak"], parts["sigma"] / 255)

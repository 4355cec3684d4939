"""Estimators look at y and fill what the task leaves unknown, once per picture, before weights are chosen and tiles are planned."""

import math

from torch import Tensor

from restore.errors import RestoreError
from restore.tasks import Denoise, Task

AGREE = 0.1  # channels whose levels differ by less are given one level


def fill(task: Task, y: Tensor) -> tuple[Task, tuple[str, ...]]:
    """The task without holes, and lines for the user. y: (1, C, H, W), NaN where a sample is not to be looked at."""
    if not isinstance(task, Denoise):
        raise RestoreError(f"nothing estimates {', '.join(task.unknown())} of {task.name}", "", "say it on the command line")
    if task.noise == "gaussian":
        from restore.estimate import sigma

        found = sigma.estimate(y)
        return task.replace(sigma=_merged(found.sigma)), (found.describe(),)
    from restore.estimate import poisson_gaussian

    found = poisson_gaussian.estimate(y, read_noise=task.noise == "poisson-gaussian")
    peak = _merged(found.peak) if task.peak is None else task.peak
    level = _merged(found.sigma) if task.sigma is None else task.sigma
    if task.peak is None and max(found.peak) == float("inf"):
        raise RestoreError(f"no noise that grows with the light was found ({found.describe()})", "", "say --peak, or type --noise gaussian")
    return task.replace(peak=peak, sigma=level if task.noise == "poisson-gaussian" else task.sigma), (found.describe(),)


def _merged(levels: tuple[float, ...]) -> float | tuple[float, ...]:
    """One number where the channels agree: their root mean square."""
    low, high = min(levels), max(levels)
    return math.hypot(*levels) / len(levels) ** 0.5 if len(levels) == 1 or high - low <= AGREE * max(high, 1.0) else levels

"""Estimators look at y and fill what the task leaves unknown, once per picture, before weights are chosen and tiles are planned."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.image import Header
from restore.tasks import LIMITS, Deblur, Task
from restore.values import Value

LEAST = 2.55  # sigma, where the kernel is estimated
MORE, LITTLE = 2.0, 1.0  # noise of more than so many times what is told, or than so much, is doubted
AGREE = 0.1  # channels whose levels differ by less are given one level


def fill(task: Task, y: Tensor, header: Header | None = None, together: bool = True) -> tuple[Task, tuple[str, ...], dict[str, Tensor]]:
    """The task without holes, lines for the user, and the arrays that were found (a kernel).

    y: (1, C, H, W), NaN where a sample is not to be looked at; header: of the file that y is from; together: whether its channels will be treated together.
    """
    lines, given = [], {}
    if getattr(task, "noise", "gaussian") != "gaussian":
        task, line = _signal_dependent(task, y)
        lines.append(line)
    holes = task.unknown()
    for part in holes:
        if part not in FILLERS:
            raise RestoreError(f"nothing estimates {part} of {task.name}", "", f"say it: --{part}, or {part}= in a call")
        value, line, found = FILLERS[part](task, y, header, together)
        task, given = task.replace(**{part: value}), given | found
        lines.append(line)
    misfit = given.pop("misfit", None)
    if misfit is not None and "sigma" in holes:  # to the method, what an estimated kernel leaves of y is noise: at least 1 % (Chakrabarti, ECCV 2016)
        task = task.replace(sigma=max(float(misfit), LEAST, *(task.sigma if isinstance(task.sigma, tuple) else (task.sigma,))))
        lines.append(f"sigma {task.sigma:.1f} with what the kernel leaves")
    return task, tuple(lines), given


def doubt(task: Task, y: Tensor) -> tuple[str, ...]:
    """What to say where a deblurring is told of far less noise than y holds: it sharpens the rest into stripes."""
    from restore.estimate import sigma

    if not isinstance(task, Deblur) or task.sigma is None:
        return ()
    told = max(task.sigma) if isinstance(task.sigma, tuple) else task.sigma
    try:
        found = max(sigma.estimate(y, together=False).sigma)
    except RestoreError:  # where nothing can be estimated nothing is doubted
        return ()
    if found <= MORE * max(told, LITTLE):
        return ()
    return (f"the noise looks like sigma {found:.1f}, and what is told is {told:g}: the rest is sharpened, into stripes; --sigma auto takes what is found",)


def _sigma(task: Task, y: Tensor, header: Header | None, together: bool) -> tuple[Value, str, dict[str, Tensor]]:
    from restore.estimate import sigma

    found = sigma.estimate(y, together)
    if max(found.sigma) > LIMITS["sigma"][1]:
        raise RestoreError(f"its noise would be {max(found.sigma):.0f} on the 0-255 scale", "samples on [0, 1]: white is 1 in a picture of floats", "divide them by their white first")
    return _merged(found.sigma), found.describe(), {}


def _quality(task: Task, y: Tensor, header: Header | None, together: bool) -> tuple[Value, str, dict[str, Tensor]]:
    from restore.estimate import quality

    found, said = quality.read(header)
    return found, f"quality {found:g}, from the tables", said


def _kernel(task: Task, y: Tensor, header: Header | None, together: bool) -> tuple[Value | str, str, dict[str, Tensor]]:
    from restore.estimate import kernel

    found = kernel.estimate(y, task.side and int(task.side))
    return "estimated", found.describe(), {"kernel": found.kernel, "misfit": torch.tensor(found.misfit)}


FILLERS: dict[str, Callable[[Task, Tensor, Header | None, bool], tuple[Value | str, str, dict[str, Tensor]]]] = {"sigma": _sigma, "quality": _quality, "kernel": _kernel}


def _signal_dependent(task: Task, y: Tensor) -> tuple[Task, str]:
    from restore.estimate import poisson_gaussian

    found = poisson_gaussian.estimate(y, read_noise=task.noise == "poisson-gaussian")
    peak = task.peak
    if peak is None:
        finite = sorted(one for one in found.peak if one < math.inf)
        if not finite:
            raise RestoreError(f"no noise that grows with the light was found ({found.describe()})", "", "say --peak, or type --noise gaussian")
        peak = _merged(tuple(finite[len(finite) // 2] if one == math.inf else one for one in found.peak))  # a channel that shows none is as the others
    level = _merged(found.sigma) if task.sigma is None else task.sigma
    return task.replace(peak=peak, sigma=level if task.noise == "poisson-gaussian" else task.sigma), found.describe(task.peak is None, task.sigma is None and task.noise == "poisson-gaussian")


def _merged(levels: tuple[float, ...]) -> float | tuple[float, ...]:
    """One number where the channels agree: their root mean square."""
    from restore.estimate.sigma import rms

    low, high = min(levels), max(levels)
    return rms(levels) if len(levels) == 1 or high - low <= AGREE * max(high, 1.0) else levels

"""Which samples of k-space are taken: whole columns at random or equally spaced, as fastMRI takes them, or single points as a Poisson disc.

A mask is decided by its kind, its grid, its acceleration, the share of the centre and a seed, and by nothing else.
"""

from functools import lru_cache

import numpy as np

from restore.errors import UsageError, nearest

KINDS = ("random", "equispaced", "poisson")
REACH = 12  # of a Poisson disc, in samples, at most
TRIES = 12  # halvings of the interval in which the discs' size is looked for


def seed_of(name: str) -> tuple[int, ...]:
    """The seed of a file's mask: the character codes of its name, as fastMRI seeds those that results are compared on."""
    return tuple(map(ord, name)) or (0,)


@lru_cache(maxsize=64)
def mask(kind: str, height: int, width: int, acceleration: float, center_fraction: float, seed: tuple[int, ...]) -> np.ndarray:
    """True where a sample is taken, (H, W); `acceleration` is the mean of all samples over those taken, the centre included.

    random, equispaced: columns, with round(W center_fraction) central ones; the centre begins at (W - central + 1) // 2. poisson: points, no two of
    them closer than a distance that grows towards the rim, with a central square of round(side center_fraction). UsageError where the centre alone
    is more than 1 / acceleration.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown mask {kind!r}", nearest(kind, KINDS))
    if not acceleration >= 1 or not 0 <= center_fraction <= 1:
        raise UsageError(f"an acceleration of {acceleration:g} with {center_fraction:g} of the centre", "an acceleration of 1 or more, a fraction from 0 to 1")
    if acceleration == 1:
        taken = np.ones((height, width), bool)
    else:
        draw = np.random.RandomState(seed)  # the generator that fastMRI's masks are made with: equal seeds give equal masks
        made = (acceleration, center_fraction, draw)
        lines = _poisson(height, width, *made) if kind == "poisson" else _columns(kind, width, *made)
        taken = np.ascontiguousarray(np.broadcast_to(lines, (height, width)))
    taken.flags.writeable = False
    return taken


def _columns(kind: str, width: int, acceleration: float, fraction: float, draw: np.random.RandomState) -> np.ndarray:
    """(W,): after Zbontar et al., fastMRI: an open dataset and benchmarks for accelerated MRI, 2018, section 4.9, and its code's offsets."""
    low = round(width * fraction)
    if low * acceleration > width:
        raise UsageError(f"{low} central columns of {width} are more than one in {acceleration:g}", "a smaller --center-fraction or --acceleration")
    first = (width - low + 1) // 2
    if kind == "random":
        taken = draw.uniform(size=width) < (width / acceleration - low) / max(width - low, 1)
    else:
        taken = np.zeros(width, bool)
        if low * acceleration < width:
            spacing = acceleration * (low - width) / (low * acceleration - width)  # so that the centre is counted
            taken[np.around(np.arange(draw.randint(0, high=round(spacing)), width - 1, spacing)).astype(int)] = True
    taken[first : first + low] = True
    return taken


def _poisson(height: int, width: int, acceleration: float, fraction: float, draw: np.random.RandomState) -> np.ndarray:
    """(H, W): discs four times as wide at the rim as at the centre, of the size that gives the acceleration to 2 %, or as near as discs come.

    After Bridson, Fast Poisson disk sampling in arbitrary dimensions, SIGGRAPH 2007; here all grid points throw at once (`_discs`).
    """
    square = [slice((side - low + 1) // 2, (side - low + 1) // 2 + low) for side in (height, width) for low in [round(side * fraction)]]
    centre = np.zeros((height, width), bool)
    centre[tuple(square)] = True
    if centre.sum() * acceleration > height * width:
        raise UsageError(f"a centre of {centre.sum()} samples of {height * width} is more than one in {acceleration:g}",
                         "a smaller --center-fraction or --acceleration")
    down, across = ((np.arange(side) - side // 2) / (side / 2) for side in (height, width))
    profile = 0.4 + 1.2 * np.minimum(np.hypot(down[:, None], across[None]), 1.0)
    profile *= draw.uniform(0.75, 1.25, size=profile.shape)  # distances on a grid come in steps: without it so would the density
    priority = draw.permutation(height * width).reshape(height, width)
    low, high, best = 1.0, REACH / 1.6, centre
    for _ in range(TRIES):
        scale = (low + high) / 2
        found = _discs(np.minimum(scale * profile, REACH), priority) | centre
        rate = found.size / found.sum()
        if best is centre or abs(rate - acceleration) < abs(best.size / best.sum() - acceleration):
            best = found
        if abs(rate / acceleration - 1) < 0.02:
            break
        low, high = (scale, high) if rate < acceleration else (low, scale)
    return best


def _discs(radius: np.ndarray, priority: np.ndarray) -> np.ndarray:
    """A largest set of points of which no two are closer than the mean of their radii: in every round the points that come first among their rivals stay.

    Luby, A simple parallel algorithm for the maximal independent set problem, SIAM J. Comput. 1986.
    """
    reach = int(np.ceil(radius.max()))
    steps = [(i, j) for i in range(0, reach + 1) for j in range(-reach, reach + 1) if (i > 0 or j > 0) and np.hypot(i, j) < radius.max()]
    rivals = []  # one of each two opposite directions
    for i, j in steps:
        here, there = _shifted(i, j)
        rivals.append((here, there, np.hypot(i, j) < (radius[here] + radius[there]) / 2))
    live, taken = np.ones(radius.shape, bool), np.zeros(radius.shape, bool)
    while live.any():
        rank = np.where(live, priority, priority.size)
        first = live.copy()
        for here, there, near in rivals:
            first[here] &= ~near | (rank[here] < rank[there]) | ~live[here]
            first[there] &= ~near | (rank[there] < rank[here]) | ~live[there]
        taken |= first
        beaten = first.copy()
        for here, there, near in rivals:
            beaten[here] |= near & first[there]
            beaten[there] |= near & first[here]
        live &= ~beaten
    return taken


def _shifted(i: int, j: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of the points that have a neighbour at (i, j), i >= 0, and of those neighbours."""
    rows = (slice(None, -i or None), slice(i, None))
    columns = (slice(None, -j or None), slice(j, None)) if j >= 0 else (slice(-j, None), slice(None, j))
    return (rows[0], columns[0]), (rows[1], columns[1])


def central(taken: np.ndarray) -> tuple[int, int]:
    """Height and width of the largest block around the centre of which every sample is taken: the calibration region. (0, 0) without one."""
    height, width = taken.shape
    rows = cols = 0
    while (rows < height or cols < width):
        grown = [(min(rows + 1, height), cols or 1), (rows or 1, min(cols + 1, width))]
        grown = [size for size in grown if size != (rows, cols) and taken[block(taken.shape, size)].all()]
        if not grown:
            break
        rows, cols = max(grown, key=lambda size: min(size[0] / height, size[1] / width))
    return rows, cols


def block(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[slice, slice]:
    """The slices of a block of this size around the centre, H // 2 and W // 2, of the last two axes."""
    return tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(shape[-2:], size, strict=True))

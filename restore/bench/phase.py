"""What "x is sparse" is worth: how often a vector with few entries is recovered from fewer Gaussian measurements than it has, by FISTA.

Donoho & Tanner, Observed universality of phase transitions in high-dimensional geometry, Phil. Trans. R. Soc. A 2009.
"""

from collections.abc import Sequence

import torch

from restore.bench import cache, plot
from restore.numerics.solvers import fista, soft

LENGTH = 512
SHARES = tuple(step / 12 for step in range(1, 12))  # m / LENGTH across, k / m up
TRIALS, STEPS = 8, 400
FIRST, LAST = 0.5, 1e-5  # thresholds over max |A^T y|, falling by their logarithm
ENOUGH = 0.02  # a relative error below it is a recovery


@torch.inference_mode()
def recovered(counts: Sequence[int], m: int, generator: torch.Generator, trials: int = TRIALS) -> list[float]:
    """The share of `trials` k-sparse vectors of LENGTH, for each k of `counts`, that m Gaussian measurements without noise give back: min |A x - y|^2 / 2 + t |x|_1, t falling."""
    matrix = torch.randn(m, LENGTH, generator=generator) / (1.05 * (m**0.5 + LENGTH**0.5))  # its norm is 1 at most, but for one in very many
    x = torch.randn(LENGTH, len(counts) * trials, generator=generator)
    order = torch.rand(x.shape, generator=generator).argsort(0).argsort(0)
    x = x * (order < torch.tensor(counts).repeat_interleave(trials))
    y, step = matrix @ x, iter(range(STEPS))
    most = (matrix.T @ y).abs().amax(0)

    def prox(z: torch.Tensor) -> torch.Tensor:
        return soft(z, most * FIRST * (LAST / FIRST) ** (next(step) / (STEPS - 1)))

    found = fista(lambda z: matrix.T @ (matrix @ z - y), prox, torch.zeros_like(x), 1.0, STEPS)
    return ((found - x).norm(dim=0) < ENOUGH * x.norm(dim=0)).float().unflatten(0, (-1, trials)).mean(1).tolist()


def grid() -> list[list[float]]:
    """Shares of recoveries, a row per k / m and a column per m / LENGTH; kept once they are known."""
    key = cache.key(*map(cache.digest, ("restore.bench.phase", "restore.numerics.solvers")))
    kept = cache.read(key, ["rows"])
    if kept is None:
        generator = torch.Generator().manual_seed(0)
        columns = [recovered([max(1, round(share * m)) for share in SHARES], m, generator) for m in (round(share * LENGTH) for share in SHARES)]
        kept = {"rows": [list(row) for row in zip(*columns, strict=True)]}
        cache.write(key, kept)
    return kept["rows"]


def diagram() -> str:
    """The diagram as SVG: white where all vectors come back, black where none does."""
    return plot.shades(f"share of {TRIALS} k-sparse vectors of {LENGTH} that m Gaussian rows give back by FISTA: white all, black none",
                       f"m / {LENGTH}", "k / m", SHARES, SHARES, grid())

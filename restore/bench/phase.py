"""What "x is sparse" is worth: how often a vector with few entries is recovered from fewer Gaussian measurements than it has, by FISTA.

Donoho & Tanner, Observed universality of phase transitions in high-dimensional geometry, Phil. Trans. R. Soc. A 2009.
"""

import torch

from restore.bench import cache, plot
from restore.numerics.solvers import fista, soft

LENGTH = 512
SHARES = tuple(step / 12 for step in range(1, 12))  # m / LENGTH across, k / m up
TRIALS, STEPS = 8, 400
FIRST, LAST = 0.5, 1e-5  # thresholds over max |A^T y|, falling by their logarithm
ENOUGH = 0.02  # a relative error below it is a recovery


@torch.inference_mode()
def recovered(k: int, m: int, generator: torch.Generator, trials: int = TRIALS) -> float:
    """The share of `trials` k-sparse vectors of LENGTH that m Gaussian measurements, without noise, give back: min |A x - y|^2 / 2 + t |x|_1, t falling."""
    matrix = torch.randn(trials, m, LENGTH, generator=generator)
    matrix = matrix / (1.05 * (m**0.5 + LENGTH**0.5))  # its norm is then 1 at most, but for one in very many
    x = torch.zeros(trials, LENGTH, 1)
    places = torch.rand(trials, LENGTH, generator=generator).topk(k).indices[..., None]
    x.scatter_(1, places, torch.randn(trials, k, 1, generator=generator))
    y, step = matrix @ x, iter(range(STEPS))
    start = matrix.mT @ y
    most = start.abs().amax((1, 2), keepdim=True)

    def prox(z: torch.Tensor) -> torch.Tensor:
        return soft(z, most * FIRST * (LAST / FIRST) ** (next(step) / (STEPS - 1)))

    found = fista(lambda z: matrix.mT @ (matrix @ z - y), prox, torch.zeros_like(x), 1.0, STEPS)
    return float(((found - x).norm(dim=1) < ENOUGH * x.norm(dim=1)).float().mean())


def grid() -> list[list[float]]:
    """Shares of recoveries, a row per k / m and a column per m / LENGTH; kept once they are known."""
    key = cache.key("phase", LENGTH, SHARES, TRIALS, STEPS, FIRST, LAST, ENOUGH)
    kept = cache.read(key)
    if kept is None:
        generator = torch.Generator().manual_seed(0)
        sizes = [round(share * LENGTH) for share in SHARES]
        kept = {"rows": [[recovered(max(1, round(share * m)), m, generator) for m in sizes] for share in SHARES]}
        cache.write(key, kept)
    return kept["rows"]


def diagram() -> str:
    """The diagram as SVG: white where all vectors come back, black where none does."""
    return plot.shades(f"share of {TRIALS} k-sparse vectors of {LENGTH} that m Gaussian rows give back by FISTA: white all, black none",
                       f"m / {LENGTH}", "k / m", SHARES, SHARES, grid())

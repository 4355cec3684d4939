"""Expected patch log likelihood under a mixture of Gaussians.

Zoran & Weiss, From learning models of natural image patches to whole image restoration, ICCV 2011.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.method import Exact, Method, by_reach, level
from restore.methods.pnp import first_guess
from restore.numerics import gmm, patches
from restore.numerics.mirror import padded
from restore.operators.base import Identity

DENOISING = (1.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)  # beta sigma^2, step by step; the last two, of the authors for strong noise, help at all levels
OTHERWISE = tuple(50.0 * 2**k for k in range(7))  # beta, for y = D x + n
LEAST = 0.1 / 255  # the least sigma that is reckoned with: below it, beta would be without bounds


class EPLL(Method):
    """min |D x - y|^2 / (2 sigma^2) - sum_i log p(P_i x), p the mixture over patches less their mean, by half-quadratic splitting.

    For each beta: every patch becomes its estimate under its likeliest Gaussian, as if it had noise of variance 1 / beta (eq. 5); the patches are
    averaged to z; x is the minimum of |D x - y|^2 + beta sigma^2 |x - z|^2 (eq. 4, lambda being the patches of a pixel over sigma^2).
    Grey; sigma per picture; not clipped.
    """

    channels = 1
    nested = False

    def __init__(self, components: int = 200, size: int = 8):
        super().__init__()
        self.size = size
        self.mixtures = nn.ModuleList([gmm.Mixture(components, size**2 - 1)])

    def samples(self, number: int, x: Tensor) -> tuple[Tensor, None]:
        """What the mixture is learned from: patches (n, 1, size, size) as (size^2 - 1, 1, n) coefficients."""
        return (patches.cosines(self.size)[1:].to(x) @ x.flatten(1).mT)[:, None], None

    @torch.no_grad()
    def restore(self, y, problem):
        sigma, canvas = level(problem.noise, y).clamp_min(LEAST), problem.operator.canvas(y)
        denoising = isinstance(problem.operator, Identity)
        weights = [torch.full_like(sigma, weight) for weight in DENOISING] if denoising else [beta * sigma**2 for beta in OTHERWISE]
        x = y if denoising else canvas.operator.prox(first_guess(canvas.operator, canvas.y), canvas.y, weights[0])
        for done, weight in enumerate(weights):
            variance = (sigma**2 / weight).flatten().tolist()
            z = torch.cat([self._expected(*pair) for pair in zip(x.split(1), variance, strict=True)])
            x = canvas.operator.prox(z, canvas.y, weight)
            self.tick(done + 1, len(weights))
        return torch.where(problem.noise.sigma.to(y) > 0, x, y) if denoising else canvas.crop(x)

    def _expected(self, x: Tensor, variance: float) -> Tensor:
        """The average of the estimates of all patches of x (1, 1, H, W)."""
        height, width = x.shape[2:]
        x = padded(x, max(0, self.size - height), max(0, self.size - width))
        law, basis = gmm.density(self.mixtures[0], variance, x), patches.cosines(self.size)[1:].to(x)  # without the constant one: patches less their mean
        seen = F.unfold(x, self.size)[0]
        details = basis @ seen
        # S (S + v)^-1 z = z - v (S + v)^-1 z
        noise = gmm.transformed(details[:, None], law.precisions * variance, law.best(details[:, None])[1])[:, 0]
        clean = torch.addmm(seen, basis.mT, noise, alpha=-1)
        total = F.fold(clean[None], x.shape[2:], self.size)
        return (total / patches.cover(*x.shape[2:], self.size).to(x))[..., :height, :width]

    def tiling(self, problem):
        """A pixel hears of those that share a patch with it, each time."""
        if isinstance(problem.operator, Identity):
            return Exact((self.size - 1) * len(DENOISING))
        return by_reach(problem)

    def bytes_per_pixel(self, problem):
        return 4.0 * 6 * self.size**2

    @property
    def flops_per_pixel(self) -> float:
        """Of denoising."""
        mixture = self.mixtures[0]
        return len(DENOISING) * (2.0 * mixture.factors.numel() + mixture.factors.shape[1] + 2 * mixture.size**2 + 4 * mixture.size * self.size**2)

"""Plug-and-play: half-quadratic splitting with any denoiser as the prior.

min |D x - y|^2 / (2 s^2) + R(x) is split into x <- argmin |D x - y|^2 + rho_k |x - z|^2 and z <- denoiser(x, sigma_k), while sigma_k falls from
49 / 255 to the noise level in equal steps of its logarithm; rho_k = lambda s^2 / sigma_k^2, lambda = 0.23 (section 4.2).

Zhang, Li, Zuo, Zhang, Van Gool & Timofte, Plug-and-play image restoration with deep denoiser prior, TPAMI 2021. Where no x within black and white
explains y (what moved by itself, lights beyond white), a deblurred picture rings far around; as in Cho, Wang & Lee, Handling outliers in non-blind
image deconvolution, ICCV 2011, such pixels of y count for nothing, and stay as they were.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.method import Method, by_reach, level
from restore.methods.biharmonic import closed
from restore.methods.ista import sparse
from restore.numerics import resample, turns
from restore.numerics.solvers import hqs
from restore.operators.base import Identity, Operator
from restore.operators.blur import Blur, Framed
from restore.operators.decimation import Downsample
from restore.operators.dense import GaussianMatrix
from restore.operators.masks import Mask
from restore.operators.noise import Gaussian, NoNoise
from restore.operators.problem import Problem

FIRST = 49 / 255  # the level that the prior begins with
FILLED = 20 / 255  # where holes are closed at first: of 5, 10, 20 and 49 the best on training pictures
STEPS = {Blur: 8, GaussianMatrix: 40}
PLATE = 100  # steps towards the plate that closes holes at first
CONJUGATE = 5  # steps where D has no closed form: with 100 the error in a sinogram's disk is the same to 1 %
FLOOR = 0.255 / 255  # noise below which the data are as good as exact
DOUBT, LEAST = 2.0, 5.1 / 255  # of the noise, and at least: what D x misses y by, in the mean over a patch, where y is doubted
PATCH, AROUND = 9, 21  # its side; that of the square around it that is doubted with it


class PnP(Method):
    """x for any D with `prox`, by `steps` rounds (left out: 8 for a blur, 24 for one that reduces or masks, 40 for a random matrix) with `denoiser`. Not clipped.

    The picture is turned anew for every round, so that what a network does to one direction does not add up.
    """

    def __init__(self, denoiser: Method, steps: int | None = None, weight: float = 0.23):
        super().__init__()
        self.denoiser, self.steps, self.weight = denoiser, steps, weight

    def restore(self, y, problem):
        canvas = problem.operator.canvas(y)
        noise = level(problem.noise, y).clamp_min(FLOOR)
        last = noise.clamp_min(problem.scale / 255) if problem.scale > 1 else noise
        steps = self.steps or next((count for kind, count in STEPS.items() if isinstance(problem.operator, kind)), 24)
        share = torch.linspace(0, 1, steps, dtype=y.dtype, device=y.device).unbind()
        first = FILLED if isinstance(problem.operator, Mask) else FIRST
        levels = [(first ** (1 - t)) * last**t for t in share]
        weights = [self.weight * noise**2 / sigma**2 for sigma in levels]
        turn = iter(range(1, 2 * steps + 1))

        def prior(x: Tensor, sigma: Tensor) -> Tensor:
            step = next(turn)
            turned = self.denoiser(turns.apply(x, step % 8), Problem(Identity(), Gaussian(sigma)))
            self.tick(step, steps if step <= steps else 2 * steps)
            return turns.undo(turned, step % 8)

        def solved(operator: Operator) -> Tensor:
            return hqs(lambda z, rho: towards(operator, z, canvas.y, rho), prior, first_guess(operator, canvas.y), levels, weights)

        x = solved(canvas.operator)
        if isinstance(canvas.operator, Framed) and (doubted := unexplained(canvas.operator, x, canvas.y, noise)).any():
            trusted = solved(Framed(canvas.operator.kernel, canvas.operator.window * ~doubted))
            x = torch.lerp(trusted, canvas.y, F.avg_pool2d(doubted.to(x), PATCH, 1, PATCH // 2))
        return canvas.crop(x)

    def meets(self, problem):
        """Where a picture was made smaller and nothing was added."""
        return problem.scale > 1 and isinstance(problem.noise, NoNoise)

    def tiling(self, problem):
        return by_reach(problem)

    def bytes_per_pixel(self, problem):
        return problem.scale**2 * (self.denoiser.bytes_per_pixel(problem.on_x()) + 160.0)


def towards(operator: Operator, z: Tensor, y: Tensor, rho: Tensor) -> Tensor:
    """argmin_x |D x - y|^2 + rho |x - z|^2, or some steps towards it where D has no closed form."""
    return operator.approach(z, y, rho, CONJUGATE) if type(operator).prox is Operator.prox else operator.prox(z, y, rho)


def unexplained(operator: Framed, x: Tensor, y: Tensor, noise: Tensor) -> Tensor:
    """Where y is far from D x, x kept within black and white: (B, 1, H, W), true in squares around; nowhere near the window's border, beyond which x is free.

    Black and white are 0 and 1, unless y itself goes beyond.
    """
    low, high = y.amin((1, 2, 3), keepdim=True), y.amax((1, 2, 3), keepdim=True)
    within = x.maximum(torch.where(low >= -5 * noise, 0.0, -torch.inf)).minimum(torch.where(high <= 1 + 5 * noise, 1.0, torch.inf))
    down, across = (side // 2 for side in operator.sides)
    judged = -F.max_pool2d(-F.pad(operator.window, (across, across, down, down)), operator.sides, 1)
    missed = judged * (operator(torch.where(operator.window > 0, within, x)) - y).square().mean(1, keepdim=True)
    far = F.avg_pool2d(missed, PATCH, 1, PATCH // 2).sqrt() > (DOUBT * noise).clamp_min(LEAST)
    return F.max_pool2d(far.to(x), AROUND, 1, AROUND // 2) > 0


def first_guess(operator, y: Tensor) -> Tensor:
    """Where iterations begin: y itself, enlarged, with its holes closed by a thin plate, or as sparse as its measurements allow."""
    if isinstance(operator, Downsample):
        return resample.resize(y, *operator.x_shape(y.shape[1:])[1:])
    if isinstance(operator, Mask):
        return closed(y, operator.mask.to(y.dtype), PLATE)
    if isinstance(operator, GaussianMatrix):
        return sparse(operator, y, y.new_full((y.shape[0], 1, 1, 1), 4 / 255), 40)
    if isinstance(operator, Blur):
        return y  # on its canvas
    return y if operator.reach is not None and tuple(operator.x_shape(y.shape[1:])) == tuple(y.shape[1:]) else operator.adjoint(y)

"""Iterations on callables, none of which knows what it solves."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def soft(x: Tensor, threshold: Tensor | float) -> Tensor:
    """sign(x) max(|x| - t, 0): the proximal map of t |x|_1; for complex x, whose sign is x / |x|, too."""
    if x.is_complex():
        size = x.abs()
        return x * ((size - threshold).clamp_min(0) / size.clamp_min(_TINY))
    if isinstance(threshold, Tensor) and (x.requires_grad or threshold.requires_grad):
        return _Soft.apply(x, threshold)
    return x - x.clamp(-threshold, threshold)


class _Soft(torch.autograd.Function):
    """The same with its derivative read off the result: half the time of torch's own."""

    @staticmethod
    def forward(context, x, threshold):
        result = x - x.clamp(-threshold, threshold)
        context.save_for_backward(result)
        context.shape = threshold.shape
        return result

    @staticmethod
    def backward(context, gradient):
        result, = context.saved_tensors
        passed = torch.where(result == 0, 0, gradient)
        return passed, -(passed * result.sgn()).sum_to_size(context.shape)


def ista(gradient: Callable[[Tensor], Tensor], prox: Callable[[Tensor], Tensor], start: Tensor, rate: float, steps: int) -> Tensor:
    """x <- prox(x - rate gradient(x)), `steps` times: min f + g, f smooth with slope 1/rate at most, prox of rate g."""
    x = start
    for _ in range(steps):
        x = prox(x - rate * gradient(x))
    return x


def fista(gradient: Callable[[Tensor], Tensor], prox: Callable[[Tensor], Tensor], start: Tensor, rate: float, steps: int) -> Tensor:
    """`ista` from a point extrapolated by (t_k - 1) / t_(k+1), t_1 = 1, t_(k+1) = (1 + sqrt(1 + 4 t_k^2)) / 2.

    Beck & Teboulle, A fast iterative shrinkage-thresholding algorithm for linear inverse problems, SIIMS 2009 (eq. 4.1 to 4.3).
    """
    x, ahead, t = start, start, 1.0
    for _ in range(steps):
        before, x = x, prox(ahead - rate * gradient(ahead))
        before_t, t = t, (1 + (1 + 4 * t * t) ** 0.5) / 2
        ahead = x + (before_t - 1) / t * (x - before)
    return x


def largest(apply: Callable[[Tensor], Tensor], start: Tensor, steps: int = 30) -> float:
    """The largest eigenvalue of a symmetric positive operator by the power method, from `start`."""
    x = start / torch.linalg.vector_norm(start).clamp_min(_TINY)
    value = start.new_zeros(())
    for _ in range(steps):
        x = apply(x)
        value = torch.linalg.vector_norm(x)
        x = x / value.clamp_min(_TINY)
    return float(value)


def cg(apply: Callable[[Tensor], Tensor], b: Tensor, start: Tensor, steps: int = 100, tolerance: float = 1e-6) -> Tensor:
    """x with A x = b, A symmetric and positive definite, by conjugate gradients from `start`, each item of a batch for itself.

    Until |b - A x| <= tolerance |b| for every item, or `steps`. Hestenes & Stiefel, Methods of conjugate gradients for solving linear systems, 1952.
    """
    x, r = start, b - apply(start)
    p, rr, enough = r, _dot(r, r), tolerance**2 * _dot(b, b)
    for _ in range(steps):
        if bool((rr <= enough).all()):
            break
        q = apply(p)
        rate = torch.where(rr > enough, rr / _dot(p, q).clamp_min(_TINY), 0)
        x, r = x + rate * p, r - rate * q
        before, rr = rr, _dot(r, r)
        p = r + rr / before.clamp_min(_TINY) * p
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Re <a, b> of each item of a batch, to be multiplied with it."""
    return (a.conj() * b).real.flatten(1).sum(1).reshape(-1, *(1,) * (a.ndim - 1))


def hqs(data: Callable[[Tensor, float], Tensor], prior: Callable[[Tensor, float], Tensor], start: Tensor, levels: Sequence[float], weights: Sequence[float]) -> Tensor:
    """Half-quadratic splitting: x <- data(z, rho_k), argmin |D x - y|^2 + rho_k |x - z|^2; z <- prior(x, sigma_k), the denoiser; for each k.

    levels: sigma_k; weights: rho_k. Returns the last z. Geman & Yang, Nonlinear image recovery with half-quadratic regularization, TIP 1995.
    """
    z = start
    for level, weight in zip(levels, weights, strict=True):
        z = prior(data(z, weight), level)
    return z


def admm(first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor], analyse: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> Tensor:
    """min f(x) + g(K x): x <- first(z - u), argmin f + rho/2 |K x - .|^2; z <- second(K x + u), the prox of g / rho; u <- u + K x - z.

    Boyd, Parikh, Chu, Peleato & Eckstein, Distributed optimization and statistical learning via the alternating direction method of multipliers, 2011 (3.1).
    """
    x, z = start, analyse(start)
    u = torch.zeros_like(z)
    for _ in range(steps):
        x = first(z - u)
        image = analyse(x)
        z = second(image + u)
        u = u + image - z
    return x


_TINY = 1e-30

"""Mixtures of Gaussians of zero mean: densities, posteriors and EM, all as matrix products.

A sample is one vector or a group of m of them from one component: x is (d, m, n), n samples in columns. Then
log p(x | k) = m (log w_k / m - log det(S_k) / 2 - d log(2 pi) / 2) - <S_k^-1, sum_m x_m x_m^T> / 2 is linear in the d (d + 1) / 2 products of a
sample, and the moments that the M step needs are linear in them too: both steps are one product of (K, d (d + 1) / 2) with these.
"""

from collections.abc import Iterator
from math import log, pi
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHUNK, WIDE = 1024, 1 << 16  # samples whose products are held at a time: in a core's cache; on a GPU, which a chunk is to fill
NEGLIGIBLE = 1e-10  # a share of a sample


class Mixture(nn.Module):
    """sum_k w_k N(0, S_k), K components in d dimensions.

    Buffers: `logs` (K,), log w_k; `factors` (K, d (d + 1) / 2), the lower triangles L_k of S_k = L_k L_k^T row by row: standard deviations, which fp16
    holds to 5e-4 each, and S_k is positive whatever the rounding.
    """

    def __init__(self, count: int, size: int):
        super().__init__()
        self.count, self.size = count, size
        self.register_buffer("logs", torch.full((count,), -log(count)))
        self.register_buffer("factors", torch.zeros(count, size * (size + 1) // 2))
        self.assign(self.logs.exp(), torch.eye(size).expand(count, -1, -1))

    def assign(self, weights: Tensor, covariances: Tensor) -> None:
        """Take w (K,) and S (K, d, d)."""
        rows, columns = torch.tril_indices(self.size, self.size)
        self.logs.copy_(weights.clamp_min(1e-12).log())
        self.factors.copy_(torch.linalg.cholesky(covariances.double())[:, rows, columns])

    def covariances(self) -> Tensor:
        """S (K, d, d) in float64."""
        rows, columns = torch.tril_indices(self.size, self.size)
        factors = self.factors.new_zeros(self.count, self.size, self.size, dtype=torch.float64)
        factors[:, rows, columns] = self.factors.double()
        return factors @ factors.mT


class Density(NamedTuple):
    """log w_k p(x | k) = constant_k + form_k . products(x), of samples of noise variance `noise`; `precisions` (K, d, d) are (S_k + noise)^-1."""

    constant: Tensor  # (K, 1)
    form: Tensor  # (K, d (d + 1) / 2)
    precisions: Tensor

    def scores(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """(K, n') of x (d, m, n) and its products, a chunk at a time; the last chunk is filled with zeros so that a sample's score is
        the same wherever it stands, and cut.
        """
        chunk = WIDE if x.is_cuda else CHUNK
        for start in range(0, x.shape[2], chunk):
            part = x[..., start : start + chunk]
            found = products(torch.cat([part, part.new_zeros(*part.shape[:2], chunk - part.shape[2])], 2) if part.shape[2] < chunk else part)
            yield torch.addmm(self.constant, self.form, found)[:, : part.shape[2]], found[:, : part.shape[2]]

    def best(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The largest score and its component, (n,) each, of the samples of x (d, m, n)."""
        found = [scores.max(0) for scores, _ in self.scores(x)]
        return torch.cat([pair.values for pair in found]), torch.cat([pair.indices for pair in found])


def density(mixture: Mixture, noise: float, like: Tensor, vectors: int = 1, weighted: bool = True) -> Density:
    """The density of the mixture blurred by white noise of variance `noise`, for samples of so many vectors; without w_k if not `weighted`.

    Found in float64, given in the dtype and on the device of `like`.
    """
    factors = torch.linalg.cholesky(mixture.covariances() + noise * torch.eye(mixture.size, dtype=torch.float64, device=mixture.factors.device))
    precisions = torch.cholesky_inverse(factors)
    halves = factors.diagonal(dim1=1, dim2=2).log().sum(1) + mixture.size * log(2 * pi) / 2
    constant = (mixture.logs.double() if weighted else 0) - vectors * halves
    rows, columns = torch.triu_indices(mixture.size, mixture.size)
    form = precisions[:, rows, columns] * torch.where(rows == columns, -0.5, -1.0).to(precisions)
    return Density(constant[:, None].to(like), form.to(like), precisions.to(like))


def products(x: Tensor) -> Tensor:
    """sum over m of x_i x_j, i <= j, row by row: (d, m, n) -> (d (d + 1) / 2, n)."""
    size, vectors, count = x.shape
    result, start = x.new_empty(size * (size + 1) // 2, count), 0
    for i in range(size):
        part, start = result[start : start + size - i], start + size - i
        torch.mul(x[i:, 0], x[i, 0], out=part)
        for m in range(1, vectors):
            part.addcmul_(x[i:, m], x[i, m])
    return result


def transformed(x: Tensor, matrices: Tensor, which: Tensor) -> Tensor:
    """matrices[which] @ x: (d, m, n), (K, e, d), (n,) -> (e, m, n); samples of one component together."""
    order = which.argsort(stable=True)
    counts = torch.bincount(which, minlength=len(matrices)).tolist()
    result = x.new_empty(matrices.shape[1], *x.shape[1:])
    for matrix, index in zip(matrices, order.split(counts), strict=True):
        if len(index):
            result[..., index] = (matrix @ x[..., index].flatten(1)).unflatten(1, (x.shape[1], -1))
    return result


class Statistics(NamedTuple):
    """Means over samples, in float64: of responsibilities (K,), of these times products (K, d (d + 1) / 2), of the log-likelihood."""

    counts: Tensor
    moments: Tensor
    likelihood: Tensor

    def towards(self, new: "Statistics", rate: float) -> "Statistics":
        """(1 - rate) old + rate new: stepwise EM; rate 1 is EM itself."""
        return Statistics(*(torch.lerp(old, fresh, rate) for old, fresh in zip(self, new, strict=True)))


def expect(mixture: Mixture, x: Tensor, allowed: Tensor | None = None, seen: Tensor | None = None) -> Statistics:
    """The E step on x (d, m, n). allowed: (K, n), which components a sample may come from. seen: (e, m, n), moments are of these instead of x."""
    law, counts, moments, likelihood, start = density(mixture, 0.0, x, x.shape[1]), 0, 0, 0, 0
    for scores, found in law.scores(x):
        part, start = slice(start, start + scores.shape[1]), start + scores.shape[1]
        if allowed is not None:
            scores = scores.masked_fill(~allowed[:, part], -torch.inf)
        total = scores.logsumexp(0)
        shares = F.threshold((scores - total).exp(), NEGLIGIBLE, 0.0)  # numbers near the smallest float slow products down tenfold
        counts = counts + shares.sum(1, dtype=torch.float64)
        moments = moments + (shares @ (found if seen is None else products(seen[..., part])).mT).double()
        likelihood = likelihood + total.sum(dtype=torch.float64)
    return Statistics(counts / x.shape[2], moments / x.shape[2], likelihood / x.shape[2])


def seeded(x: Tensor, count: int, generator: torch.Generator, allowed: Tensor | None = None) -> Statistics:
    """Where EM begins: `count` random first vectors v share out the samples by the largest v . x - |v|^2 / 2, x the first vector of a sample.

    d samples of the mean moments are divided among all, so that few samples make a covariance too.
    """
    first = x[:, 0]
    seeds = first[:, torch.randperm(x.shape[2], generator=generator, device=x.device)[:count]]
    near = seeds.mT @ first - seeds.square().sum(0)[:, None] / 2
    if allowed is not None:
        near = near.masked_fill(~allowed, -torch.inf)
    shares = torch.zeros_like(near).scatter_(0, near.argmax(0, keepdim=True), 1)
    counts, moments = torch.zeros(count, dtype=torch.float64, device=x.device), 0
    for start in range(0, x.shape[2], CHUNK):
        part = shares[:, start : start + CHUNK]
        counts += part.sum(1)
        moments = moments + (part @ products(x[..., start : start + CHUNK]).mT).double()
    few = x.shape[0] / count
    mean = moments.sum(0) / counts.sum()
    return Statistics((counts + few) / (counts.sum() + few * count), (moments + few * mean) / (counts.sum() + few * count), counts.sum().log() * 0)


def maximise(mixture: Mixture, statistics: Statistics, vectors: int = 1, floor: float = 0.0) -> None:
    """The M step: w_k = counts_k, S_k = moments_k / (m counts_k) + floor."""
    rows, columns = torch.triu_indices(mixture.size, mixture.size)
    covariances = statistics.moments.new_empty(mixture.count, mixture.size, mixture.size)
    covariances[:, rows, columns] = covariances[:, columns, rows] = statistics.moments / (vectors * statistics.counts.clamp_min(1e-12)[:, None])
    mixture.assign(statistics.counts / statistics.counts.sum(), covariances + floor * torch.eye(mixture.size, dtype=torch.float64, device=covariances.device))


def revived(statistics: Statistics, least: float) -> Statistics:
    """Components whose share is below `least` are given up, and the heaviest ones split in their place, into one of 3/2 and one of 1/2 their variance."""
    order = statistics.counts.argsort()
    dead = order[: min(int((statistics.counts < least).sum()), len(order) // 2)]
    heavy = order.flip(0)[: len(dead)]
    counts, moments = statistics.counts.clone(), statistics.moments.clone()
    counts[heavy] /= 2
    counts[dead] = counts[heavy]
    moments[dead], moments[heavy] = moments[heavy] / 4, moments[heavy] * 3 / 4
    return Statistics(counts, moments, statistics.likelihood)

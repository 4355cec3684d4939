"""K-SVD: sparse codes of all patches in a dictionary that is learned from the noisy picture itself.

Elad & Aharon, Image denoising via sparse and redundant representations over learned dictionaries, TIP 2006.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.method import Blend, Single, reflect_pad
from restore.numerics import patches

SIZE, LINES = 8, 16  # side of a patch; cosines along an axis, whose products are the first dictionary
GAIN = 1.15  # a residual of GAIN sigma per pixel is noise
MOST = 32  # atoms in a code
TRAINING = 65_000  # patches that the dictionary is learned from
TRUST = 30.0  # lambda sigma: how much the noisy picture counts, on the 0-255 scale
TWINS, FEWEST = 0.99, 3  # atoms whose product is greater, or that serve no more patches, are replaced
CHUNK = 2**13  # patches that are coded at a time


class KSVD(Single):
    """min lambda |x - y|^2 + sum_i |D a_i - R_i x|^2, |D a_i - R_i y|^2 <= (GAIN sigma)^2 per pixel with the fewest a_i by orthogonal matching pursuit.

    First a DCT; then `rounds` of coding and improving atom after atom (half as many at sigma 5 or less). Patches are coded less their mean.
    Not clipped. `seed`: of the choice of patches where there are more than 65 000.
    """

    def __init__(self, rounds: int = 10, seed: int = 0):
        super().__init__()
        self.rounds, self.seed = rounds, seed

    @torch.no_grad()
    def picture(self, y, sigma, tick):
        (height, width), sigma = y.shape, 255 * sigma
        y = 255 * reflect_pad(y, max(0, SIZE - height), max(0, SIZE - width))
        every = patches.extract(y[None, None], SIZE)[0]
        mean = every.mean(1, keepdim=True)
        every = every - mean
        chosen = torch.randperm(len(every), generator=torch.Generator().manual_seed(self.seed))[:TRAINING].sort().values
        examples, bound = every[chosen.to(every.device)], (GAIN * sigma * SIZE) ** 2
        atoms, rounds = cosines(SIZE, LINES).to(y), self.rounds if sigma > 5 else max(1, self.rounds // 2)
        for turn in range(rounds):
            atoms = improved(atoms, examples, pursue(examples, atoms, bound))
            tick(turn + 1, rounds + 1)
        clean = torch.cat([some - pursue(some, atoms, bound).residual for some in every.split(CHUNK)]) + mean
        tick(rounds + 1, rounds + 1)
        times = patches.aggregate(torch.ones_like(clean[None]), *y.shape, SIZE)
        trust = TRUST / sigma
        x = (trust * y + patches.aggregate(clean[None], *y.shape, SIZE)) / (trust + times)
        return x[0, 0, :height, :width] / 255

    def tiling(self, problem):
        return Blend(32)

    def bytes_per_pixel(self, problem):
        return 1600.0  # six times all patches


class Codes(NamedTuple):
    """Sparse codes as triples (n,) of point, atom and value, and what they leave of the points, (N, d)."""

    point: Tensor
    atom: Tensor
    value: Tensor
    residual: Tensor


def cosines(size: int, lines: int) -> Tensor:
    """Products of `lines` cosines per axis, all but the constant one less their mean, (lines^2, size^2), of norm 1."""
    at = torch.arange(size, dtype=torch.float64)
    wave = torch.cos(math.pi * at * torch.arange(lines, dtype=torch.float64)[:, None] / lines)
    wave[1:] -= wave[1:].mean(1, keepdim=True)
    return F.normalize(torch.kron(wave, wave), dim=1)


def pursue(points: Tensor, atoms: Tensor, bound: float) -> Codes:
    """Orthogonal matching pursuit of points (N, d) with atoms (K, d) of norm 1, until |r|^2 <= bound or MOST atoms are taken.

    All points at once: r is kept orthogonal to an orthonormal basis of what was taken, and points leave as they are done.
    """
    residual = points.clone()
    alive = (points.square().sum(1) > bound).nonzero()[:, 0]
    found = [(alive[:0], alive[:0], points.new_empty(0))]
    for some in alive.split(CHUNK):
        left = residual[some]
        basis, triangle, along, taken = left.new_empty(len(some), 0, left.shape[1]), left.new_empty(len(some), 0, 0), left.new_empty(len(some), 0), some[:, None][:, :0]
        for count in range(1, MOST + 1):
            pick = (left @ atoms.mT).abs_().argmax(1)
            atom = atoms[pick]
            seen = (basis @ atom[:, :, None])[:, :, 0]
            fresh = atom - (seen[:, None] @ basis)[:, 0]
            size = fresh.norm(dim=1, keepdim=True).clamp_min(1e-6)
            fresh = fresh / size
            step = (left * fresh).sum(1, keepdim=True)
            left = left - step * fresh
            basis, taken, along = torch.cat([basis, fresh[:, None]], 1), torch.cat([taken, pick[:, None]], 1), torch.cat([along, step], 1)
            triangle = torch.cat([F.pad(triangle, (0, 0, 0, 1)), torch.cat([seen, size], 1)[:, :, None]], 2)
            done = (left.square().sum(1) <= bound) | (count == MOST)
            value = torch.linalg.solve_triangular(triangle[done], along[done][:, :, None], upper=True)
            found.append((some[done].repeat_interleave(count), taken[done].flatten(), value.flatten()))
            residual[some[done]] = left[done]
            some, left, basis, triangle, along, taken = (part[~done] for part in (some, left, basis, triangle, along, taken))
            if not len(some):
                break
    return Codes(*(torch.cat(parts) for parts in zip(*found, strict=True)), residual)


def improved(atoms: Tensor, points: Tensor, codes: Codes) -> Tensor:
    """Atom after atom and its values become the best approximation of rank 1 to what the others leave; idle atoms and twins become badly coded points."""
    atoms, residual = atoms.clone(), codes.residual.clone()
    order, times = codes.atom.argsort(stable=True), codes.atom.bincount(minlength=len(atoms))
    for which, (point, value) in enumerate(zip(codes.point[order].split(times.tolist()), codes.value[order].split(times.tolist()), strict=True)):
        if len(point):
            error = residual[point] + value[:, None] * atoms[which]
            atoms[which] = torch.linalg.eigh(error.mT @ error)[1][:, -1]
            residual[point] = error - (error @ atoms[which])[:, None] * atoms[which]
    twins = ((atoms @ atoms.mT).abs().triu(1) > TWINS).any(1)
    idle = ((times <= FEWEST) | twins).nonzero()[:, 0]
    worst = residual.square().sum(1).topk(min(len(idle), len(points))).indices
    atoms[idle[: len(worst)]] = F.normalize(points[worst], dim=1)
    return atoms

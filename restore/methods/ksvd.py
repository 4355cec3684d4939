"""K-SVD: sparse codes of all patches in a dictionary that is learned from the noisy picture itself.

Elad & Aharon, Image denoising via sparse and redundant representations over learned dictionaries, TIP 2006; with missing pixels Mairal, Elad & Sapiro,
Sparse representation for color image restoration, TIP 2008 (section III), for grey pictures.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.method import Blend, Single
from restore.numerics import patches
from restore.numerics.eigen import eigh
from restore.numerics.fill import fill
from restore.numerics.mirror import padded
from restore.operators.masks import Mask

SIZE, LINES = 8, 16  # side of a patch; cosines along an axis, whose products are the first dictionary
GAIN = 1.15  # a residual of GAIN sigma per pixel is noise
MOST = 32  # atoms in a code
TRAINING = 65_000  # patches that the dictionary is learned from
TRUST = 30.0  # lambda sigma: how much the noisy picture counts, on the 0-255 scale
TWINS, FEWEST = 0.99, 3  # atoms whose product is greater, or that serve no more patches, are replaced
CHUNK = 2**13  # patches that are coded at a time
QUIET = 3.0  # levels of 255 that a code may be off where y has no noise and pixels are missing
SWAPS = 3  # of atom and values while an atom is fitted to what is known


class KSVD(Single):
    """min lambda |x - y|^2 + sum_i |D a_i - R_i x|^2, |D a_i - R_i y|^2 <= (GAIN sigma)^2 per pixel with the fewest a_i by orthogonal matching pursuit.

    First a DCT; then `rounds` of coding and improving atom after atom (half as many at sigma 5 or less, or where pixels are missing). Patches are coded less their mean.
    Where pixels are missing, codes are of what is known, with an atom per two known pixels at most; with no noise what is known stays.
    Not clipped. `seed`: of the choice of patches where there are more than 65 000, or half of that where pixels are missing.
    """

    def __init__(self, rounds: int = 10, seed: int = 0):
        super().__init__()
        self.rounds, self.seed = rounds, seed

    def restore(self, y, problem):
        if not isinstance(problem.operator, Mask):
            return super().restore(y, problem)
        levels, masks = (255 * problem.noise.sigma.expand(len(y), 1, 1, 1)).flatten().tolist(), problem.operator.mask.to(y).expand(len(y), 1, -1, -1)
        return torch.stack([self.holes(one[0], mask[0], sigma) for one, mask, sigma in zip(y, masks, levels, strict=True)])[:, None]

    @torch.no_grad()
    def holes(self, y: Tensor, mask: Tensor, sigma: float) -> Tensor:
        """x for one picture y (H, W) that was measured where mask (H, W) is 1; sigma on 0-255."""
        height, width = y.shape
        start = 255 * fill(y[None, None], mask[None, None])[0, 0]
        wide, seen = (padded(part, max(0, SIZE - height), max(0, SIZE - width)) for part in (255 * y, mask))
        every, known = (patches.extract(part[None, None], SIZE)[0] for part in (wide, seen))
        count = known.sum(1, keepdim=True)
        mean = (every * known).sum(1, keepdim=True) / count.clamp_min(1)
        every = (every - mean) * known
        bound, most = (GAIN * max(sigma, QUIET)) ** 2 * count[:, 0], (count[:, 0] / 2).clamp(max=MOST)
        chosen = torch.randperm(len(every), generator=torch.Generator().manual_seed(self.seed))[: TRAINING // 2].to(y.device)
        atoms, rounds = cosines(SIZE, LINES).to(y), max(1, self.rounds // 2)
        for turn in range(rounds):
            codes = pursue(every[chosen], atoms, bound[chosen], known[chosen], most[chosen])
            atoms = fitted(atoms, every[chosen], codes, known[chosen])
            self.tick(turn + 1, rounds + 1)
        clean = torch.cat([mean[some] + pursue(every[some], atoms, bound[some], known[some], most[some]).sum(atoms, len(some)) for some in torch.arange(len(every), device=y.device).split(CHUNK)])
        weight = patches.aggregate((count + 0 * known)[None], *wide.shape, SIZE)[0, 0, :height, :width]
        x = patches.aggregate((count * clean)[None], *wide.shape, SIZE)[0, 0, :height, :width] / weight.clamp_min(1)
        x = torch.where(weight > 0, x, start)
        self.tick(rounds + 1, rounds + 1)
        trust = mask * (TRUST / sigma / SIZE**2 if sigma else math.inf)
        return torch.where(trust == math.inf, y, (trust.nan_to_num(0, 0) * y + x / 255) / (1 + trust.nan_to_num(0, 0)))

    @torch.no_grad()
    def picture(self, y, sigma, tick):
        (height, width), sigma = y.shape, 255 * sigma
        y = 255 * padded(y, max(0, SIZE - height), max(0, SIZE - width))
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
        trust = TRUST / sigma
        x = (trust * y + patches.aggregate(clean[None], *y.shape, SIZE)[0, 0]) / (trust + patches.cover(*y.shape, SIZE).to(y))
        return x[:height, :width] / 255

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

    def sum(self, atoms: Tensor, count: int) -> Tensor:
        """What the codes stand for, (count, d)."""
        return atoms.new_zeros(count, atoms.shape[1]).index_add(0, self.point, self.value[:, None] * atoms[self.atom])


def cosines(size: int, lines: int) -> Tensor:
    """Products of `lines` cosines per axis, all but the constant one less their mean, (lines^2, size^2), of norm 1."""
    at = torch.arange(size, dtype=torch.float64)
    wave = torch.cos(math.pi * at * torch.arange(lines, dtype=torch.float64)[:, None] / lines)
    wave[1:] -= wave[1:].mean(1, keepdim=True)
    return F.normalize(torch.kron(wave, wave), dim=1)


def pursue(points: Tensor, atoms: Tensor, bound: Tensor | float, known: Tensor | None = None, most: Tensor | float = MOST) -> Codes:
    """Orthogonal matching pursuit of points (N, d) with atoms (K, d) of norm 1, until |r|^2 <= bound or `most` atoms are taken; both may be (N,).

    All points at once: r is kept orthogonal to an orthonormal basis of what was taken, and points leave as they are done. known (N, d), of 0 and 1:
    only there do points and atoms count; points are 0 elsewhere.
    """
    residual, bound, most = points.clone(), *(torch.as_tensor(part, dtype=points.dtype, device=points.device).expand(len(points)) for part in (bound, most))
    alive = ((points.square().sum(1) > bound) & (most >= 1)).nonzero()[:, 0]
    found = [(alive[:0], alive[:0], points.new_empty(0))]
    for some in alive.split(CHUNK):
        left = residual[some]
        basis, triangle, along, taken = left.new_empty(len(some), 0, left.shape[1]), left.new_empty(len(some), 0, 0), left.new_empty(len(some), 0), some[:, None][:, :0]
        size_seen = None if known is None else (known[some] @ atoms.mT.square()).sqrt_().clamp_min_(1e-3)
        for count in range(1, MOST + 1):
            match = (left @ atoms.mT).abs_()
            pick = (match if known is None else match / size_seen).argmax(1)
            atom = atoms[pick] if known is None else atoms[pick] * known[some]
            seen = (basis @ atom[:, :, None])[:, :, 0]
            fresh = atom - (seen[:, None] @ basis)[:, 0]
            size = fresh.norm(dim=1, keepdim=True).clamp_min(1e-6)
            fresh = fresh / size
            step = (left * fresh).sum(1, keepdim=True)
            left = left - step * fresh
            basis, taken, along = torch.cat([basis, fresh[:, None]], 1), torch.cat([taken, pick[:, None]], 1), torch.cat([along, step], 1)
            triangle = torch.cat([F.pad(triangle, (0, 0, 0, 1)), torch.cat([seen, size], 1)[:, :, None]], 2)
            done = (left.square().sum(1) <= bound[some]) | (count + 1 > most[some])
            value = torch.linalg.solve_triangular(triangle[done], along[done][:, :, None], upper=True)
            found.append((some[done].repeat_interleave(count), taken[done].flatten(), value.flatten()))
            residual[some[done]] = left[done]
            some, left, basis, triangle, along, taken = (part[~done] for part in (some, left, basis, triangle, along, taken))
            size_seen = None if known is None else size_seen[~done]
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
            atoms[which] = eigh(error.mT @ error)[1][:, -1]
            residual[point] = error - (error @ atoms[which])[:, None] * atoms[which]
    twins = ((atoms @ atoms.mT).abs().triu(1) > TWINS).any(1)
    idle = ((times <= FEWEST) | twins).nonzero()[:, 0]
    worst = residual.square().sum(1).topk(min(len(idle), len(points))).indices
    atoms[idle[: len(worst)]] = F.normalize(points[worst], dim=1)
    return atoms


def fitted(atoms: Tensor, points: Tensor, codes: Codes, known: Tensor) -> Tensor:
    """`improved` where points are known in part: min |known (E - v d^T)|^2 over d and v by turns, E what the other atoms leave."""
    atoms, residual = atoms.clone(), codes.residual.clone()
    order, times = codes.atom.argsort(stable=True), codes.atom.bincount(minlength=len(atoms))
    for which, (point, value) in enumerate(zip(codes.point[order].split(times.tolist()), codes.value[order].split(times.tolist()), strict=True)):
        if len(point) > FEWEST:
            part, atom = known[point], atoms[which]
            error = residual[point] + value[:, None] * (atom * part)
            for _ in range(SWAPS):
                atom = F.normalize((error.mT @ value) / (part.mT @ value.square()).clamp_min(1e-9), dim=0)
                value = (error @ atom) / (part @ atom.square()).clamp_min(1e-3)
            atoms[which], residual[point] = atom, error - value[:, None] * (atom * part)
    return atoms

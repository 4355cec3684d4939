"""Sets of points of any sizes, treated many at a time; k-means in each."""

from collections.abc import Iterator

import torch
from torch import Tensor

MOST = 2**22  # places in one batch of padded sets
WASTE = 1.25  # the largest set of a batch over the smallest


def padded(label: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The sets with the same `label` (N,), those of like size together: (g, n) indices, and which of these count."""
    order = label.argsort(stable=True)
    sizes = torch.bincount(label)
    starts = sizes.cumsum(0) - sizes
    sizes, by_size = sizes.sort()
    starts, listed, first = starts[by_size], sizes.tolist(), int((sizes == 0).sum())
    while first < len(listed):
        last = first + 1
        while last < len(listed) and listed[last] <= WASTE * listed[first] + 2 and listed[last] * (last - first + 1) <= MOST / 64:
            last += 1
        at = torch.arange(listed[last - 1], device=label.device)
        inside = at < sizes[first:last, None]
        yield order[starts[first:last, None] + at * inside], inside
        first = last


def split(points: Tensor, label: Tensor, size: int, rounds: int, slack: int) -> Tensor:
    """Each set of points (N, f) with the same `label` (N,) split into round(n / size) by k-means; new labels from 0.

    Clusters with fewer than their mean size plus `slack` points then join the nearest one, the smallest first.
    """
    result, used = torch.empty_like(label), 0
    for index, inside in padded(label):
        counts = inside.sum(1)
        wanted = (counts / size).round().clamp_min(1).long()
        given = points[index]
        given = given - given.mean(1, keepdim=True)
        centres, found = kmeans(given, inside, wanted, rounds)
        found = merged(centres, found, inside, (counts / wanted).round() + slack)
        joint = found + torch.arange(len(index), device=label.device)[:, None] * centres.shape[1] + used
        result[index[inside]] = joint[inside]
        used += len(index) * centres.shape[1]
    return result.unique(return_inverse=True)[1]


def kmeans(points: Tensor, inside: Tensor, wanted: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm in g sets at once: points (g, n, f) where `inside` (g, n), `wanted` (g,) centres, that begin at points evenly spaced in the order
    given. Centres (g, c, f), inf where none is wanted, and the nearest of each point (g, n); at most `rounds` rounds.
    """
    many, weight = int(wanted.max()), inside.to(points)
    place = torch.arange(many, device=points.device)
    start = ((place + 0.5) * (inside.sum(1) / wanted)[:, None]).long().clamp_max(points.shape[1] - 1)
    centres = points.gather(1, start[..., None].expand(-1, -1, points.shape[2])).masked_fill((place >= wanted[:, None])[..., None], torch.inf)
    found = torch.full(inside.shape, -1, device=points.device)
    for _ in range(rounds if many > 1 else 1):
        finite = centres.nan_to_num(posinf=0)
        lengths = centres.square().sum(2)
        before, found = found, torch.baddbmm(lengths[:, None], points, finite.mT, alpha=-2).argmin(2)
        if torch.equal(before, found):
            break
        sizes = torch.zeros_like(lengths).scatter_add_(1, found, weight)
        sums = torch.zeros_like(centres).scatter_add_(1, found[..., None].expand_as(points), points * weight[..., None])
        centres = torch.where(sizes[..., None] > 0, sums / sizes[..., None], centres)
    return centres, found


def merged(centres: Tensor, found: Tensor, inside: Tensor, least: Tensor) -> Tensor:
    """Labels (g, n) after clusters of fewer than `least` (g,) points joined the nearest one, the smallest first."""
    many = centres.shape[1]
    sizes = centres.new_zeros(centres.shape[:2]).scatter_add_(1, found, inside.to(centres))
    centres, names = centres.clone(), torch.arange(many, device=centres.device).expand(len(centres), -1).clone()
    row = torch.arange(len(centres), device=centres.device)
    for _ in range(many - 1):
        there = sizes > 0
        small, at = sizes.masked_fill(~there, torch.inf).min(1)
        due = (small < least) & (there.sum(1) > 1)
        if not due.any():
            break
        distance = (centres - centres[row, at][:, None]).square().sum(2).masked_fill(~there, torch.inf)
        distance[row, at] = torch.inf
        to = distance.argmin(1)
        share = (small / (small + sizes[row, to]))[:, None]
        centres[row, to] = torch.where(due[:, None], torch.lerp(centres[row, to], centres[row, at], share), centres[row, to])
        sizes[row, to] += torch.where(due, small, 0)
        sizes[row, at] = torch.where(due, 0, sizes[row, at])
        names = torch.where(due[:, None] & (names == at[:, None]), to[:, None], names)
    return names.gather(1, found)

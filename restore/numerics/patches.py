"""Patches: all of them, back again, and those that look alike. (H - p + 1)(W - p + 1) patches of p x p, row by row."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 32  # references per axis that are treated at a time: their window and distances stay in a cache of 16 MiB


def extract(x: Tensor, size: int) -> Tensor:
    """Every patch of x (B, C, H, W), as (B, L, C size^2), L = (H - size + 1)(W - size + 1)."""
    return F.unfold(x, size).mT


def aggregate(patches: Tensor, height: int, width: int, size: int) -> Tensor:
    """The transpose of `extract`: patches (B, L, C size^2) summed where they lie, (B, C, height, width)."""
    return F.fold(patches.mT, (height, width), size)


def cover(height: int, width: int, size: int) -> Tensor:
    """How many patches cover each pixel, (height, width)."""
    down, across = (F.conv1d(torch.ones(1, length - size + 1), torch.ones(1, 1, size), padding=size - 1)[0] for length in (height, width))
    return torch.outer(down, across)


def dct_matrix(size: int) -> Tensor:
    """The orthonormal DCT-II, (size, size), in float64."""
    k, n = torch.arange(size, dtype=torch.float64)[:, None], torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi * k * (2 * n + 1) / (2 * size)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def cosines(size: int) -> Tensor:
    """The orthonormal 2-D DCT of a patch, (size^2, size^2), a basis vector per row; the first is constant."""
    matrix = dct_matrix(size)
    return torch.kron(matrix, matrix).float()


def grid(length: int, size: int, step: int) -> list[int]:
    """Where patches start along an axis: 0, step, 2 step, ... and the last place, so that the border is covered."""
    last = length - size
    return [*range(0, last, step), last]


def blocks(places: Sequence[int]) -> list[Sequence[int]]:
    """Reference places, BLOCK at a time; a lone last one joins those before it."""
    starts = range(0, max(len(places) - 1, 1), BLOCK)
    return [places[start : start + BLOCK if start != starts[-1] else None] for start in starts]


def search(x: Tensor, size: int, step: int, radius: int, count: int) -> tuple[Tensor, Tensor]:
    """`match` for references on the whole `grid` of x (H, W), row by row: distances and places, both (references, count).

    Every window must hold `count` patches: that is so where both sides are at least size - 1 + sqrt(count), and radius is sqrt(count) - 1.
    """
    rows, columns = (grid(length, size, step) for length in x.shape)
    wide = x.shape[1] - size + 1
    distance = x.new_empty(len(rows), len(columns), count)
    place = torch.empty(distance.shape, dtype=torch.long, device=x.device)
    for down in blocks(range(len(rows))):
        for across in blocks(range(len(columns))):
            top, left = max(rows[down[0]] - radius, 0), max(columns[across[0]] - radius, 0)
            area = x[top : rows[down[-1]] + radius + size, left : columns[across[-1]] + radius + size]
            near, at = match(area, size, [rows[i] - top for i in down], [columns[i] - left for i in across], radius, count)
            narrow = area.shape[1] - size + 1
            here = (slice(down[0], down[-1] + 1), slice(across[0], across[-1] + 1))
            distance[here] = near.unflatten(0, (len(down), -1))
            place[here] = (at + top * wide + left + at // narrow * (wide - narrow)).unflatten(0, (len(down), -1))
    return distance.flatten(0, 1), place.flatten(0, 1)


def match(x: Tensor, size: int, rows: Sequence[int], columns: Sequence[int], radius: int, count: int) -> tuple[Tensor, Tensor]:
    """The `count` patches of x (H, W) nearest to each reference patch, within `radius` rows and columns of it.

    d(p, q) = sum over the patch of (x_p - x_q)^2, summed directly, so that it depends on the two patches alone and not
    on what surrounds them. References are at rows x columns, in that order. Returns distances and places (row (W - size + 1) +
    column), both (len(rows) len(columns), K), nearest first and the reference itself foremost; K is `count` or, if less,
    the number of offsets. Where the window holds fewer than K patches, the rest have distance inf.
    """
    (top, left), reach = (rows[0], columns[0]), 2 * radius + 1
    height, width = rows[-1] - top + size, columns[-1] - left + size
    window = F.pad(x, (radius,) * 4, value=float("inf"))[top:top + height + 2 * radius, left:left + width + 2 * radius].contiguous()
    centre = window[radius:radius + height, radius:radius + width].reshape(height, width, 1).expand(-1, -1, reach)
    table = x.new_empty(len(rows), len(columns), reach, reach)
    stride = window.stride(0)
    for down in range(reach):
        shifted = window.as_strided((height, width, reach), (stride, 1, 1), window.storage_offset() + down * stride)
        square = F.mse_loss(shifted, centre, reduction="none")
        table[:, :, down] = _box(_box(square, 0, size, [row - top for row in rows]), 1, size, [column - left for column in columns])
    table[:, :, radius, radius] = -1
    table = table.flatten(0, 1).flatten(1)
    distance, offset = smallest(table, min(count, table.shape[1]))
    at = (torch.tensor(rows, device=x.device)[:, None] * (x.shape[1] - size + 1) + torch.tensor(columns, device=x.device)).reshape(-1, 1)
    step = (offset // reach - radius) * (x.shape[1] - size + 1) + offset % reach - radius
    return distance.clamp_min_(0), at + step


def _box(x: Tensor, axis: int, size: int, starts: Sequence[int]) -> Tensor:
    """Sums of `size` neighbours along an axis of a contiguous x, beginning at `starts` (evenly spaced but for the last)."""
    step = starts[1] - starts[0] if len(starts) > 1 else 1
    even = len(starts) if starts[-1] == starts[0] + step * (len(starts) - 1) else len(starts) - 1
    pieces = []
    for first, number in ((starts[0], even), (starts[-1], len(starts) - even)):
        if number:
            shape = (*x.shape[:axis], number, size, *x.shape[axis + 1:])
            stride = (*x.stride()[:axis], step * x.stride(axis), x.stride(axis), *x.stride()[axis + 1:])
            pieces.append(x.as_strided(shape, stride, first * x.stride(axis)).sum(axis + 1))
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, axis)


def smallest(table: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` least values of each row (R, N) and where they are, in order.

    They lie in the `count` groups of neighbours that have the least minima, so most of the row is not sorted.
    """
    group = max(d for d in range(1, 17) if table.shape[1] % d == 0)
    if group == 1 or table.shape[1] < 2 * count * group:
        return table.topk(count, largest=False)
    groups = table.unflatten(1, (-1, group))
    best = groups.amin(2).topk(count, largest=False, sorted=False).indices
    few = groups.gather(1, best[:, :, None].expand(-1, -1, group)).flatten(1)
    value, at = few.topk(count, largest=False)
    return value, best.gather(1, at // group) * group + at % group

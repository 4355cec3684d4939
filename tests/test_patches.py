"""Patches: out and back, and the nearest ones against a search written out."""

import pytest
import torch

from restore.numerics import patches


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_extract_and_aggregate_are_transposes():
    x, q = random(0, 2, 3, 9, 11), random(1, 2, 6 * 8, 3 * 16)
    left, right = (patches.extract(x, 4) * q).sum(), (x * patches.aggregate(q, 9, 11, 4)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-12)


def test_patches_are_row_by_row():
    x = random(0, 1, 1, 7, 9)
    assert torch.equal(patches.extract(x, 3)[0, 2 * 7 + 5].reshape(3, 3), x[0, 0, 2:5, 5:8])


@pytest.mark.parametrize(("length", "size", "step"), [(8, 8, 3), (9, 8, 3), (64, 8, 3), (65, 11, 6), (12, 1, 5)])
def test_grid_covers_and_ends_at_the_border(length, size, step):
    places = patches.grid(length, size, step)
    assert places[0] == 0 and places[-1] == length - size and places == sorted(set(places))
    assert all(later - earlier <= step for earlier, later in zip(places, places[1:]))


@pytest.mark.parametrize(("rows", "columns"), [([0, 3, 6, 9, 10], [0, 3, 6, 9, 12, 14]), ([4], [7]), ([2, 5], [1, 4, 5])])
def test_match_finds_the_nearest(rows, columns):
    size, radius, count, x = 4, 5, 9, random(0, 14, 18)
    distance, place = patches.match(x, size, rows, columns, radius, count)
    every, wide = patches.extract(x[None, None], size)[0], 18 - size + 1
    for number, (row, column) in enumerate((row, column) for row in rows for column in columns):
        near = [r * wide + c for r in range(max(row - radius, 0), min(row + radius, 10) + 1) for c in range(max(column - radius, 0), min(column + radius, wide - 1) + 1)]
        true = (every[near] - every[row * wide + column]).square().sum(1)
        assert torch.allclose(distance[number], true.sort().values[:count])
        assert place[number, 0] == row * wide + column and set(place[number].tolist()) <= set(near)
        assert torch.allclose((every[place[number]] - every[row * wide + column]).square().sum(1), distance[number])


def test_a_window_that_holds_few_patches_says_so():
    distance, place = patches.match(random(0, 5, 6), 4, [0, 1], [0, 2], 3, 16)
    assert distance.shape == place.shape == (4, 16)
    assert torch.isfinite(distance).sum(1).tolist() == [6] * 4


def test_the_reference_is_foremost_among_equals():
    _, place = patches.match(torch.ones(20, 20), 4, [6, 9], [8], 5, 8)
    assert place[:, 0].tolist() == [6 * 17 + 8, 9 * 17 + 8]


def test_distances_do_not_depend_on_the_surroundings():
    """To the last bit, in float32: what is chosen in a tile is what is chosen in the picture."""
    x = random(0, 80, 90).float()
    whole, _ = patches.match(x, 8, list(range(30, 50, 3)), list(range(33, 60, 3)), 19, 16)
    part, _ = patches.match(x[9:76, 12:88], 8, list(range(21, 41, 3)), list(range(21, 48, 3)), 19, 16)
    assert torch.equal(whole, part)


@pytest.mark.parametrize(("length", "count"), [(1521, 16), (1521, 32), (1369, 32), (100, 32), (7, 3)])
def test_smallest(length, count):
    table = random(0, 50, length)
    value, at = patches.smallest(table, count)
    assert torch.equal(value, table.sort(1).values[:, :count]) and torch.equal(value, table.gather(1, at))

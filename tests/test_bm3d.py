"""BM3D: its transforms, what it leaves alone, tile by tile as on the whole, and what it scores."""

import numpy as np
import pytest
import torch
from PIL import Image

from restore.engine.plan import even_size, windows
from restore.measure.metrics import psnr
from restore.methods import bm3d
from restore.methods.bm3d import BM3D
from restore.numerics import patches
from restore.operators.base import Identity
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem


def gaussian(level) -> Problem:
    """Level on the 0-255 scale."""
    return Problem(Identity(), Gaussian(torch.as_tensor(level) / 255))


def picture(height: int, width: int, dtype=torch.float32) -> torch.Tensor:
    """Colour: stripes, an edge, a slope."""
    down, across = torch.meshgrid(torch.arange(float(height), dtype=dtype), torch.arange(float(width), dtype=dtype), indexing="ij")
    stripes, slope, edge = 0.2 * torch.sin(down / 3 + across / 5), across / width, (down * 2 + across > height).to(dtype)
    return torch.stack([0.4 + stripes, 0.3 * slope + 0.5 * edge, 0.5 - stripes * edge])[None]


def noisy(x: torch.Tensor, problem: Problem, seed: int = 0) -> torch.Tensor:
    return problem.simulate(x, torch.Generator().manual_seed(seed))


def tiled(method, y, problem, size: int, halo: int, multiple: int) -> torch.Tensor:
    x = torch.empty_like(y)
    for down in windows(y.shape[2], even_size(y.shape[2], size, halo, multiple), halo, multiple):
        for across in windows(y.shape[3], even_size(y.shape[3], size, halo, multiple), halo, multiple):
            tile = method(y[..., down.start : down.start + down.size, across.start : across.start + across.size], problem)
            x[..., down.keep : down.until, across.keep : across.until] = tile[..., down.keep - down.start : down.until - down.start,
                                                                              across.keep - across.start : across.until - across.start]
    return x


@pytest.mark.parametrize("matrix", [bm3d.dct_matrix(8), bm3d.dct_matrix(11), bm3d.haar_matrix(1), bm3d.haar_matrix(32)])
def test_orthonormal(matrix):
    assert torch.allclose(matrix @ matrix.T, torch.eye(len(matrix), dtype=torch.float64), atol=1e-12)
    assert torch.allclose(matrix[0], matrix[0, :1].expand(len(matrix)))


def test_bior_is_invertible_with_rows_of_unit_norm():
    matrix = bm3d.biorthogonal_matrix(8)
    assert torch.allclose(matrix.norm(dim=1), torch.ones(8, dtype=torch.float64))
    assert torch.allclose(matrix[1:].sum(1), torch.zeros(7, dtype=torch.float64), atol=1e-12)  # a vanishing moment
    assert torch.allclose(matrix[4:, :2].abs().sum(1), torch.tensor([2**0.5, 0, 0, 0], dtype=torch.float64))  # the finest details are differences of two
    forward, backward = bm3d.transform(matrix)
    assert torch.allclose(forward @ backward, torch.eye(64, dtype=torch.float64), atol=1e-12)


def test_blocks_keep_every_reference():
    for length in (1, 2, 32, 33, 34, 64, 65, 97, 100):
        parts = patches.blocks(list(range(length)))
        assert sum(parts, []) == list(range(length)) and all(len(part) > 1 for part in parts[1:])


def test_without_noise_nothing_changes():
    y = picture(20, 30)
    assert torch.equal(BM3D()(y, gaussian(0.0)), y)


@pytest.mark.parametrize("level", [25.0, 60.0])
@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (8, 8), (3, 2000), (40, 33)])
def test_any_size(shape, level):
    y = torch.full((1, 3, *shape), 0.5) + 0.01 * picture(*shape)
    x = BM3D()(y, gaussian(level))
    assert x.shape == y.shape and torch.allclose(x, y, atol=0.03)


def test_a_black_picture_is_not_divided_by_zero():
    assert torch.equal(BM3D()(torch.zeros(1, 1, 30, 30), gaussian(50.0)), torch.zeros(1, 1, 30, 30))


def test_noise_on_grey_card_goes():
    x = torch.full((1, 1, 96, 96), 0.5)
    for level in (10.0, 25.0, 75.0):
        y = noisy(x, gaussian(level))
        assert float((BM3D()(y, gaussian(level)) - x).std()) < 0.12 * level / 255


def test_levels_per_picture_are_levels_of_their_own():
    x, levels = picture(48, 40)[:, :1].expand(2, -1, -1, -1), torch.tensor([15.0, 55.0]).reshape(2, 1, 1, 1)
    y = noisy(x, gaussian(levels))
    both = BM3D()(y, gaussian(levels))
    for one in range(2):
        assert torch.equal(both[one], BM3D()(y[one : one + 1], gaussian(float(levels[one])))[0])


def test_levels_per_channel_matter():
    x, problem = picture(96, 96), gaussian(torch.tensor([4.0, 15.0, 40.0]).reshape(1, 3, 1, 1))
    y = noisy(x, problem)
    rms = float(problem.noise.sigma.square().mean().sqrt()) * 255
    assert float(psnr(BM3D()(y, problem), x)) > float(psnr(BM3D()(y, gaussian(rms)), x)) + 0.1


def test_two_and_four_channels_are_filtered_one_by_one():
    y = noisy(torch.cat([picture(40, 40), picture(40, 40)[:, :1]], 1), gaussian(20.0))
    assert torch.equal(BM3D()(y, gaussian(20.0))[:, 1:2], BM3D()(y[:, 1:2], gaussian(20.0)))


@pytest.mark.parametrize(("channels", "level"), [(1, 25.0), (3, 25.0), (1, 50.0)])
def test_tile_by_tile_as_on_the_whole(channels, level):
    problem, method = gaussian(level), BM3D()
    y, kind = noisy(picture(218, 231)[:, :channels], problem), BM3D().tiling(problem)
    whole = method(y, problem)
    assert float((tiled(method, y, problem, 207, kind.halo, kind.multiple) - whole).abs().max()) < 1e-5
    assert float((tiled(method, y, problem, 207, 24, kind.multiple) - whole).abs().max()) > 1e-4  # the halo is needed


def test_a_batch_of_both_profiles_tiles_on_both_grids():
    kind = BM3D().tiling(gaussian(torch.tensor([15.0, 55.0]).reshape(2, 1, 1, 1)))
    assert kind.multiple == 12 and kind.halo == 93


def test_float64_says_the_same():
    x = picture(64, 64, torch.float64)
    y = noisy(x, gaussian(25.0))
    assert float((BM3D()(y, gaussian(25.0)) - BM3D()(y.float(), gaussian(25.0))).square().mean().sqrt()) < 1e-4


def test_it_tells_how_far_it_is():
    method, told = BM3D(), []
    method.tick = lambda done, of: told.append((done, of))
    method(torch.rand(2, 1, 120, 20), gaussian(25.0))
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1)) and len({of for _, of in told}) == 1


def load(path, mode: str) -> torch.Tensor:
    x = torch.from_numpy(np.array(Image.open(path).convert(mode))).float() / 255
    return (x[None] if mode == "L" else x.permute(2, 0, 1))[None]


@pytest.mark.data
@pytest.mark.parametrize(("level", "published"), [(15.0, (31.91, 34.93, 31.14)), (25.0, (29.45, 32.85, 28.56)), (50.0, (26.13, 29.69, 25.04))])
def test_what_is_published_on_set12(data, level, published):
    """Cameraman, House and Starfish; one realisation of the noise moves one picture by up to 0.3 dB."""
    found = []
    for name in ("01", "02", "04"):
        x = load(data / f"test/set12/{name}.png", "L")
        found.append(float(psnr(BM3D()(noisy(x, gaussian(level)), gaussian(level)), x)))
    assert abs(sum(found) - sum(published)) / 3 < 0.15 and max(abs(a - b) for a, b in zip(found, published)) < 0.35, found


@pytest.mark.data
def test_colour_gains_over_channels_one_by_one(data):
    x = load(data / "test/b100/101085.jpg", "RGB")[..., 60:220, 80:240]
    y = noisy(x, gaussian(25.0))
    alone = BM3D()(y.transpose(0, 1), gaussian(25.0)).transpose(0, 1)
    assert float(psnr(BM3D()(y, gaussian(25.0)), x)) > float(psnr(alone, x)) + 0.5

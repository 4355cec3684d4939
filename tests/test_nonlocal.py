"""WNNM, NCSR and K-SVD: what each of their parts promises, what they leave alone, and what a part that is switched off costs."""

from functools import partial

import numpy as np
import pytest
import torch

from restore import cards
from restore.engine.picture import Page
from restore.engine.run import Settings, run
from restore.image import Header
from restore.measure.metrics import psnr
from restore.measure.score import load
from restore.methods import ksvd, ncsr, wnnm
from restore.methods.ksvd import KSVD
from restore.methods.ncsr import NCSR
from restore.methods.wnnm import WNNM
from restore.numerics import patches
from restore.numerics.levels import for_level
from restore.operators.base import Identity
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem

def test_steps_are_told_as_of_all_channels():
    told, method = [], WNNM()
    method.tick = lambda done, of: told.append((done, of))
    with torch.no_grad():
        method(torch.rand(1, 3, 24, 24), Problem(Identity(), Gaussian(0.02)))
    assert told == [(step + 1, len(told)) for step in range(len(told))] and len(told) % 3 == 0


METHODS = [WNNM, NCSR, partial(KSVD, rounds=2)]


def gaussian(level) -> Problem:
    """Level on the 0-255 scale."""
    return Problem(Identity(), Gaussian(torch.as_tensor(level) / 255))


def picture(height: int, width: int) -> torch.Tensor:
    """Stripes of two directions, a slope, an edge."""
    down, across = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    stripes = torch.where(across < width / 2, torch.sin(down / 1.5), torch.sin((down + across) / 1.7))
    return (0.4 + 0.2 * stripes + 0.2 * down / height + 0.2 * (down + 2 * across > 1.5 * height))[None, None]


def noisy(x: torch.Tensor, problem: Problem, seed: int = 0) -> torch.Tensor:
    return problem.simulate(x, torch.Generator().manual_seed(seed))


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("kind", METHODS, ids=["wnnm", "ncsr", "ksvd"])
def test_without_noise_nothing_changes(kind):
    y = picture(20, 30)
    assert torch.equal(kind()(y, gaussian(0.0)), y)


@pytest.mark.parametrize("kind", METHODS, ids=["wnnm", "ncsr", "ksvd"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (3, 60)])
def test_smaller_than_a_patch(kind, shape):
    y = 0.5 + 0.01 * picture(*shape)
    x = kind()(y, gaussian(12.0))
    assert x.shape == y.shape and torch.allclose(x, y, atol=0.02)


def _window() -> torch.Tensor:
    """A drawing: flat but for a bar and a frame."""
    x = torch.full((1, 1, 72, 96), 0.8)
    x[..., :8, :] = 0.1
    x[..., 30:34, 20:80] = 0.0
    return x


@pytest.mark.parametrize("picture", [torch.full((1, 1, 48, 48), 0.3), _window(), torch.full((1, 1, 1, 40), 0.5)], ids=["flat", "drawing", "line"])
@pytest.mark.parametrize("name", ["wnnm", "ncsr", "ksvd", "pclr"])
@pytest.mark.parametrize("sigma", [1.0, 50.0])
def test_patches_that_are_all_alike_are_no_matter(name, picture, sigma):
    """Gram matrices of nothing but zeros: single-precision solvers fail on them."""
    x = cards.load(name)(picture, gaussian(sigma))
    assert x.isfinite().all() and (x - picture).abs().mean() < 0.15


@pytest.mark.parametrize("kind", METHODS, ids=["wnnm", "ncsr", "ksvd"])
def test_grey_card_loses_its_noise(kind):
    x = torch.full((1, 1, 32, 36), 0.5)
    y = noisy(x, gaussian(12.0))
    assert float((kind()(y, gaussian(12.0)) - x).std()) < 0.2 * 12 / 255


@pytest.mark.parametrize("kind", METHODS, ids=["wnnm", "ncsr", "ksvd"])
def test_levels_are_levels_of_their_own(kind):
    """Per picture of a batch and per channel of a colour picture."""
    levels = torch.tensor([8.0, 14.0])
    y = picture(20, 24).repeat(2, 1, 1, 1) + 0.03 * random(1, 2, 1, 20, 24).float()
    alone = [kind()(y[i : i + 1], gaussian(float(levels[i]))) for i in range(2)]
    assert torch.equal(kind()(y, gaussian(levels.reshape(2, 1, 1, 1))), torch.cat(alone))
    assert torch.equal(kind()(y.transpose(0, 1), gaussian(levels.reshape(1, 2, 1, 1))), torch.cat(alone, 1))


@pytest.mark.parametrize("kind", METHODS, ids=["wnnm", "ncsr", "ksvd"])
def test_they_tell_how_far_they_are(kind):
    method, told = kind(), []
    method.tick = lambda done, of: told.append((done, of))
    method(picture(24, 20).repeat(2, 1, 1, 1), gaussian(10.0))
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1)) and len({of for _, of in told}) == 1


def test_search_is_match_in_parts():
    x = random(0, 60, 150)
    distance, place = patches.search(x, 5, 2, 9, 12)
    rows, columns = patches.grid(60, 5, 2), patches.grid(150, 5, 2)
    expected, where = patches.match(x, 5, rows, columns, 9, 12)
    assert torch.equal(place, where) and torch.allclose(distance, expected)


# WNNM

def values(count: int) -> torch.Tensor:
    """Singular values for noise of 1, from nothing to ten times the threshold."""
    return torch.linspace(0, 10 * (4 * wnnm.WEIGHT * count**0.5) ** 0.5, 500, dtype=torch.float64)


@pytest.mark.parametrize("count", [30, 60, 130])
def test_gains_are_the_fixed_point_of_reweighting(count):
    """Three steps of the CVPR paper's iteration are there to 1e-3 from twice the threshold on; at last all are."""
    s, bound = values(count), wnnm.WEIGHT * count**0.5
    x = (s**2 - count).clamp_min(0).sqrt()
    for turn in range(2000):
        x = (s - bound / (x + 1e-16)).clamp_min(0)
        if turn == 2:
            assert torch.allclose((x / s)[s > 4 * bound**0.5], wnnm.gains(s, torch.ones(()), count)[s > 4 * bound**0.5], atol=1e-3)
    lower = (s - (s**2 - 4 * bound).clamp_min(0).sqrt()) / 2  # the other fixed point: what starts below it ends at 0
    settled = (s < 1.99 * bound**0.5) | (s > 1.01 * (4 * bound) ** 0.5) & ((s**2 - count).clamp_min(0).sqrt() > 1.02 * lower)
    assert torch.allclose((x / s.clamp_min(1e-9))[settled], wnnm.gains(s, torch.ones(()), count)[settled], atol=1e-3)


def test_small_values_are_shrunk_most():
    s = values(60)[1:]
    gain = wnnm.gains(s, torch.ones(()), 60)
    removed = (1 - gain) * s
    kept = gain > 0
    assert (gain.diff() >= 0).all() and (removed[kept].diff() < 0).all() and not kept.all()


@pytest.mark.parametrize("shape", [(3, 30, 16), (3, 10, 16)])
def test_the_gram_matrix_serves_as_the_svd(shape):
    groups, sigma = 3 * random(2, *shape), torch.tensor([0.3, 0.8, 1.5], dtype=torch.float64)
    mean = groups.mean(1, keepdim=True)
    u, s, v = torch.linalg.svd(groups - mean, full_matrices=False)
    expected = u @ torch.diag_embed(s * wnnm.gains(s, sigma[:, None], shape[1])) @ v + mean
    assert torch.allclose(wnnm.shrunk(groups, sigma), expected, atol=1e-9)


# NCSR

def test_weights_of_similar_patches():
    weight = ncsr.weights(torch.tensor([[0.0, 5.0, 50.0, 500.0]]), 80.0)
    assert torch.allclose(weight.sum(1), torch.ones(1)) and weight[0, 0] == weight[0, 1] and (weight[0, 1:].diff() < 0).all()


def test_kinds_have_axes_of_their_own():
    profile = for_level(ncsr.PROFILES, 25 / 255)
    x = 255 * noisy(picture(64, 64), gaussian(5.0))[0, 0]
    axes, kind = ncsr.learn(x, profile, 5.0, torch.Generator().manual_seed(0))
    assert kind.shape == (58 * 58,) and int(kind.max()) < len(axes) and len(kind.unique()) > 5
    assert torch.allclose(axes.mT @ axes, torch.eye(49).expand(len(axes), -1, -1), atol=1e-4)
    assert sorted(torch.cat([members for _, members in ncsr.clustered(kind, len(axes))]).tolist()) == list(range(58 * 58))


def test_clusters_that_are_too_small_are_dropped():
    points = torch.cat([random(k, 40, 3) + 100 * k for k in range(4)] + [random(9, 3000, 3) * 1000])
    centres, kind = ncsr.k_means(points, 70, 25, torch.Generator().manual_seed(0))
    assert ncsr.LEAST - 1 <= len(centres) < 70 and torch.equal(kind, torch.cdist(points, centres).argmin(1))


def test_codes_without_noise_stay():
    x, profile = 255 * picture(30, 30)[0, 0], for_level(ncsr.PROFILES, 25 / 255)
    axes, kind = ncsr.learn(x, profile, 5.0, torch.Generator().manual_seed(0))
    distance, place = patches.search(x, profile.size, 1, 10, profile.count)
    assert torch.allclose(ncsr.centralised(x, axes, kind, place, ncsr.weights(distance, 80.0), 0.0, profile), x, atol=1e-2)


# K-SVD

def pursued(bound: float):
    points, atoms = random(3, 200, 16), torch.nn.functional.normalize(random(4, 40, 16), dim=1)
    return points, atoms, ksvd.pursue(points, atoms, bound)


def test_residuals_are_orthogonal_to_what_was_taken():
    points, atoms, codes = pursued(4.0)
    assert ((codes.residual[codes.point] * atoms[codes.atom]).sum(1).abs() < 1e-9).all()
    rebuilt = torch.zeros_like(points).index_add_(0, codes.point, codes.value[:, None] * atoms[codes.atom])
    assert torch.allclose(rebuilt + codes.residual, points, atol=1e-9)
    assert (codes.residual.square().sum(1) <= 4.0).all()
    untouched = points.square().sum(1) <= 4.0
    assert not untouched[codes.point].any()


def test_pursuit_is_the_textbooks():
    """Point by point: the atom most like the residual, then least squares."""
    points, atoms, codes = pursued(3.0)
    for number in range(0, 200, 20):
        taken, residual = [], points[number]
        while float(residual.square().sum()) > 3.0:
            taken.append(int((atoms @ residual).abs().argmax()))
            value = torch.linalg.lstsq(atoms[taken].T, points[number][:, None]).solution[:, 0]
            residual = points[number] - atoms[taken].T @ value
        mine = codes.point == number
        assert codes.atom[mine].tolist() == taken
        assert not taken or torch.allclose(codes.value[mine], value)


def test_an_improvement_lowers_the_error():
    """With the same support, and values by least squares; the next codes are shorter."""
    points, atoms, codes = pursued(1.0)
    assert (codes.atom.bincount(minlength=40) > ksvd.FEWEST).all()  # no atom is replaced
    better, error = ksvd.improved(atoms, points, codes), 0.0
    assert torch.allclose(better.norm(dim=1), torch.ones(40, dtype=torch.float64))
    for number, point in enumerate(points):
        taken = better[codes.atom[codes.point == number]].T
        error += float((point - taken @ torch.linalg.lstsq(taken, point[:, None]).solution[:, 0]).square().sum())
    assert error < 0.9 * float(codes.residual.square().sum())
    assert len(ksvd.pursue(points, better, 1.0).value) < len(codes.value)


def test_the_first_dictionary():
    atoms = ksvd.cosines(8, 16)
    assert atoms.shape == (256, 64) and torch.allclose(atoms.norm(dim=1), torch.ones(256, dtype=torch.float64))
    assert torch.allclose(atoms[1:].sum(1), torch.zeros(255, dtype=torch.float64), atol=1e-9) and torch.allclose(atoms[0], atoms[0, :1].expand(64))


@pytest.mark.parametrize(("kind", "profiles"), [(WNNM, wnnm), (NCSR, ncsr), (partial(KSVD, rounds=2), None)], ids=["wnnm", "ncsr", "ksvd"])
def test_blended_tiles_are_as_good_as_the_whole(kind, profiles, monkeypatch):
    """Tiles have groups and dictionaries of their own; fewer rounds than usual, for speed."""
    if profiles:
        monkeypatch.setattr(profiles, "PROFILES", {level: profile._replace(rounds=2) for level, profile in profiles.PROFILES.items()})
    x, problem, method = picture(72, 170), gaussian(25.0), kind()
    y = noisy(x, problem)
    page = Page(lambda top, bottom: y[0].permute(1, 2, 0).numpy()[top:bottom], Header(72, 170, 1, np.dtype("float32")))
    rows = torch.empty_like(y)
    run(method, problem, page, lambda top, part: rows[..., top : top + part.shape[2], :].copy_(part), Settings("cpu", tile=110))
    whole = method(y, problem)
    assert not torch.equal(rows, whole)  # there were tiles
    assert float(psnr(rows, x)) > float(psnr(whole, x)) - 0.15 and float((rows - whole).abs().max()) < 0.15


@pytest.mark.data
@pytest.mark.parametrize(("kind", "part", "off"), [
    (WNNM, (wnnm, "gains"), lambda s, sigma, count: (1 - sigma * count**0.5 / (2 * s)).clamp_min(0)),
    (NCSR, (ncsr, "weights"), lambda distance, width: torch.zeros_like(distance)),
    (KSVD, (ksvd, "improved"), lambda atoms, points, codes: atoms)], ids=["wnnm-weights", "ncsr-beta", "ksvd-update"])
def test_a_stage_that_is_switched_off_costs(kind, part, off, data, monkeypatch):
    """One threshold for all singular values, no mean of similar codes, the DCT for good: dB lost on Barbara's cloth at sigma 50."""
    x = load(data / "test/set12/09.png")[..., 400:464, 300:364]
    y = noisy(x, gaussian(50.0))
    whole = float(psnr(kind()(y, gaussian(50.0)), x))
    monkeypatch.setattr(*part, off)
    lost = whole - float(psnr(kind()(y, gaussian(50.0)), x))
    print(f"{kind.__name__}: {whole:.2f} dB, {lost:.2f} dB lost")
    assert lost > 0.3

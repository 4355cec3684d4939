"""Convolutional sparse coding: transposes, solver and nets say the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from restore import cards
from restore.errors import UsageError
from restore.method import Exact
from restore.methods import csc
from restore.numerics.solvers import fista, ista, largest, soft
from restore.operators.base import Identity
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem
from restore.train import checkpoint, data, dictionary, em, recipes


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def picture() -> torch.Tensor:
    """Stripes of two directions, with an edge."""
    down, across = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    x = 0.5 + 0.2 * torch.sin(down / 1.5) * (across < 32) + 0.2 * torch.sin((down + across) / 1.7) * (across >= 32)
    return x[None, None]


@pytest.mark.parametrize(("filters", "channels", "size", "stride"), [(5, 1, 3, 1), (7, 4, 5, 1), (6, 1, 9, 4)])
def test_synthesis_and_analysis_are_transposes(filters, channels, size, stride):
    d, x, g = random(0, filters, channels, size, size), random(1, 2, channels, 3 * stride, 5 * stride), random(2, 2, filters, 3, 5)
    left, right = (csc.synthesis(g, d, stride) * x).sum(), (g * csc.analysis(x, d, stride)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-12)


@pytest.mark.parametrize("way", [csc.synthesis, csc.analysis])
@pytest.mark.parametrize(("filters", "channels", "size", "stride"),
                         [(5, 1, 3, 1), (7, 3, 5, 1), (6, 1, 9, 4), (3, 2, 5, 2), (2, 1, 9, 6), (4, 1, 1, 1), (4, 1, 1, 3)])
def test_by_blocks_it_is_the_same(way, filters, channels, size, stride):
    """In float32 synthesis and analysis go by blocks, in float64 not; derivatives too."""
    d, g, x = random(0, filters, channels, size, size), random(2, 2, filters, 9, 7), random(3, 2, channels, 9 * stride, 7 * stride)
    given, slope = (g, x) if way is csc.synthesis else (x, g)
    found = []
    for dtype in (torch.float32, torch.float64):
        parts = [part.to(dtype).requires_grad_() for part in (d, given)]
        made = way(parts[1], parts[0], stride)
        found.append([made, *torch.autograd.grad(made, parts, slope.to(dtype))])
    for blocks, whole in zip(*found, strict=True):
        torch.testing.assert_close(blocks.double(), whole, atol=1e-4, rtol=1e-4)


def test_soft_thresholding_has_one_value_with_and_without_derivatives():
    x, bound = random(0, 4, 50), random(1, 4, 1).abs()
    learned = x.clone().requires_grad_()
    assert torch.equal(soft(learned, bound).detach(), soft(x, bound))
    assert torch.equal(torch.autograd.grad(soft(learned, bound).sum(), learned)[0], (x.abs() > bound).double())


def test_norm_is_the_largest_eigenvalue():
    """Against the matrix, written out."""
    d = random(3, 3, 1, 3, 3)
    side = 8
    unit = torch.eye(3 * side * side, dtype=torch.float64).reshape(-1, 3, side, side)
    matrix = csc.synthesis(unit, d).flatten(1)
    expected = float(torch.linalg.eigvalsh(matrix @ matrix.T)[-1])
    found = largest(lambda g: csc.analysis(csc.synthesis(g, d), d), random(4, 1, 3, side, side), steps=300)
    assert found == pytest.approx(expected, rel=1e-4)
    assert csc.norm(d, side) == pytest.approx(expected, rel=0.02)


def test_solvers_reach_the_minimum_of_a_lasso():
    """1/2 |A x - b|^2 + |x|_1: at the minimum |A^T (b - A x)| <= 1, and it is sign(x) where x is not 0. FISTA is there first."""
    a, b = random(5, 30, 12), 3 * random(6, 30)
    rate = 1 / float(torch.linalg.eigvalsh(a.T @ a)[-1])
    def gradient(x):
        return a.T @ (a @ x - b)
    def cost(x):
        return float(0.5 * (a @ x - b).square().sum() + x.abs().sum())
    start = torch.zeros(12, dtype=torch.float64)
    x = ista(gradient, lambda v: soft(v, rate), start, rate, 3000)
    slope = -gradient(x)
    assert (slope.abs() <= 1 + 1e-6).all()
    torch.testing.assert_close(slope[x != 0], x[x != 0].sign(), atol=1e-6, rtol=0)
    fast, slow = (cost(solver(gradient, lambda v: soft(v, rate), start, rate, 15)) for solver in (fista, ista))
    assert cost(x) <= fast < slow


def test_soft_thresholding_has_its_derivative():
    x, threshold = random(12, 2, 3, 4, 4).requires_grad_(), random(13, 2, 3, 1, 1).abs().requires_grad_()
    assert torch.autograd.gradcheck(soft, (x, threshold)) and torch.autograd.gradcheck(soft, (x, threshold[:1, :1].mean()))


def test_a_relu_net_is_layered_soft_thresholding():
    """relu(conv(x) + b), b = -t sigma, with the filters of D_i as weights, is the code of layer i."""
    net = csc.LayeredCSC((6, 8, 5), (3, 3, 3), 1, "soft").double().requires_grad_(False)
    for number, threshold in enumerate(net.thresholds):
        threshold.copy_(random(number, *threshold.shape).abs())
    high, sigma = random(7, 2, 1, 20, 20), torch.full((1, 1, 1, 1), 0.1).double()
    x = high
    for filters, bound, code in zip(net.filters, net.bounds(sigma), net.code(high, sigma), strict=True):
        layer = torch.nn.Conv2d(filters.shape[1], filters.shape[0], 3, padding=1).double().requires_grad_(False)
        layer.weight.copy_(filters)
        layer.bias.copy_(-bound.flatten())
        x = torch.relu(layer(x))
        torch.testing.assert_close(code, x, atol=1e-6, rtol=0)


def test_layered_pursuit_minimises_layer_by_layer():
    """With many iterations: the conditions of 1/2 |above - D g|^2 + t sum g, g >= 0."""
    net = csc.LayeredCSC((6, 5), (3, 3), 1, "pursuit", steps=4000, penalty=0.5).double().requires_grad_(False)
    high, sigma = random(8, 1, 1, 12, 12), torch.full((1, 1, 1, 1), 0.5).double()
    above = high
    for filters, bound, code in zip(net.filters, net.bounds(sigma), net.code(high, sigma), strict=True):
        slope = csc.analysis(above - csc.synthesis(code, filters), filters) - bound
        assert float(slope.max()) < 1e-3 and float(slope[code > 0].abs().max()) < 1e-3
        above = code


def test_ml_ista_begins_as_a_forward_pass_and_then_descends():
    high, sigma = 0.3 * random(9, 1, 1, 16, 16), torch.full((1, 1, 1, 1), 0.01).double()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = csc.LayeredCSC((8, 8), (3, 3), 1, "ml-ista", steps=0).double().requires_grad_(False)
    errors = []
    for steps in (0, 1, 5, 30):
        net.steps = steps
        errors.append(float((high - net.sparse(high, sigma)).square().sum()))
    assert errors[0] > errors[1] > errors[2] > errors[3]


@pytest.mark.parametrize("stride", [1, 4])
def test_the_tied_net_is_the_solver_layer_by_layer_and_in_the_end(stride):
    """As it starts, the net of k layers is k iterations of ISTA, and with many it is where FISTA ends."""
    y, sigma = picture()[..., 20:44, 20:44] + 0.1 * random(10, 1, 1, 24, 24).float(), torch.full((1, 1, 1, 1), 0.1)
    filters, low = csc.cosines(16, 5), csc.base(y)
    high, rate = csc.placed(y - low, stride), 1 / csc.norm(filters, 48 // stride, stride)
    none = torch.zeros(stride**2, 16, *(side // stride for side in high.shape[-2:]))

    def picture_of(codes):
        return low + csc.joined(csc.synthesis(codes, filters, stride), 24, 24, stride)

    codes = ista(lambda g: csc.analysis(csc.synthesis(g, filters, stride) - high, filters, stride), lambda g: soft(g, rate * 1.5 * sigma), none, rate, 12)
    short, long = (csc.LearnedCSC(16, 5, stride, steps, penalty=1.5).requires_grad_(False).eval() for steps in (12, 3000))
    torch.testing.assert_close(short.net(y, sigma), picture_of(codes), atol=1e-5, rtol=0)
    codes = csc.CSC(16, 5, stride).code(high, filters, 1.5 * sigma, 600, none)
    torch.testing.assert_close(long.net(y, sigma), picture_of(codes), atol=1e-3, rtol=0)


@pytest.mark.parametrize("net", [csc.LearnedCSC(), csc.LearnedCSC(16, 5, 1, 3), csc.LayeredCSC(), csc.LayeredCSC((8, 8), (5, 3), coder="pursuit"),
                                 csc.LayeredCSC((8, 8), (5, 3), 1, coder="soft")], ids=["shipped", "learned", "ml-ista", "pursuit", "soft"])
def test_nets_are_local_homogeneous_and_hear_sigma(net):
    net = net.requires_grad_(False).double().eval()
    y, sigma = 0.5 + random(11, 1, 1, 40, 40), torch.full((1, 1, 1, 1), 0.2, dtype=torch.float64)
    torch.testing.assert_close(net.net(3 * y, 3 * sigma), 3 * net.net(y, sigma))
    assert (net.net(y, sigma) - net.net(y, 2 * sigma)).abs().max() > 1e-4
    kind = net.tiling(Problem(Identity(), Gaussian(0.1)))
    assert isinstance(kind, Exact) and kind.halo >= 10


@pytest.mark.parametrize("side", [120, 121, 122, 123])
def test_a_tile_of_the_learned_net_ends_as_the_picture_does(side):
    net = csc.LearnedCSC(16, 9, 4, 2).requires_grad_(False).double().eval()
    problem = Problem(Identity(), Gaussian(torch.tensor(0.1, dtype=torch.float64)))
    y, halo = random(3, 1, 1, side, 40), net.tiling(problem).halo
    start = (side - 24 - halo) // 4 * 4
    assert start > 0 and net.tiling(problem).multiple == 4
    torch.testing.assert_close(net(y, problem)[..., -24:, :], net(y[..., start:, :], problem)[..., -24:, :])


def test_csc_knows_nothing_of_the_other_pictures_of_a_batch():
    y = 0.5 + 0.1 * random(4, 2, 1, 24, 20).float()
    problem = Problem(Identity(), Gaussian(torch.tensor([0.1, 0.0])[:, None, None, None]))
    method = csc.CSC(8, 5, rounds=2, steps=3, last=3)
    torch.testing.assert_close(method(y, problem)[:1], method(y[:1], Problem(Identity(), Gaussian(0.1))))
    assert torch.equal(method(y, problem)[1], y[1])


@pytest.mark.parametrize("net", [csc.LearnedCSC(16, 5, 2, 3), csc.LayeredCSC((8, 8), (5, 3), 2)], ids=["learned", "layered"])
def test_the_mean_is_over_every_place_and_training_sees_one(net):
    """Moved by a pixel, y gives the same picture moved, away from its edges; in training, where there is one grid, it does not."""
    net = net.requires_grad_(False).double()
    y, sigma = 0.5 + random(15, 1, 1, 80, 80), torch.full((1, 1, 1, 1), 0.1, dtype=torch.float64)
    moved = y.roll((1, 1), (2, 3))
    for training in (False, True):
        x, other = (net.train(training).net(picture, sigma).roll((-step, -step), (2, 3))[..., 36:44, 36:44] for picture, step in ((y, 0), (moved, 1)))
        assert ((x - other).abs().max() < 1e-12) is not training


def test_filters_that_do_not_exist_are_refused():
    with pytest.raises(UsageError, match="64 different filters of 7 x 7"):
        csc.LearnedCSC(64, 7)


def test_csc_denoises_and_its_dictionary_suits_the_noisy_picture():
    """Far better than nothing; what it minimises is lower with the dictionary that it learned than with cosines."""
    x, problem = picture(), Problem(Identity(), Gaussian(0.1))
    y = problem.simulate(x, torch.Generator().manual_seed(0))
    assert float((csc.CSC(16, 9)(y, problem) - x).square().mean()) < 0.3 * float((y - x).square().mean())
    method = csc.CSC(16, 9, stride=1)
    high, bound, filters = y - csc.base(y), torch.full((1, 1, 1, 1), 0.25), method.filters
    codes, costs = torch.zeros(1, 16, 64, 64), []
    for _ in range(8):
        codes = method.code(high, filters, bound, 60, codes)
        costs.append(float(0.5 * (high - csc.synthesis(codes, filters)).square().sum() + (bound * codes.abs()).sum()))
        filters = csc.improved(filters, codes, high)
    assert costs[-1] < 0.97 * costs[0]


@pytest.mark.parametrize("stride", [1, 3, 4])
def test_the_places_of_the_grid_join_again(stride):
    x = random(14, 2, 1, 21, 10).float()
    places = csc.placed(x, stride)
    assert places.shape[0] == 2 * stride**2 and not places.shape[-1] % stride and not places.shape[-2] % stride
    torch.testing.assert_close(csc.joined(places, 21, 10, stride), x)


def test_it_runs_where_no_gradients_are_kept():
    y, problem = picture()[..., :24, :20], Problem(Identity(), Gaussian(0.1))
    with torch.inference_mode():
        x = csc.CSC(8, 5, rounds=2, steps=3, last=3)(y, problem)
    torch.testing.assert_close(x, csc.CSC(8, 5, rounds=2, steps=3, last=3)(y, problem))


def test_filters_keep_their_norm():
    filters = csc.improved(csc.cosines(8, 5), random(12, 1, 8, 20, 20).float(), random(13, 1, 1, 20, 20).float())
    torch.testing.assert_close(filters.flatten(1).norm(dim=1), torch.ones(8))


def test_unknown_coders_are_refused():
    with pytest.raises(UsageError, match="ml-ista"):
        csc.LayeredCSC(coder="mlista")


def test_filters_learned_from_clean_pictures_explain_others_better(tmp_path):
    """Stripes of all directions, in which no product of cosines lies. What was learned in halves is what was learned in one go, and nothing else is kept by the weights."""
    def pool(seed):
        down, across = np.mgrid[:80, :80]
        angles = np.random.default_rng(seed).random(6) * np.pi
        return data.pool_of([np.uint8(127 + 100 * np.sin((down * np.sin(a) + across * np.cos(a)) * 1.3))[..., None] for a in angles], seed, "cpu", False)

    def fit(of):
        found = em.start(recipe, cards.build("csc-clean", {"filters": 24}), pool(0))
        found.of = of
        return found

    def found_of(method):
        high = seen - csc.base(seen)
        return dictionary.objective(method, high, dictionary.coded(method, high))

    recipe = replace(recipes.find("csc-clean"), patch=32, batch=4)
    seen = pool(9).patches(12, 32, torch.Generator().manual_seed(5))[0]
    told, whole = [], fit(12)
    before = found_of(whole.average)
    em.train(recipe, whole, tmp_path / "whole", report=told.append)
    assert len(told) == 12 and found_of(whole.average) < 0.9 * before
    assert torch.allclose(whole.average.filters.flatten(1).norm(dim=1), torch.ones(24))
    half = fit(12)
    for _ in range(6):
        dictionary.step(recipe, half)
    checkpoint.save(half, recipe, tmp_path / "half")
    rest = fit(0)
    checkpoint.load(rest, recipe, tmp_path / "half")
    em.train(recipe, rest, tmp_path / "half")
    assert torch.equal(rest.average.filters, whole.average.filters) and list(whole.average.state_dict()) == ["filters"]
    problem = Problem(Identity(), Gaussian(25 / 255))
    y = problem.simulate(seen[:1], torch.Generator().manual_seed(0))
    untaught = cards.build("csc-clean", {"filters": 24})(y, problem)
    assert (whole.average(y, problem) - seen[:1]).square().mean() < (untaught - seen[:1]).square().mean()

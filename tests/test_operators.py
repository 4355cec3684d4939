"""The sweep that every operator joins by having an `examples` in its file; noise and problems."""

import importlib
import pkgutil

import pytest
import torch

import restore.operators
from restore.errors import UsageError
from restore.numerics import turns
from restore.operators import kernels, masks
from restore.operators.base import Identity, adjoint_error
from restore.operators.blur import Blur
from restore.operators.dense import GaussianMatrix
from restore.operators.masks import Mask
from restore.operators.noise import Gaussian, NoNoise, Poisson, PoissonGaussian
from restore.operators.problem import Problem, draw, problem_of
from restore.tasks import Deblur, Denoise, Inpaint, from_dict
from restore.values import Range, parse_value, write_value

MODULES = [importlib.import_module(f"restore.operators.{m.name}") for m in pkgutil.iter_modules(restore.operators.__path__)]
EXAMPLES = [pytest.param(operator, x, id=str(operator)) for module in MODULES if hasattr(module, "examples") for operator, x in module.examples(torch.float64)]


def like(shape, seed, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("operator, x", EXAMPLES)
def test_shapes_are_as_said(operator, x):
    y = operator(x)
    assert tuple(y.shape[1:]) == operator.out_shape(x.shape[1:])
    if operator.linear:
        assert operator.adjoint(y).shape == x.shape


@pytest.mark.parametrize("operator, x", EXAMPLES)
def test_linear_means_linear(operator, x):
    if not operator.linear:
        pytest.skip("not linear, and says so")
    other = like(x.shape, 1, x.dtype)
    both = operator(2 * x - 3 * other)
    assert torch.allclose(both, 2 * operator(x) - 3 * operator(other), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("operator, x", EXAMPLES)
def test_adjoint(operator, x):
    if not operator.linear:
        with pytest.raises(TypeError):
            operator.T
        return
    error, scale = adjoint_error(operator, x, like(operator(x).shape, 2, operator(x).dtype))
    assert error < 1e-12, f"<x, D^T y> / <D x, y> = {scale}, should be 1"
    assert operator.T.T is operator or operator.T is operator.of


@pytest.mark.parametrize("operator, x", EXAMPLES)
def test_adjoint_is_autograds_transpose(operator, x):
    if not operator.linear:
        pytest.skip("not linear, and says so")
    weight, point = like(operator(x).shape, 3, operator(x).dtype), x.clone().requires_grad_()
    torch.vdot(weight.flatten(), operator(point).flatten()).real.backward()
    assert torch.allclose(point.grad, operator.adjoint(weight), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("operator, x", EXAMPLES)
def test_crop_agrees_inside(operator, x):
    if operator.reach is None:
        with pytest.raises(TypeError):
            operator.crop([(0, 0, 4, 4)])
        return
    step, reach = operator.align, operator.reach
    height, width = (size // 2 // step * step for size in x.shape[-2:])
    box = (step, step, height, width)
    part = operator.crop([box])(x[..., step : step + height, step : step + width])
    whole = operator(x)
    top, left = (-(-step * size // of) for size, of in zip(whole.shape[-2:], x.shape[-2:], strict=True))
    whole = whole[..., top : top + part.shape[-2], left : left + part.shape[-1]]
    assert torch.allclose(part[..., reach : part.shape[-2] - reach, reach : part.shape[-1] - reach],
                          whole[..., reach : part.shape[-2] - reach, reach : part.shape[-1] - reach])


@pytest.mark.parametrize("operator, x", EXAMPLES)
def test_turned_operator_acts_on_turned_pictures(operator, x):
    try:
        turned = [operator.turn(t) for t in turns.TURNS]
    except TypeError:
        pytest.skip("cannot be turned, and says so")
    for t in turns.TURNS:
        assert torch.allclose(turned[t](turns.apply(x, t)), turns.apply(operator(x), t))


@pytest.mark.parametrize("operator, x", EXAMPLES)
def test_rows_are_those_pictures_problems(operator, x):
    for rows in (slice(0, 1), slice(len(x) - 1, len(x))):
        torch.testing.assert_close(operator.rows(rows)(x[rows]), operator(x)[rows])


def test_turns_undo():
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert all(torch.equal(turns.undo(turns.apply(x, t), t), x) for t in turns.TURNS)
    square = torch.arange(9.0).reshape(3, 3)
    assert len({tuple(turns.apply(square, t).flatten().tolist()) for t in turns.TURNS}) == 8


def test_a_wrong_adjoint_is_found():
    class Wrong(Identity):
        def adjoint(self, y):
            return 0.5 * y

    x = like((1, 1, 8, 8), 0)
    error, scale = adjoint_error(Wrong(), x, x + 1)
    assert error > 0.1 and abs(scale - 0.5) < 1e-12


@pytest.mark.parametrize("noise", [Gaussian(25 / 255), Poisson(30.0), PoissonGaussian(100.0, 5 / 255)], ids=str)
def test_noise_has_the_mean_and_the_variance_that_it_says(noise):
    mean = torch.full((1, 1, 400, 400), 0.3)
    y = noise.sample(mean, torch.Generator().manual_seed(0))
    assert abs(float(y.mean()) - 0.3) < 1e-3
    assert abs(float(y.std() / noise.std(mean).flatten()[0]) - 1) < 0.01


def test_noise_is_the_generators_and_nobody_elses():
    state = torch.get_rng_state()
    problem, x = problem_of(Denoise(sigma=25.0)), torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    first, second = (problem.simulate(x, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(torch.get_rng_state(), state)
    assert torch.equal(NoNoise().sample(x), x)


def test_units_become_internal_once():
    problem = problem_of(Denoise(sigma=25.0))
    assert float(problem.noise.sigma) == pytest.approx(25 / 255)
    assert problem.describe() == "y = x + n, Gaussian, sigma 25/255"
    assert problem_of(Denoise(sigma=(10.0, 20.0, 30.0))).noise.sigma.shape == (1, 3, 1, 1)
    assert float(problem_of(Denoise("poisson", peak=30.0)).noise.gain) == pytest.approx(1 / 30)


def test_drawing_stays_in_the_range_and_is_per_picture():
    sigma = draw(Denoise(sigma=Range(5, 75)), 1000, torch.Generator().manual_seed(0)).noise.sigma * 255
    assert sigma.shape == (1000, 1, 1, 1) and float(sigma.min()) >= 5 and float(sigma.max()) <= 75 and abs(float(sigma.mean()) - 40) < 3


@pytest.mark.parametrize("task", [Denoise(), Denoise(sigma=25.0), Denoise(sigma=Range(5, 75)), Denoise(sigma=(1.5, 2.25, 3.0)),
                                  Denoise("poisson", peak=4.0), Denoise("poisson-gaussian", sigma=2.0, peak=Range(1, 40))], ids=str)
def test_a_task_survives_writing(task):
    assert from_dict(task.to_dict()) == task
    assert all(parse_value(write_value(v)) == v for v in task.words().values() if not isinstance(v, str))


def test_what_a_task_covers():
    trained = Denoise(sigma=Range(5, 75))
    assert trained.covers(Denoise(sigma=5.0)) and trained.covers(Denoise(sigma=(5.0, 75.0, 10.0))) and trained.covers(Denoise())
    assert not trained.covers(Denoise(sigma=80.0)) and not trained.covers(Denoise("poisson", peak=4.0))
    assert Denoise(sigma=50.0).covers(Denoise(sigma=50.0)) and not Denoise(sigma=50.0).covers(Denoise(sigma=25.0))


def test_any_kernel_is_a_kernel_and_covers_what_is_no_wider():
    drawn = kernels.various(200, 7, torch.Generator().manual_seed(0), least=0.2)
    assert drawn.shape == (200, 1, 7, 7) and float(drawn.min()) >= 0
    torch.testing.assert_close(drawn.sum((1, 2, 3)), torch.ones(200))
    alike = drawn.flatten(1).unique(dim=0)
    assert len(alike) > 190
    with pytest.raises(UsageError, match="7 at least"):
        draw(Deblur("any:5", 2.0), 2, torch.Generator(), shape=(1, 32, 32))
    with pytest.raises(UsageError, match="size of the kernel"):
        draw(Deblur("any:wide", 2.0), 2, torch.Generator(), shape=(1, 32, 32))
    trained = Deblur("any:31", Range(0, 12))
    for kernel, covered in (("gaussian:1.6", True), ("gaussian:25", False), ("disk:15", True), ("disk:16", False), ("motion:31@30", True), ("shake:25@1", True), ("shake:33@1", False),
                            ("any:31", True), ("any:101", False), ("kernel.png", True), (None, True), ("shake:25", False)):
        assert trained.covers(Deblur(kernel, 2.0)) is covered, kernel


def test_any_holes_are_of_every_kind():
    share = [1 - float(masks.make("any:16", 64, 64, seed).mean()) for seed in range(60)]
    assert min(share) < 0.1 and max(share) > 0.8
    assert all(Inpaint("any:16").covers(Inpaint(mask)) for mask in ("holes.png", "missing:0.8", "text:16", "scratches:3")) and not Inpaint("any:16").covers(Inpaint("holes.png", 5.0))


def test_an_operator_of_one_channel():
    x = torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    for operator in (Mask(torch.rand(1, 3, 20, 20, generator=generator) > 0.5), Blur(torch.rand(2, 3, 3, 3, generator=generator))):
        for part in (operator, 2.0 * operator, operator @ operator):
            problem = Problem(part, NoNoise())
            assert torch.equal(problem.channel(2).simulate(x[:, 2:]), problem.simulate(x)[:, 2:])


@pytest.mark.parametrize("operator", [GaussianMatrix(272, 0, (1, 66, 66)), Blur(torch.ones(3, 3) / 9)], ids=str)
def test_operators_compute_in_single_precision_where_networks_do_not(operator):
    x = torch.rand(1, 1, 66, 66, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        y = operator(x)
        back = operator.adjoint(y)
    assert y.dtype == torch.float32 and torch.equal(y, operator(x)) and torch.equal(back, operator.adjoint(y))

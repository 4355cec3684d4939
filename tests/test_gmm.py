"""Mixtures of Gaussians: densities, EM, what fp16 leaves of them; the methods that are made of them."""

from dataclasses import replace

import pytest
import torch

from restore import cards
from restore.errors import UsageError
from restore.measure.metrics import psnr
from restore.measure.score import load
from restore.method import Blend, Exact
from restore.methods import pgpd
from restore.methods.bm3d import BM3D
from restore.methods.epll import EPLL
from restore.methods.pclr import PCLR
from restore.methods.pgpd import PGPD
from restore.numerics import clusters, gmm, patches
from restore.operators.base import Identity
from restore.operators.blur import Blur
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem
from restore.train import checkpoint, em, recipes
from restore.train.data import Pool

SIZE, COUNT = 5, 4


def gaussian(level) -> Problem:
    """Level on the 0-255 scale."""
    return Problem(Identity(), Gaussian(torch.as_tensor(level) / 255))


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def mixture(seed: int = 0, count: int = COUNT, size: int = SIZE) -> gmm.Mixture:
    law, factors = gmm.Mixture(count, size).double(), normal(seed, count, size, size)
    law.assign(torch.arange(1.0, count + 1) / sum(range(count + 1)), factors @ factors.mT + 0.1 * torch.eye(size))
    return law


def drawn(law: gmm.Mixture, count: int, vectors: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples (d, m, n) of a mixture and their components."""
    which = torch.multinomial(law.logs.exp(), count, True, generator=torch.Generator().manual_seed(seed))
    factors = torch.linalg.cholesky(law.covariances())[which]
    return (factors @ normal(seed, count, law.size, vectors)).permute(1, 2, 0), which


@pytest.mark.parametrize("vectors", [1, 3])
def test_scores_are_the_densities_of_the_textbook(vectors):
    law, noise = mixture(), 0.3
    x, _ = drawn(law, 1500, vectors)
    scores = torch.cat([part for part, _ in gmm.density(law, noise, x, vectors).scores(x)], 1)
    for k, covariance in enumerate(law.covariances()):
        textbook = torch.distributions.MultivariateNormal(torch.zeros(SIZE, dtype=torch.float64), covariance + noise * torch.eye(SIZE))
        assert torch.allclose(scores[k], law.logs[k] + textbook.log_prob(x.permute(2, 1, 0)).sum(1))


def test_the_posterior_sums_to_one_and_moments_to_those_of_all_samples():
    law = mixture()
    x, _ = drawn(law, 2000, 2)
    found = gmm.expect(law, x)
    assert torch.allclose(found.counts.sum(), torch.ones((), dtype=torch.float64))
    assert torch.allclose(found.moments.sum(0), gmm.products(x).mean(1))


def test_what_is_not_allowed_has_no_share():
    law = mixture()
    x, _ = drawn(law, 300, 1)
    allowed = torch.ones(COUNT, 300, dtype=torch.bool)
    allowed[2] = False
    assert gmm.expect(law, x, allowed).counts[2] == 0


@pytest.mark.parametrize("vectors", [1, 4])
def test_the_likelihood_never_falls(vectors):
    x, _ = drawn(mixture(), 3000, vectors)
    law, curve = gmm.Mixture(COUNT, SIZE).double(), []
    gmm.maximise(law, gmm.seeded(x, COUNT, torch.Generator().manual_seed(2)), vectors)
    for _ in range(25):
        found = gmm.expect(law, x)
        curve.append(float(found.likelihood))
        gmm.maximise(law, found, vectors)
    assert all(after >= before - 1e-9 for before, after in zip(curve, curve[1:], strict=False)) and curve[-1] > curve[0] + 0.1
    assert curve[-1] > float(gmm.expect(mixture(), x).likelihood) - 0.3 * vectors  # near, or above, that of the mixture they were drawn from


def test_stepwise_em_comes_as_far_as_em_from_the_same_start():
    truth = mixture()
    held, sums = drawn(truth, 5000, 3, seed=99)[0], gmm.seeded(drawn(truth, 500, 3)[0], COUNT, torch.Generator().manual_seed(0))
    stepwise, batch = (gmm.Mixture(COUNT, SIZE).double() for _ in range(2))
    gmm.maximise(batch, sums, 3)
    gmm.maximise(stepwise, sums, 3)
    for step in range(40):
        sums = sums.towards(gmm.expect(stepwise, drawn(truth, 500, 3, seed=step)[0]), (step + 2) ** -0.6)
        gmm.maximise(stepwise, sums, 3)
        gmm.maximise(batch, gmm.expect(batch, held), 3)
    assert float(gmm.expect(stepwise, held).likelihood) > float(gmm.expect(batch, held).likelihood) - 0.1


def test_a_component_without_samples_becomes_half_of_the_heaviest():
    sums = gmm.Statistics(torch.tensor([0.7, 0.0, 0.3]), torch.tensor([[0.7], [0.0], [0.6]]), torch.zeros(()))
    split = gmm.revived(sums, 0.01)
    assert split.counts.tolist() == pytest.approx([0.35, 0.35, 0.3])
    assert (split.moments[:, 0] / split.counts).tolist() == pytest.approx([1.5, 0.5, 2.0])


def test_fp16_leaves_the_covariances_positive():
    law, factors = gmm.Mixture(3, 20), normal(3, 3, 20, 20) * torch.logspace(-3, 0, 20, dtype=torch.float64)[:, None]
    covariances = factors @ factors.mT + 1e-6 * torch.eye(20)
    law.assign(torch.full((3,), 1 / 3), covariances)
    law.factors.copy_(law.factors.half())
    least = torch.linalg.eigvalsh(law.covariances()).amin(1)
    assert (least > 0.9e-6).all()
    assert float((law.covariances() - covariances).norm() / covariances.norm()) < 1e-3


def test_transformed_is_the_matrix_of_each_sample():
    x, matrices, which = normal(1, 5, 2, 40), normal(2, 7, 3, 5), torch.randint(7, (40,), generator=torch.Generator().manual_seed(0))
    expected = torch.einsum("ned,dmn->emn", matrices[which], x)
    assert torch.allclose(gmm.transformed(x, matrices, which), expected)


def test_padded_sets_hold_each_point_once():
    label = torch.randint(0, 9, (700,), generator=torch.Generator().manual_seed(0)) ** 2
    seen = torch.zeros(700)
    for index, inside in clusters.padded(label):
        for row, kept in zip(index, inside, strict=True):
            seen[row[kept]] += 1
            assert len(label[row[kept]].unique()) == 1
    assert (seen == 1).all()


def test_split_finds_what_lies_apart():
    centres = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    points = (centres[:, None] + random(0, 4, 30, 2)).reshape(-1, 2)
    label = clusters.split(points, torch.zeros(120, dtype=torch.long), 30, 50, 0)
    assert len(label.unique()) == 4 and all(len(part.unique()) == 1 for part in label.reshape(4, 30))


def test_small_clusters_join_others():
    label = clusters.split(random(1, 300, 3), torch.arange(300) // 150, 10, 50, -2)
    sizes = torch.bincount(label)
    assert (sizes >= 8).all() and len(sizes) > 10
    assert not set(label[:150].tolist()) & set(label[150:].tolist())


def pool(seed: int = 0) -> Pool:
    """Six pictures of smoothed noise."""
    rough = random(5, 6, 1, 48, 48)
    smooth = [(torch.nn.functional.avg_pool2d(picture, 5, 1, 2) * 510 - 127).clamp(0, 255).byte().reshape(-1, 1) for picture in rough]
    start = torch.arange(6) * 48**2
    return Pool(torch.cat(smooth), start, torch.full((6,), 48), torch.full((6,), 48), seed)


SMALL = {
    "epll": (EPLL(4), replace(recipes.epll, batch=400, steps=8)),
    "pclr": (PCLR(3), replace(recipes.pclr, batch=400, steps=16)),
    "pgpd": (PGPD((3, 3, 3, 3)), replace(recipes.pgpd, batch=2, patch=40, steps=12)),
}


@pytest.fixture(scope="module", params=SMALL)
def fitted(request, tmp_path_factory):
    """A small method fitted to the pool, its recipe, its events."""
    (method, recipe), told = SMALL[request.param], []
    fit = em.start(recipe, method, pool())
    fit.of = recipe.steps
    em.train(recipe, fit, tmp_path_factory.mktemp(request.param), report=told.append)
    return method, recipe, told


def test_every_mixture_is_learned_where_steps_do_not_divide_evenly(tmp_path):
    method, recipe = PCLR(3), SMALL["pclr"][1]
    fit = em.start(recipe, method, pool())
    fit.of = len(method.mixtures) + 1
    before = [mixture.factors.clone() for mixture in method.mixtures]
    em.train(recipe, fit, tmp_path)
    assert not any(torch.equal(mixture.factors, old) for mixture, old in zip(method.mixtures, before, strict=True))


def test_fitting_says_how_likely_patches_are(fitted):
    method, recipe, told = fitted
    assert [event.step for event in told] == list(range(1, recipe.steps + 1))
    each = recipe.steps // len(method.mixtures)
    assert told[each - 1].loss < -1 and em.validate(recipe, method, pool(3)) > 1


@pytest.mark.parametrize("name", ["epll", "pclr"])
def test_a_broken_off_fit_goes_on_to_the_same_numbers(name, tmp_path):
    method, recipe = SMALL[name]
    kind = type(method)
    through = em.start(recipe, kind(3), pool())
    through.of = 8
    em.train(recipe, through, tmp_path / "a")
    half = em.start(recipe, kind(3), pool())
    half.of = 8
    for _ in range(5):
        em.step(recipe, half)
    checkpoint.save(half, recipe, tmp_path / "b")
    rest = em.start(recipe, kind(3), pool())
    checkpoint.load(rest, replace(recipe, x8=True), tmp_path / "b")
    em.train(recipe, rest, tmp_path / "b")
    for key, value in through.average.state_dict().items():
        assert torch.equal(value, rest.average.state_dict()[key]), key
    with pytest.raises(UsageError):
        checkpoint.load(rest, replace(recipe, seed=1), tmp_path / "b")


@pytest.mark.parametrize("shape", [(1, 1), (3, 20), (26, 31)])
@pytest.mark.parametrize("level", [8.0, 80.0])
def test_any_size_and_a_level_for_each_picture(fitted, shape, level):
    method, y = fitted[0], random(2, 2, 1, *shape)
    levels = torch.tensor([level, 0.0]).reshape(2, 1, 1, 1)
    x = method(y, gaussian(levels))
    assert x.shape == y.shape and x.isfinite().all()
    torch.testing.assert_close(x[1], y[1])
    torch.testing.assert_close(x[:1], method(y[:1], gaussian(level)))


def test_noise_on_smooth_pictures_goes(fitted):
    method = fitted[0]
    x = pool().picture(0)[0]
    y = gaussian(25.0).simulate(x, torch.Generator().manual_seed(0))
    assert float(psnr(method(y, gaussian(25.0)), x)) > float(psnr(y, x)) + 3


def test_it_tells_how_far_it_is(fitted):
    method, told = fitted[0], []
    method.tick = lambda done, of: told.append((done, of))
    method(random(0, 2, 1, 30, 20), gaussian(25.0))
    del method.tick
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1)) and len({of for _, of in told}) == 1
    assert method.flops_per_pixel > 1e3


def test_epll_tile_by_tile_is_the_whole():
    law, factors = EPLL(6), normal(0, 6, 63, 63) * torch.logspace(0, -2, 63, dtype=torch.float64)[:, None] / 8
    law.mixtures[0].assign(torch.full((6,), 1 / 6), factors @ factors.mT * torch.arange(1, 7)[:, None, None] ** 2 / 36)
    y = random(4, 1, 1, 130, 140)
    for level in (15.0, 60.0):
        kind, whole = law.tiling(gaussian(level)), law(y, gaussian(level))
        assert isinstance(kind, Exact)
        halo, side = kind.halo, 12

        def tile(border: int, whole=whole, level=level):
            cut = y[..., 62 - border : 62 + side + border, 65 - border : 65 + side + border]
            return law(cut, gaussian(level))[..., border : border + side, border : border + side]

        inside = whole[..., 62 : 62 + side, 65 : 65 + side]
        torch.testing.assert_close(tile(halo), inside, rtol=0, atol=1e-5)
        assert float((tile(7) - inside).abs().max()) > 1e-4  # the halo is needed


def test_patches_cover_what_they_cover():
    ones = patches.extract(torch.ones(1, 1, 11, 9), 4)
    assert torch.equal(patches.cover(11, 9, 4), patches.aggregate(ones, 11, 9, 4)[0, 0])
    basis = patches.cosines(6)
    assert torch.allclose(basis @ basis.T, torch.eye(36), atol=1e-6) and torch.allclose(basis[0], torch.full((36,), 1 / 6))


def shipped(name: str):
    """The method with the mixtures that come with the program."""
    return cards.load(*cards.find(f"{name}.bsds"))


def scene(data, level: float, name: str = "01", box=(slice(40, 136), slice(60, 172))):
    x = load(data / f"test/set12/{name}.png")[..., box[0], box[1]]
    problem = gaussian(level)
    return x, problem.simulate(x, torch.Generator().manual_seed(0)), problem


def single(law: gmm.Mixture) -> None:
    """All components become the Gaussian of the whole mixture."""
    weights = law.logs.double().exp()
    law.assign(weights / weights.sum(), torch.einsum("k,kij->ij", weights / weights.sum(), law.covariances()).expand(law.count, -1, -1))


@pytest.mark.data
@pytest.mark.parametrize("name", ["epll", "pclr"])
def test_what_the_mixture_is_worth(data, name):
    """At sigma 50, against one Gaussian for all patches."""
    method, (x, y, problem) = shipped(name), scene(data, 50.0)
    with_mixture = float(psnr(method(y, problem), x))
    for law in method.mixtures:
        single(law)
    lost = with_mixture - float(psnr(method(y, problem), x))
    print(f"{name} without its mixture: {lost:.2f} dB lost")
    assert lost > 0.1


@pytest.mark.data
def test_what_the_mean_of_a_group_is_worth(data, monkeypatch):
    method, (x, y, problem) = shipped("pgpd"), scene(data, 50.0)
    with_mean = float(psnr(method(y, problem), x))
    monkeypatch.setattr(pgpd, "mean_of", lambda groups: torch.zeros_like(groups[:, :1]))
    lost = with_mean - float(psnr(method(y, problem), x))
    print(f"pgpd without the mean of a group: {lost:.2f} dB lost")
    assert lost > 0.1


@pytest.mark.data
@pytest.mark.parametrize("name", ["epll", "pclr", "pgpd"])
def test_as_good_as_bm3d(data, name):
    """On a part of the cameraman, to 0.15 dB."""
    method, (x, y, problem) = shipped(name), scene(data, 30.0)
    assert float(psnr(method(y, problem), x)) > float(psnr(BM3D()(y, problem), x)) - 0.15


@pytest.mark.data
def test_epll_deblurs(data):
    """y = k * x + n: the step in x goes through the operator."""
    x, _, _ = scene(data, 2.0)
    problem = Problem(Blur(torch.full((5, 5), 1 / 25)), Gaussian(2 / 255))
    y = problem.simulate(x, torch.Generator().manual_seed(0))
    method = shipped("epll")
    assert isinstance(method.tiling(problem), Blend)
    assert float(psnr(method(y, problem), x)) > float(psnr(y, x)) + 2

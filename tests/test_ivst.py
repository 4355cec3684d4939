"""Variance stabilisation in rounds: unbiased at every share, bins there and back, better than one round where light is scarce."""

import pytest
import torch

from restore.measure.metrics import psnr
from restore.measure.score import load
from restore.method import Method
from restore.methods import ivst, vst
from restore.methods.bm3d import BM3D
from restore.methods.ivst import IVST
from restore.methods.vst import VST
from restore.operators.problem import problem_of
from restore.tasks import Denoise


class Nothing(Method):
    def restore(self, y, problem):
        self.level = problem.noise.sigma
        return y


def poisson(peak):
    return problem_of(Denoise("poisson", peak=peak))


def slope(height: int, width: int) -> torch.Tensor:
    return (0.1 + 0.8 * torch.arange(float(width)) / width).expand(1, 1, height, width)


@pytest.mark.parametrize("share", [0.04, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("photons", [0.05, 0.3, 1, 4, 20, 50, 200, 300])
def test_the_inverse_is_exact_and_unbiased(share, photons):
    """By a sum of its own, over counts."""
    k = torch.arange(0, 700, dtype=torch.float64)
    chance = torch.distributions.Poisson(torch.tensor(float(photons), dtype=torch.float64)).log_prob(k).exp()
    mean = (chance * 2 * ((share * k + (1 - share) * photons) / share**2 + 3 / 8).sqrt()).sum()
    assert abs(float(ivst.inverse(mean.reshape(1, 1, 1, 1), share)) - photons) < 1e-3


def test_the_first_round_is_the_anscombe_transform():
    clean = torch.linspace(0, 30, 200, dtype=torch.float64).reshape(1, 1, 1, -1)
    assert torch.allclose(ivst.inverse(clean, 1.0), vst.inverse(clean, torch.tensor(0.0)), atol=2e-3)


def test_tables_rise():
    for share in (0.02, 0.2, 0.9):
        x, mean = ivst.table(share)
        assert (mean.diff() > 0).all() and float(ivst.inverse(mean[:1].reshape(1, 1, 1, 1) - 0.5, share)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (7, 10), (30, 40)])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_bins_there_and_back(shape, side):
    x = 5 + torch.rand(1, 2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sums = ivst.binned(x, side)
    assert sums.shape[2:] == tuple(-(-length // side) for length in shape)
    back = ivst.unbinned(sums, side, *shape)
    assert back.shape == x.shape and (back >= 0).all()
    whole = tuple(slice(0, length // side) for length in shape)
    assert torch.allclose(ivst.binned(back, side)[..., *whole], sums[..., *whole], rtol=1e-2)


def test_a_smooth_picture_survives_its_bins():
    x = slope(40, 60)
    assert float((ivst.unbinned(ivst.binned(x, 5), 5, 40, 60) - x).abs().max()) < 0.02


def test_the_plan_follows_the_light():
    dark, bright = ivst.rounds(ivst.plan_for(0.01)), ivst.rounds(ivst.plan_for(1e5))
    assert [side for _, side in dark] == [9, 7, 5, 3] and dark[0][0] == bright[0][0] == 1 and dark[-1][0] == pytest.approx(0.08)
    assert [side for _, side in bright] == [1, 1] and bright[-1][0] == pytest.approx(0.04)
    assert ivst.plan_for(2**0.5).share == pytest.approx((0.2 + 0.4) / 2)
    assert ivst.rounds(ivst.plan_for(1.0)) == [(1.0, 5), (pytest.approx(0.6), 3), (pytest.approx(0.2), 1)]


def test_the_plan_is_that_of_the_whole_picture():
    """A dark half beside a lit one is restored as in the whole, wherever the picture is cut."""
    x = torch.cat([torch.full((1, 1, 16, 16), 0.02), torch.full((1, 1, 16, 16), 0.9)], 3)
    y, inner = poisson(40.0).simulate(x, torch.Generator().manual_seed(0)), Nothing()
    prepared = IVST(inner).prepare(iter([y[..., :16], y[..., 16:]]), poisson(40.0))
    whole, half = prepared(y, poisson(40.0)), prepared(y[..., :16], poisson(40.0))
    torch.testing.assert_close(IVST(inner)(y, poisson(40.0)), whole)
    torch.testing.assert_close(half, whole[..., :16])
    assert not torch.allclose(IVST(inner)(y[..., :16], poisson(40.0)), half)


def test_channels_have_levels_of_their_own_and_the_denoiser_hears_of_them():
    inner = Nothing()
    y = poisson((50.0, 100.0, 200.0)).simulate(slope(24, 24).expand(1, 3, 24, 24), torch.Generator().manual_seed(0))
    x = IVST(inner)(y, poisson((50.0, 100.0, 200.0)))
    assert inner.level.shape == (1, 3, 1, 1) and len(set(inner.level.flatten().tolist())) == 3
    assert torch.allclose(x, y, atol=0.05)  # no denoiser: what is left is the bias that the inverse undoes


def test_pictures_of_a_batch_are_pictures_of_their_own():
    y = torch.cat([poisson(3.0).simulate(slope(20, 24), torch.Generator().manual_seed(seed)) * scale for seed, scale in ((0, 1.0), (1, 0.1))])
    method, told = IVST(BM3D()), []
    method.tick = lambda done, of: told.append(done / of)
    both = method(y, poisson(3.0))
    assert torch.equal(both, torch.cat([IVST(BM3D())(one, poisson(3.0)) for one in y.split(1)]))
    assert told == sorted(told) and told[-1] == 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 50)])
def test_any_size(shape):
    y = poisson(2.0).simulate(slope(*shape), torch.Generator().manual_seed(0))
    x = IVST(BM3D())(y, poisson(2.0))
    assert x.shape == y.shape and x.isfinite().all() and (x >= 0).all()


def test_darkness_stays_dark():
    assert torch.equal(IVST(BM3D())(torch.zeros(1, 1, 20, 20), poisson(1.0)), torch.zeros(1, 1, 20, 20))


@pytest.mark.data
@pytest.mark.parametrize(("peak", "gain"), [(1.0, 0.4), (2.0, 0.05)])
def test_better_than_one_round(data, peak, gain):
    """Cameraman, two realisations. Without bins and mixing it is `vst`."""
    x = load(data / "test/poisson/Cameraman256.png", 1)
    x, found = x / x.max(), {}
    for kind in (IVST, VST):
        y = [poisson(peak).simulate(x, torch.Generator().manual_seed(seed)) for seed in range(2)]
        found[kind] = sum(float(psnr(kind(BM3D())(one, poisson(peak)), x)) for one in y) / 2
    assert found[IVST] > found[VST] + gain, found

"""Variance stabilisation: stable, and unbiased."""

import numpy as np
import pytest
import torch
from PIL import Image

from restore.measure.metrics import psnr
from restore.method import Exact, Method
from restore.methods import vst
from restore.methods.bm3d import BM3D
from restore.methods.ivst import IVST
from restore.operators.problem import problem_of
from restore.tasks import Denoise


class Nothing(Method):
    def restore(self, y, problem):
        self.level = problem.noise.sigma
        return y


def expected(counts: float) -> torch.Tensor:
    """E{f(Poisson(counts))} by its own sum."""
    k = torch.arange(0, 600, dtype=torch.float64)
    chance = torch.exp(k * np.log(counts) - counts - torch.lgamma(k + 1))
    return (chance * 2 * (k + 3 / 8).sqrt()).sum().reshape(1, 1, 1, 1)


@pytest.mark.parametrize("counts", [0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 50, 200, 300])
def test_the_inverse_is_exact_and_unbiased(counts):
    assert abs(float(vst.inverse(expected(counts), torch.tensor(0.0))) - counts) < 1e-3


@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0, 20.0])
@pytest.mark.parametrize("counts", [0.5, 3.0, 30.0, 400.0])
def test_stable_and_unbiased_by_sampling(counts, spread):
    generator = torch.Generator().manual_seed(0)
    c = torch.poisson(torch.full((2_000_000,), counts, dtype=torch.float64), generator=generator)
    c = c + spread * torch.randn(c.shape, generator=generator, dtype=torch.float64)
    stable = vst.forward(c, torch.tensor(spread))
    back = float(vst.inverse(stable.mean().reshape(1, 1, 1, 1), torch.tensor(spread)))
    assert abs(back - counts) < 5 * ((counts + spread**2) / len(c)) ** 0.5 + 1e-3
    if counts + spread**2 >= 10:
        assert abs(float(stable.std()) - 1) < 0.03


def test_below_what_zero_counts_give_is_zero():
    assert float(vst.inverse(torch.full((1, 1, 1, 1), 0.3), torch.tensor(0.0))) == 0


def test_levels_differ_per_picture_and_channel_and_reach_the_denoiser():
    inner = Nothing()
    method, y = vst.VST(inner), torch.rand(1, 3, 16, 16, dtype=torch.float64)
    problem = problem_of(Denoise("poisson-gaussian", sigma=(1.0, 5.0, 10.0), peak=(20.0, 50.0, 100.0)))
    x = method(y, problem)
    assert inner.level.shape == (1, 3, 1, 1) and len(set(inner.level.flatten().tolist())) == 3
    assert torch.allclose(x, y, atol=0.03)  # no denoiser: what is left is the bias that the inverse undoes
    single = method(y[:, 1:2], problem_of(Denoise("poisson-gaussian", sigma=5.0, peak=50.0)))
    assert torch.allclose(x[:, 1:2], single)


@pytest.mark.parametrize("kind", [vst.VST, IVST])
def test_grey_counts_stay_counts_where_the_denoiser_is_for_colour(kind):
    """The mean is kept: only what is stabilised may be told as noise of three channels."""
    class Flat(Method):
        channels = 3

        def restore(self, y, problem):
            return y.mean((2, 3), keepdim=True).expand_as(y)

    task = problem_of(Denoise("poisson", peak=4.0))
    y = task.simulate(torch.full((1, 1, 128, 128), 0.8), torch.Generator().manual_seed(0))
    assert abs(float(kind(Flat())(y, task).mean()) - 0.8) < 0.01


def test_it_tiles_as_its_denoiser_does():
    problem = problem_of(Denoise("poisson", peak=10.0))
    assert isinstance(vst.VST(BM3D()).tiling(problem), Exact) == isinstance(BM3D().tiling(problem_of(Denoise(sigma=25.0))), Exact)


def dark(data, name: str, peak: float):
    """Two realisations of a picture of which the brightest pixel is `peak` photons; PSNR before and after, mean over both."""
    x = torch.from_numpy(np.asarray(Image.open(data / "test/poisson" / name).convert("L")).copy()).float()[None, None]
    x = x / x.max()
    problem = problem_of(Denoise("poisson", peak=peak))
    y = [problem.simulate(x, torch.Generator().manual_seed(seed)) for seed in range(2)]
    return (float(sum(psnr(one, x) for one in pictures)) / 2 for pictures in (y, [vst.VST(BM3D())(one, problem) for one in y]))


@pytest.mark.data
@pytest.mark.parametrize(("name", "peak", "published"), [("Cameraman256.png", 1.0, 20.45), ("Cameraman256.png", 2.0, 22.19), ("house.png", 1.0, 22.26), ("house.png", 2.0, 24.25)])
def test_close_to_what_is_published(data, name, peak, published):
    """VST and BM3D in table 2 of Salmon et al., Poisson noise reduction with non-local PCA, JMIV 2014."""
    before, after = dark(data, name, peak)
    assert abs(after - published) < 0.7 and after > before + 15


@pytest.mark.data
@pytest.mark.parametrize("peak", [8.0, 30.0])
def test_brighter_pictures_gain_too(data, peak):
    before, after = dark(data, "Cameraman256.png", peak)
    assert after > before + 10

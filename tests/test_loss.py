"""Losses and colour against other implementations and by hand."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from restore.errors import RestoreError
from restore.measure import metrics
from restore.numerics.colour import lab
from restore.train.loss import LOSSES, WEIGHTS, ms_ssim


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_lab_is_scikit_images():
    x = random(1, 3, 40, 40)
    x[..., :4] = 0
    x[..., 4:6] /= 300
    expected = np.moveaxis(rgb2lab(np.moveaxis(x[0].numpy(), 0, -1)), -1, 0)
    np.testing.assert_allclose(lab(x)[0].numpy(), expected, atol=0.02)
    grey = x[:, :1]
    np.testing.assert_allclose(lab(grey)[0, 0].numpy(), lab(grey.expand(-1, 3, -1, -1))[0, 0].numpy(), atol=1e-3)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("channels", [1, 3])
def test_losses_vanish_at_the_truth_grow_away_from_it_and_have_slopes(name, channels):
    x = random(2, channels, 48, 48)
    x[..., :3, :] = 0
    at = [float(LOSSES[name](x + by * (random(2, channels, 48, 48, seed=1) - 0.5), x)) for by in (0, 0.05, 0.2)]
    assert at[0] == pytest.approx({"charbonnier": 1e-3, "psnr": -6}.get(name, 0), abs=1e-9) and at[0] < at[1] < at[2]
    for estimate in (x.clone(), 0.9 * x):
        estimate.requires_grad_(True)
        LOSSES[name](estimate, x).backward()
        assert torch.isfinite(estimate.grad).all()
    assert estimate.grad.abs().max() > 0


def test_ms_ssim_of_one_scale_is_ssim():
    x, estimate = random(2, 3, 20, 20), random(2, 3, 20, 20, seed=1)
    estimate = x + 0.1 * estimate
    assert float(ms_ssim(estimate, x)) == pytest.approx(1 - float(metrics.ssim(estimate, x).mean()), abs=1e-12)


def test_ms_ssim_of_five_scales_by_hand():
    """Contrasts at the first four scales, SSIM at the fifth, each to its weight."""
    x = torch.nn.functional.avg_pool2d(random(1, 1, 800, 800), 4)
    estimate = x + 0.05 * random(1, 1, 200, 200, seed=1)
    product, a, b = 1.0, estimate, x
    for scale, weight in enumerate(WEIGHTS):
        luminance, structure = metrics.similarity(a, b)
        product *= float((structure * (luminance if scale == 4 else 1)).mean()) ** (weight / sum(WEIGHTS))
        a, b = (torch.nn.functional.avg_pool2d(t, 2) for t in (a, b))
    assert float(ms_ssim(estimate, x)) == pytest.approx(1 - product, abs=1e-9)


def test_ms_ssim_says_what_it_needs():
    with pytest.raises(RestoreError, match="11 x 11"):
        ms_ssim(random(1, 1, 10, 40), random(1, 1, 10, 40))

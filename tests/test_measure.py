"""Metrics against scikit-image and by hand; protocols; sets; the scorer."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from restore.errors import RestoreError, UsageError
from restore.image import Header, Image
from restore.measure import metrics, protocol, score, sets
from restore.method import Method
from restore.tasks import Denoise


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def noisy(x: torch.Tensor, seed: int = 1, by: float = 0.1) -> torch.Tensor:
    return x + by * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


class Leave(Method):
    """Gives back what it is given."""

    def restore(self, y, problem):
        return y


def test_grey_from_colour_keeps_the_bits_of_the_file(tmp_path):
    import tifffile

    colour = (np.random.default_rng(0).random((12, 12, 3)) * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb")
    grey = score.load(tmp_path / "a.tif", 1)[0, 0].double().numpy()
    assert np.abs(grey - colour @ [0.2989, 0.5870, 0.1140] / 65535).max() < 1e-5
    assert np.abs(grey * 65535 - np.rint(grey * 65535)).max() < 0.01


def test_psnr_by_hand():
    x = random(0, 2, 3, 20, 30)
    estimate = x.clone()
    estimate[0] += 0.1  # MSE 0.01: 20 dB
    estimate[1, 0] += 0.3  # a third of 0.09: 15.23 dB
    assert metrics.psnr(estimate, x).tolist() == pytest.approx([20.0, 10 * np.log10(1 / 0.03)], abs=1e-4)
    assert metrics.psnr(255 * estimate, 255 * x, peak=255).tolist() == pytest.approx(metrics.psnr(estimate, x).tolist())


def test_psnr_leaves_the_border_out():
    x = random(1, 1, 1, 20, 20)
    estimate = x.clone() + 0.01
    estimate[..., :4, :] += 1
    estimate[..., -4:] += 1
    assert float(metrics.psnr(estimate, x, border=4)) == pytest.approx(40, abs=1e-3)
    assert float(metrics.psnr(estimate, x, border=3)) < 30


@pytest.mark.parametrize("peak", [1.0, 255.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_wangs(peak, channels):
    """scikit-image with Gaussian windows and population covariances, its map cropped by the window's 5."""
    x = peak * random(2, 1, channels, 41, 57)
    estimate = peak * noisy(x / peak)
    maps = [structural_similarity(x[0, c].double().numpy(), estimate[0, c].double().numpy(), data_range=peak, gaussian_weights=True, sigma=1.5,
                                  use_sample_covariance=False, full=True)[1][5:-5, 5:-5] for c in range(channels)]
    assert float(metrics.ssim(estimate, x, peak)) == pytest.approx(np.mean(maps), abs=1e-9)
    assert float(metrics.ssim(x, x, peak)) == pytest.approx(1)


def test_ssim_says_what_it_needs():
    with pytest.raises(RestoreError, match="11 x 11"):
        metrics.ssim(random(0, 1, 1, 10, 40), random(0, 1, 1, 10, 40))
    with pytest.raises(RestoreError, match="one size"):
        metrics.psnr(random(0, 1, 1, 10, 40), random(0, 1, 1, 40, 10))


def test_luma_is_bt601():
    white, red = torch.ones(1, 3, 1, 1), torch.tensor([1.0, 0, 0]).reshape(1, 3, 1, 1)
    assert float(metrics.luma(white)) * 255 == pytest.approx(235, abs=0.01)
    assert float(metrics.luma(red)) * 255 == pytest.approx(81.481, abs=0.001)


def test_noise_depends_on_name_and_level_alone():
    rednet = protocol.find("rednet")
    first = torch.randn(5, generator=rednet.generator("lena", Denoise(sigma=25.0)))
    torch.randn(3, generator=rednet.generator("boat", Denoise(sigma=25.0)))
    assert torch.equal(first, torch.randn(5, generator=rednet.generator("lena", Denoise(sigma=25.0))))
    for name, sigma in (("lena", 50.0), ("boat", 25.0)):
        assert not torch.equal(first, torch.randn(5, generator=rednet.generator(name, Denoise(sigma=sigma))))


def test_seeds_never_change():
    """Figures on cards rest on them."""
    assert protocol.find("rednet").generator("lena", Denoise(sigma=25.0)).initial_seed() == 2358604427788529228


def test_protocols_round_or_do_not():
    x = torch.full((1, 1, 16, 16), 1.0)
    estimate = torch.full((1, 1, 16, 16), 1.4)
    assert protocol.find("rednet").scores(estimate, x)[0] == pytest.approx(-20 * np.log10(0.4), abs=1e-4)
    assert protocol.find("dncnn").scores(estimate, x)[0] == float("inf")
    half = torch.full((1, 1, 16, 16), 0.5)  # rounds to 128: 0.5 of a level off
    assert torch.equal(protocol.find("dncnn").view(half) * 255, torch.full_like(half, 128))
    with pytest.raises(UsageError, match="rednet"):
        protocol.find("rednett")


def test_every_protocol_says_all_of_itself():
    for row in protocol.PROTOCOLS.values():
        assert "\n" not in row.text()
        for word in (row.name, "border", "seed", "clipped" if not row.round else "rounded", "SSIM 11x11"):
            assert word in row.text()


def test_scores_do_not_depend_on_the_order(tmp_path, monkeypatch):
    pictures = {tmp_path / f"{name}.png": np.asarray(random(number, 24, 32, 3)) for number, name in enumerate("abc")}
    monkeypatch.setattr(score, "read", lambda path: Image(Header(24, 32, 3, np.dtype("float32")), pictures[path]))
    task, rules = Denoise(sigma=20.0), protocol.find("rednet")
    one = list(score.score(Leave(), task, list(pictures), rules))
    other = list(score.score(Leave(), task, list(reversed(pictures)), rules))
    assert [(row.name, row.psnr, row.ssim) for row in one] == [(row.name, row.psnr, row.ssim) for row in reversed(other)]
    assert score.mean(one).psnr == pytest.approx(-20 * np.log10(20 / 255), abs=0.2)
    assert len({row.psnr for row in one}) == 3


def test_the_ensemble_is_a_mean_over_turns(tmp_path, monkeypatch):
    class Corner(Method):
        """Spoils one corner, so that only turning moves it."""

        def restore(self, y, problem):
            y = y.clone()
            y[..., :4, :4] += 1
            return y

    x = random(3, 1, 1, 16, 24)
    task, rules = Denoise(sigma=0.0), protocol.find("rednet")
    plain, turned = (score.score_one(Corner(), task, "x", x, rules, ensemble) for ensemble in (False, True))
    assert plain.psnr == pytest.approx(-10 * np.log10(16 / 384), abs=1e-3)
    assert turned.psnr == pytest.approx(-10 * np.log10(4 * 16 / 384 / 16), abs=1e-3)  # each corner in two turns of eight


@pytest.mark.data
@pytest.mark.parametrize(("name", "count", "channels"), [("set12", 12, 1), ("bsd68", 68, 1), ("cbsd68", 68, 3), ("b100", 100, 3), ("bsd200_half", 200, 1),
                                                         ("red14_proxy256", 14, 1), ("classic14_std", 14, 1), ("wnnm19", 19, 1), ("set5", 5, 3),
                                                         ("set14", 14, 3), ("live1", 29, 3), ("photos", 373, 3), ("photos_stated", 224, 3), ("bsds", 198, 3)])
def test_sets_are_complete(data, name, count, channels):
    row = sets.find(name)
    assert (len(row.files()), row.channels) == (count, channels)


@pytest.mark.data
def test_cbsd68_is_bsd68_in_colour(data):
    """The grey set is the colour one through rgb2gray, pixel for pixel to one level."""
    colour = score.load(sets.find("cbsd68").files()[0], channels=1)
    found = [float((score.load(file) - colour).abs().max()) for file in sets.find("bsd68").files() if score.load(file).shape == colour.shape]
    assert min(found) <= 1.01 / 255


@pytest.mark.data
def test_sets_kept_for_tests_are_refused(data, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(data / "test" / "set12")
    for folder in (data / "test" / "set12", data / "test" / "burst" / "psf", data, data / "test", link):
        with pytest.raises(UsageError, match="refused"):
            sets.refuse_test(folder)
    for folder in (data / "train" / "bsds", tmp_path):
        sets.refuse_test(folder)


def test_a_folder_of_sets_that_is_none_is_told(tmp_path, monkeypatch):
    """Rather than that other pictures stand in for it."""
    monkeypatch.setenv("RESTORE_DATA", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="no folder"):
        sets.find("set12").there  # noqa: B018

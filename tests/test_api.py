"""The Python call: what goes in comes out."""

import numpy as np
import pytest
import torch

import restore
from restore.errors import RestoreError, UsageError
from restore.image import Header
from restore.methods.pnp import PnP
from restore.operators.problem import problem_of
from restore.tasks import Denoise


@pytest.fixture(autouse=True)
def weights(tiny_weights, monkeypatch):
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tiny_weights))


HOW = {"model": "drunet.tiny", "sigma": 25, "device": "cpu"}


def picture(shape=(40, 52, 3), dtype=np.uint8):
    values = np.random.default_rng(0).random(shape)
    return (values * np.iinfo(dtype).max).astype(dtype) if np.dtype(dtype).kind == "u" else values.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(40, 52), (40, 52, 1), (40, 52, 3)])
def test_numpy_in_numpy_out(shape, dtype):
    given = picture(shape, dtype)
    out = restore.run(given, "denoise", **HOW)
    assert isinstance(out, np.ndarray) and out.shape == shape and out.dtype == dtype and not np.array_equal(out, given)


@pytest.mark.parametrize("shape", [(40, 52), (3, 40, 52), (2, 3, 40, 52), (1, 1, 40, 52)])
def test_torch_in_torch_out(shape):
    given = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    out = restore.run(given, **HOW)
    assert isinstance(out, torch.Tensor) and out.shape == given.shape and out.dtype == given.dtype
    if len(shape) == 3:
        rows = restore.run(given.permute(1, 2, 0).numpy(), **HOW)
        assert np.allclose(out.permute(1, 2, 0).numpy(), rows, atol=1e-6)


def test_image_in_image_out_and_files(tmp_path):
    restore.write(tmp_path / "a.png", picture())
    image = restore.read(tmp_path / "a.png")
    out = restore.run(image, "denoise", **HOW)
    assert isinstance(out, restore.Image) and out.header == image.header and out.samples.dtype == np.uint8
    restore.write(tmp_path / "b.png", out)
    assert np.array_equal(restore.read(tmp_path / "b.png").samples, out.samples)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.float64])
def test_alpha_stays_and_what_it_hides(dtype):
    """To the last bit, of samples that single precision does not hold too."""
    samples = picture((40, 52, 4), dtype)
    samples[:4, :, 3] = 0
    out = restore.run(restore.Image(Header(40, 52, 3, np.dtype(dtype), alpha=True), samples), **HOW).samples
    assert np.array_equal(out[..., 3], samples[..., 3]) and np.array_equal(out[:4], samples[:4]) and not np.array_equal(out[4:], samples[4:])


def test_a_channel_of_no_stated_meaning_hides_nothing():
    samples = picture((40, 52, 4))
    samples[..., 3] = 0
    header = Header(40, 52, 3, alpha=True, spare=True)
    out = restore.run(restore.Image(header, samples), **HOW).samples
    assert np.array_equal(out[..., 3], samples[..., 3]) and np.array_equal(out[..., :3], restore.run(samples[..., :3], **HOW))


def test_alpha_stays_between_nothing_and_all_where_a_picture_is_enlarged_by_a_fraction():
    samples = picture((40, 52, 4), np.float32)
    samples[..., 3] = samples[..., 3] > 0.5
    out = restore.run(restore.Image(Header(40, 52, 3, np.dtype(np.float32), alpha=True), samples), "sr", scale=1.5, model="bicubic", device="cpu").samples
    assert out.shape == (60, 78, 4) and out[..., 3].min() >= 0 and out[..., 3].max() <= 1


def test_the_call_is_the_method_and_the_engine_adds_nothing():
    method = restore.load("drunet.tiny")
    y = torch.rand(1, 3, 40, 52, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        bare = method(y, problem_of(Denoise(sigma=25.0)))
    assert torch.allclose(restore.run(y, **HOW), bare, atol=1e-6)
    assert torch.allclose(restore.run(y, tile=16, **HOW), bare, atol=1e-6)


def test_sigma_reaches_the_model():
    y = picture()
    assert not np.array_equal(restore.run(y, **HOW), restore.run(y, **(HOW | {"sigma": 50})))


def test_wrong_calls_say_so():
    with pytest.raises(UsageError, match="unknown task"):
        restore.run(picture(), "denoize")
    with pytest.raises(UsageError, match="no part"):
        restore.run(picture(), sigm=3)
    with pytest.raises(RestoreError, match="no picture"):
        restore.run(picture((4, 4, 2)))
    with pytest.raises(RestoreError, match="no picture"):
        restore.run(picture().astype(np.int32), **HOW)
    with pytest.raises(RestoreError, match="no picture"):
        restore.run(picture().astype(np.uint64), **HOW)
    with pytest.raises(UsageError, match="red30"):
        restore.load("red31")
    assert restore.__version__.count(".") == 2


@pytest.mark.parametrize("task, parts", [("denoise", {"noise": 3}), ("deblur", {"kernel": [[1.0]]}), ("deblur", {"kernel": np.array([["a"]])}), ("deblur", {"kernel": 1j * np.ones((3, 3))}),
                                         ("deblur", {"kernel": np.ones((3, 3)), "boundary": "valid"}), ("inpaint", {"mask": np.ones((40, 52)), "invert": "no"}), ("cs", {"ratio": 0.25}), ("ct", {}),
                                         ("isp", {"pattern": "rggb", "model": "malvar"}), ("denoise", {"tile": 0, "model": "bm3d"})])
def test_parts_that_make_no_sense_are_told_of(task, parts):
    with pytest.raises(RestoreError):
        restore.run(picture(), task, **({} if task in ("cs", "ct", "isp") else {"sigma": 5.0}) | parts)


def test_pictures_without_pixels_are_told_of():
    for shape in ((0, 3, 8, 8), (3, 0, 8)):
        with pytest.raises(RestoreError, match="no picture"):
            restore.run(torch.zeros(shape), **HOW)


def test_arrays_are_taken_as_they_come():
    """Levels per channel, and kernels in any precision or under a gradient."""
    y, kernel = picture(), torch.ones(3, 3)
    assert np.array_equal(restore.run(y, sigma=np.array([5, 6, 7]), model="bm3d"), restore.run(y, sigma=(5, 6, 7), model="bm3d"))
    how = {"sigma": 1.0, "model": "wiener"}
    for other in (kernel.bfloat16(), kernel.clone().requires_grad_(), kernel.int()):
        assert np.array_equal(restore.run(y, "deblur", kernel=other, **how), restore.run(y, "deblur", kernel=kernel.numpy(), **how))


@pytest.mark.parametrize("name", ["drunet.tiny", "bm3d", "tv", "pnp"])
def test_methods_say_what_is_no_y(name):
    method = restore.load(name) if name != "pnp" else PnP(restore.load("drunet.tiny"))
    y, problem = torch.rand(1, 3, 24, 30, generator=torch.Generator().manual_seed(0)), problem_of(Denoise(sigma=25.0))
    for wrong in (y.numpy(), y[0], y[..., :0], y[:0], (255 * y).byte(), y.half(), y.cfloat(), *([y.double()] if name in ("drunet.tiny", "pnp") else [])):
        with pytest.raises(RestoreError, match="was given"):
            method(wrong, problem)
    with pytest.raises(RestoreError, match="Problem"):
        method(y, Denoise(sigma=25.0))


@pytest.mark.parametrize("shape", [(64, 40), (128, 37, 3)])
def test_rows_that_fill_a_page_up_are_not_written(shape):
    """Turned eight times, BM3D of a page padded to a multiple of 3: 64 and 128 rows."""
    given = picture(shape)
    assert restore.run(given, model="bm3d", sigma=20, device="cpu", ensemble=True).shape == shape


def test_a_kernel_in_words_lies_as_the_picture_is_seen():
    samples = picture((60, 48, 3))
    header = Header(60, 48, 3, np.dtype(np.uint8), orientation=6)
    how = {"kernel": "motion:9@30", "sigma": 2, "model": "wiener", "device": "cpu"}
    turned = restore.run(restore.Image(header, samples), "deblur", **how)
    straight = restore.run(np.ascontiguousarray(np.rot90(samples, -1)), "deblur", **how)
    assert np.abs(np.rot90(turned.samples, -1).astype(int) - straight).max() <= 1


@pytest.mark.parametrize("model", ["bm3d", "drunet.tiny", "tv"])
def test_where_there_is_no_noise_the_picture_stays(model):
    assert np.array_equal(restore.run(picture(), model=model, sigma=0, device="cpu"), picture())
    assert np.array_equal(restore.run(picture(), "sr", scale=1, model="bicubic", device="cpu"), picture())


@pytest.mark.parametrize("how, word", [({"strength": float("nan")}, "strength"), ({"strength": 2}, "strength"), ({"memory": -1}, "memory"), ({"memory": "1G"}, "memory")])
def test_numbers_out_of_range_are_refused(how, word):
    with pytest.raises(UsageError, match=word):
        restore.run(picture(), **HOW, **how)


def test_what_cannot_be_mended_is_refused():
    mask = np.zeros((40, 52), bool)
    with pytest.raises(RestoreError, match="every pixel"):
        restore.run(picture(), "inpaint", mask=~mask, model="tv")
    mask[10:14] = True
    with pytest.raises(UsageError, match="feather"):
        restore.run(picture(), "inpaint", mask=mask, sigma=5, feather=3, model="tv")
    with pytest.raises(RestoreError, match="takes no noise off"):
        restore.run(picture(), "inpaint", mask=mask, sigma=5, model="biharmonic")
    with pytest.raises(UsageError, match="2 peaks"):
        restore.run(picture(), noise="poisson", peak=(5, 6), model="ivst")

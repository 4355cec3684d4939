"""Inverse problems at their edges: soft masks, pictures that lie on their side, black and white, options that contradict one another, files that are none."""

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from restore import cards, io
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.engine.run import Report, Settings
from restore.engine.wrap import Consistent
from restore.errors import RestoreError, UsageError
from restore.image import Header, upright
from restore.method import Blend, Method, Whole
from restore.methods.bicubic import Bicubic
from restore.methods.deblock import Deblock
from restore.methods.tv import TV
from restore.methods.wiener import Wiener
from restore.numerics.fill import fill
from restore.operators import kernels
from restore.operators.base import Identity
from restore.operators.blur import Blur
from restore.operators.masks import Mask
from restore.operators.noise import Gaussian, NoNoise
from restore.operators.problem import Problem, problem_of
from restore.tasks import CompressedSensing, Denoise, Jpeg, SuperResolution


def picture(height=60, width=80):
    down, right = np.mgrid[:height, :width]
    return np.clip(128 + 60 * np.sin(right / 6) + 40 * np.cos(down / 9) + 20 * ((right // 16 + down // 16) % 2), 0, 255).astype(np.uint8)


def saved(path, samples, **how):
    Image.fromarray(samples).save(path, **how)
    return str(path)


def lying(path, samples, orientation=6):
    """A picture that is to be turned to be seen."""
    exif = Image.Exif()
    exif[274] = orientation
    return saved(path, samples, exif=exif)


def test_the_prox_is_solved_where_edges_do_not_go_on_as_they_were_filled():
    """Of a y that was seen whole, with little noise: what is beyond it is known to the sums at its border alone."""
    x = torch.from_numpy(picture(90, 100)).double()[None, None] / 255 + 0.2 * torch.rand(1, 1, 90, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel = kernels.make("motion:15@30").double()
    canvas = Blur(kernel).canvas(Blur(kernel, "valid")(x))
    operator, v, rho = canvas.operator, canvas.y, torch.full((1, 1, 1, 1), 1e-3, dtype=torch.float64)

    def slope(x):
        return operator.adjoint(operator(x) - canvas.y) + rho * (x - v)
    assert slope(operator.prox(v, canvas.y, rho)).norm() < 1e-3 * slope(v).norm()


def test_what_is_faded_into_the_hole_is_filled_too(tmp_path):
    from restore.commands.inpaint import inpaint

    x, mask = picture(), np.zeros((60, 80), np.uint8)
    mask[25:35, 30:50] = 255
    saved(tmp_path / "m.png", mask)
    for feather in (0, 6):
        assert inpaint([saved(tmp_path / "x.png", x)], mask=str(tmp_path / "m.png"), model="tv", feather=feather, output=str(tmp_path / "y.png"), overwrite=True, quiet=True) == 0
        found = io.read(tmp_path / "y.png").samples[..., 0].astype(float)
        assert np.abs(found - x)[mask > 0].mean() < 30 and np.abs(found - x)[15:45, 20:60].mean() < 10
        assert np.array_equal(found[:15], x[:15])


@pytest.mark.parametrize("dtype", [np.uint32, np.float64])
def test_known_pixels_of_deep_files_are_bit_identical(dtype, tmp_path):
    from restore.commands.inpaint import inpaint

    x = np.random.default_rng(0).random((40, 48))
    x = (x * (2**32 - 1)).astype(np.uint32) if dtype == np.uint32 else x
    tifffile.imwrite(tmp_path / "x.tif", x, photometric="minisblack")
    mask = np.zeros((40, 48), np.uint8)
    mask[10:14, 10:14] = 255
    saved(tmp_path / "m.png", mask)
    assert inpaint([str(tmp_path / "x.tif")], mask=str(tmp_path / "m.png"), model="tv", output=str(tmp_path / "y.tif"), quiet=True) == 0
    y = tifffile.imread(tmp_path / "y.tif")
    assert y.dtype == dtype and np.array_equal(y[mask == 0], x[mask == 0]) and not np.array_equal(y, x)


def test_tiles_of_which_nothing_is_missing_cost_nothing():
    class Counting(Method):
        seen = 0

        def restore(self, y, problem):
            Counting.seen += y.shape[-2] * y.shape[-1]
            return torch.zeros_like(y)

        def tiling(self, problem):
            return Blend(8)
    x, keep = np.full((200, 200, 1), 0.5, np.float32), np.ones((200, 200), np.float32)
    keep[20:24, 30:34] = 0
    rows = []
    page = Page(lambda top, bottom: x[top:bottom], Header(200, 200, 1, np.dtype(np.float32)), keep=keep)
    engine.run(Counting(), Problem(Identity(), NoNoise()), page, lambda top, y: rows.append(page.finish(top, y)), Settings("cpu", tile=64))
    found = np.concatenate(rows)[..., 0]
    assert Counting.seen <= 2 * 80**2 and np.array_equal(found == 0.5, keep == 1)


def test_no_hole_is_said(tmp_path, capsys):
    from restore.commands.inpaint import inpaint

    assert inpaint([saved(tmp_path / "x.png", picture())], mask="color:#ff00fe", output=str(tmp_path / "y.png")) == 0
    assert "nothing is missing" in capsys.readouterr().err and np.array_equal(io.read(tmp_path / "y.png").samples, io.read(tmp_path / "x.png").samples)


def test_blend_tiles_grow_smaller_where_memory_ends():
    class Hungry(Method):
        def restore(self, y, problem):
            if y.shape[-1] > 64:
                raise torch.OutOfMemoryError("no more")
            return y

        def tiling(self, problem):
            return Blend(8)
    x = np.random.default_rng(0).random((150, 150, 1)).astype(np.float32)
    rows, notes = [], []
    page = Page(lambda top, bottom: x[top:bottom], Header(150, 150, 1, np.dtype(np.float32)))
    engine.run(Hungry(), Problem(Identity(), NoNoise()), page, lambda top, y: rows.append(page.finish(top, y)), Settings("cpu"), Report(note=notes.append))
    assert np.allclose(np.concatenate(rows), x, atol=1e-6) and any("memory ended" in note for note in notes)


@pytest.mark.parametrize("down, least", [("bicubic", 30), ("gaussian:1.6", 28), ("gaussian:2.5", 24)])
def test_consistency_never_costs_what_it_is_to_keep(down, least):
    x = torch.from_numpy(picture(96, 96)).float()[None, None] / 255
    problem = problem_of(SuperResolution(2.0, down, 0.0))
    y = (problem.operator(x).clamp(0, 1) * 255).round() / 255
    plain, moved = Bicubic()(y, problem), Consistent(Bicubic())(y, problem)

    def psnr(found):
        return -10 * float(torch.log10((found.clamp(0, 1) - x)[..., 8:-8, 8:-8].square().mean()))
    assert psnr(moved) > max(psnr(plain) - 0.1, least - 6) and float((problem.operator(moved) - y).abs().max()) < 1.6 / 255


@pytest.mark.parametrize("scale", [2.0, 4.0])
def test_black_on_white_stays_the_input_when_it_is_reduced_again(scale):
    x = (torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0)) > 0.5).float().repeat_interleave(4, 2).repeat_interleave(4, 3)
    problem = problem_of(SuperResolution(scale, "bicubic", 0.0))
    y = (problem.operator(x).clamp(0, 1) * 255).round() / 255
    found = (Consistent(Bicubic())(y, problem).clamp(0, 1) * 255).round() / 255
    again = problem.operator(found).clamp(0, 1)
    assert float((again - y).abs().max()) < 1.6 / 255 and float((again - y).abs().mean()) < 0.4 / 255


def test_kernels_are_meant_as_the_picture_is_seen(tmp_path):
    from restore.commands.deblur import deblur
    from restore.commands.degrade import degrade

    x = picture()
    for name in ("a", "b"):
        assert degrade([saved(tmp_path / "a.png", x) if name == "a" else lying(tmp_path / "b.tif", np.rot90(x).copy())], task="deblur", kernel="motion:9@0",
                       output=str(tmp_path / f"{name}.blurred.png"), quiet=True) == 0
    stood, lay = (io.read(tmp_path / f"{name}.blurred.png") for name in ("a", "b"))
    assert np.abs(upright(lay.samples, lay.header.orientation).astype(int) - stood.samples).max() <= 1
    blurred = lying(tmp_path / "c.tif", np.rot90(stood.samples[..., 0]).copy())
    kernel = np.zeros((9, 9), np.uint8)
    kernel[4, 2:] = 255
    assert deblur([blurred], kernel=saved(tmp_path / "k.png", kernel), sigma="1", model="wiener", save_kernel=str(tmp_path / "kept.png"), output=str(tmp_path / "y.tif"), quiet=True) == 0
    kept = io.read(tmp_path / "kept.png").samples[..., 0]
    assert kept[4, 8] > 60000 and kept[8, 4] == 0


def test_a_jpeg_is_not_made_a_jpeg_again(tmp_path, cli):
    saved(tmp_path / "a.jpg", picture(), quality=10)
    from restore.commands.jpeg import jpeg

    with pytest.raises(UsageError, match="blocks again"):
        jpeg([str(tmp_path / "a.jpg")], format="jpeg")
    with pytest.raises(UsageError, match="suffix"):
        jpeg([str(tmp_path / "a.jpg")], output=str(tmp_path / "{stem}_out.jpg"))
    done = cli("jpeg", "-", "-o", "-", "--model", "deblock", "--denoiser", "bm3d", stdin=(tmp_path / "a.jpg").read_bytes())
    assert done.returncode == 0 and done.stdout.startswith(b"\x89PNG"), done.stderr


def test_blocks_stay_whole_where_tiles_are_blended():
    from restore.methods.wnnm import WNNM

    problem = problem_of(Jpeg(10.0))
    for method in (Deblock(WNNM()), Consistent(WNNM())):
        kind = method.tiling(problem)
        assert not isinstance(kind, Blend) or kind.multiple % 8 == 0

def photograph(side):
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[60 : 60 + side, 180 : 180 + side])


def sized(path, side):
    """The same JPEG, told to be `side` pixels high and wide: what was coded goes on beyond."""
    coded = bytearray(path.read_bytes())
    at = next(at for at in range(len(coded)) if coded[at] == 0xFF and coded[at + 1] in (0xC0, 0xC2))
    coded[at + 5 : at + 9] = side.to_bytes(2, "big") * 2
    path.write_bytes(coded)


@pytest.mark.parametrize("side", [161, 162, 164, 167])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_partial_blocks_gain_as_whole_ones_do(side, subsampling, tmp_path):
    from restore.commands.jpeg import jpeg

    x = photograph(side)
    file = saved(tmp_path / "a.jpg", x, quality=20, subsampling=subsampling)
    assert jpeg([file], quiet=True) == 0
    y, restored = (np.asarray(Image.open(tmp_path / name)).astype(float) for name in ("a.jpg", "a.jpeg.png"))
    assert restored.shape == x.shape
    for edge in (np.s_[-1:], np.s_[:, -1:], np.s_[-((side - 1) % 8 + 1) :]):
        assert np.square(restored[edge] - x[edge]).mean() < np.square(y[edge] - x[edge]).mean()


def test_what_was_not_repeated_beyond_an_edge_is_not_averaged(tmp_path):
    from restore.commands.jpeg import jpeg

    x = picture(168, 168)
    for name, side in (("whole", 168), ("cut", 162)):
        saved(tmp_path / f"{name}.jpg", x, quality=60)
        sized(tmp_path / f"{name}.jpg", side)
        assert jpeg([str(tmp_path / f"{name}.jpg")], quiet=True) == 0
    whole, cut = (np.asarray(Image.open(tmp_path / f"{name}.jpeg.png")) for name in ("whole", "cut"))
    assert np.array_equal(whole[:162, :162], cut)


def test_every_kind_of_coding_is_kept_to(tmp_path):
    """Coded as RGB, with three tables, and with a table that holds a 0: the truth stays among what may have been coded so."""
    from restore.estimate import quality

    x = photograph(64)
    luma, chroma = (np.maximum(np.arange(64) * step + 3, 1).tolist() for step in (1, 2))
    saved(tmp_path / "rgb.jpg", x, quality=30, keep_rgb=True)
    saved(tmp_path / "three.jpg", x, qtables=[luma, chroma, np.add(chroma, 9).tolist()], subsampling=0)
    for name in ("rgb", "three"):
        source = io.read(tmp_path / f"{name}.jpg")
        said = quality.read(source.header)[1]
        coding = problem_of(Jpeg(30.0), said).operator
        y, clean = (torch.from_numpy(samples.astype(np.float32) / 255).permute(2, 0, 1)[None] for samples in (source.samples, x))
        assert 255 * float((coding(clean) - y).abs().mean()) < 1, name
        assert 255 * float((coding.nearest(clean, y) - clean).square().mean().sqrt()) < 0.6, name
    coded = bytearray((tmp_path / "rgb.jpg").read_bytes())
    coded[coded.index(b"\xff\xdb") + 6] = 0
    (tmp_path / "zero.jpg").write_bytes(coded)
    assert (quality.read(io.read(tmp_path / "zero.jpg").header)[1]["tables"] >= 1).all()


def test_the_seed_of_missing_pixels_counts(tmp_path):
    from restore.commands.degrade import degrade

    found = []
    for seed in (1, 2):
        assert degrade([saved(tmp_path / "x.png", picture())], task="inpaint", missing=0.5, seed=seed, output=str(tmp_path / f"y{seed}.png"), quiet=True) == 0
        found.append((tmp_path / f"y{seed}.png").read_bytes())
    assert found[0] != found[1]


def test_alpha_goes_with_a_blur_that_is_seen_whole(tmp_path):
    from restore.commands.degrade import degrade

    x = np.dstack([picture()] * 3 + [np.full((60, 80), 255, np.uint8)])
    x[:20, :, 3] = 0
    assert degrade([saved(tmp_path / "x.png", x)], task="deblur", kernel="disk:7", boundary="valid", output=str(tmp_path / "y.png"), quiet=True) == 0
    alpha = io.read(tmp_path / "y.png").samples[..., 3]
    side = 60 - alpha.shape[0]
    assert (alpha[:, 5] == 0).sum() == 20 - side // 2


def test_nan_stays_nan_when_enlarged(tmp_path, capsys):
    from restore.commands.sr import sr

    x = picture().astype(np.float32) / 255
    x[20:23, 30:33] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", x, photometric="minisblack")
    assert sr([str(tmp_path / "x.tif")], scale=2.0, model="bicubic", consistent=False, output=str(tmp_path / "y.tif")) == 0
    y = tifffile.imread(tmp_path / "y.tif")
    assert np.isnan(y[40:46, 60:66]).all() and np.isnan(y).sum() == 36 and "NaN or Inf" in capsys.readouterr().err


def test_measurements_keep_what_can_be_kept(tmp_path, capsys):
    from restore.commands.cs import cs
    from restore.commands.degrade import degrade

    lying(tmp_path / "x.tif", picture(66, 66))
    assert degrade([str(tmp_path / "x.tif")], task="cs", ratio="0.5", seed=20000001, output=str(tmp_path / "y.npz"), quiet=True) == 0
    assert int(np.load(tmp_path / "y.npz")["seed"]) in (0, 20000001)
    assert cs([str(tmp_path / "y.npz")], model="ista", output=str(tmp_path / "z.tif"), quiet=True) == 0
    assert io.read(tmp_path / "z.tif").header.orientation == 6
    tifffile.imwrite(tmp_path / "two.tif", np.zeros((2, 40, 40), np.uint8), photometric="minisblack")
    assert degrade([str(tmp_path / "two.tif")], task="cs", ratio="0.5", output=str(tmp_path / "two.npz"), quiet=True) == 1 and "2 pages" in capsys.readouterr().err
    assert int(problem_of(CompressedSensing(0.25, 20000001.0, 0.0), shape=(1, 33, 33)).operator.seed) == 20000001


def test_levels_kernels_and_numbers_that_are_none(tmp_path, capsys):
    from restore.commands.deblur import deblur
    from restore.commands.degrade import degrade
    from restore.commands.jpeg import jpeg
    from restore.commands.sr import sr

    x = saved(tmp_path / "x.png", picture())
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    for wrong in (lambda: deblur([x], kernel="gaussian:1", boundary="valid"), lambda: deblur([x], kernel="gaussian:1", boundary="foo"), lambda: jpeg([x], coded="10,20"), lambda: sr([x], scale=2.0, consistent=True, sigma="5")):
        with pytest.raises(UsageError):
            wrong()
    for kernel in ("empty.npy", "words.npy"):
        assert deblur([x], kernel=str(tmp_path / kernel), sigma="1", output=str(tmp_path / "y.png"), quiet=True) == 1 and "cannot be read" in capsys.readouterr().err
    assert degrade([x], sigma="5,6,7", output=str(tmp_path / "y.png"), quiet=True) == 2 and "3 levels" in capsys.readouterr().err
    with pytest.raises(UsageError):
        CompressedSensing(0.2, 0.0, (5.0, 6.0, 7.0))
    with pytest.raises(UsageError):
        CompressedSensing((0.1, 0.2))
    assert Denoise(sigma=(5.0, 6.0, 7.0)).sigma and not (tmp_path / "y.png").exists()


def test_the_other_files_of_a_batch_go_on_after_a_fault(tmp_path, capsys, monkeypatch):
    from restore.commands.denoise import denoise
    from restore.jobs import walk

    for name in ("a", "b"):
        saved(tmp_path / f"{name}.png", picture())
    right = walk.Walk.work

    def work(self, opened, write, report):
        if opened.names.source.stem == "a":
            raise ZeroDivisionError("by design")
        right(self, opened, write, report)
    monkeypatch.setattr(walk.Walk, "work", work)
    assert denoise([str(tmp_path / "a.png"), str(tmp_path / "b.png")], model="bm3d", sigma="10", json=True) == 1
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["ok"] for row in said] == [False, True] and "ZeroDivisionError" in said[0]["error"]["what"]


def test_a_kernel_that_nobody_made_is_refused():
    with pytest.raises(RestoreError):
        from restore.jobs.given import load_kernel
        load_kernel("shake:abc")


def test_a_flat_picture_stays_flat_through_wiener():
    y = torch.full((1, 1, 40, 40), 1.0)
    x = Wiener()(y, Problem(Blur(kernels.make("gaussian:2")), Gaussian(2 / 255)))
    assert torch.allclose(x, y, atol=1e-3)


def test_a_mask_the_wrong_way_round_is_said(tmp_path, capsys):
    from restore.commands.inpaint import inpaint

    mask = np.full((60, 80), 255, np.uint8)
    mask[25:35, 30:50] = 0
    saved(tmp_path / "m.png", mask)
    for invert in (False, True):
        assert inpaint([saved(tmp_path / "x.png", picture())], mask=str(tmp_path / "m.png"), invert=invert, model="biharmonic", output=str(tmp_path / "y.png"), overwrite=True) == 0
        assert ("--invert" in capsys.readouterr().err) != invert


def test_noise_that_deblurring_is_not_told_of_is_said(tmp_path, capsys):
    from restore.commands.deblur import deblur

    rng, x = np.random.default_rng(0), picture(96, 120)
    for added, told, said in ((8, "0.5", True), (8, "8", False), (8, "auto", False), (0, "0.5", False)):
        y = saved(tmp_path / "y.png", np.clip(np.rint(x + added * rng.standard_normal(x.shape)), 0, 255).astype(np.uint8))
        assert deblur([y], kernel="gaussian:1", sigma=told, model="wiener", output=str(tmp_path / "x.png"), overwrite=True) == 0
        assert ("stripes" in capsys.readouterr().err) == said
    small = saved(tmp_path / "small.png", picture(8, 8))  # too small to doubt
    assert deblur([small], kernel="gaussian:1", sigma="5", model="wiener", output=str(tmp_path / "x.png"), overwrite=True) == 0


def test_tv_where_nothing_is_known_is_finite():
    y = torch.zeros(1, 1, 24, 24)
    for noise in (NoNoise(), Gaussian(10 / 255)):
        assert TV()(y, Problem(Mask(torch.zeros(1, 1, 24, 24)), noise)).isfinite().all()


def test_wide_holes_of_low_pictures_are_filled():
    mask = torch.ones(1, 1, 16, 256)
    mask[..., 28:228] = 0
    assert torch.allclose(fill(0.7 * mask, mask), torch.full_like(mask, 0.7), atol=1e-5)
    assert torch.allclose(fill(0.7 * mask.mT, mask.mT), torch.full_like(mask.mT, 0.7), atol=1e-5)


def test_epll_deblurs_up_to_the_borders():
    """The gap around the picture is unknown, not black: borders end up no worse than y."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    x = (0.5 + 0.3 * torch.sin(columns / 5) * torch.cos(rows / 7))[None, None]
    operator = Blur(kernels.make("gaussian:2"))
    y = operator(x) + torch.randn(x.shape, generator=torch.Generator().manual_seed(0)) / 255
    restored = cards.load("epll", channels=1)(y, Problem(operator, Gaussian(1 / 255)))
    assert (restored - x).square().mean() < (y - x).square().mean()
    assert not isinstance(cards.load("epll", channels=1).tiling(Problem(operator, Gaussian(1 / 255))), Whole)


def test_a_mask_drawn_on_a_transparent_layer(cli, tmp_path):
    saved(tmp_path / "a.png", picture())
    strokes = np.full((60, 80, 4), 255, np.uint8)
    strokes[..., 3] = 0
    strokes[20:24, :, 3] = 255
    saved(tmp_path / "strokes.png", strokes)
    assert cli("inpaint", "a.png", "--mask", "strokes.png", "--model", "tv").returncode == 0
    mended, before = np.asarray(Image.open(tmp_path / "a.inpaint.png")), picture()
    assert np.array_equal(np.delete(mended, range(20, 24), 0), np.delete(before, range(20, 24), 0)) and not np.array_equal(mended[20:24], before[20:24])


def test_no_strength_keeps_the_last_blocks_too(cli, tmp_path):
    Image.fromarray(picture(50, 61)).save(tmp_path / "odd.jpg", quality=20)
    assert cli("jpeg", "odd.jpg", "--denoiser", "bm3d", "--strength", "0").returncode == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "odd.jpeg.png")), np.asarray(Image.open(tmp_path / "odd.jpg")))


def test_kernels_that_say_too_little_are_refused(tmp_path):
    from restore.jobs.given import load_kernel

    np.save(tmp_path / "c.npy", np.ones((3, 3), complex))
    with pytest.raises(RestoreError, match="complex"):
        load_kernel(str(tmp_path / "c.npy"))
    np.savez(tmp_path / "k.npz", one=np.ones((3, 3)), two=np.ones((5, 5)))
    with pytest.raises(UsageError, match="one, two"):
        load_kernel(str(tmp_path / "k.npz"))
    assert load_kernel(f"{tmp_path / 'k.npz'}:two").shape == (5, 5)


def test_the_kernel_is_kept_in_a_new_folder(cli, tmp_path):
    saved(tmp_path / "a.png", picture())
    assert cli("deblur", "a.png", "--kernel", "disk:2", "--sigma", "1", "--model", "wiener", "--save-kernel", "new/k.png").returncode == 0
    assert (tmp_path / "new/k.png").exists() and (tmp_path / "a.deblur.png").exists()


def test_a_mosaic_is_of_one_picture(inside, tmp_path):
    tifffile.imwrite(tmp_path / "two.tif", np.stack([picture(), picture()]), photometric="minisblack")
    assert b"2 pages" in inside("degrade", "two.tif", "--task", "isp", "-o", "m.dng").stderr and not (tmp_path / "m.dng").exists()
    saved(tmp_path / "a.png", np.dstack([picture()] * 4))
    assert inside("degrade", "a.png", "--task", "isp", "--depth", "8").returncode == 2
    assert inside("degrade", "a.png", "--task", "isp", "--peak", "auto").returncode == 2
    assert b"transparency" in inside("degrade", "a.png", "--task", "isp", "-o", "m.dng").stderr


def test_an_enlargement_by_a_fraction_says_what_was_asked_for_and_rounds_both_sides_alike(tmp_path, capsys):
    from restore.commands.sr import sr

    x = saved(tmp_path / "x.png", picture()[:7, :9])
    assert sr([x], scale=1.5, model="bicubic", output=str(tmp_path / "y.png"), json=True, quiet=True) == 0
    assert json.loads(capsys.readouterr().out)["task"]["scale"] == 1.5
    assert Image.open(tmp_path / "y.png").size == (14, 11)

"""Inverse problems: operators beside their own matrices, proximal steps, plug-and-play, and the commands' promises."""

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from test_operators import EXAMPLES

from restore import api
from restore.errors import RestoreError, UsageError
from restore.estimate.quality import read
from restore.jobs import given
from restore.measure.metrics import psnr
from restore.methods import pnp
from restore.methods.biharmonic import closed
from restore.methods.ista import ISTA
from restore.methods.pnp import PnP
from restore.methods.richardson_lucy import RichardsonLucy
from restore.methods.tv import TV
from restore.methods.wiener import STEEP, Wiener, spread, square
from restore.numerics import resample
from restore.numerics.differences import divergence, gradient
from restore.operators import jpeg, kernels, masks
from restore.operators.blur import Blur
from restore.operators.decimation import Downsample
from restore.operators.dense import GaussianMatrix
from restore.operators.masks import Mask
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem, draw, problem_of
from restore.tasks import CompressedSensing, Deblur, Inpaint, SuperResolution, from_dict
from restore.values import Range


def scene(height=96, width=120, channels=1):
    """Edges, a ramp and a wave: a picture that every method can do something for."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    grey = 0.3 + 0.3 * x + 0.3 * ((x - 0.6) ** 2 + (y - 0.5) ** 2 < 0.05) - 0.2 * ((x < 0.3) & (y > 0.3) & (y < 0.7)) + 0.04 * torch.sin(40 * y) * (x > 0.8)
    return grey.expand(1, channels, -1, -1).contiguous()


class Smooth(PnP):
    """Plug-and-play with total variation as the denoiser: no weights are needed."""

    def __init__(self, steps=None):
        super().__init__(TV(steps=30), steps)


@pytest.mark.parametrize("boundary", ["reflect", "circular", "valid"])
def test_blur_is_its_matrix(boundary):
    generator = torch.Generator().manual_seed(0)
    kernel = torch.rand(3, 5, dtype=torch.float64, generator=generator)
    operator, (height, width) = Blur(kernel, boundary), (9, 7)
    matrix = np.zeros((operator.out_shape((1, height, width))[1] * operator.out_shape((1, height, width))[2], height * width))
    rows, columns = (range(1, 8), range(2, 5)) if boundary == "valid" else (range(height), range(width))
    for number, (i, j) in enumerate((i, j) for i in rows for j in columns):
        for a in range(3):
            for b in range(5):
                at = [i + 1 - a, j + 2 - b]
                for axis, size in enumerate((height, width)):
                    at[axis] = at[axis] % size if boundary == "circular" else abs(at[axis]) if at[axis] < size else 2 * size - 2 - at[axis]
                matrix[number, at[0] * width + at[1]] += float(kernel[a, b])
    x = torch.randn(1, 1, height, width, dtype=torch.float64, generator=generator)
    y = operator(x)
    assert np.allclose(matrix @ x.numpy().ravel(), y.numpy().ravel())
    assert np.allclose(matrix.T @ y.numpy().ravel(), operator.adjoint(y).numpy().ravel())


@pytest.mark.parametrize("operator, x", [pytest.param(*p.values, id=p.id) for p in EXAMPLES if isinstance(p.values[0], (Blur, Downsample, Mask, GaussianMatrix))])
def test_prox_is_where_the_gradient_vanishes(operator, x):
    generator = torch.Generator().manual_seed(3)
    y, v = (torch.randn(shape, dtype=x.dtype, generator=generator) for shape in (operator(x).shape, x.shape))
    p = operator.prox(v, y, 0.05)
    left = operator.adjoint(operator(p) - y) + 0.05 * (p - v)
    assert float(left.norm()) < 1e-5 * float(operator.adjoint(y).norm())


def test_reduction_is_pillows_inside():
    x = np.random.default_rng(0).random((24, 36)).astype(np.float32)
    theirs = np.asarray(Image.fromarray(x).resize((12, 8), Image.BICUBIC))
    ours = resample.resize(torch.from_numpy(x), 8, 12).numpy()
    assert np.abs(theirs - ours)[2:-2, 2:-2].max() < 1e-6
    assert torch.allclose(resample.resize(torch.ones(5, 7), 13, 9), torch.ones(13, 9))


def test_kernels_sum_to_one_and_have_their_size():
    for words, side in (("gaussian:1.6", 15), ("disk:3", 7), ("airy:4", 29), ("shake:25@7", 25)):
        kernel = kernels.make(words)
        assert tuple(kernel.shape) == (side, side) and float(kernel.sum()) == pytest.approx(1) and float(kernel.min()) >= 0
    across, upright = kernels.make("motion:15"), kernels.make("motion:15@90")
    assert torch.allclose(across, upright.T, atol=1e-6) and float(across[across.shape[0] // 2].sum()) > 0.99
    rising = kernels.make("motion:15@45")  # counter-clockwise: right is up
    assert float(rising[:6, 7:].sum()) > 0.35 and float(rising[:6, :6].sum()) < 0.1
    drawn = kernels.shakes(3, 31, torch.Generator().manual_seed(0))
    assert drawn.shape == (3, 1, 31, 31) and torch.allclose(drawn.sum((2, 3)), torch.ones(3, 1)) and not torch.allclose(drawn[0], drawn[1])
    for wrong in ("gausian:2", "disk:0", "motion:x", "motion:0.001", "shake:9000@1", "shake:1@0"):
        with pytest.raises(UsageError):
            kernels.make(wrong)


@pytest.mark.parametrize("most, beyond", [("gaussian:62.5", "gaussian:62.6"), ("airy:75.7", "airy:75.9")])
def test_made_kernels_are_no_larger_than_those_of_files(most, beyond):
    assert kernels.make(most).shape == (kernels.LARGEST, kernels.LARGEST)
    with pytest.raises(UsageError, match="cannot be made"):
        kernels.make(beyond)


@pytest.mark.parametrize("shape, side", [((1, 5), (1, 5)), ((5, 1), (5, 1)), ((1, 4), (1, 5)), ((1, 1), (1, 1)), ((1, 5, 5), (5, 5))])
def test_kernels_of_one_row_or_column_are_read(tmp_path, shape, side):
    np.save(tmp_path / "k.npy", np.ones(shape))
    assert given.load_kernel(str(tmp_path / "k.npy")).shape == side


def test_masks_miss_what_they_say():
    assert abs(float(masks.make("missing:0.8", 200, 200).mean()) - 0.2) < 0.01
    assert torch.equal(masks.make("text:14@3", 90, 70), masks.make("text:14", 90, 70, 3)) and 0.05 < 1 - float(masks.make("text:14", 90, 70).mean()) < 0.5
    assert 0 < 1 - float(masks.make("scratches:9", 90, 70).mean()) < 0.4
    with pytest.raises(UsageError):
        masks.make("missing:80", 9, 9)


@pytest.mark.parametrize("task", [Deblur("motion:15@30", 2.5), SuperResolution(3.0, "area", 1.0), Inpaint("missing:0.5", 2.0), CompressedSensing(0.25, 3.0)], ids=str)
def test_tasks_survive_writing(task):
    assert from_dict(task.to_dict()) == task and task.covers(task)


def test_what_deblurring_covers():
    trained = Deblur("gaussian:1.6", Range(0, 5))
    assert trained.covers(Deblur("gaussian:1.6", 2.0)) and not trained.covers(Deblur("disk:3", 2.0)) and not trained.covers(Deblur("gaussian:1.6", 9.0))


def test_kernels_and_masks_are_drawn_per_picture():
    generator = torch.Generator().manual_seed(0)
    assert draw(Deblur("shake:15", Range(0, 5)), 4, generator, shape=(1, 32, 32)).operator.kernel.shape == (4, 1, 15, 15)
    assert draw(Inpaint("missing:0.5"), 4, generator, shape=(1, 32, 32)).operator.mask.shape == (4, 1, 32, 32)


def test_gradient_and_divergence_are_adjoint():
    generator = torch.Generator().manual_seed(0)
    x, p = torch.randn(1, 2, 7, 9, generator=generator, dtype=torch.float64), torch.randn(2, 1, 2, 7, 9, generator=generator, dtype=torch.float64)
    assert float((gradient(x) * p).sum()) == pytest.approx(-float((x * divergence(p)).sum()))


@pytest.mark.parametrize("method, gain", [(Wiener(), 1.0), (RichardsonLucy(20), 0.5), (TV(steps=40), 3.0), (Smooth(), 2.0)], ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("boundary", ["reflect", "circular"])
def test_deblurring_gains_and_does_not_ring_at_the_edges(method, gain, boundary):
    problem, x = problem_of(Deblur("disk:4", 0.5, boundary)), scene()
    y = problem.simulate(x, torch.Generator().manual_seed(0))
    restored = method(y, problem)
    if boundary == "reflect" and isinstance(method, Wiener):  # a cartoon has not the spectrum that it assumes: the mirrored edges already make y good
        gain = -0.5
    assert restored.shape == x.shape and float(psnr(restored, x)) > float(psnr(y, x)) + gain
    if boundary == "reflect":  # what lies beyond is not known, and is no worse for it
        edge, whole = ((restored - x)[..., rows, :].square().mean().sqrt() for rows in (slice(0, 6), slice(None)))
        assert float(edge) < 2 * float(whole) + 0.01


def test_a_blur_without_noise_is_undone():
    problem, x = problem_of(Deblur("gaussian:1", 0.0, "circular")), scene()
    assert float(psnr(Smooth(12)(problem.simulate(x), problem), x)) > 33


def test_what_moved_by_itself_stays_and_does_not_ring_around(monkeypatch):
    """A square that the blur did not touch: no picture within black and white explains it."""
    x, problem = scene(96, 160), problem_of(Deblur(kernel="motion:15@30", sigma=1.0))
    y = problem.simulate(x, torch.Generator().manual_seed(0))
    y[..., 40:56, 70:90] = (torch.arange(20) % 10 < 5).float()  # stripes
    around = torch.ones(96, 160, dtype=torch.bool)
    around[20:76, 50:110] = False
    clean = Smooth()(y, problem)
    assert float((clean - y)[..., 44:52, 74:86].abs().max()) < 1e-5
    monkeypatch.setattr(pnp, "unexplained", lambda operator, x, y, noise: torch.zeros_like(x, dtype=torch.bool))
    believed = Smooth()(y, problem)
    assert float((clean - x)[..., around].square().mean()) < 0.5 * float((believed - x)[..., around].square().mean())


@pytest.mark.parametrize("kernel", ["gaussian:1.6", "disk:5", "motion:15@30"])
@pytest.mark.parametrize("sigma", [0.0, 2.55])
def test_what_a_blur_explains_is_not_doubted(kernel, sigma, monkeypatch):
    seen = []
    real = pnp.unexplained
    monkeypatch.setattr(pnp, "unexplained", lambda *given: seen.append(real(*given)) or seen[-1])
    problem = problem_of(Deblur(kernel=kernel, sigma=sigma))
    Smooth()(problem.simulate(scene(), torch.Generator().manual_seed(0)), problem)
    assert len(seen) == 1 and not seen[0].any()


def test_wiener_knows_the_whole_picture_in_every_tile():
    """Here half of it is calm, so that tiles of their own would disagree; at the edges, beyond which nobody knows, the whole and tiles guess."""
    x = torch.rand(64, 64, generator=torch.Generator().manual_seed(0)).repeat_interleave(8, 0).repeat_interleave(8, 1)
    x[:, :256] = 0.5 + 0.02 * (x[:, :256] - 0.5)
    y = problem_of(Deblur("gaussian:1.6", 5.0)).simulate(x[None, None], torch.Generator().manual_seed(0))[0, 0]
    whole, tiled = (api.run(y, "deblur", kernel="gaussian:1.6", sigma=5.0, model="wiener", tile=tile) for tile in (None, 256))
    assert float((tiled - whole).abs()[64:-64, 64:-64].max()) < 1 / 255


def test_wieners_spectrum_has_the_variance_of_the_picture():
    y = scene(60, 75)
    assert float((STEEP * spread(y) / square(y.shape[2:], y).flatten()[1:]).sum() / y.numel()) == pytest.approx(float(y.var(correction=0)), rel=1e-4)


def test_wiener_says_what_it_is_for():
    with pytest.raises(RestoreError, match="blur"):
        Wiener()(torch.rand(1, 1, 16, 16), problem_of(SuperResolution(2.0)))


def test_compressed_sensing_recovers():
    x = scene(66, 99)
    problem = problem_of(CompressedSensing(0.4, 1.0), shape=(1, 66, 99))
    assert torch.allclose(problem.operator.matrix @ problem.operator.matrix.T, torch.eye(436), atol=1e-5)
    y = problem.simulate(x)
    plain = problem.operator.adjoint(y)
    assert float(psnr(ISTA(steps=60)(y, problem), x)) > float(psnr(plain, x)) + 12


def save(path, array, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **how)


def rgb(height=60, width=72):
    return (scene(height, width, 3)[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


def test_known_pixels_come_back_bit_for_bit(cli, tmp_path):
    rng = np.random.default_rng(0)
    missing = rng.random((60, 72)) < 0.3
    save(tmp_path / "mask.png", (missing * 255).astype(np.uint8))
    deep = rng.integers(0, 65536, (60, 72, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb")
    floats = rng.random((60, 72)).astype(np.float32)
    floats[missing] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", floats)
    assert cli("inpaint", "deep.tif", "--mask", "mask.png", "-m", "tv").returncode == 0
    out = tifffile.imread(tmp_path / "deep.inpaint.tif")
    assert out.dtype == np.uint16 and np.array_equal(out[~missing], deep[~missing]) and not np.array_equal(out[missing], deep[missing])
    assert cli("inpaint", "nan.tif", "--mask", "nan", "-m", "tv").returncode == 0
    filled = tifffile.imread(tmp_path / "nan.inpaint.tif")
    assert np.array_equal(filled[~missing], floats[~missing]) and np.isfinite(filled).all()
    rgba = np.dstack([rgb(), np.where(missing, 0, 255).astype(np.uint8)])
    save(tmp_path / "holes.png", rgba)
    assert cli("inpaint", "holes.png", "--mask", "alpha", "-m", "tv").returncode == 0
    out = np.asarray(Image.open(tmp_path / "holes.inpaint.png"))
    assert np.array_equal(out[~missing], rgba[~missing]) and (out[..., 3] == 255).all()
    assert np.abs(out[..., :3].astype(float) - rgb()).mean() < 3


def test_files_that_lose_something_are_told_of(inside, tmp_path):
    save(tmp_path / "mask.png", np.uint8(255 * (np.indices((60, 72)).sum(0) < 20)))
    save(tmp_path / "a.png", rgb())
    save(tmp_path / "a.jpg", rgb())
    for source, how, told in (("a.jpg", (), True), ("a.png", ("-o", "b.webp", "--quality", "90"), True), ("a.png", ("-o", "c.webp"), False),
                              ("a.jpg", ("-o", "d.png"), False), ("a.png", ("-o", "e.jpg", "--sigma", "5"), False)):
        row = json.loads(inside("inpaint", source, "--mask", "mask.png", "-m", "biharmonic" if "--sigma" not in how else "tv", *how, "--json").stdout)
        assert row["ok"] and any("loss" in note for note in row["notes"]) == told, (source, how, row["notes"])


def test_masks_by_colour_grown_inverted_and_wrong(inside, tmp_path):
    picture = rgb()
    picture[20:30, 20:40] = (255, 0, 255)
    save(tmp_path / "a.png", picture)
    assert inside("inpaint", "a.png", "--mask", "color:#ff00ff", "--grow", "2", "-m", "tv", "-o", "b.png").returncode == 0
    out = np.asarray(Image.open(tmp_path / "b.png"))
    changed = (out != picture).any(2)
    assert changed[20:30, 20:40].all() and not changed[:18].any() and not changed[:, :18].any() and changed[18:32, 18:42].mean() > 0.75
    save(tmp_path / "small.png", np.zeros((5, 5), np.uint8))
    for wrong in (["--mask", "none.png"], ["--mask", "color:red"], ["--mask", "small.png"], ["--mask", "alpha"]):
        done = inside("inpaint", "a.png", *wrong, "-m", "tv", "-o", "x.png")
        assert done.returncode in (1, 2) and done.stderr and b"Traceback" not in done.stderr and not (tmp_path / "x.png").exists(), wrong
    assert inside("inpaint", "a.png").returncode == 2


def test_enlarged_and_reduced_again_it_is_the_input(cli, tmp_path):
    rgba = np.dstack([rgb(40, 50), np.full((40, 50), 200, np.uint8)])
    save(tmp_path / "a.png", rgba)
    done = cli("sr", "a.png", "--scale", "3", "-m", "bicubic", "--consistent", "--check", "--json")
    row = json.loads(done.stdout)
    assert done.returncode == 0 and any("0.0" in note or "0.1" in note for note in row["notes"])
    assert cli("degrade", "a.sr.png", "--task", "sr", "--scale", "3", "-o", "back.png").returncode == 0
    out, back = np.asarray(Image.open(tmp_path / "a.sr.png")), np.asarray(Image.open(tmp_path / "back.png"))
    assert out.shape == (120, 150, 4) and np.abs(back.astype(int) - rgba).max() <= 1 and (out[..., 3] == 200).all()
    whole = cli("sr", "a.png", "--scale", "3", "-m", "bicubic", "--free", "-o", "whole.png")
    tiled = cli("sr", "a.png", "--scale", "3", "-m", "bicubic", "--free", "--tile", "16", "-o", "tiled.png")
    assert whole.returncode == tiled.returncode == 0 and (tmp_path / "whole.png").read_bytes() == (tmp_path / "tiled.png").read_bytes()
    odd = cli("degrade", "a.png", "--task", "sr", "--scale", "7", "-o", "x.png")
    assert odd.returncode == 1 and b"multiples of 7" in odd.stderr and not (tmp_path / "x.png").exists()


def test_what_no_picture_in_range_is_reduced_to_is_told(cli, tmp_path):
    """As black and white at random: the note says how far the result is from it, and of what can be met nothing is said."""
    bits = np.random.default_rng(0).random((24, 24)) > 0.5
    save(tmp_path / "bits.png", np.uint8(255 * bits))
    save(tmp_path / "a.png", rgb(40, 50))
    for name, far in (("bits", True), ("a", False)):
        notes = json.loads(cli("sr", f"{name}.png", "-m", "bicubic", "--consistent", "--json").stdout)["notes"]
        assert any("reduced again" in note for note in notes) == far, notes
        if far:
            assert cli("degrade", "bits.sr.png", "--task", "sr", "--scale", "2", "-o", "back.png").returncode == 0
            worst = np.abs(np.asarray(Image.open(tmp_path / "back.png")).astype(int) - 255 * bits).max()
            assert worst > 1 and f"{worst}/255" in notes[0]


def test_rows_are_reduced_as_they_come():
    x = torch.rand(2, 37, 23, generator=torch.Generator().manual_seed(0))
    for height, width in ((31, 20), (12, 23), (37, 23), (60, 30)):
        last = resample.Rows(37, 23, height, width)
        parts = [last.push(part) for part in x.split([5, 1, 20, 11], 1)]
        assert torch.allclose(torch.cat(parts, 1), resample.resize(x, height, width), atol=1e-6)


def test_enlarged_by_any_factor(cli, tmp_path):
    rgba = np.dstack([rgb(41, 50), np.full((41, 50), 200, np.uint8)])
    save(tmp_path / "a.png", rgba)
    done = cli("sr", "a.png", "--scale", "2.5", "-m", "bicubic", "--json")
    row, out = json.loads(done.stdout), np.asarray(Image.open(tmp_path / "a.sr.png"))
    assert out.shape == (103, 125, 4) and row["task"]["scale"] == 2.5 and (out[..., 3] == 200).all() and "enlarged by 3, then reduced to 2.5" in row["notes"]
    assert np.abs(out[..., :3].astype(float) - api.run(rgba[..., :3], "sr", scale=2.5, model="bicubic")).max() <= 1
    direct = np.asarray(Image.fromarray(rgba[..., :3]).resize((125, 103), Image.BICUBIC)).astype(float)
    assert np.abs(out[..., :3] - direct).mean() < 2
    for wrong in ("0.5", "nan", "many", "100"):
        assert cli("sr", "a.png", "--scale", wrong, "-o", "x.png").returncode == 2 and not (tmp_path / "x.png").exists()


def test_plug_and_play_meets_the_small_picture_and_nets_where_asked(cli, tmp_path):
    """To one level of 8 bits; a net alone, and with noise, is left as it is."""
    save(tmp_path / "a.png", rgb(40, 50))
    for name, how in (("pnp", ()), ("free", ("--free",)), ("net", ("-m", "bicubic")), ("held", ("-m", "bicubic", "--consistent"))):
        assert cli("sr", "a.png", "--scale", "2", *(("-m", "pnp", "--denoiser", "drunet.tiny") if name in ("pnp", "free") else ()), *how, "-o", f"{name}.png").returncode == 0
        assert cli("degrade", f"{name}.png", "--task", "sr", "--scale", "2", "-o", f"{name}.small.png").returncode == 0
    most = {name: np.abs(np.asarray(Image.open(tmp_path / f"{name}.small.png")).astype(int) - rgb(40, 50)).max() for name in ("pnp", "free", "net", "held")}
    assert most["pnp"] <= 1 and most["held"] <= 1 and most["free"] > 1 and most["net"] > 1


def test_deblur_from_files_pipes_and_plans(cli, tmp_path):
    save(tmp_path / "a.png", rgb())
    np.save(tmp_path / "k.npy", kernels.make("motion:7@20").numpy())
    assert cli("degrade", "a.png", "--task", "deblur", "--kernel", "k.npy", "-o", "b.png").returncode == 0
    done = cli("deblur", "b.png", "--kernel", "k.npy", "--sigma", "0.5", "-m", "tv", "--check", "--compare", "--json")
    assert done.returncode == 0 and any("D x differs" in note for note in json.loads(done.stdout)["notes"]) and (tmp_path / "b.deblur.compare.png").exists()
    a, b, c = (np.asarray(Image.open(tmp_path / name)).astype(float) for name in ("a.png", "b.png", "b.deblur.png"))
    assert np.mean((c - a) ** 2) < 0.3 * np.mean((b - a) ** 2)
    piped = cli("deblur", "-", "--kernel", "k.npy", "--sigma", "0.5", "-m", "tv", stdin=(tmp_path / "b.png").read_bytes())
    assert piped.returncode == 0 and piped.stdout == (tmp_path / "b.deblur.png").read_bytes()
    plan = cli("deblur", "b.png", "--kernel", "disk:3", "--sigma", "1", "-m", "tv", "--dry-run", "--overwrite")
    assert plan.returncode == 0 and b"blur 7 x 7" in plan.stdout
    for wrong in ("gausian:2", "none.png", "disk:-1"):
        done = cli("deblur", "b.png", "--kernel", wrong, "--sigma", "1", "-o", "x.png")
        assert done.returncode in (1, 2) and b"Traceback" not in done.stderr and not (tmp_path / "x.png").exists(), wrong


def test_what_is_hidden_counts_for_nothing_in_the_residual(cli, tmp_path):
    """D x is compared with y where y was measured, and sees no sample that was not."""
    y = problem_of(Deblur("gaussian:1.6", 2.0)).simulate(scene(60, 72, 3), torch.Generator().manual_seed(0))[0].permute(1, 2, 0).numpy()
    tifffile.imwrite(tmp_path / "whole.tif", y, photometric="rgb")
    alpha = np.ones((60, 72, 1), np.float32)
    alpha[10:20, 10:30], y[10:20, 10:30] = 0, 9
    tifffile.imwrite(tmp_path / "alpha.tif", np.dstack([y, alpha]), photometric="rgb", extrasamples=["unassalpha"])
    y[10:20, 10:30] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", y, photometric="rgb")
    done = cli("deblur", "whole.tif", "alpha.tif", "nan.tif", "--kernel", "gaussian:1.6", "--sigma", "2", "-m", "tv", "--check", "--json")
    notes = [next(note for note in json.loads(line)["notes"] if "D x" in note) for line in done.stdout.splitlines()]
    whole, *holes = (float(note.split("by ")[1].split("/")[0]) for note in notes)
    assert len(holes) == 2 and all(error == pytest.approx(whole, abs=0.3) for error in holes), notes


def test_measured_and_recovered(cli, tmp_path):
    save(tmp_path / "a.png", rgb(40, 50))
    assert cli("degrade", "a.png", "--task", "cs", "--ratio", "0.5", "-o", "y.npz").returncode == 0
    done = cli("cs", "y.npz", "-m", "ista", "-o", "x.tif", "--depth", "16", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["task"]["name"] == "cs"
    out = tifffile.imread(tmp_path / "x.tif")
    assert out.shape == (40, 50, 3) and out.dtype == np.uint16 and np.abs(out / 257.0 - rgb(40, 50)).mean() < 12
    assert cli("cs", "-", "-m", "ista", "-o", "z.png", stdin=(tmp_path / "y.npz").read_bytes()).returncode == 0
    (tmp_path / "cut.npz").write_bytes((tmp_path / "y.npz").read_bytes()[:400])
    for wrong in ("a.png", "cut.npz", "none.npz"):
        failed = cli("cs", wrong, "-o", "w.png")
        assert failed.returncode == 1 and b"Traceback" not in failed.stderr and not (tmp_path / "w.png").exists()


def test_the_python_call_takes_kernels_and_masks():
    x = rgb()
    missing = np.zeros((60, 72), bool)
    missing[10:14, 10:50] = True
    filled = api.run(x, "inpaint", mask=missing, model="tv")
    assert filled.dtype == np.uint8 and np.array_equal(filled[~missing], x[~missing])
    assert api.run(x, "sr", scale=2, model="bicubic").shape == (120, 144, 3)
    assert api.run(x, "deblur", kernel=kernels.make("disk:2").numpy(), sigma=1.0, model="tv").shape == x.shape
    with pytest.raises(UsageError, match="mask"):
        api.run(x, "inpaint", mask=missing[:5], model="tv")


def test_the_call_changes_masks_as_the_command_does(cli, tmp_path):
    x, missing = rgb(), np.zeros((60, 72), bool)
    missing[10:14, 10:50] = True
    save(tmp_path / "a.png", x)
    save(tmp_path / "m.png", np.uint8(255 * missing))
    for parts, how in (({"grow": 2}, ("--grow", "2")), ({"feather": 3}, ("--feather", "3")), ({"invert": True, "grow": 1}, ("--invert", "--grow", "1"))):
        assert cli("inpaint", "a.png", "--mask", "m.png", *how, "-m", "biharmonic", "-o", "b.png", "--overwrite").returncode == 0
        out = api.run(x, "inpaint", mask=missing, model="biharmonic", **parts)
        assert np.array_equal(out, np.asarray(Image.open(tmp_path / "b.png"))) and not np.array_equal(out, api.run(x, "inpaint", mask=missing, model="biharmonic"))
    with pytest.raises(UsageError, match="whole number"):
        api.run(x, "inpaint", mask=missing, model="biharmonic", grow=1.5)


def test_coding_is_libjpegs(tmp_path):
    for quality in (10, 50, 90):
        x = rgb(64, 72)[..., :1]
        save(tmp_path / "a.jpg", x[..., 0], quality=quality)
        theirs = np.asarray(Image.open(tmp_path / "a.jpg")).astype(float)
        ours = 255 * jpeg.Coding(jpeg.tables(torch.tensor(float(quality))))(torch.from_numpy(x[..., 0] / 255.0)[None, None])[0, 0].numpy()
        assert np.abs(theirs - ours).mean() < 0.2  # libjpeg's transform is in integers
        assert (np.abs(theirs - ours) > 1).mean() < 0.05  # a coefficient at a tie moves all of its block
        assert read(api_header(tmp_path / "a.jpg"))[0] == quality


@pytest.mark.parametrize("subsampling, sampling", [("4:4:4", (1, 1)), ("4:2:2", (1, 2)), ("4:2:0", (2, 2))])
def test_chroma_is_sampled_as_libjpeg_does_and_recovered(subsampling, sampling, tmp_path):
    down, across = np.mgrid[:80, :96] / 10
    clean = np.uint8(127.5 + 90 * np.stack([np.sin(down + across), np.sin(down - 1.3 * across), np.cos(across)], -1))
    save(tmp_path / "a.jpg", clean, quality=30, subsampling=subsampling)
    header, theirs = api_header(tmp_path / "a.jpg"), torch.from_numpy(np.asarray(Image.open(tmp_path / "a.jpg")) / 255.0).permute(2, 0, 1)[None]
    coding, x = jpeg.Coding(read(header)[1]["tables"], tuple(read(header)[1]["sampling"].tolist())), torch.from_numpy(clean / 255.0).permute(2, 0, 1)[None]
    assert coding.sampling == sampling and 255 * float((coding(x) - theirs).abs().mean()) < 1
    if sampling != (1, 1):
        assert 255 * float((jpeg.Coding(coding.tables)(x) - theirs).abs().mean()) > 2 * 255 * float((coding(x) - theirs).abs().mean())
    assert 255 * float((coding.nearest(x, theirs) - x).square().mean().sqrt()) < 0.4  # the truth is among what may have been coded so
    guess = theirs + 0.2 * torch.randn(theirs.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    near = coding.nearest(guess, theirs)
    assert float((near - x).square().mean()) < float((guess - x).square().mean())
    chroma = [torch.nn.functional.avg_pool2d(jpeg.ycc(255 * part)[:, 1:], sampling) for part in (guess, near, x)]
    assert float((chroma[1] - chroma[2]).square().mean()) < 0.98 * float((chroma[0] - chroma[2]).square().mean())
    assert torch.allclose(coding.nearest(near, theirs), near, atol=1e-6)
    unknown = jpeg.ycc(jpeg.Coding(coding.tables).nearest(guess, theirs))[:, 1:]
    assert torch.allclose(unknown, jpeg.ycc(guess)[:, 1:], atol=1e-6)


def api_header(path):
    from restore import io

    with io.open_source(path) as source:
        return source.headers[0]


@pytest.mark.parametrize("how", [("--denoiser", "bm3d"), ()], ids=["denoiser", "network"])
def test_blocks_are_taken_away_and_a_good_jpeg_is_left(how, cli, tmp_path):
    for quality in (10, 95):
        save(tmp_path / f"q{quality}.jpg", rgb(), quality=quality, subsampling=0)
    done = cli("jpeg", "q10.jpg", "q95.jpg", *how, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [row["task"]["quality"] for row in rows] == [10.0, 95.0]
    for quality, most in ((10, 0.9), (95, 1.0)):
        before, after = (np.asarray(Image.open(tmp_path / name)).astype(float) for name in (f"q{quality}.jpg", f"q{quality}.jpeg.png"))
        assert np.mean((after - rgb()) ** 2) <= most * np.mean((before - rgb()) ** 2)
        assert quality == 10 or np.abs(after - before).mean() < 1.5
    save(tmp_path / "a.png", rgb())
    refused = cli("jpeg", "a.png")
    assert refused.returncode == 1 and b"--quality-of" in refused.stderr and not (tmp_path / "a.jpeg.png").exists()


def test_admm_agrees_with_fista():
    """On a lasso, min |A x - y|^2 / 2 + 0.1 |x|_1, both reach the same x."""
    from restore.numerics import solvers

    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(30, 12, dtype=torch.float64, generator=generator)
    y, rho = torch.randn(30, dtype=torch.float64, generator=generator), 20.0
    inverse = torch.linalg.inv(matrix.T @ matrix + rho * torch.eye(12, dtype=torch.float64))
    start = torch.zeros(12, dtype=torch.float64)
    split = solvers.admm(lambda v: inverse @ (matrix.T @ y + rho * v), lambda v: solvers.soft(v, 0.1 / rho), lambda x: x, start, 300)
    rate = 1 / float(torch.linalg.matrix_norm(matrix, 2) ** 2)
    direct = solvers.fista(lambda x: matrix.T @ (matrix @ x - y), lambda x: solvers.soft(x, 0.1 * rate), start, rate, 2000)
    assert torch.allclose(split, direct, atol=1e-6)


def test_a_picture_that_was_coded_keeps_its_tables(cli, tmp_path):
    """degrade --task jpeg writes a .jpg of that quality, which jpeg then reads from it."""
    Image.fromarray((np.indices((64, 64)).sum(0) * 2).astype(np.uint8)).save(tmp_path / "a.png")
    assert cli("degrade", "a.png", "--task", "jpeg", "--quality", "10", "-o", "b.jpg").returncode == 0
    done = cli("jpeg", "b.jpg", "--denoiser", "bm3d", text=True)
    assert done.returncode == 0 and "quality 10, from the tables" in done.stderr


def test_a_coding_that_is_asked_for_is_done_once(cli, tmp_path):
    """A JPEG at that quality itself, whatever its source's chroma; in any other file what a JPEG would show."""
    save(tmp_path / "a.jpg", rgb(), quality=95, subsampling="4:2:0")
    clean = np.asarray(Image.open(tmp_path / "a.jpg"))
    save(tmp_path / "once.jpg", clean, quality=20, subsampling="4:2:0")
    save(tmp_path / "full.jpg", clean, quality=20, subsampling="4:4:4")
    for name in ("b.jpg", "b.webp"):
        assert cli("degrade", "a.jpg", "--task", "jpeg", "--quality", "20", "-o", name).returncode == 0
    once, full, b, webp = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("once.jpg", "full.jpg", "b.jpg", "b.webp"))
    assert np.array_equal(b, once) and np.abs(webp - full).mean() < 0.2


def test_tiles_of_a_subsampled_jpeg_are_the_whole(cli, tmp_path, monkeypatch):
    """The projection on what the file allows sees no further than it says, also where the denoiser is a network."""
    down, across = np.mgrid[:150, :230] / 10
    save(tmp_path / "a.jpg", np.uint8(127.5 + 90 * np.stack([np.sin(down + across), np.sin(down - 1.3 * across), np.cos(across)], -1)), quality=30, subsampling="4:2:0")
    for name, tile in (("whole.tif", ()), ("tiled.tif", ("--tile", "128"))):
        assert cli("jpeg", "a.jpg", "--denoiser", "drunet.tiny", "--depth", "32", "-o", name, *tile).returncode == 0
    whole, tiled = (tifffile.imread(tmp_path / name) for name in ("whole.tif", "tiled.tif"))
    assert np.abs(whole - tiled).max() < 2e-6


def test_richardson_lucy_stops_at_the_noise():
    """The more noise the fewer steps; D x is then as far from y as the noise is; what is decided on parts is kept to."""
    x = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)).repeat_interleave(8, 2).repeat_interleave(8, 3)
    counts = []
    for sigma in (1.0, 4.0, 16.0):
        problem = problem_of(Deblur("gaussian:1.6", sigma), {}, (1, 96, 96))
        y = problem.simulate(x, torch.Generator().manual_seed(1))
        prepared = RichardsonLucy().prepare([y], problem)
        away = (problem.operator(prepared(y, problem)) - y).square().mean().sqrt()
        assert away <= sigma / 255 or prepared.steps == 100
        assert torch.equal(prepared(y, problem), RichardsonLucy()(y, problem))
        counts.append(prepared.steps)
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    with pytest.raises(RestoreError, match="blur"):
        RichardsonLucy()(y, problem_of(SuperResolution(2.0), {}, (1, 192, 192)))


def test_pictures_of_a_batch_do_not_know_of_each_other():
    """Kernels and levels differ; each as it is alone. Kernels of channels differ too."""
    x = scene(40, 44, 3).expand(2, -1, -1, -1)
    generator = torch.Generator().manual_seed(0)
    kernel = torch.rand(2, 1, 5, 5, generator=generator)
    problem = Problem(Blur(kernel / kernel.sum((2, 3), keepdim=True)), Gaussian(torch.tensor([0.002, 0.05]).reshape(2, 1, 1, 1)))
    y = problem.simulate(x, generator)
    for method in (RichardsonLucy(), TV(steps=10), Wiener()):
        both = method(y, problem)
        for one in range(2):
            rows = slice(one, one + 1)
            torch.testing.assert_close(both[rows], method(y[rows], problem.rows(rows)), atol=1e-4, rtol=0)
    one_kernel, y = problem_of(Deblur(kernel="gaussian:1.0", sigma=2.0)), torch.cat([y[:1], 1 - y[:1]])
    torch.testing.assert_close(TV(steps=10)(y, one_kernel)[1:], TV(steps=10)(y[1:], one_kernel), atol=1e-6, rtol=0)
    known = torch.ones(2, 1, 24, 24)
    known[0, :, 10, 10] = 0
    known[1, :, 1:] = 0
    easy = x[:, :1, :24, :24] * known
    torch.testing.assert_close(closed(easy, known, 400)[:1], closed(easy[:1], known[:1], 400), atol=1e-7, rtol=0)
    by_channel = Problem(Blur(torch.rand(1, 3, 5, 5, generator=generator), "circular"), Gaussian(0.01))
    assert TV(steps=2)(x[:1], by_channel).shape == x[:1].shape

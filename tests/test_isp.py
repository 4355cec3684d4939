"""From mosaics to pictures: demosaicing, the steps of a development, colours, DNG there and back, and the command."""

import json
from io import BytesIO

import numpy as np
import pytest
import tifffile
import torch

from restore import io
from restore.commands.isp import isp
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.engine.run import Settings
from restore.errors import UsageError
from restore.image import SPACES, Header, Profile, Sensor
from restore.io import icc
from restore.io.mosaic import Layout
from restore.measure.metrics import psnr
from restore.measure.score import load
from restore.method import Chain
from restore.methods.bilinear import Bilinear
from restore.methods.development import Rendering, Repair, Toned
from restore.methods.malvar import Malvar
from restore.methods.menon import Menon
from restore.numerics import camera, develop
from restore.operators.mosaic import PATTERNS, Mosaic
from restore.operators.noise import NoNoise, Poisson
from restore.operators.problem import Problem, exposed, problem_of
from restore.tasks import Isp

NIKON = (0.9020, -0.2890, -0.0715), (-0.4535, 1.2436, 0.2348), (-0.0934, 0.1919, 0.7086)  # XYZ to camera


def problem(pattern="rggb"):
    return Problem(Mosaic(pattern), NoNoise())


def smooth(height=40, width=52, seed=0):
    """A picture without detail finer than the mosaic's cell, (1, 3, H, W) on [0, 1]."""
    rough = torch.rand(1, 3, height // 16 + 2, width // 16 + 2, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(rough, (height, width), mode="bicubic", align_corners=True).clamp(0, 1)


@pytest.fixture
def headerless(tmp_path):
    """A mosaic of a smooth picture as a file without a header, black 600 and white 15520, and the options that say so."""
    def make(pattern="rggb", x=None, name="shot.raw"):
        y = problem(pattern).simulate(smooth() if x is None else x)[0, 0].numpy()
        (tmp_path / name).write_bytes(np.rint(600 + y * (15520 - 600)).astype("<u2").tobytes())
        return [str(tmp_path / name)], {"raw_size": f"{y.shape[1]}x{y.shape[0]}", "pattern": pattern, "black": 600.0, "white": 15520.0, "wb": "2,1,1.5", "quiet": True}
    return make


@pytest.mark.parametrize("method", [Bilinear(), Malvar(), Menon()], ids=["bilinear", "malvar", "menon"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_demosaicing_keeps_samples_and_slopes(method, pattern):
    down, right = torch.meshgrid(torch.arange(20.0), torch.arange(14.0), indexing="ij")
    x = torch.stack([0.2 + 0.01 * down, 0.3 + 0.02 * right, 0.9 - 0.02 * down - 0.01 * right])[None]
    y = problem(pattern).simulate(x)
    found = method(y, problem(pattern))
    assert torch.allclose(problem(pattern).operator(found), y, atol=1e-6)
    if isinstance(method, Bilinear):
        assert torch.allclose(found[..., 2:-2, 2:-2], x[..., 2:-2, 2:-2], atol=1e-5)
    grey = torch.full((1, 3, 9, 7), 0.4)  # odd sides too
    assert torch.allclose(method(problem(pattern).simulate(grey), problem(pattern)), grey, atol=1e-6)


def test_malvar_has_the_papers_gains():
    """Green at red takes the Laplacian of red with gain 1/2; red at blue that of blue with 3/4."""
    y = torch.zeros(1, 1, 12, 12)
    y[..., 4, 4] = 1.0
    red = Malvar()(y, problem("rggb"))  # (4, 4) is red
    assert float(red[0, 1, 4, 4]) == pytest.approx(0.5) and float(red[0, 2, 4, 4]) == pytest.approx(0.75) and float(red[0, 0, 4, 4]) == 1
    assert float(red[0, 0, 4, 5]) == pytest.approx(0.5) and float(red[0, 0, 5, 5]) == pytest.approx(0.25)
    green = Malvar()(y, problem("grbg"))
    assert float(green[0, 0, 4, 4]) == pytest.approx(0.625) and float(green[0, 2, 4, 4]) == pytest.approx(0.625)


@pytest.mark.data
def test_methods_are_worth_their_filters(data):
    x = load(data / "test/set14/barbara.bmp", 3)[..., :200, :200]
    y = problem().simulate(x)
    first, second, third = (float(psnr(method(y, problem()), x)[0]) for method in (Bilinear(), Malvar(), Menon()))
    assert second > first + 3 and third > second + 1


@pytest.mark.parametrize("method", [Bilinear(), Malvar(), Menon(), Chain(Chain(Repair(), Toned(Menon(), torch.tensor([2.0, 1, 1.5]))), Rendering(torch.tensor([2.0, 1, 1.5]), torch.eye(3), sharpen=1.0))],
                         ids=["bilinear", "malvar", "menon", "development"])
def test_tiles_give_what_the_whole_gives(method):
    y = problem().simulate(torch.rand(1, 3, 47, 61, generator=torch.Generator().manual_seed(1)))
    rows = []
    header = Header(47, 61, 1, np.dtype(np.float32))
    page = Page(lambda top, bottom: y[0, 0, top:bottom, :, None].numpy(), header, method.multiple)
    engine.run(method, problem(), page, lambda top, x: rows.append(x), Settings("cpu", tile=24))
    whole = method(y, problem())
    assert torch.equal(torch.cat(rows, 2)[:, :, :47], whole)


@pytest.mark.parametrize("method", [Malvar(), Menon()], ids=["malvar", "menon"])
def test_a_mosaic_cut_by_a_row_or_a_column_gives_the_same_picture(method):
    y, edge = problem("rggb").simulate(torch.rand(1, 3, 40, 52, generator=torch.Generator().manual_seed(2))), method.tiling(problem()).halo
    whole = method(y, problem("rggb"))
    for down, right in ((1, 0), (0, 1), (1, 1)):
        part = Problem(Mosaic("rggb").shifted(down, right), NoNoise())
        cut = method(y[..., down:, right:], part)
        assert torch.allclose(cut[..., edge:-edge, edge:-edge], whole[..., down:, right:][..., edge:-edge, edge:-edge], atol=1e-5)


def test_hot_and_dead_pixels_are_repaired_and_nothing_else():
    y = problem().simulate(0.4 + 0.2 * smooth())
    assert torch.equal(develop.repair(y), y)
    height, width = y.shape[-2:]
    spoiled, places = y.clone(), [(1, 8), (10, 10), (17, 4), (21, 30), (26, 1), (27, width - 2), (height - 2, 20)]
    for place, value in zip(places, (1.0, 1.0, 0.9, 0.0, 1.0, 0.0, 1.0), strict=True):
        spoiled[(0, 0, *place)] = value
    repaired = develop.repair(spoiled)
    assert (repaired != spoiled).nonzero()[:, 2:].tolist() == [list(place) for place in places]
    assert float((repaired - y).abs().max()) < 0.08
    star = y.clone()
    star[..., 20, 20] = 1.0  # its light falls on the pixels beside it too
    for down, right in develop.BESIDE:
        star[..., 20 + down, 20 + right] += 0.2
    assert float(develop.repair(star)[..., 20, 20]) == 1.0


def test_noise_is_not_taken_for_hot_pixels():
    noisy = Problem(Mosaic("rggb"), Poisson(60.0))
    y = noisy.simulate(0.4 + 0.2 * smooth(), torch.Generator().manual_seed(0))
    spoiled = y.clone()
    spoiled[..., 10, 10] = 1.5
    changed = develop.repair(spoiled, noisy.noise.std) != spoiled
    assert bool(changed[..., 10, 10]) and int(changed.sum()) == 1 < int((develop.repair(y) != y).sum())


@pytest.mark.data
def test_hot_pixels_of_a_real_mosaic(data):
    clean, spoiled = (torch.from_numpy((np.fromfile(data / f"test/raw/nikon/DSC_1339_768x512_{name}.raw", "<u2").astype(np.float32) - 600) / 14920)
                      .reshape(1, 1, 512, 768) for name in ("rggb", "rggb_bpc_test"))
    hot, touched = spoiled > clean, develop.repair(spoiled) != spoiled
    assert int(hot.sum()) == 200 and int((touched & hot).sum()) == 200 and int((touched & (spoiled == clean)).sum()) <= 10


def test_what_one_colour_clips_does_not_turn_magenta():
    gains = torch.tensor([2.0, 1.0, 1.5])
    for light in (1.2, 1.5, 3.0):  # of a white surface, green clips first
        c = (torch.full((1, 3, 1, 1), light) / gains.reshape(1, 3, 1, 1)).clamp_max(1)
        v = develop.balance(c, gains).flatten()
        assert float(v.max() - v.min()) < 0.01 and float(v.min()) >= 0.99
    assert torch.equal(develop.balance(c, gains, rebuild=False), torch.ones(1, 3, 1, 1))
    dull = torch.full((1, 3, 1, 1), 0.3)
    assert torch.allclose(develop.balance(dull, gains).flatten(), 0.3 * gains)


def test_white_stays_white_in_every_space_and_under_every_light():
    forward = ((0.7464, 0.1044, 0.1135), (0.2648, 0.9173, -0.1820), (0.0113, -0.2154, 1.0292))
    warm, cold = Profile(2856.0, NIKON), Profile(6504.0, tuple(tuple(value * 1.1 for value in row) for row in NIKON))
    for profiles in ((), (cold,), (warm, cold), (Profile(2856.0, NIKON, forward), Profile(6504.0, NIKON, forward))):
        sensor = Sensor("rggb", (0.0,) * 4, (1.0,) * 4, profiles=profiles, to_srgb=((1.8, -0.9, 0.1), (-0.2, 1.7, -0.5), (0, -0.5, 1.5)) if not profiles else None)
        for space in SPACES.values():
            rows = camera.matrix(sensor, (0.5, 1.0, 0.7), space).sum(1)
            assert torch.allclose(rows, torch.ones(3, dtype=torch.float64), atol=2e-3)


def test_the_white_of_a_light_is_found_again():
    profiles = (Profile(2856.0, ((1.1, -0.4, -0.1), (-0.4, 1.2, 0.2), (0.0, 0.2, 0.6))), Profile(6504.0, NIKON))
    for light in (camera.D65, camera.D50, (0.44, 0.405)):
        assert camera.white(profiles, camera.neutral_under(profiles, light)) == pytest.approx(light, abs=1e-4)


@pytest.mark.parametrize("name", SPACES)
def test_profiles_are_what_they_say(name):
    """Little CMS takes the primaries of each space to where the numbers say they are in sRGB."""
    from PIL import Image, ImageCms

    profile = ImageCms.ImageCmsProfile(BytesIO(icc.build(SPACES[name])))
    assert SPACES[name].name in ImageCms.getProfileDescription(profile)
    patch = Image.fromarray(np.array([[[200, 120, 60], [90, 90, 90]]], np.uint8))
    seen = np.asarray(ImageCms.profileToProfile(patch, profile, ImageCms.createProfile("sRGB"), renderingIntent=1))
    space, srgb = SPACES[name], SPACES["srgb"]
    code = torch.tensor([200, 120, 60.0], dtype=torch.float64) / 255
    light = code**space.gamma if space.gamma else torch.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    light = torch.linalg.inv(camera.to_xyz(srgb)) @ camera.to_xyz(space) @ light
    assert np.abs(seen[0, 0] - 255 * develop.encoded(light, srgb).numpy()).max() < 1.6 and np.abs(seen[0, 1].astype(int) - 90).max() <= 1


def test_four_patterns_give_one_picture(headerless, tmp_path):
    found = []
    for pattern in PATTERNS:
        files, how = headerless(pattern)
        assert isp(files, noise="none", exposure="0", sharpen=0.0, output=str(tmp_path / f"{pattern}.tif"), **how) == 0
        found.append(tifffile.imread(tmp_path / f"{pattern}.tif").astype(float) / 65535)
    assert found[0].shape == (40, 52, 3) and max(np.abs(one - found[0])[4:-4, 4:-4].mean() for one in found) < 0.01


@pytest.mark.parametrize("largest, white", [(200, 255), (1020, 1023), (4095, 4095), (4096, 16383), (40000, 65535)])
def test_white_is_what_the_bits_of_a_headerless_mosaic_hold(largest, white, tmp_path):
    samples = np.zeros((600, 8), "<u2")
    samples[590, 3] = largest
    (tmp_path / "shot.raw").write_bytes(samples.tobytes())
    with io.open_sensor(tmp_path / "shot.raw", Layout(8, 600)) as source:
        assert source.headers[0].sensor.white == (white,) * 4 and str(white) in source.headers[0].sensor.note
    with io.open_sensor(tmp_path / "shot.raw", Layout(8, 600, white=700.0)) as source:
        assert source.headers[0].sensor.white == (700,) * 4 and not source.headers[0].sensor.note


@pytest.mark.data
def test_the_four_nikon_files_agree(data, tmp_path):
    """They are one crop moved by a pixel: the means of the pictures agree to 1 %, and so does everything that does not move."""
    names = [str(data / f"test/raw/nikon/DSC_1339_768x512_{pattern}.raw") for pattern in PATTERNS]
    how = {"raw_size": "768x512", "black": 600.0, "white": 15520.0, "wb": "1.949,1,1.344", "noise": "none", "linear": True, "quiet": True}
    found = []
    for pattern, name in zip(PATTERNS, names, strict=True):
        assert isp([name], pattern=pattern, output=str(tmp_path / f"{pattern}.tif"), **how) == 0
        found.append(tifffile.imread(tmp_path / f"{pattern}.tif").astype(float))
    means = np.array([one.mean((0, 1)) for one in found])
    assert np.abs(means / means[0] - 1).max() < 0.01


@pytest.mark.parametrize("linear", [False, True])
def test_a_dng_is_read_again_by_others_and_by_us(headerless, tmp_path, linear):
    import rawpy

    files, how = headerless("gbrg", 0.1 + 0.7 * smooth())
    how |= {"noise": "none", "repair": False, "model": "menon" if linear else None, "xyz2cam": ",".join(str(value) for row in NIKON for value in row)}
    assert isp(files, output=str(tmp_path / "out.dng"), linear=linear, **how) == 0
    with io.open_sensor(tmp_path / "out.dng") as source, io.open_sensor(files[0], Layout(52, 40, "gbrg", 600, 15520)) as first:
        header, light = source.headers[0], source.headers[0].sensor.light(source.read(0, 40))
        y = first.headers[0].sensor.light(first.read(0, 40))
    assert header.sensor.pattern == ("" if linear else "gbrg") and header.sensor.neutral == pytest.approx((0.5, 1, 1 / 1.5), abs=1e-4)
    assert np.allclose(header.sensor.profiles[0].colour, NIKON, atol=1e-4)
    kept = problem("gbrg").operator(torch.from_numpy(light).permute(2, 0, 1)[None])[0, 0].numpy() if linear else light[..., 0]
    assert np.abs(kept - y[..., 0]).max() < 2e-5
    with rawpy.imread(str(tmp_path / "out.dng")) as raw:
        assert raw.postprocess(use_camera_wb=True, no_auto_bright=True).shape == (40, 52, 3)
        assert raw.camera_whitebalance[:3] == pytest.approx([2, 1, 1.5], rel=1e-3)
    pictures = []
    for name, given, more in (("a.tif", files, how | {"model": "menon"}), ("b.tif", [str(tmp_path / "out.dng")], {"noise": "none", "repair": False, "model": "menon", "quiet": True})):
        assert isp(given, output=str(tmp_path / name), exposure="0", **more) == 0
        pictures.append(tifffile.imread(tmp_path / name).astype(float) / 65535)
    assert np.abs(pictures[0] - pictures[1]).max() < 2e-3


def test_linear_light_is_not_clipped_and_has_its_profile(headerless, tmp_path):
    files, how = headerless(x=torch.full((1, 3, 16, 16), 0.8))
    assert isp(files, noise="none", linear=True, space="p3", output=str(tmp_path / "out.tif"), **how) == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        page = tiff.pages[0]
        found = page.asarray()
        assert b"l\0i\0n\0e\0a\0r" in page.tags[34675].value
    assert found.dtype == np.float32 and found.max() > 1.2
    assert isp(files, noise="none", linear=True, output=str(tmp_path / "out.exr"), **how) == 0
    assert io.read(tmp_path / "out.exr").samples.max() > 1.2


def test_noise_on_the_mosaic_goes_down(headerless, tmp_path):
    from restore.jobs.isp import denoiser
    from restore.methods.planes import Planes
    from restore.operators.noise import PoissonGaussian

    x = 0.8 * smooth(64, 64)
    for pattern in ("rggb", "gbrg"):
        noisy = Problem(Mosaic(pattern), PoissonGaussian(200.0, 0.01))
        y = noisy.simulate(x, torch.Generator().manual_seed(0))
        clean = Planes(denoiser(1 / 200, 0.01, 1)[0])(y, noisy)
        assert float(psnr(clean, noisy.operator(x))[0]) > float(psnr(y, noisy.operator(x))[0]) + 6


def test_bad_input_says_what_to_type(headerless, tmp_path, capsys):
    files, how = headerless()
    out = str(tmp_path / "out.tif")
    with pytest.raises(UsageError, match="rggb"):
        isp(files, output=out, **(how | {"pattern": "rgbg"}))
    with pytest.raises(UsageError, match="768x512"):
        isp(files, output=out, **(how | {"raw_size": "big"}))
    with pytest.raises(UsageError, match="not above black"):
        isp(files, output=out, **(how | {"white": 600.0}))
    with pytest.raises(UsageError, match="camera, daylight, auto"):
        isp(files, output=out, **(how | {"wb": "sunny"}))
    for wrong in ({"wb": "0,1,1"}, {"noise": "-1,0"}, {"exposure": "200"}, {"sharpen": float("nan")}, {"xyz2cam": "0,0,0,0,0,0,0,0,0"}, {"space": "prophoto"}):
        with pytest.raises(UsageError):
            isp(files, output=out, **(how | wrong))
    with pytest.raises(UsageError, match="floats"):
        isp(files, output=str(tmp_path / "out.jpg"), linear=True, **how)
    assert isp(files, output=out, noise="none", xyz2cam="1,0,0,0,1,0,0,0,-1", **how) == 1 and "that of no light" in capsys.readouterr().err
    (tmp_path / "one.raw").write_bytes(b"ab")
    assert isp([str(tmp_path / "one.raw")], output=out, raw_size="1x1", quiet=True) == 1 and "no cell" in capsys.readouterr().err
    assert isp(files, output=out, **(how | {"raw_size": "50x40"})) == 1
    assert "52" not in capsys.readouterr().err.split("--raw-size")[0].split("samples")[0].split("bytes")[1]
    io.write(tmp_path / "done.png", np.zeros((8, 8, 3), np.uint8))
    assert isp([str(tmp_path / "done.png")], output=out) == 1 and "finished picture" in capsys.readouterr().err
    (tmp_path / "cut.dng").write_bytes(b"II*\0\x08\0\0\0")
    assert isp([str(tmp_path / "cut.dng")], output=out) == 1 and "cut.dng" in (said := capsys.readouterr().err) and "to DNG" not in said
    assert not (tmp_path / "out.tif").exists() and not list(tmp_path.glob(".out*"))


@pytest.mark.data
def test_a_real_dng_says_what_is_in_it(data, tmp_path, capsys):
    file = data / "test/raw/raw_dng_photoprism/canon_eos_6d.dng"
    assert isp([str(file)], dry_run=True, json=True, output=str(tmp_path / "out.tif")) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["channels"] == 3 and said["task"]["pattern"] == "linear" and any("as the file says" in note for note in said["notes"])
    assert said["task"]["peak"] == pytest.approx(1 / 3.28e-5, rel=0.01)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Tiny nets that were not trained, with their cards."""
    from restore import cards
    from restore.tasks import Isp
    from restore.values import Range

    folder = tmp_path_factory.mktemp("weights")
    for name, args in (("deepisp-low", {"width": 8, "depth": 2}), ("deepisp", {"width": 8, "depth": 2}), ("demosaicnet", {"width": 8, "blocks": 1})):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = cards.build(name, args)
        cards.save(cards.Card(name, "tiny", Isp(pattern=None, noise="poisson-gaussian", peak=Range(80, 1e4)), args, licence="none"), net, folder)
    return folder


def test_deepisp_is_what_the_paper_says():
    from restore.methods.deepisp import DeepISP, LowLevel, products

    full, low = DeepISP(Bilinear()), LowLevel(Bilinear())
    assert sum(p.numel() for p in low.parameters()) == (3 * 64 + 19 * 64 * 64 + 64 * 3) * 9 + 20 * 64 + 3
    assert full.dense.out_features == 30
    r, g, b = 0.2, 0.5, 0.7
    assert products(torch.tensor([r, g, b]).reshape(1, 3, 1, 1)).flatten().tolist() == pytest.approx([r, g, b, r * r, r * g, r * b, g * g, g * b, b * b, 1])
    for block in low.blocks.convs:  # every step stays within a tenth
        torch.nn.init.constant_(block.bias, 9.0)
    y = torch.full((1, 1, 16, 16), 0.4)
    with torch.no_grad():
        assert float(low(y, problem())[0, :, 8, 8].max()) <= 0.4 + 21 / 10 + 1e-5


def test_a_network_develops_and_tiles_exactly(networks, headerless, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTORE_WEIGHTS", str(networks))
    files, how = headerless("gbrg", x=0.8 * smooth(150, 140))
    for model, name in (("deepisp-low", "low"), ("deepisp", "full"), ("demosaicnet", "packed")):
        found = []
        for tile in (None, 64):
            out = tmp_path / f"{name}{tile}.tif"
            assert isp(files, model=model, noise="0.001,0.00001", tile=tile, output=str(out), **how) == 0
            found.append(tifffile.imread(out).astype(int))
        assert found[0].shape == (150, 140, 3) and found[0].std() > 500 and np.abs(found[0] - found[1]).max() <= 1
    assert isp(files, model="deepisp-low.tiny", noise="0.05,0.0001", output=str(tmp_path / "x.tif"), **how) == 2  # darker than it was trained for
    assert isp(files, model="deepisp", noise="0.001,0.00001", linear=True, output=str(tmp_path / "x.tif"), **how) == 2


@pytest.fixture
def demosaicnet():
    from restore.methods.demosaicnet import DemosaicNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DemosaicNet(Malvar(), 16, 2).eval().requires_grad_(False)


def test_the_packed_network_sees_all_patterns_alike_and_tiles_exactly(demosaicnet):
    from restore.operators.noise import PoissonGaussian

    y = problem().simulate(torch.rand(1, 3, 90, 102, generator=torch.Generator().manual_seed(4)))
    whole = demosaicnet(y, Problem(Mosaic("rggb"), PoissonGaussian(500.0, 0.01)))
    edge = demosaicnet.tiling(problem()).halo
    for down, right in ((1, 0), (0, 1), (1, 1)):
        cut = demosaicnet(y[..., down:, right:], Problem(Mosaic("rggb").shifted(down, right), PoissonGaussian(500.0, 0.01)))
        assert torch.allclose(cut[..., edge:-edge, edge:-edge], whole[..., down:, right:][..., edge:-edge, edge:-edge], atol=1e-6)
    page = Page(lambda top, bottom: y[0, 0, top:bottom, :, None].numpy(), Header(90, 102, 1, np.dtype(np.float32)), demosaicnet.multiple)
    noisy, rows = Problem(Mosaic("gbrg"), PoissonGaussian(500.0, 0.01)), []
    engine.run(demosaicnet, noisy, page, lambda top, x: rows.append(x), Settings("cpu", tile=2 * edge + 24))
    assert torch.allclose(torch.cat(rows, 2)[:, :, :90], demosaicnet(y, noisy), atol=1e-6)


def test_the_packed_network_is_told_the_noise_and_knows_no_exposure(demosaicnet):
    from restore.operators.noise import PoissonGaussian

    y = problem().simulate(smooth())
    calm, loud = (demosaicnet(y, Problem(Mosaic("rggb"), PoissonGaussian(peak, 0.001))) for peak in (1e9, 100.0))
    assert float((calm - loud).abs().max()) > 1e-4
    dark = demosaicnet(y / 4, Problem(Mosaic("rggb"), PoissonGaussian(400.0, 0.001 / 4)))  # variance a / 4 of x / 4
    assert torch.allclose(4 * dark, loud, atol=1e-5)


def test_weights_that_know_faint_noise_serve_where_there_is_none():
    from restore.tasks import NOISELESS, Isp
    from restore.values import Range

    wide, narrow = (Isp(pattern=None, noise="poisson-gaussian", peak=Range(80, high)) for high in (NOISELESS, 1e4))
    assert wide.covers(Isp("rggb")) and not narrow.covers(Isp("rggb")) and not wide.covers(Isp("linear"))
    assert not Isp("rggb").covers(wide)


def test_low_level_is_a_network_or_an_error(networks, headerless, tmp_path, monkeypatch, capsys):
    files, how = headerless("grbg", x=0.8 * smooth(64, 72))
    how |= {"low_level": True, "noise": "0.001,0.00001"}
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setattr("restore.cards.folders", lambda: [])
    assert isp(files, output=str(tmp_path / "x.tif"), **how) == 1 and "restore train demosaicnet" in capsys.readouterr().err
    monkeypatch.setattr("restore.cards.folders", lambda: [networks])
    assert isp(files, output=str(tmp_path / "x.tif"), **(how | {"json": True})) == 0 and json.loads(capsys.readouterr().out)["model"] == "demosaicnet.tiny"
    for wrong in ({"model": "menon"}, {"output": str(tmp_path / "x.dng")}):
        with pytest.raises(UsageError):
            isp(files, **({"output": str(tmp_path / "y.tif")} | how | wrong))


def test_unprocessed_photographs_look_like_raw():
    from restore.numerics.unprocess import CAMERAS, SHORT, unprocess

    generator = torch.Generator().manual_seed(0)
    grey = torch.full((400, 3, 2, 2), 0.5)
    raw = unprocess(grey, generator).light[..., 0, 0]
    assert raw.min() >= 0 and raw.max() <= 1 and len(CAMERAS) == 4
    red, blue = raw[:, 1] / raw[:, 0], raw[:, 1] / raw[:, 2]  # what white balance has to make good
    assert 1.9 <= float(red.min()) and float(red.max()) <= 2.4 and 1.5 <= float(blue.min()) and float(blue.max()) <= 1.9
    dark = raw[:, 1] < 0.5 * raw[:, 1].max()
    assert 0.4 < float(dark.float().mean()) < 0.6 and float(raw[dark, 1].mean() / raw[~dark, 1].mean()) == pytest.approx(SHORT, rel=0.05)
    assert float(raw[~dark, 1].mean()) == pytest.approx(0.5**2.2 * 0.8, rel=0.05)
    assert float(unprocess(torch.ones(50, 3, 2, 2), generator).light.amax((1, 2, 3)).median()) >= 0.24


def test_noise_of_sensors_is_drawn_as_they_have_it():
    from restore.operators.problem import draw, problem_of
    from restore.tasks import Isp, from_dict
    from restore.values import Range

    task = Isp(pattern=None, noise="poisson-gaussian", peak=Range(80, 1e4))
    drawn = [draw(task, 500, torch.Generator().manual_seed(seed)) for seed in range(8)]
    assert len({one.operator.pattern for one in drawn}) == 4
    noise = drawn[0].noise
    assert 1e-4 * 0.99 <= float(noise.gain.min()) and float(noise.gain.max()) <= 1 / 79
    rest = 2 * noise.sigma.log() - 2.18 * noise.gain.log() - 1.20
    assert abs(float(rest.mean())) < 0.04 and float(rest.std()) == pytest.approx(0.26, rel=0.1)
    assert from_dict(task.to_dict()) == task and task.covers(Isp("gbrg", "poisson-gaussian", 1000.0, 3.0))
    assert not task.covers(Isp("linear", "poisson-gaussian", 1000.0, 3.0)) and not task.covers(Isp("gbrg"))
    assert float(problem_of(Isp(noise="poisson-gaussian", peak=1000.0)).noise.sigma) > 0


@pytest.mark.data
@pytest.mark.parametrize("name", ["demosaicnet", "deepisp-low-fast", "deepisp-fast", "deepisp-low-srgb"])
def test_recipes_run(name, data, tmp_path):
    from dataclasses import replace

    from restore.train import recipes
    from restore.train.run import run_recipe

    few = tmp_path / "pictures"
    few.mkdir()
    for file in sorted((data / "train/photos").iterdir())[20:24]:
        picture = io.read(file)
        io.write(few / f"{file.stem}.png", picture.samples[:64, :64])
    recipe = replace(recipes.find(name), args={"width": 8} | ({"blocks": 1} if name == "demosaicnet" else {"depth": 2}), patch=48, batch=2, data=(str(few),))
    card = run_recipe(recipe, tmp_path / "run", tmp_path / "w", steps=3, device="cpu", compiled=False)
    assert card.path.exists() and card.parts == {} and card.task == recipe.task


# sRGB of the 24 patches of the ColorChecker as its maker publishes them
CHART = """115,82,68 194,150,130 98,122,157 87,108,67 133,128,177 103,189,170 214,126,44 80,91,166 193,90,99 94,60,108 157,188,64 224,163,46
56,61,150 70,148,73 175,54,60 231,199,31 187,86,149 8,133,161 243,243,242 200,200,200 160,160,160 122,122,121 85,85,85 52,52,52"""
CORNERS = ((717, 621), (1254, 617), (701, 933), (1257, 928))  # centres of the first, sixth, 19th and 24th patch in colorchart.dng, as columns and rows


def chart_differences(linear):
    """CIEDE2000 of the 24 patches of a linear picture (H, W, 3) of the chart, its exposure fitted."""
    from restore.measure.metrics import ciede2000
    from restore.numerics.colour import lab

    corners = torch.tensor(CORNERS, dtype=torch.float64).reshape(1, 2, 2, 2).permute(0, 3, 1, 2)
    places = torch.nn.functional.interpolate(corners, (4, 6), mode="bilinear", align_corners=True)[0].reshape(2, 24).T.round().int().tolist()
    patches = torch.tensor(np.array([linear[row - 15 : row + 15, column - 15 : column + 15].mean((0, 1)) for column, row in places]), dtype=torch.float64)
    wanted = torch.tensor([[int(part) for part in patch.split(",")] for patch in CHART.split()], dtype=torch.float64) / 255
    light = torch.where(wanted <= 0.04045, wanted / 12.92, ((wanted + 0.055) / 1.055) ** 2.4)
    found = [develop.encoded(patches * 2**stops * light.mean() / patches.mean(), SPACES["srgb"]) for stops in torch.linspace(-0.5, 0.5, 21).tolist()]
    return min((ciede2000(lab(one.T[None, :, :, None]), lab(wanted.T[None, :, :, None])).flatten() for one in found), key=lambda one: float(one.mean()))


@pytest.mark.data
def test_colours_of_a_chart(data, tmp_path):
    """White balance on the third grey for both; ours by the DNG's matrix and Bradford, LibRaw's by its own way with the same matrix."""
    import rawpy

    file = data / "test/raw/raw_dng_tinydng/colorchart.dng"
    with io.open_sensor(file) as source:
        light = source.headers[0].sensor.light(source.read(0, 1156))[..., 0]
        grey = light[914:944, 910:940]
        gains = [float(grey[1::2, ::2].mean() / part.mean()) for part in (grey[::2, ::2], grey[1::2, ::2], grey[1::2, 1::2])]
    assert isp([str(file)], wb=",".join(map(str, gains)), noise="none", linear=True, exposure="0", output=str(tmp_path / "chart.tif"), quiet=True) == 0
    ours = chart_differences(tifffile.imread(tmp_path / "chart.tif"))
    with rawpy.imread(str(file)) as raw:
        libraw = chart_differences(raw.postprocess(user_wb=[*gains, 1.0], gamma=(1, 1), no_auto_bright=True, output_bps=16).astype(float) / 65535)
    print(f"mean CIEDE2000 of 24 patches: ours {ours.mean():.2f}, LibRaw {libraw.mean():.2f}; worst {ours.max():.1f}, {libraw.max():.1f}")
    assert float(ours.mean()) < 6 and float(ours.mean()) < float(libraw.mean()) + 0.5


def test_ciede2000_is_that_of_the_standard():
    from skimage.color import deltaE_ciede2000

    from restore.measure.metrics import ciede2000

    pairs = torch.rand(2, 3, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * torch.tensor([100.0, 200, 200]).reshape(3, 1) - torch.tensor([0.0, 100, 100]).reshape(3, 1)
    assert np.allclose(ciede2000(pairs[:1], pairs[1:])[0].numpy(), deltaE_ciede2000(pairs[0].T.numpy(), pairs[1].T.numpy()), atol=1e-9)
    sharma = torch.tensor([[50, 2.6772, -79.7751], [50, 0, -82.7485]], dtype=torch.float64)[:, :, None]
    assert float(ciede2000(sharma[:1], sharma[1:])) == pytest.approx(2.0425, abs=1e-4)


def test_orientation_and_exif_go_with_the_picture(headerless, tmp_path, monkeypatch):
    """A DNG turned by its tag: samples stay as they lie, the tag is kept where the format has one, and applied where it has none."""
    from dataclasses import replace

    from restore.io import exif
    from restore.io.mosaic import HeaderlessSource

    files, how = headerless(x=0.8 * smooth())
    block = exif.build("<", {271: (2, 6, b"Maker\0"), 272: (2, 6, b"Model\0"), exif.EXIF: {33434: (5, 1, (1).to_bytes(4, "little") + (60).to_bytes(4, "little"))}})
    made = HeaderlessSource.__init__

    def turned(self, *given):
        made(self, *given)
        self.headers = [replace(self.headers[0], orientation=6, exif=exif.with_orientation(block, 6))]

    monkeypatch.setattr(HeaderlessSource, "__init__", turned)
    assert isp(files, noise="none", output=str(tmp_path / "turned.dng"), **how) == 0
    monkeypatch.undo()
    with io.open_sensor(tmp_path / "turned.dng") as source:
        header = source.headers[0]
        assert (header.orientation, header.height, header.width, header.sensor.camera) == (6, 40, 52, "unknown camera")
    for name in ("out.tif", "out.jpg"):
        assert isp([str(tmp_path / "turned.dng")], noise="none", output=str(tmp_path / name), quiet=True) == 0
        with io.open_source(tmp_path / name) as source:
            header = source.headers[0]
            order, directory = exif.parse(header.exif)
            assert (header.orientation, header.width) == (6, 52) and directory[271][2] == b"Maker\0" and 33434 in directory[exif.EXIF] and header.icc
    assert isp([str(tmp_path / "turned.dng")], noise="none", linear=True, output=str(tmp_path / "out.exr"), quiet=True) == 0
    assert io.read(tmp_path / "out.exr").samples.shape == (52, 40, 3)


def test_other_mosaics_go_through_libraw_and_say_so(headerless, tmp_path, monkeypatch):
    """The same samples, their cell of 6 x 6 that of an X-Trans sensor."""
    import struct

    from restore.io.dngwrite import DngSink

    files, how = headerless(x=torch.full((1, 3, 516, 528), 0.4))  # LibRaw takes none under 512
    own, cell = DngSink._directory, bytes(["rgb".index(colour) for colour in "gbggrg" "rgrbgb" "gbggrg" "grggbg" "bgbrgr" "grggbg"])
    monkeypatch.setattr(DngSink, "_directory", lambda self: own(self) | {33421: (3, 2, struct.pack("<HH", 6, 6)), 33422: (1, 36, cell)})
    assert isp(files, noise="none", repair=False, output=str(tmp_path / "x.dng"), **how) == 0
    with io.open_sensor(tmp_path / "x.dng") as source:
        header = source.headers[0]
        assert header.channels == 3 and header.sensor.pattern == "" and "LibRaw" in header.sensor.note and "6 x 6" in header.sensor.note
        assert np.abs(header.sensor.light(source.read(0, 516))[8:-8, 8:-8] - 0.4).max() < 0.01


def test_through_pipes(cli, headerless, tmp_path):
    files, how = headerless(x=0.8 * smooth())
    done = cli("isp", "-", "--raw-size", "52x40", "--black", "600", "--white", "15520", "--noise", "none", "--quiet", stdin=(tmp_path / "shot.raw").read_bytes())
    assert done.returncode == 0 and tifffile.imread(BytesIO(done.stdout)).shape == (40, 52, 3)


def test_the_call_gives_colours_for_a_mosaic():
    import restore

    x = smooth()
    y = problem("gbrg").simulate(x)
    found = restore.run(y[0, 0].numpy(), "isp", pattern="gbrg", model="menon")
    assert found.shape == (40, 52, 3) and torch.allclose(torch.from_numpy(found).permute(2, 0, 1), Menon()(y, problem("gbrg"))[0], atol=1e-6)
    assert restore.run(y, "isp", pattern="gbrg").shape == x.shape and restore.run(y[0, 0], "isp", pattern="gbrg", model="bilinear").shape == x.shape[1:]
    assert restore.run(np.uint8([[0, 255], [9, 9]]), sigma=5.0, model="bm3d").shape == (2, 2)


def test_a_folder_is_developed_file_by_file(headerless, tmp_path, networks, monkeypatch, capsys):
    """Camera files alone are taken from it; one that is broken does not stop the others. A mosaic is denoised though a network that demosaics is there."""
    monkeypatch.setenv("RESTORE_WEIGHTS", str(networks))
    noisy = (0.4 + 0.2 * smooth(64, 64) + 0.05 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    files, how = headerless(x=noisy)
    folder = tmp_path / "shots"
    folder.mkdir()
    for name, noise in (("a.dng", "none"), ("b.dng", "0,0.0025")):
        assert isp(files, noise=noise, repair=False, output=str(folder / name), **how) == 0
    with io.open_sensor(folder / "a.dng") as first, io.open_sensor(folder / "b.dng") as second:
        spread = [source.headers[0].sensor.light(source.read(0, 64))[..., 0].std() for source in (first, second)]
    assert spread[1] < 0.9 * spread[0]
    (folder / "cut.dng").write_bytes((folder / "a.dng").read_bytes()[:3000])
    io.write(folder / "done.png", np.zeros((8, 8, 3), np.uint8))
    assert isp([str(folder)], noise="none", output=str(tmp_path / "out/"), quiet=True) == 1
    assert "cut.dng" in capsys.readouterr().err and {path.name for path in (tmp_path / "out").iterdir()} == {"a.tif", "b.tif"}


def test_a_format_names_the_files_too(headerless, tmp_path):
    files, how = headerless(x=0.8 * smooth())
    assert isp(files, noise="none", format="jpeg", output=f"{tmp_path}/out/", **how) == 0
    assert isp(files, noise="none", format="png", **how) == 0
    assert (tmp_path / "out/shot.jpg").read_bytes()[:2] == b"\xff\xd8" and (tmp_path / "shot.isp.png").read_bytes()[1:4] == b"PNG"
    assert isp(files, noise="none", format="dng", output=f"{tmp_path}/out/", **how) == 0 and (tmp_path / "out/shot.dng").exists()
    with pytest.raises(UsageError, match="two formats"):
        isp(files, noise="none", format="jpeg", output=str(tmp_path / "out.tif"), **how)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_picture_made_a_mosaic_is_developed_back(pattern, tmp_path):
    from restore.commands.degrade import degrade

    x = 0.05 + 0.9 * smooth(64, 80)
    io.write(tmp_path / "x.png", (255 * x[0]).round().byte().permute(1, 2, 0).numpy())
    assert degrade([str(tmp_path / "x.png")], task="isp", pattern=pattern, output=str(tmp_path / "shot.dng"), quiet=True) == 0
    assert isp([str(tmp_path / "shot.dng")], model="bilinear", noise="none", curve="plain", exposure="0", sharpen=0.0, output=str(tmp_path / "back.png"), quiet=True) == 0
    back = torch.from_numpy(io.read(tmp_path / "back.png").pixels).permute(2, 0, 1)[None]
    assert float(psnr(back, x)[0]) > 40


def test_a_noisy_mosaic_says_how_noisy_it_is(tmp_path):
    from restore.commands.degrade import degrade

    io.write(tmp_path / "x.png", np.full((40, 50), 128, np.uint8))  # grey pictures too
    shots = []
    for name, how in (("a", {"peak": "400", "sigma": "2"}), ("b", {"sigma": "2"}), ("c", {})):
        assert degrade([str(tmp_path / "x.png")], task="isp", output=str(tmp_path / f"{name}.dng"), quiet=True, **how) == 0
        with io.open_sensor(tmp_path / f"{name}.dng") as source:
            header = source.headers[0]
            shots.append((header.sensor, header.sensor.light(source.read(0, 40))[..., 0]))
    (loud, y), (calm, _), (clean, still) = shots
    assert loud.noise[0] == pytest.approx((1 / 400, (2 / 255) ** 2)) and calm.noise[0][1] == loud.noise[0][1] and clean.noise is None
    green = still[0, 1]
    assert float(y[::2, 1::2].var()) == pytest.approx(green / 400 + (2 / 255) ** 2, rel=0.2) and np.ptp(still[::2, 1::2]) == 0
    for wrong in ({"pattern": "rgbg"}, {"output": str(tmp_path / "y.png")}, {"peak": "-3"}, {"sigma": "lots"}):
        with pytest.raises(UsageError):
            degrade([str(tmp_path / "x.png")], task="isp", **({"output": str(tmp_path / "y.dng")} | wrong))


def test_colours_are_demosaiced_where_they_are_balanced():
    """Of a scene in grey nothing but grey comes, though the sensor sees its colours unlike; and what is darker than black stays so."""
    neutral = torch.tensor([0.5, 1.0, 0.6]).reshape(1, 3, 1, 1)
    grey = smooth()[:, :1].expand(-1, 3, -1, -1)
    found = Toned(Malvar(), 1 / neutral.flatten())(problem().simulate(grey * neutral), problem()) / neutral
    assert float(found.std(1).mean()) < 0.6 * float((Malvar()(problem().simulate(grey * neutral), problem()) / neutral).std(1).mean())
    light = torch.linspace(-0.2, 2, 200, dtype=torch.float64)
    assert torch.allclose(develop.untoned(develop.toned(light)), light) and torch.allclose(develop.untoned(develop.toned(light, 0.1), 0.1), light)


def test_what_the_curve_takes_from_noisy_shadows_is_given_back():
    """A demosaicing that averages all there is finds the light that was there, be it of ten photons."""
    from restore.method import Method
    from restore.operators.noise import PoissonGaussian

    class Average(Method):
        channels = 1
        level = None

        def restore(self, y, problem):
            self.level = problem.noise.std(y)
            return Bilinear()(y, problem).mean((2, 3), keepdim=True).expand(-1, -1, *y.shape[2:])

    inner, gains = Average(), torch.tensor([2.0, 1.0, 1.6])
    for photons in (10.0, 60.0):
        noisy = Problem(Mosaic("rggb"), PoissonGaussian(200.0, 0.006))
        scene = torch.full((1, 3, 128, 128), photons / 200) / gains.reshape(1, 3, 1, 1)
        y = noisy.simulate(scene, torch.Generator().manual_seed(0))
        found = Toned(inner, gains, noisy=True)(y, noisy)
        assert torch.allclose(found, scene, rtol=0.03)
        assert float(inner.level[..., ::2, ::2].std() / inner.level[..., ::2, ::2].mean()) < 0.1  # nearly the same everywhere


@pytest.mark.parametrize("pattern", PATTERNS)
def test_greens_that_differ_are_levelled(pattern):
    y, (row, column) = problem(pattern).simulate(0.2 + 0.5 * smooth(64, 64)), divmod(pattern.rindex("g"), 2)
    uneven = y.clone()
    uneven[..., row::2, column::2] *= 0.98
    kept, level = (Repair()(part, problem(pattern)) for part in (y, uneven))
    assert float((kept - y).abs().max()) < 0.025 * float(y.max()) and float((kept - y).abs().mean()) < 0.004
    assert torch.allclose(level[..., row::2, column::2] / level[..., 1 - row :: 2, 1 - column :: 2], kept[..., row::2, column::2] / kept[..., 1 - row :: 2, 1 - column :: 2], rtol=0.021)
    grey = torch.full((1, 1, 30, 30), 0.5)
    grey[..., row::2, column::2] = 0.49
    assert float(Repair()(grey, problem(pattern))[..., row::2, column::2].mean()) == pytest.approx((0.5 * 0.49) ** 0.5, abs=1e-4)
    slope = torch.linspace(0.2, 0.8, 60).expand(1, 1, 60, 60)  # no slope is taken for unlike greens
    assert torch.allclose(Repair()(slope, problem(pattern))[..., 10:-10, 10:-10], slope[..., 10:-10, 10:-10], atol=1e-5)


def test_libraw_stands_beside_ours():
    """Its bilinear interpolation is ours, whatever the pattern, in 16 bits, noise below black and above white kept."""
    from restore.bench.peers import LibRaw

    for pattern in PATTERNS:
        y = problem(pattern).simulate(1.2 * smooth() - 0.01)
        theirs, ours = (method(y, problem(pattern)) for method in (LibRaw("LINEAR"), Bilinear()))
        assert float((theirs - ours)[..., 2:-2, 2:-2].abs().max()) < 1e-3
    with pytest.raises(UsageError, match="AHD"):
        LibRaw("AHDD")(y, problem())


@pytest.mark.data
def test_the_bench_of_raw_photographs(data, networks, monkeypatch, capsys):
    from restore.commands.bench import bench

    monkeypatch.setenv("RESTORE_WEIGHTS", str(networks))
    assert bench("raw", every=10, sigmas="500", methods="malvar,demosaicnet,deepisp", json=True) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["method"] for row in rows] == ["malvar"] * 2 + ["demosaicnet"] * 2 + ["deepisp"] * 2
    assert all(0 < row["ciede"] < 60 and (row["method"] == "deepisp" or 25 < row["psnr"] < 60) for row in rows)


@pytest.mark.data
def test_no_training_sees_what_is_held(data):
    from restore.measure import sets
    from restore.train.data import gather
    from restore.train.recipes import RECIPES

    held = set(sets.find("held").files())
    assert len(held) > 15
    for names in {recipe.data for recipe in RECIPES.values() if set(recipe.data) <= {"bsds", "photos", "research", "photos_stated"}}:
        files = [file for name in names for file in sets.find(name).files()]
        assert names in (("photos",), ("research",)) or not held & (set(files) - sets.kept(files)), names
    others = [file for file in sets.find("research").files() if file not in held]
    pool, kept, _ = gather([(file,) for file in [*sorted(held)[:3], *others[:3]]], 3, 64, 0)
    assert len(kept) >= 3 and len(pool) + len(kept) == 6


def test_after_the_white_balance_noise_is_of_the_same_kind():
    before, gains, x = problem_of(Isp("grbg", "poisson-gaussian", 500.0, 2.0)), torch.tensor([2.0, 1.0, 1.5]).reshape(1, 3, 1, 1), 0.1 + 0.8 * smooth()
    after, gain = exposed(before, gains, torch.eye(3)[None], x), before.operator.gain(x, gains)
    assert set(gain.unique().tolist()) == {1.0, 1.5, 2.0} and torch.equal(gain, before.operator(gains.expand_as(x)))
    torch.testing.assert_close(after.noise.std(gain * before.operator(x)), gain * before.noise.std(before.operator(x)))
    y = torch.cat([after.simulate(gains * x, torch.Generator().manual_seed(seed)) for seed in range(400)])
    torch.testing.assert_close(y.mean(0), (gain * before.operator(x))[0], atol=0.03, rtol=0)
    assert float((y.std(0) / after.noise.std(gain * before.operator(x))).mean()) == pytest.approx(1, abs=0.01)


def test_white_balance_exposure_and_matrix_reach_networks_that_finish(networks, headerless, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTORE_WEIGHTS", str(networks))
    files, how = headerless()

    def picture(**more):
        assert isp(files, model="deepisp", noise="0.001,0.00001", output=str(tmp_path / "x.tif"), overwrite=True, **how | more) == 0
        return tifffile.imread(tmp_path / "x.tif").astype(float)
    plain, blue = picture(wb="2,1,1.5", exposure="0"), picture(wb="1,1,3", exposure="0")
    assert blue[..., 2].mean() > plain[..., 2].mean() and blue[..., 0].mean() < plain[..., 0].mean()
    dark, light = (picture(exposure=stops) for stops in ("-3", "-1"))
    assert light.mean() > 1.5 * dark.mean()
    to_rgb = torch.linalg.inv(camera.to_xyz(SPACES["srgb"])).numpy()
    dull, vivid = (picture(xyz2cam=",".join(str(value) for value in (((1 - share) * np.eye(3) + share / 3) @ to_rgb).flatten())) for share in (0.1, 0.5))
    assert vivid.std(-1).mean() > 1.2 * dull.std(-1).mean()  # the more a camera's colours overlap, the more they are drawn apart


def test_levels_and_sizes_that_do_not_fit_are_refused(headerless, tmp_path, capsys):
    files, how = headerless()
    dark = tmp_path / "dark.raw"
    dark.write_bytes(np.full(16 * 16, 77, "<u2").tobytes())
    plain = {"raw_size": "16x16", "quiet": True, "output": str(tmp_path / "x.tif")}
    assert isp([str(dark)], black=600.0, **plain) == 1 and "black is said to be 600" in capsys.readouterr().err
    twice = how | {"raw_size": "104x40", "output": str(tmp_path / "x.tif")}
    assert isp(files, **twice) == 1 and "8 bits" in capsys.readouterr().err
    for wrong in ({"black": float("nan")}, {"white": float("inf")}):
        with pytest.raises(UsageError):
            isp([str(dark)], **plain | wrong)
    assert not (tmp_path / "x.tif").exists()


def test_options_that_would_do_nothing_are_refused(headerless, tmp_path):
    files, how = headerless()
    for wrong in ({"linear": True, "format": "png"}, {"linear": True, "format": "jpeg"}, {"linear": True, "depth": "16"}, {"match_embedded": True, "exposure": "1"},
                  {"match_embedded": True, "curve": "plain"}, {"model": "menon", "output": str(tmp_path / "x.dng")}):
        with pytest.raises(UsageError):
            isp(files, **how | wrong)
    tone = ({"curve": "plain"}, {"sharpen": 0.0}, {"match_embedded": True})
    for output, wrongs in (("x.dng", (*tone, {"exposure": "0"}, {"space": "p3"}, {"highlights": "clip"}, {"depth": "8"})), ("x.tif", tone)):
        for wrong in wrongs:
            with pytest.raises(UsageError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
                isp(files, output=str(tmp_path / output), linear=True, **how | wrong)
            if output == "x.dng":
                with pytest.raises(UsageError):
                    isp(files, output=str(tmp_path / output), **how | wrong)
    for wrong in ({"pattern": "gbrg"}, {"black": 5000.0}, {"white": 6000.0}):
        with pytest.raises(UsageError, match="raw-size"):
            isp(files, **wrong)
    assert isp(files, **how) == 0 and (tmp_path / "shot.isp.tif").exists()


def test_what_is_no_light_is_told_of_in_exr(headerless, tmp_path, capsys):
    from restore.commands.denoise import denoise

    files, how = headerless()
    how |= {"quiet": False, "noise": "none"}
    for linear in (True, False):
        assert isp(files, linear=linear, output=str(tmp_path / f"{linear}.exr"), **how) == 0
        assert ("holds linear light" in capsys.readouterr().err) != linear
    assert isp(files, output=str(tmp_path / "x.dng"), **how) == 0 and denoise([str(tmp_path / "x.dng")], model="bm3d", sigma="5", output=str(tmp_path / "x.exr")) == 0
    assert "holds linear light" in capsys.readouterr().err


def test_light_in_exr_says_whose_it_is(headerless, tmp_path):
    oiio = pytest.importorskip("OpenImageIO")
    files, how = headerless()
    for space, wanted in (("srgb", 0.64), ("p3", 0.68)):
        assert isp(files, linear=True, space=space, output=str(tmp_path / f"{space}.exr"), **how) == 0
        spec = oiio.ImageInput.open(str(tmp_path / f"{space}.exr")).spec()
        assert spec.getattribute("chromaticities")[0] == pytest.approx(wanted, abs=1e-6)


def test_long_notes_of_the_maker_do_not_stop_a_jpeg(tmp_path):
    from restore.io import exif

    sensor = Sensor("rggb", (1000.0,) * 4, (60000.0,) * 4, (0.5, 1.0, 0.6), camera="a camera", noise=((1e-5, 1e-6),) * 3)
    block = exif.build("<", {271: (2, 6, b"Maker\0"), exif.EXIF: {33434: (5, 1, (1).to_bytes(4, "little") + (50).to_bytes(4, "little")), exif.NOTE: (7, 70000, bytes(70000))}})
    with io.open_sink(tmp_path / "a.dng", Header(32, 32, 1, np.dtype(np.uint16), format="dng", sensor=sensor, exif=block), format="dng") as sink:
        sink.write(np.full((32, 32, 1), 0.3, np.float32))
    with io.open_sensor(tmp_path / "a.dng") as source:
        assert len(source.headers[0].exif) > 65536
    assert isp([str(tmp_path / "a.dng")], output=str(tmp_path / "a.jpg"), quiet=True) == 0
    order, directory = exif.parse(io.read(tmp_path / "a.jpg").header.exif)
    assert directory[271][2].startswith(b"Maker") and 33434 in directory[exif.EXIF] and exif.NOTE not in directory[exif.EXIF]


def test_what_is_white_stays_white():
    """Snow, a blown out sky: no exposure makes grey of what is brightest."""
    scene = torch.full((1, 3, 40, 40), 0.3)
    scene[..., :24, :] = 1.0
    assert float(develop.exposure(scene)) == pytest.approx(1.0)
    assert float(develop.exposure(torch.full((1, 3, 8, 8), 0.8))) == pytest.approx(1.0)
    assert float(develop.exposure(torch.full((1, 3, 8, 8), 0.02))) == pytest.approx(9, rel=0.01)


@pytest.mark.data
def test_damaged_samples_are_not_developed(data, tmp_path, capsys):
    file = next(path for path in sorted((data / "test/raw").rglob("*6d*.dng")))
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 2000] = bytes(2000)
    (tmp_path / "hurt.dng").write_bytes(whole)
    assert isp([str(tmp_path / "hurt.dng")], output=str(tmp_path / "x.tif"), quiet=True) == 1 and not (tmp_path / "x.tif").exists()
    assert "hurt.dng" in capsys.readouterr().err


def test_a_network_may_be_asked_for_cleaner_light_than_it_was_trained_for_not_for_darker():
    from restore.tasks import Denoise
    from restore.values import Range

    trained = Isp(pattern=None, noise="poisson-gaussian", peak=Range(80, 1e4))
    assert trained.admits(Isp("rggb", "poisson-gaussian", 3e4, 0.1)) and trained.admits(Isp("rggb")) and not trained.covers(Isp("rggb", "poisson-gaussian", 3e4, 0.1))
    assert not trained.admits(Isp("rggb", "poisson-gaussian", 20.0, 0.1)) and not trained.admits(Isp("linear")) and not trained.admits(Denoise(sigma=3.0))

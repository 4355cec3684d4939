"""Tomography: projections against integrals known in closed form, reconstructions, centres, low-dose slices, and the command."""

import json
import math

import numpy as np
import pytest
import torch

pytest.importorskip("pydicom")
h5py = pytest.importorskip("h5py")

from restore.errors import RestoreError  # noqa: E402
from restore.estimate import center, hounsfield  # noqa: E402
from restore.image import Geometry, Scan, ScanHeader  # noqa: E402
from restore.io.scans import read_scan  # noqa: E402
from restore.jobs import ct, lowdose  # noqa: E402
from restore.measure import hounsfield as measure  # noqa: E402
from restore.methods.cgls import CGLS  # noqa: E402
from restore.methods.fbp import FBP  # noqa: E402
from restore.methods.sirt import SIRT  # noqa: E402
from restore.methods.tv import TV  # noqa: E402
from restore.methods.waveletct import WaveletCT  # noqa: E402
from restore.numerics import contourlets  # noqa: E402
from restore.numerics.body import body  # noqa: E402
from restore.operators.noise import NoNoise, Transmission  # noqa: E402
from restore.operators.problem import Problem  # noqa: E402
from restore.operators.projection import Projection  # noqa: E402
from restore.operators.ramp import WINDOWS, HalfRamp, shares  # noqa: E402
from restore.tasks import LowDose  # noqa: E402

SIDE = 96
PARALLEL = Geometry(tuple(np.arange(0, 180, 1.5)), 137)
FAN = Geometry(tuple(np.arange(0, 360, 2.0)), 160, 1.6, 200.0, 300.0)


def disk(u=12.0, v=-7.0, radius=20.0, oversample=8):
    """A disk of 1/mm, pixels of 1 mm, antialiased."""
    line = (torch.arange(SIDE * oversample) + 0.5) / oversample - SIDE / 2
    fine = ((line[None] - u) ** 2 + (-line[:, None] - v) ** 2 < radius**2).float()
    return torch.nn.functional.avg_pool2d(fine[None, None], oversample)


def blob(u=12.0, v=-7.0, width=6.0):
    """A Gaussian of 1/mm at its peak, pixels of 1 mm."""
    line = torch.arange(SIDE) - (SIDE - 1) / 2
    return torch.exp(-((line[None] - u) ** 2 + (-line[:, None] - v) ** 2) / (2 * width**2))[None, None]


def shadow(geometry, u=12.0, v=-7.0, width=6.0):
    """The line integrals of that blob, by geometry alone."""
    angles = torch.tensor(geometry.angles, dtype=torch.float64).deg2rad()[:, None]
    place = (torch.arange(geometry.detectors, dtype=torch.float64) - ((geometry.detectors - 1) / 2 if geometry.center is None else geometry.center))[None]
    s = place * geometry.pitch / geometry.magnification
    slope = s / geometry.source if geometry.fan else torch.zeros_like(s)
    a, b = angles.cos() - slope * angles.sin(), angles.sin() + slope * angles.cos()
    distance = (a * u + b * v - s) / torch.hypot(a, b)
    return width * math.sqrt(2 * math.pi) * torch.exp(-(distance**2) / (2 * width**2))


@pytest.mark.parametrize("geometry", [PARALLEL, FAN, PARALLEL.replace(center=60.3), FAN.replace(center=83.0)], ids=["parallel", "fan", "parallel off", "fan off"])
def test_a_blob_casts_the_shadow_that_geometry_says(geometry):
    y, exact = Projection(geometry, SIDE, 1.0)(blob())[0, 0].double(), shadow(geometry)
    assert float((y - exact).norm() / exact.norm()) < 0.005


@pytest.mark.parametrize("geometry", [PARALLEL, FAN, PARALLEL.replace(center=66.0)], ids=["parallel", "fan", "off centre"])
@pytest.mark.parametrize("window", WINDOWS)
def test_fbp_gives_the_disk_back(geometry, window):
    operator = Projection(geometry, SIDE, 1.0)
    x = FBP(window)(operator(disk()), Problem(operator, NoNoise()))
    flat = (disk(radius=16.0) == 1) & (disk() == 1)
    assert abs(float(x[flat].mean()) - 1) < 0.01
    assert float((x - disk()).square().mean().sqrt()) < (0.13 if window in ("hann", "cosine") else 0.1)


@pytest.mark.parametrize("geometry", [PARALLEL, FAN], ids=["parallel", "fan"])
def test_half_the_ramp_makes_the_identity(geometry):
    operator = HalfRamp(geometry, 1.0) @ Projection(geometry, SIDE, 1.0)
    assert float((operator.adjoint(operator(blob())) - blob()).norm() / blob().norm()) < 0.1


def test_tv_fills_what_fbp_leaves_of_few_views():
    few = PARALLEL.replace(angles=PARALLEL.angles[:40])  # of 60 degrees
    y = Projection(few, SIDE, 1.0)(0.02 * disk())
    y = y + 0.01 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    plain = ct.fbp(y, few, SIDE, 1.0, "ramp")
    clean = ct.reconstruct(y, few, SIDE, 1.0, TV(), True, ct.Settings(), ct.Report())
    assert plain.shape == clean.shape == (1, 1, SIDE, SIDE)
    errors = [float((x - 0.02 * disk()).square().mean().sqrt()) for x in (plain, clean)]
    assert errors[1] < 0.8 * errors[0]


def test_iterations_approach_the_disk_and_hold_its_mass():
    operator = Projection(PARALLEL.replace(angles=PARALLEL.angles[::4]), SIDE, 1.0)
    problem, y = Problem(operator, NoNoise()), operator(disk())
    errors = [float((SIRT(steps)(y, problem) - disk()).square().mean().sqrt()) for steps in (5, 40)]
    assert errors[1] < 0.6 * errors[0] and errors[1] < 0.1
    few, more = (float((operator(CGLS(steps)(y, problem)) - y).norm() / y.norm()) for steps in (3, 12))
    assert more < 0.3 * few and more < 0.02
    assert float(SIRT(5)(y, problem).min()) >= 0


def test_shares_of_views():
    assert torch.allclose(shares(tuple(range(180)), 180.0), torch.full((180,), math.pi / 180, dtype=torch.float64))
    both = shares((*range(0, 361, 2),), 360.0)  # the first view comes again at the end
    assert float(both.sum()) == pytest.approx(2 * math.pi) and float(both[0] + both[-1]) == pytest.approx(math.radians(2))
    limited = shares(tuple(range(60)), 180.0)
    assert float(limited.sum()) == pytest.approx(math.radians(61), abs=0.02)


@pytest.mark.parametrize(("arc", "center"), [(360, None), (300, None), (220, 83.0), (200, None)])
def test_a_short_scan_is_as_bright_as_a_full_one(arc, center):
    """Half a turn and the fan see every line once or twice; a disk off the axis."""
    down, across = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    x = torch.from_numpy(((down - 8) ** 2 + (across - 5) ** 2 < (0.25 * SIDE) ** 2) * 0.02)[None, None]
    geometry = FAN.replace(angles=tuple(20 - np.arange(arc) * 1.0), center=center)
    operator = Projection(geometry, SIDE, 1.0)
    got = FBP()(operator(x), Problem(operator, NoNoise()))
    inside = torch.from_numpy((down - 8) ** 2 + (across - 5) ** 2 < (0.2 * SIDE) ** 2)
    assert float(got[0, 0][inside].mean()) == pytest.approx(0.02, rel=2e-3) and float((got[0, 0][inside] - 0.02).abs().mean()) < 4e-4


@pytest.mark.parametrize("geometry", [PARALLEL.replace(angles=tuple(np.arange(0, 360, 1.5)), detectors=80, center=12.0), PARALLEL.replace(angles=tuple(-np.arange(0, 360, 1.5)), detectors=80, center=67.5),
                                      FAN.replace(detectors=100, center=15.0), FAN.replace(center=84.0)], ids=["parallel", "parallel backwards", "fan", "fan a little"])
def test_a_detector_to_one_side_of_the_axis_is_enough_for_a_full_turn(geometry):
    """What only one side sees counts twice, and what the ramp does beyond the near end is not cut off: as good as a detector in the middle."""
    middle = geometry.replace(detectors=160, center=None)
    got = {}
    for name, one in (("aside", geometry), ("middle", middle)):
        operator = Projection(one, SIDE, 1.0)
        got[name] = FBP()(operator(disk()), Problem(operator, NoNoise()))
    flat = (disk(radius=16.0) == 1) & (disk() == 1)
    assert abs(float(got["aside"][flat].mean()) - 1) < 0.01
    assert float((got["aside"] - disk()).square().mean().sqrt()) < 1.05 * float((got["middle"] - disk()).square().mean().sqrt())


def test_views_that_share_work_are_what_they_are_alone():
    x = torch.rand(1, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for geometry in (PARALLEL, FAN):
        together = Projection(geometry, SIDE, 1.0)(x)
        for view in (0, 7, 61, 100):
            alone = Projection(geometry.replace(angles=(geometry.angles[view],)), SIDE, 1.0)(x)
            assert torch.allclose(together[:, :, view : view + 1], alone, atol=1e-8)


def test_transmission_noise_has_the_spread_that_it_says():
    mean = torch.full((1, 1, 300, 300), 2.0)
    noise = Transmission(1e4, 10.0)
    y = noise.sample(mean, torch.Generator().manual_seed(0))
    assert float(y.mean()) == pytest.approx(2.0, abs=2e-3) and float(y.std() / noise.std(mean).flatten()[0]) == pytest.approx(1, abs=0.02)
    starved = Transmission(100.0, 10.0).sample(mean + 8, torch.Generator().manual_seed(0))
    assert bool(starved.isfinite().all()) and float(starved.max()) == pytest.approx(math.log(100.0), rel=1e-5)


@pytest.mark.parametrize("geometry", [PARALLEL.replace(angles=tuple(np.linspace(0, 180, 91)), center=63.4), PARALLEL.replace(angles=tuple(np.arange(0, 360, 1.5)), center=72.2),
                                      PARALLEL.replace(angles=tuple(-np.linspace(0, 360, 241)), center=64.0), FAN.replace(center=83.3)], ids=["parallel", "a full turn", "and back", "fan"])
def test_the_centre_is_found(geometry):
    y = Projection(geometry, SIDE, 1.0)(disk() + 0.5 * disk(-15.0, 10.0, 9.0))
    found = center.estimate(y, geometry.replace(center=None), lambda y, tried: ct.fbp(y, tried, SIDE, 1.0, "hann"))
    assert abs(found.center - geometry.center) < 0.3


def test_no_centre_without_opposite_views():
    half = PARALLEL.replace(angles=PARALLEL.angles[:40])
    with pytest.raises(RestoreError, match="half a turn"):
        center.estimate(Projection(half, SIDE, 1.0)(disk()), half, lambda y, tried: y)


def phantom(side=160):
    """A slice in HU: a body with soft organs, bone and lungs, in air, on a thin table."""
    v, u = np.mgrid[:side, :side] / side * 2 - 1
    hu = np.full((side, side), -1000.0)
    hu[u**2 / 0.7 + v**2 / 0.4 < 1] = 40
    hu[(np.abs(u) - 0.4) ** 2 / 0.06 + v**2 / 0.1 < 1] = -850
    hu[u**2 + (v - 0.4) ** 2 < 0.01] = 600
    hu[(np.abs(v - 0.8) < 0.02) & (np.abs(u) < 0.8)] = 100
    return torch.from_numpy(hu.astype(np.float32))


def test_the_body_is_found_without_the_table():
    inside = body(phantom())
    assert inside[80, 40] and inside[80, 80] and not inside[5, 5] and not inside[144, 80]


def test_low_dose_has_the_noise_that_exposure_control_aims_at():
    x = phantom()
    (quarter, few), (whole, many) = (lowdose.lowdose(x, 1.6, LowDose(dose=dose), torch.Generator().manual_seed(1)) for dose in (0.25, 1.0))
    assert measure.rmse(quarter, x, body(x)) == pytest.approx(52, rel=0.1) and measure.rmse(whole, x, body(x)) < 30
    assert many == pytest.approx(4 * few, rel=1e-6)
    assert hounsfield.estimate(quarter).hu == pytest.approx(52, rel=0.25)


def test_a_slice_is_cleaned_and_what_is_no_tissue_stays():
    x = phantom()
    y = lowdose.lowdose(x, 1.6, LowDose(dose=0.25), torch.Generator().manual_seed(1))[0].clone()
    y[:8] = -2000
    scan = Scan(ScanHeader("image", ("slice", "y", "x"), "HU", "CT", (2.5, 2.5, 2.5)), y.numpy()[None])
    out = torch.from_numpy(ct.Reconstruction("bm3d")(scan, "x", ct.Report()).array[0])
    assert measure.rmse(out, x, body(x)) < 0.8 * measure.rmse(y, x, body(x)) and bool((out[:8] == -2000).all())
    notes = []
    ct.Reconstruction("bm3d", window="hann", water=0.02)(scan, "x", ct.Report(note=notes.append))
    assert "--filter, --water: without effect on slices" in notes


def test_slices_of_integers_are_rounded_nowhere():
    whole = phantom().round().numpy()
    for work in (ct.Reconstruction("bm3d", hu=30.0), lowdose.Simulation(LowDose(dose=0.25), 0)):
        ints, floats = (work(Scan(ScanHeader("image", ("slice", "y", "x"), "HU", "CT", (2.5, 2.5, 2.5)), whole[None].astype(dtype)), "x", ct.Report()).array
                        for dtype in (np.int16, np.float32))
        assert ints.dtype == np.float32 and np.array_equal(ints, floats)


def test_a_slice_without_noise_has_that_of_the_others(tmp_path, capsys):
    y = lowdose.lowdose(phantom(), 1.6, LowDose(dose=0.25), torch.Generator().manual_seed(1))[0].numpy()
    levels = ct.estimated(np.stack([y, np.full_like(y, 40.0), y]), ct.Report())
    assert levels[1] == levels[0] == levels[2] > 10
    with pytest.raises(RestoreError, match="no noise"):
        ct.estimated(np.full((2, 160, 160), 40.0, np.float32), ct.Report())


@pytest.mark.parametrize("shape", [(64, 64), (37, 50)])
def test_the_frame_is_tight_and_undone_exactly(shape):
    x = torch.randn(2, 1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bands = contourlets.analyse(x)
    assert bands.shape == (2, 15, *shape) and torch.allclose(contourlets.synthesise(bands), x, atol=1e-12)
    assert float(bands.square().sum() / x.square().sum()) == pytest.approx(1, abs=1e-10)


def test_the_wavelet_network_is_built_as_the_paper_says():
    net = WaveletCT(128)
    assert sum(isinstance(part, torch.nn.Conv2d) for part in net.modules()) == 24
    small = WaveletCT(8).eval()
    y = torch.rand(1, 1, 40, 50, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert small.net(y, None).shape == y.shape
        for value in small.last[2].parameters():
            value.zero_()
        assert torch.allclose(small.net(y, None), y, atol=1e-5)


def exchange(path, geometry=PARALLEL, slices=2):
    """Counts with dark and bright fields, in the layout of Data Exchange, by h5py alone."""
    y = Projection(geometry, SIDE, 1.0)(0.02 * disk())[0, 0].numpy()
    light, dark = 20000 * (1 + 0.3 * np.sin(np.arange(geometry.detectors))), 100.0
    with h5py.File(path, "w") as file:
        file["exchange/data"] = np.repeat((light * np.exp(-y) + dark)[:, None], slices, 1).astype(np.float32)
        file["exchange/data_dark"] = np.full((3, slices, geometry.detectors), dark, np.float32)
        file["exchange/data_white"] = np.repeat((light + dark)[None, None], slices, 1).astype(np.float32)
        file["exchange/theta"] = np.array(geometry.angles)
    return path


def test_the_command_on_counts(cli, tmp_path):
    exchange(tmp_path / "scan.h5")
    done = cli("ct", "scan.h5", "-o", "x.nii.gz", "--center", "68", "--size", str(SIDE), "--pixel", "1", "--filter", "shepp-logan", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["unit"] == "1/mm"
    x = torch.from_numpy(read_scan(tmp_path / "x.nii.gz").array)
    assert x.shape == (2, SIDE, SIDE) and float((x[0] - 0.02 * disk()[0, 0]).square().mean().sqrt()) < 0.002
    found = cli("ct", "info", "scan.h5", "--json")
    assert json.loads(found.stdout)["views"] == 120
    done = cli("ct", "scan.h5", "-o", "wet.npy", "--water", "0.02", "--model", "sirt", "--center", "68", "--size", "48")
    assert done.returncode == 0 and np.load(tmp_path / "wet.npy").shape == (2, 48, 48), done.stderr


@pytest.mark.parametrize("model", ["fbp", "sirt", "cgls", "tv", "pnp"])
def test_every_method_is_a_model_of_the_command(model, tmp_path):
    from restore.commands.ct import ct as command

    exchange(tmp_path / "scan.h5", slices=1)
    assert command([str(tmp_path / "scan.h5")], output=str(tmp_path / "x.npy"), model=model, center="68", size=SIDE, pixel=1.0, quiet=True) == 0
    assert float((torch.from_numpy(np.load(tmp_path / "x.npy")[0]) - 0.02 * disk()[0, 0]).square().mean().sqrt()) < 0.003


def test_a_bare_array_with_a_geometry_in_a_file(cli, tmp_path):
    y = Projection(FAN, SIDE, 1.0)(0.02 * disk())[0, 0].numpy()
    np.save(tmp_path / "fan.npy", y)
    (tmp_path / "fan.toml").write_text("arc = 360\npitch = 1.6\nsource = 200\ndetector = 300\ncenter = 79.5\n")
    done = cli("ct", "fan.npy", "-o", "x.dcm", "--geometry", "fan.toml", "--size", str(SIDE), "--pixel", "1")
    assert done.returncode == 0, done.stderr
    x = read_scan(tmp_path / "x.dcm")
    assert x.header.spacing[1:] == (1.0, 1.0) and float(np.sqrt(np.square(x.array[0] - 0.02 * disk()[0, 0].numpy()).mean())) < 0.002
    (tmp_path / "wrong.toml").write_text("arc = 360\nsource = 200\n")
    assert b"both for a fan" in cli("ct", "fan.npy", "-o", "y.dcm", "--geometry", "wrong.toml").stderr and not (tmp_path / "y.dcm").exists()


def test_bad_sinograms(inside, tmp_path):
    good = exchange(tmp_path / "good.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(good[: len(good) // 3])
    with h5py.File(tmp_path / "named.h5", "w") as file:
        file["something"] = np.zeros((4, 5))
    np.save(tmp_path / "nan.npy", np.array([[1.0, np.nan], [0.0, 1.0]]))
    np.save(tmp_path / "complex.npy", np.ones((8, 8), complex))
    np.save(tmp_path / "counts.npy", np.full((20, 30), 5000.0))
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2, 2, 2)))
    (tmp_path / "empty.h5").touch()
    (tmp_path / "angles.toml").write_text("angles = [1, 2, 3]")
    for name, words in (("cut.h5", b"cut.h5"), ("named.h5", b"something"), ("nan.npy", b"NaN"), ("complex.npy", b"complex"), ("counts.npy", b"bright field"),
                        ("cube.npy", b"shape"), ("empty.h5", b"empty"), ("missing.h5", b"no such file")):
        done = inside("ct", name, "-o", "out.tif", "--center", "10")
        assert done.returncode == 1 and words in done.stderr and b"Traceback" not in done.stderr, (name, done.stderr)
    assert b"3 angles" in inside("ct", "good.h5", "-o", "out.tif", "--geometry", "angles.toml").stderr
    for wrong in (["--filter", "han"], ["--model", "fpb"], ["--center", "middle"], ["--size", "-4"], ["--hu", "lots"]):
        done = inside("ct", "good.h5", "-o", "out.tif", *wrong)
        assert done.returncode == 2 and b"Traceback" not in done.stderr, wrong
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.data
def test_the_helsinki_scan_agrees_with_its_reference(data):
    scan = read_scan(data / "test/ct/htc2022_ta_full.mat", "sinogram")
    reference = read_scan(data / "test/ct/htc2022_ta_full_recon_fbp.mat").array[0]
    geometry = scan.header.geometry
    x = ct.fbp(ct.lines(scan, "x"), geometry, 512, geometry.pitch / geometry.magnification, "ramp")[0, 0].numpy()
    assert np.corrcoef(x.ravel(), reference.ravel())[0, 1] > 0.999


@pytest.mark.data
def test_the_tooths_centre(data):
    scan = read_scan(data / "test/ct/tooth.h5", "sinogram")
    found = center.estimate(ct.lines(scan, "x")[:1], scan.header.geometry, lambda y, tried: ct.fbp(y, tried, ct.SMALL, 640 / ct.SMALL, "hann"))
    assert abs(found.center - 296) < 0.5


@pytest.mark.data
def test_the_bench_of_low_doses(data, capsys):
    from restore.commands.bench import bench

    assert bench("ct", methods="fbp,drunet", every=20, json=True) == 0
    low, clean = map(json.loads, capsys.readouterr().out.splitlines())
    assert (low["method"], clean["method"], low["kernel"]) == ("fbp", "drunet", "STANDARD")
    assert low["rmse"] == pytest.approx(lowdose.QUARTER, rel=0.05) and clean["rmse"] < 0.8 * low["rmse"] and clean["ssim"] > low["ssim"]


@pytest.mark.data
def test_the_bench_of_sinograms(data, capsys):
    from restore.commands.bench import bench

    assert bench("sinograms", methods="fbp", sigmas="360,90", json=True) == 0
    rows = {(row["method"], row["arc"]): row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["fbp", 360]["views"] == 721 and rows["fbp", 90]["views"] == 180 and rows["fbp", 360]["correlation"] > 0.999
    assert rows["fbp", 90]["error"] > 10 * rows["fbp", 360]["error"]


def command(*files, **how):
    from restore.commands.ct import ct as run

    return run([str(file) for file in files], **{"quiet": True} | {key: str(value) if key == "output" else value for key, value in how.items()})


def test_fields_that_are_damaged_and_fields_that_were_divided_already(tmp_path, capsys):
    with h5py.File(exchange(tmp_path / "nan.h5", slices=1), "r+") as file:
        file["exchange/data_white"][0, 0, 3] = np.nan
    with h5py.File(exchange(tmp_path / "theta.h5", slices=1), "r+") as file:
        file["exchange/theta"][5] = np.nan
    for name in ("nan", "theta"):
        assert command(tmp_path / f"{name}.h5", output=tmp_path / "x.npy", center="68") == 1 and "NaN" in capsys.readouterr().err
    with h5py.File(exchange(tmp_path / "shares.h5", slices=1), "r+") as file:
        for field in ("data", "data_white", "data_dark"):
            file[f"exchange/{field}"][:] = file[f"exchange/{field}"][:] / 20000
    exchange(tmp_path / "counts.h5", slices=1)
    found = []
    for name in ("counts", "shares"):
        assert command(tmp_path / f"{name}.h5", output=tmp_path / f"{name}.npy", center="68", size=SIDE, pixel=1.0) == 0
        found.append(np.load(tmp_path / f"{name}.npy"))
    assert np.allclose(*found, atol=1e-6) and found[0].max() > 0.01


def test_reconstructions_in_hdf5_are_no_sinograms(tmp_path, capsys):
    exchange(tmp_path / "scan.h5", slices=1)
    assert command(tmp_path / "scan.h5", output=tmp_path / "x.h5", center="68", size=SIDE, pixel=1.0) == 0
    again = read_scan(tmp_path / "x.h5", "sinogram")
    assert (again.header.kind, again.header.unit, again.header.spacing) == ("image", "1/mm", (1.0, 1.0, 1.0))
    assert command(tmp_path / "x.h5", output=tmp_path / "y.npy") == 1 and "Hounsfield" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"hu": "40-60"}, {"hu": "1,2"}, {"hu": "-3"}, {"center": "10-20"}, {"center": "nan"}, {"center": "inf"}])
def test_numbers_that_are_none(wrong, tmp_path):
    from restore.errors import UsageError

    exchange(tmp_path / "scan.h5", slices=1)
    with pytest.raises(UsageError):
        command(tmp_path / "scan.h5", output=tmp_path / "x.npy", **wrong)


def test_geometries_that_are_none(tmp_path, capsys):
    exchange(tmp_path / "scan.h5", slices=1)
    for text in ("pitch = inf", "arc = nan", "source = inf\ndetector = inf", "angles = [nan]"):
        (tmp_path / "g.toml").write_text(text)
        assert command(tmp_path / "scan.h5", output=tmp_path / "x.npy", geometry=str(tmp_path / "g.toml")) == 1 and "Traceback" not in capsys.readouterr().err
    assert command(tmp_path / "scan.h5", output=tmp_path / "x.npy", center="1e9") == 1 and "no ray meets the axis" in capsys.readouterr().err


def test_a_scan_of_nothing_is_nothing(tmp_path):
    np.save(tmp_path / "y.npy", np.zeros((2, 30, 40), np.float32))
    assert command(tmp_path / "y.npy", output=tmp_path / "x.npy", center="19.5", model="tv") == 0 and not np.load(tmp_path / "x.npy").any()


@pytest.mark.parametrize("geometry", [PARALLEL, FAN], ids=["parallel", "fan"])
def test_the_noise_of_a_reconstruction_is_foretold(geometry):
    y = 0.01 * torch.randn(1, 1, len(geometry.angles), geometry.detectors, generator=torch.Generator().manual_seed(0))
    x = FBP("ramp")(y, Problem(Projection(geometry, SIDE, 1.0), NoNoise()))[0, 0]
    middle = x[SIDE // 3 : -SIDE // 3, SIDE // 3 : -SIDE // 3]
    assert ct.noise_of(y, geometry) == pytest.approx(float(middle.std()), rel=0.1)


def test_names_of_numbered_slices_are_settled_first(tmp_path, capsys):
    from restore.errors import UsageError

    exchange(tmp_path / "scan.h5", slices=2)
    how = {"center": "68", "size": 32}
    for suffix in ("dcm", "png"):
        out = tmp_path / f"x.{suffix}"
        assert command(tmp_path / "scan.h5", output=out, **how) == 0
        parts = [tmp_path / f"x.000{number}.{suffix}" for number in (1, 2)]
        before = [part.read_bytes() for part in parts]
        with pytest.raises(UsageError, match="exists already"):
            command(tmp_path / "scan.h5", output=out, **how)
        assert command(tmp_path / "scan.h5", output=out, skip_existing=True, **how) == 0 and [part.read_bytes() for part in parts] == before
        assert command(tmp_path / "scan.h5", output=out, overwrite=True, **how) == 0
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_nobody_foresaw_is_one_files_failure(tmp_path, monkeypatch, capsys):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.zeros((30, 40), np.float32))
    right = ct.lines
    monkeypatch.setattr(ct, "lines", lambda scan, name: right(scan, name) if name.endswith("b.npy") else 1 // 0)
    assert command(tmp_path / "a.npy", tmp_path / "b.npy", output=str(tmp_path / "out") + "/", center="19.5") == 1
    assert "ZeroDivisionError" in capsys.readouterr().err and (tmp_path / "out/b.npy").exists() and not (tmp_path / "out/a.npy").exists()

"""Magnetic resonance: masks, sensitivities, reconstructions, measures, the files of fastMRI and ISMRMRD, and the command on good and bad ones.

The files are made here by plain h5py, nibabel and pydicom, not by the program's writers.
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from restore.errors import RestoreError, UsageError
from restore.estimate import coils
from restore.image import Scan, ScanHeader
from restore.jobs import mri
from restore.measure import volumes
from restore.methods.cgsense import CGSense
from restore.methods.cswavelet import WaveletCS
from restore.methods.fastmri_unet import FastMRIUNet
from restore.methods.varnet import VarNet
from restore.methods.zerofill import ZeroFilled
from restore.numerics.wavelets import frame, unframe
from restore.operators import sampling
from restore.operators.fourier import Fourier, Loops, encoding, smooth_phase
from restore.operators.noise import NoNoise
from restore.operators.problem import Problem, acquisition, draw
from restore.tasks import Mri, from_dict
from restore.values import Range

h5py = pytest.importorskip("h5py")
nibabel = pytest.importorskip("nibabel")


def phantom(height=96, width=80) -> np.ndarray:
    """Ellipses on [0, 1], (H, W) in float32."""
    down, across = (np.linspace(-1, 1, size) for size in (height, width))
    picture = np.zeros((height, width))
    for value, y, x, b, a in ((0.5, 0, 0, 0.85, 0.7), (0.3, -0.2, 0.1, 0.4, 0.3), (-0.25, 0.3, -0.2, 0.2, 0.15), (0.4, 0.45, 0.3, 0.08, 0.1), (0.15, 0, 0, 0.6, 0.5)):
        picture[((down[:, None] - y) / b) ** 2 + ((across[None] - x) / a) ** 2 < 1] += value
    return picture.astype(np.float32)


def transform(x: np.ndarray) -> np.ndarray:
    """Centred unitary FFT over the last two axes, by numpy."""
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x, axes), norm="ortho"), axes).astype(np.complex64)


def error(x: torch.Tensor, of: torch.Tensor, inside: torch.Tensor) -> float:
    return float((x.abs() - of)[inside].norm() / of[inside].norm())


# masks


@pytest.mark.parametrize("kind", sampling.KINDS)
@pytest.mark.parametrize("acceleration, fraction", [(4, 0.08), (8, 0.04)])
def test_masks_have_the_acceleration_and_the_centre_that_they_say(kind, acceleration, fraction):
    rates = [1 / sampling.mask(kind, 160, 128, acceleration, fraction, (seed,)).mean() for seed in range(2 if kind == "poisson" else 20)]
    assert abs(1 / np.mean(1 / np.array(rates)) / acceleration - 1) < (0.12 if kind == "random" else 0.05)
    taken = sampling.mask(kind, 160, 128, acceleration, fraction, (0,))
    low = round(128 * fraction)
    assert taken[80, (128 - low + 1) // 2 : (128 - low + 1) // 2 + low].all()
    assert (taken == taken[:1]).all() == (kind != "poisson")
    assert (taken == sampling.mask(kind, 160, 128, acceleration, fraction, (0,))).all() and (taken != sampling.mask(kind, 160, 128, acceleration, fraction, (1,))).any()


def test_random_and_equispaced_masks_are_those_of_fastmri():
    """Its code, retold: a RandomState of the name's characters, a uniform draw under the probability that makes up for the centre."""
    name, width, acceleration, low = "file1000000.h5", 368, 4, round(368 * 0.08)
    draw_ = np.random.RandomState(tuple(map(ord, name)))
    expected = draw_.uniform(size=width) < (width / acceleration - low) / (width - low)
    pad = (width - low + 1) // 2
    expected[pad : pad + low] = True
    assert (sampling.mask("random", 4, width, 4, 0.08, sampling.seed_of(name))[0] == expected).all()
    spaced = np.flatnonzero(sampling.mask("equispaced", 4, width, 4, 0.08, sampling.seed_of(name))[0])
    outside = np.diff([column for column in spaced if column < pad])
    spacing = acceleration * (low - width) / (low * acceleration - width)
    assert set(outside) <= {int(spacing), int(spacing) + 1} and abs(len(spaced) / (width / acceleration) - 1) < 0.03


def test_a_poisson_disc_keeps_its_distance():
    taken = sampling.mask("poisson", 128, 128, 8, 0.04, (0,))
    points = np.argwhere(taken)
    radius = np.hypot(*(points - 64).T)
    far = points[radius > 55]
    gaps = np.hypot(*(far[:, None] - points[None]).transpose(2, 0, 1))
    gaps[gaps == 0] = 99
    assert gaps.min() >= 2
    density = [taken[np.hypot(*np.mgrid[-64:64, -64:64]) // 16 == ring].mean() for ring in range(4)]
    assert all(a > b for a, b in zip(density, density[1:]))


def test_what_a_mask_refuses():
    for words in (("raindom", 4, 0.08), ("random", 4, 0.5), ("random", 0.5, 0.1), ("poisson", 8, 0.9)):
        with pytest.raises(UsageError):
            sampling.mask(words[0], 64, 64, *words[1:], (0,))


def test_the_calibration_region_is_the_whole_centre():
    taken = np.zeros((40, 30), bool)
    taken[20 - 6 : 20 + 6, 15 - 4 : 15 + 4] = True
    assert sampling.central(taken) == (12, 8) and sampling.central(np.ones((5, 7), bool)) == (5, 7) and sampling.central(~taken) == (0, 0)


# wavelets


@pytest.mark.parametrize("moments", [1, 2, 4])
def test_the_undecimated_transform_is_a_tight_frame(moments):
    x = torch.randn(2, 1, 30, 47, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    bands = frame(x, 4, moments)
    assert torch.allclose(unframe(bands, moments), x, atol=1e-12)
    assert abs(float(sum(band.abs().square().sum() for band in bands) / x.abs().square().sum()) - 1) < 1e-10
    other = [torch.randn_like(band) for band in bands]
    left = sum(torch.vdot(a.flatten(), b.flatten()) for a, b in zip(bands, other, strict=True))
    assert torch.allclose(left, torch.vdot(x.flatten(), unframe(other, moments).flatten()))


def test_level_two_of_the_frame_is_a_quarter_of_the_mean_of_fours():
    x = torch.zeros(1, 1, 16, 16)
    x[..., 8:12, 8:12] = 1.0
    assert float(frame(x, 2)[0].max()) == pytest.approx(1.0) and float(frame(x, 2)[0].sum()) == pytest.approx(16.0)


# reconstructions


@pytest.fixture(scope="module")
def eight():
    """A phantom of eight coils: y of all samples, x, the mask at 2x with 24 central columns, what is inside."""
    x = torch.from_numpy(phantom())[None, None]
    phased = x * smooth_phase(x.shape, torch.Generator().manual_seed(0))
    y = Fourier()(Loops(8)(phased))
    taken = torch.zeros(96, 80, dtype=torch.bool)
    taken[:, ::2] = taken[:, 28:52] = True
    return y, x, taken, x > 0.1


@pytest.mark.parametrize("side", [1, 5, 16, 17])
def test_networks_take_small_pictures(side):
    net = FastMRIUNet(4).requires_grad_(False)
    assert net.net(torch.rand(1, 1, -(-side // 16) * 16, 16)).isfinite().all()
    x = VarNet(1, 2).requires_grad_(False).regularisers[0](torch.rand(1, 1, side, 9, dtype=torch.complex64))
    assert x.isfinite().all()


def test_all_samples_give_the_inverse_transform(eight):
    y, x, taken, inside = eight
    rss = ZeroFilled()(y, None_(torch.ones(96, 80)))
    images = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(y.numpy().astype(complex), (-2, -1)), norm="ortho"), (-2, -1))
    assert np.abs(rss[0, 0].numpy() - np.sqrt((np.abs(images[0]) ** 2).sum(0))).max() < 1e-6
    assert error(rss, x, inside) < 1e-5


def None_(taken, maps=None) -> Problem:
    return Problem(encoding(taken.bool(), maps), NoNoise())


def test_sensitivities_of_all_data_give_the_picture_back(eight):
    y, x, taken, inside = eight
    images = Fourier().adjoint(y)[0]
    maps = images / torch.linalg.vector_norm(images, dim=0).clamp_min(1e-6)
    assert error(CGSense(1e-6, 100)(y * taken, None_(taken, maps)), x, inside) < 0.01


def test_own_sensitivities_halve_the_error_of_zero_filling(eight):
    y, x, taken, inside = eight
    found = coils.estimate((y * taken)[0], taken)
    support = torch.linalg.vector_norm(found.maps, dim=0)
    assert torch.allclose(support[support > 0], torch.ones(1), atol=1e-4) and (support[inside[0, 0]] > 0).float().mean() > 0.98
    zero = error(ZeroFilled()(y * taken, None_(taken)), x, inside)
    for method in (CGSense(1e-3, 30), WaveletCS(0.001, 40)):
        assert error(method(y * taken, None_(taken, found.maps)), x, inside) < zero / 2


def test_sensitivities_need_a_centre():
    with pytest.raises(RestoreError, match="too small"):
        coils.estimate(torch.ones(2, 64, 64, dtype=torch.complex64), torch.from_numpy(sampling.mask("random", 64, 64, 8, 0.05, (0,)).copy()))


@pytest.mark.parametrize("method", [ZeroFilled(), CGSense(), WaveletCS(steps=5), VarNet(2, 4)], ids=lambda m: type(m).__name__)
def test_what_is_twice_as_strong_is_reconstructed_twice_as_strong(method):
    x = torch.from_numpy(phantom(64, 50))[None, None]
    problem = acquisition(Mri(4.0), "name")
    y, task = problem.simulate(x, torch.Generator().manual_seed(0)), None_(problem.operator.outer.mask(64, 50))
    with torch.inference_mode():
        one, two = method(y, task).abs(), method(1e4 * y, task).abs()
    assert torch.allclose(1e4 * one, two, rtol=1e-3, atol=1e-3 * float(two.max()))


def test_sparsity_helps_and_its_penalty_matters():
    x = torch.from_numpy(phantom())[None, None]
    problem = acquisition(Mri(3.0, sigma=1.0), "name")
    y, task, inside = problem.simulate(x, torch.Generator().manual_seed(0)), None_(problem.operator.outer.mask(96, 80)), x > 0.1
    errors = [error(method(y, task), x, inside) for method in (ZeroFilled(), WaveletCS(steps=40), WaveletCS(penalty=1e-9, steps=40))]
    assert errors[1] < 0.6 * errors[0] and errors[1] < 0.7 * errors[2]


def test_noise_falls_on_what_is_sampled_alone():
    x, problem = torch.zeros(1, 1, 64, 64), acquisition(Mri(4.0, sigma=10.0), "name")
    y = problem.simulate(x, torch.Generator().manual_seed(0))
    taken = problem.operator.outer.mask(64, 64)
    assert (y[0, 0][~taken] == 0).all() and abs(float(y[0, 0][taken].abs().square().mean().sqrt()) * 255 / 10 - 1) < 0.1


def test_drawn_problems_stay_in_their_ranges():
    generator, seen = torch.Generator().manual_seed(0), set()
    for _ in range(8):
        problem = draw(Mri(Range(4, 8), sigma=Range(0, 4)), 3, generator)
        taken = problem.operator.outer.mask(128, 128)
        seen.add(round(128 / int(taken[0].sum()), 2))
        assert 0.02 < taken.float().mean() < 0.4 and problem.noise.sigma.shape == (3, 1, 1, 1)
    assert len(seen) > 4


def test_the_unet_is_the_papers():
    net = FastMRIUNet(32)
    assert sum(p.numel() for p in net.parameters()) == 3_348_227
    assert FastMRIUNet(2, levels=2).facts.halo is None  # instance normalisation sees everything
    x = torch.rand(1, 1, 40, 50, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(3 * net(x, None_(torch.ones(40, 50))), net(3 * x, None_(torch.ones(40, 50))), rtol=1e-3, atol=1e-3)


def test_an_unrolled_net_starts_near_the_zero_filled_picture():
    torch.manual_seed(0)
    net, x = VarNet(3, 4), torch.from_numpy(phantom(64, 48))[None, None]
    problem = acquisition(Mri(4.0), "name")
    y = problem.simulate(x, torch.Generator().manual_seed(0))
    with torch.no_grad():
        start, found = problem.operator.adjoint(y).abs(), net(y, problem)
    assert found.shape == x.shape and float((found - start).norm() / start.norm()) < 0.3


# measures


def test_measures_are_those_of_scikit_image_over_the_volume():
    metrics = pytest.importorskip("skimage.metrics")
    generator = torch.Generator().manual_seed(0)
    x = 7 * torch.rand(3, 40, 50, generator=generator)
    estimate = x + torch.randn(3, 40, 50, generator=generator)
    found, a, b = volumes.scores(estimate, x), estimate.double().numpy(), x.double().numpy()
    assert found.psnr == pytest.approx(metrics.peak_signal_noise_ratio(b, a, data_range=b.max()))
    assert found.ssim == pytest.approx(np.mean([metrics.structural_similarity(p, q, data_range=b.max()) for p, q in zip(b, a)]))
    assert found.nmse == pytest.approx(np.linalg.norm(a - b) ** 2 / np.linalg.norm(b) ** 2)
    with pytest.raises(RestoreError):
        volumes.scores(x, 0 * x)


def test_the_task_survives_writing():
    for task in (Mri(4.0), Mri(Range(4, 8), "equispaced", Range(0, 4))):
        assert from_dict(task.to_dict()) == task
    assert Mri(Range(4, 8), sigma=Range(0, 4)).covers(Mri(4.0, None, None)) and not Mri(Range(4, 8)).covers(Mri(12.5, None, None))


# files


HEADER = """<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<experimentalConditions><H1resonanceFrequency_Hz>123000000</H1resonanceFrequency_Hz></experimentalConditions>
<encoding><encodedSpace><matrixSize><x>{0}</x><y>{1}</y><z>1</z></matrixSize><fieldOfView_mm><x>{4}</x><y>{5}</y><z>7.5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>{2}</x><y>{3}</y><z>1</z></matrixSize><fieldOfView_mm><x>{6}</x><y>{7}</y><z>7.5</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{8}</maximum><center>{9}</center></kspace_encoding_step_1></encodingLimits>
<trajectory>{10}</trajectory></encoding></ismrmrdHeader>"""


@pytest.fixture
def cli(tiny_weights, tmp_path, monkeypatch, capfdbinary):
    """The command in this process, in an empty folder: a tenth of the time."""
    from restore import console
    from restore.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tiny_weights))

    def run(*arguments):
        capfdbinary.readouterr()
        try:
            code = app(list(map(str, arguments)), standalone_mode=False) or 0
        except RestoreError as problem:
            console.error(problem)
            code = problem.exit_code
        return SimpleNamespace(returncode=code, **dict(zip(("stdout", "stderr"), capfdbinary.readouterr(), strict=True)))

    return run


def volume(slices=3, height=64, width=48) -> np.ndarray:
    return np.stack([phantom(height, width) * (1 + number) for number in range(slices)])


def fastmri(path, kspace, mask=None, recon=(40, 32), **more):
    """The layout of the data set's files, by h5py alone."""
    with h5py.File(path, "w") as file:
        file.create_dataset("kspace", data=kspace)
        if mask is not None:
            file.create_dataset("mask", data=mask)
        file.create_dataset("ismrmrd_header", data=HEADER.format(64, 48, *recon, 64.0, 48.0, recon[0] * 0.875, recon[1] * 0.875, 47, 24, "cartesian"))
        for key, value in more.items():
            file.create_dataset(key, data=value)
        file.attrs["acquisition"], file.attrs["max"], file.attrs["norm"], file.attrs["patient_id"] = "CORPD_FBK", 1.0, 1.0, "0000"
    return path


def head_type():
    """The acquisition header of ISMRMRD, version 1, as C packs it."""
    counters = np.dtype([(name, "<u2") for name in ("kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase", "repetition", "set", "segment")]
                        + [("user", "<u2", 8)])
    return np.dtype([("version", "<u2"), ("flags", "<u8"), ("measurement_uid", "<u4"), ("scan_counter", "<u4"), ("acquisition_time_stamp", "<u4"),
                     ("physiology_time_stamp", "<u4", 3), ("number_of_samples", "<u2"), ("available_channels", "<u2"), ("active_channels", "<u2"),
                     ("channel_mask", "<u8", 16), ("discard_pre", "<u2"), ("discard_post", "<u2"), ("center_sample", "<u2"), ("encoding_space_ref", "<u2"),
                     ("trajectory_dimensions", "<u2"), ("sample_time_us", "<f4"), ("position", "<f4", 3), ("read_dir", "<f4", 3), ("phase_dir", "<f4", 3),
                     ("slice_dir", "<f4", 3), ("patient_table_position", "<f4", 3), ("idx", counters), ("user_int", "<i4", 8), ("user_float", "<f4", 8)])


def ismrmrd(path, kspace, lines, trajectory="cartesian"):
    """k-space (slice, coil, 128, 48): a readout twice as long as the picture, some lines, one line of noise before them."""
    slices, channels, samples, columns = kspace.shape
    floats = h5py.vlen_dtype(np.dtype("<f4"))
    acquisitions = np.zeros(1 + slices * len(lines), np.dtype([("head", head_type()), ("traj", floats), ("data", floats)]))
    empty = np.zeros(0, np.float32)
    acquisitions[0]["head"]["flags"] = 1 << 18
    acquisitions[0]["head"]["number_of_samples"], acquisitions[0]["head"]["active_channels"] = 7, channels
    acquisitions[0]["traj"], acquisitions[0]["data"] = empty, np.ones(14 * channels, np.float32)
    for at, (place, line) in enumerate(((place, line) for place in range(slices) for line in lines), 1):
        head = acquisitions[at]["head"]
        head["number_of_samples"], head["active_channels"], head["center_sample"] = samples, channels, samples // 2
        head["idx"]["kspace_encode_step_1"], head["idx"]["slice"] = line, place
        acquisitions[at]["traj"] = empty
        acquisitions[at]["data"] = np.ascontiguousarray(kspace[place, :, :, line]).view(np.float32).ravel()
    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        xml = HEADER.format(samples, columns, samples // 2, columns, 256.0, 96.0, 128.0, 96.0, columns - 1, columns // 2, trajectory)
        group.create_dataset("xml", data=np.array([xml.encode()], dtype=object), dtype=h5py.string_dtype())
        group.create_dataset("data", data=acquisitions)
    return path


def test_fastmri_files_are_cropped_and_keep_their_spacing(cli, tmp_path):
    x = volume()
    y = transform(x * np.exp(1j))
    mask = np.zeros(48, bool)
    mask[::2] = mask[20:28] = True
    fastmri(tmp_path / "single.h5", y * mask, mask.astype(np.float32))
    fastmri(tmp_path / "full.h5", np.stack([y * 0.6, y * 0.8], 1))
    done = cli("mri", "full.h5", "-o", "full.nii.gz", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "zerofill" in said["plan"] and "MiB" in said["plan"] and said["shape"] == [3, 40, 32]
    image = nibabel.load(tmp_path / "full.nii.gz")
    assert image.shape == (32, 40, 3) and np.allclose(image.header.get_zooms(), (0.875, 0.875, 7.5))
    assert np.allclose(image.get_fdata().T, x[:, 12:52, 8:40], atol=1e-5)
    done = cli("mri", "single.h5", "--compare", "-o", "single.h5.out.h5")
    assert done.returncode == 0 and b"cswavelet" in done.stderr, done.stderr
    with h5py.File(tmp_path / "single.h5.out.h5") as file:
        assert file["reconstruction"].shape == (3, 40, 32)
    assert (tmp_path / "single.h5.out.compare.png").is_file()


def test_ismrmrd_lines_find_their_places(cli, tmp_path):
    x = np.zeros((2, 128, 48), np.float32)
    x[:, 32:96] = volume(2)
    y = transform(np.stack([x, 1j * x], 1))
    ismrmrd(tmp_path / "all.h5", y, range(48))
    ismrmrd(tmp_path / "half.h5", y, [line for line in range(48) if line % 2 == 0 or 18 <= line < 30])
    ismrmrd(tmp_path / "spiral.h5", y, range(48), "spiral")
    assert cli("mri", "all.h5", "-o", "all.npy").returncode == 0
    assert np.allclose(np.load(tmp_path / "all.npy"), 2**0.5 * x[:, 32:96], atol=1e-4)
    facts = json.loads(cli("mri", "info", "half.h5", "--json").stdout)
    assert facts["coils"] == 2 and facts["picture"] == "64 x 48" and facts["spacing"] == "7.5 x 2 x 2 mm" and facts["centre"] == "128 x 13 samples whole"
    bad = cli("mri", "spiral.h5", "-o", "s.npy")
    assert bad.returncode == 1 and b"spiral" in bad.stderr and not (tmp_path / "s.npy").exists()


def test_a_slice_without_samples_says_nothing_of_the_others():
    """Where no mask tells what was taken."""
    kspace = np.ones((3, 2, 16, 16), np.complex64)
    kspace[1] = 0
    scan = Scan(ScanHeader("kspace", ("slice", "coil", "ky", "kx")), kspace)
    assert mri.task_of(scan, "x").acceleration == 1 and mri.full(scan)
    kspace[:, :, 1::2] = 0
    assert mri.task_of(scan, "x").acceleration == 2 and not mri.full(scan)


def test_simulated_kspace_goes_there_and_back(cli, tmp_path):
    c, s = np.cos(0.1), np.sin(0.1)
    affine = np.array([[-0.9, 0, 0, 5], [0, -0.9 * c, 3 * s, 6], [0, 0.9 * s, 3 * c, -7], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image((1000 * volume()).astype(np.uint16).transpose(2, 1, 0), affine), tmp_path / "head.nii.gz")
    assert cli("degrade", "head.nii.gz", "--task", "mri", "--acceleration", "2", "--center-fraction", "0.2", "--mask", "equispaced", "-o", "k.h5").returncode == 0
    assert cli("degrade", "head.nii.gz", "--task", "mri", "--acceleration", "1", "--coils", "4", "-o", "full.h5").returncode == 0
    assert cli("degrade", "head.nii.gz", "--task", "mri", "--acceleration", "9", "--center-fraction", "0.4").returncode == 1
    with h5py.File(tmp_path / "k.h5") as file:
        assert file["kspace"].shape == (3, 64, 48) and file["kspace"].dtype == np.complex64 and file["mask"].shape == (48,)
        mask = file["mask"][()].astype(bool)
        assert (file["kspace"][()][:, :, ~mask] == 0).all() and "reconstruction_esc" in file and b"reconSpace" in file["ismrmrd_header"][()]
    assert cli("mri", "full.h5", "-o", "full.nii").returncode == 0
    image = nibabel.load(tmp_path / "full.nii")
    assert np.allclose(image.affine, affine) and np.allclose(image.get_fdata(), (1000 * volume()).astype(np.uint16).transpose(2, 1, 0), atol=0.5)
    assert cli("mri", "k.h5", "-m", "zerofill", "--slices", "1", "-o", "one.dcm").returncode == 0
    pydicom = pytest.importorskip("pydicom")
    dataset = pydicom.dcmread(tmp_path / "one.dcm")
    assert dataset.Modality == "MR" and dataset.ImageType[0] == "DERIVED" and (dataset.Rows, dataset.Columns) == (64, 48)
    assert cli("mri", "k.h5", "-n").stdout.count(b"->") == 1
    assert cli("mri", "full.h5", "-o", "series/head.dcm").returncode == 0
    from restore.io.dicom import read_series

    files = sorted((tmp_path / "series").iterdir())
    series = read_series(files[::-1])
    assert [path.name for path in files] == ["head.0001.dcm", "head.0002.dcm", "head.0003.dcm"]
    assert np.allclose(series.array, image.get_fdata().T, atol=0.1) and np.allclose(series.header.affine, affine, atol=1e-6)
    shorter = cli("mri", "full.h5", "--slices", "0-1", "-o", "series/head.dcm", "--overwrite")
    assert shorter.returncode == 0 and b"head.0003.dcm and what follows it are of an earlier series" in shorter.stderr


def test_bad_kspace_is_refused_and_nothing_is_written(cli, tmp_path):
    y = transform(volume() + 0j)
    fastmri(tmp_path / "mask.h5", y, np.ones(40))
    fastmri(tmp_path / "reals.h5", np.stack([y.real, y.imag], -1))
    fastmri(tmp_path / "nan.h5", np.where(np.arange(48) == 3, np.nan, y))
    fastmri(tmp_path / "good.h5", y)
    whole = (tmp_path / "good.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.h5").touch()
    with h5py.File(tmp_path / "names.h5", "w") as file:
        file["k_space"], file["other/maps"] = y, y
    np.save(tmp_path / "real.npy", y.real)
    np.save(tmp_path / "zero.npy", 0 * y)
    nibabel.save(nibabel.Nifti1Image(volume().T, np.eye(4)), tmp_path / "picture.nii.gz")
    with h5py.File(tmp_path / "ct.h5", "w") as file:
        file["exchange/data"] = np.ones((9, 2, 16), np.float32)
    said = {"mask.h5": "mask", "reals.h5": "two reals", "nan.h5": "NaN", "cut.h5": "cut.h5", "empty.h5": "empty", "names.h5": "k_space", "real.npy": "float32",
            "zero.npy": "0 throughout", "picture.nii.gz": "not k-space", "ct.h5": "restore ct", "missing.h5": "no such file"}
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    done = cli("mri", *said, "good.h5", "-o", "out/", "--json")
    rows = {row["source"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    for name, word in said.items():
        assert not rows[name]["ok"] and name in rows[name]["error"]["what"] and word in " ".join(rows[name]["error"].values()), rows[name]
    assert rows["good.h5"]["ok"] and [path.name for path in (tmp_path / "out").iterdir()] == ["good.h5"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    for words in (("mri", "good.h5", "-m", "cswvelet"), ("mri", "good.h5", "-o", "x.jpg"), ("mri",), ("mri", "info")):
        assert cli(*words).returncode == 2
    assert cli("mri", "good.h5", "--slices", "9").returncode in (1, 2)


# real data


@pytest.mark.data
def test_the_phantom_sensed_with_maps_from_all_data(data):
    y = torch.from_numpy(np.load(data / "test/mri/gre_kspace_2x160x160_c64.npy"))[None]
    y = y / Fourier().adjoint(y).abs().max()
    images = Fourier().adjoint(y)[0]
    rss = ZeroFilled()(y, None_(torch.ones(160, 160)))
    assert error(rss, torch.linalg.vector_norm(images, dim=0)[None, None], rss > 0) < 1e-6
    taken, inside = torch.zeros(160, 160, dtype=torch.bool), rss > 0.15 * rss.max()
    taken[:, ::2] = True
    maps = images / rss[0].clamp_min(1e-9)
    assert error(CGSense(1e-6, 200)(y * taken, None_(taken, maps)), rss, inside) < 0.01
    zero, own = error(ZeroFilled()(y * taken, None_(taken)), rss, inside), coils.estimate(y[0], torch.ones(160, 160, dtype=torch.bool))
    assert error(WaveletCS(0.01, 30)(y * taken, None_(taken, own.maps)), rss, inside) < zero / 2
    assert error(CGSense(0.01)(y * taken, None_(taken, own.maps)), rss, inside) < 0.62 * zero  # its own noise, 8 % of the signal, is what is left


def test_what_cannot_be_made_kspace_of_is_refused(tmp_path, capsys):
    from restore.commands.degrade import degrade
    from restore.image import Scan, ScanHeader
    from restore.io.scans import write_scan

    def spoil(name, **how):
        return degrade([str(tmp_path / name)], task="mri", output=str(tmp_path / "y.h5"), quiet=True, **{"acceleration": "4"} | how)
    fastmri(tmp_path / "k.h5", transform(volume()))
    write_scan(tmp_path / "ct.dcm", Scan(ScanHeader("image", ("slice", "y", "x"), "HU", "CT"), np.zeros((1, 32, 32), np.float32)))
    assert spoil("ct.dcm") == 1 and "CT image" in capsys.readouterr().err
    assert spoil("k.h5") != 0 and "Traceback" not in capsys.readouterr().err
    for wrong in ({"coils": "0"}, {"coils": "-2"}, {"coils": "1,2"}, {"coils": "2.5"}, {"acceleration": "0"}, {"acceleration": "0.5"}, {"acceleration": "2-4"}):
        with pytest.raises(UsageError):
            spoil("ct.dcm", **wrong)
    assert not (tmp_path / "y.h5").exists()


def test_units_lines_and_slices_are_taken_at_their_word(tmp_path, capsys):
    """Micrometres; lines read backwards; partial Fourier, of which something is missing; slices that are no numbers; a sheet that is in the way."""
    import nibabel

    from restore.commands.mri import mri
    from restore.io.scans import read_scan
    from restore.jobs import mri as work

    image = nibabel.Nifti1Image(np.ones((8, 8, 2), np.float32), np.diag([50, 50, 100, 1]))
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "small.nii")
    header = read_scan(tmp_path / "small.nii").header
    assert header.spacing == pytest.approx((0.1, 0.05, 0.05)) and np.diag(header.affine)[:3] == pytest.approx([0.05, 0.05, 0.1])
    kspace = np.ones((1, 2, 128, 48), np.complex64)
    with h5py.File(ismrmrd(tmp_path / "epi.h5", kspace, range(48)), "r+") as file:
        rows = file["dataset/data"][()]
        rows["head"]["flags"][2::2] |= 1 << 21
        file["dataset/data"][...] = rows
    assert mri([str(tmp_path / "epi.h5")], output=str(tmp_path / "x.npy"), quiet=True) == 1 and "backwards" in capsys.readouterr().err
    partial = transform(volume())
    partial[..., :14] = 0
    fastmri(tmp_path / "partial.h5", partial)
    scan = read_scan(tmp_path / "partial.h5", "kspace")
    assert work.chosen_for(scan, "partial.h5")[0] != "zerofill"
    fastmri(tmp_path / "k.h5", transform(volume()))
    assert work.chosen_for(read_scan(tmp_path / "k.h5", "kspace"), "k.h5")[0] == "zerofill"
    for wrong in ("1,2", "-1", "nan", "1.5"):
        with pytest.raises(UsageError, match="counted from 0"):
            mri([str(tmp_path / "k.h5")], output=str(tmp_path / "x.npy"), slices=wrong, quiet=True)
    (tmp_path / "x.compare.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="compare"):
        mri([str(tmp_path / "k.h5")], output=str(tmp_path / "x.nii"), compare=True, quiet=True)
    assert (tmp_path / "x.compare.png").read_bytes() == b"mine"
    assert mri([str(tmp_path / "k.h5")], output=str(tmp_path / "x.png"), quiet=True) == 0 and (tmp_path / "x.0003.png").exists()


def test_weights_serve_what_masks_drawn_for_their_accelerations_come_out_as():
    trained = Mri(Range(3, 10), sigma=Range(0, 4))
    assert all(trained.covers(Mri(rate, mask=None, sigma=None)) for rate in (3.0, 8.0, 11.0, 14.0))
    assert not any(trained.covers(Mri(rate, mask=None, sigma=None)) for rate in (2.0, 16.0)) and not trained.covers(Mri(4.0, sigma=None, coils=8.0))

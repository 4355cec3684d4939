"""Blur that nobody told of: the kernel is found, by each of its stages; what is found can be kept and read again; what cannot be found is said."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as pictures

from restore import api
from restore.bench.captured import likeness, moved
from restore.errors import RestoreError, UsageError
from restore.estimate import fill, kernel
from restore.jobs.given import draw as drawn
from restore.jobs.given import load_kernel
from restore.numerics.differences import gradient
from restore.operators import kernels
from restore.operators.blur import Blur, Unknown
from restore.operators.problem import draw, problem_of
from restore.tasks import Deblur
from restore.train import recipes

WORDS = "shake:15@1"
ALONE = {"OMP_NUM_THREADS": "1"}  # small transforms gain nothing from threads


def blurred(words: str) -> torch.Tensor:
    """A part of a photograph after a blur, with 1 % noise."""
    x = torch.from_numpy(pictures.camera()[60:280, 150:370] / 255.0).float()[None, None]
    y = Blur(kernels.make(words), "valid")(x)
    return y + 0.01 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def shaken() -> torch.Tensor:
    return blurred(WORDS)


@pytest.fixture(scope="module")
def found(shaken) -> kernel.KernelEstimate:
    return kernel.estimate(shaken, 15)


def test_a_shake_is_found_by_its_stages(monkeypatch):
    """One round at each scale, no second phase, noise as if there were none: each finds less."""
    truth = kernels.make("shake:21@7")
    y = blurred("shake:21@7")
    found = kernel.estimate(y, 21)
    whole = likeness(found.kernel, truth)
    assert whole > 0.85 and found.misfit < 5
    assert float(found.kernel.sum()) == pytest.approx(1, abs=1e-5) and float(found.kernel.min()) >= 0
    without = {}
    for stage, value in (("ROUNDS", 1), ("FINER", 0), ("NOISY", (0.0, 0.0))):
        with monkeypatch.context() as patch:
            patch.setattr(kernel, stage, value)
            without[stage] = likeness(kernel.estimate(y, 21).kernel, truth)
    assert max(without.values()) < whole - 0.02, without


def test_brightness_contrast_turns_and_colour_do_not_matter(shaken, found):
    darker = kernel.estimate(shaken - 0.2, 15).kernel
    assert likeness(darker, found.kernel) > 0.98  # not more: gradients are kept or dropped whole, and rounding of 1e-8 decides on some
    turned = kernel.estimate(shaken.flip(-1), 15).kernel
    assert likeness(turned.flip(-1), found.kernel) > 0.9
    colour = kernel.estimate(shaken.expand(-1, 3, -1, -1), 15).kernel
    assert likeness(colour, found.kernel) > 0.98


def test_the_centre_of_mass_is_in_the_middle(found):
    height, width = found.kernel.shape
    for axis, side in ((1, height), (0, width)):
        assert side % 2 == 1 and abs(float((found.kernel.sum(axis) * (torch.arange(side) - side // 2)).sum())) <= 0.51
    k = torch.zeros(2, 1, 9, 9)
    k[0, 0, 1:3, 6], k[1, 0, 4, 4] = 0.5, 1.0
    middle = kernel.centred(k)
    assert float(middle[0, 0, 3:5, 4].sum()) == 1 and float(middle[1, 0, 4, 4]) == 1


def test_islands_and_weak_samples_are_taken_away():
    k = torch.zeros(1, 1, 9, 9)
    k[..., 4, 2:7], k[..., 0, 0], k[..., 8, 8] = 0.2, 0.05, 0.001
    k[..., 2, 2] = -1.0
    left = kernel.cleared(k)
    assert float(left[..., 4, 2:7].sum()) == pytest.approx(1) and int((left > 0).sum()) == 5


def test_kernel_from_gradients_is_the_least_squares_solution():
    """Where x is known exactly, the kernel comes out exactly."""
    generator = torch.Generator().manual_seed(1)
    x, truth = 10 * torch.randn(1, 1, 48, 52, generator=generator), kernels.make("motion:5@20")
    side = 9
    y = Blur(torch.nn.functional.pad(truth, (((side - truth.shape[1]) // 2,) * 2 + ((side - truth.shape[0]) // 2,) * 2)), "reflect")
    wide = torch.nn.functional.pad(x, (side,) * 4)
    got = kernel.solved(gradient(wide), gradient(y(wide)), side)
    assert likeness(got[0, 0], truth) > 0.9999


def test_the_size_is_found_and_large_pictures_are_looked_at_in_part(shaken):
    best = kernel.estimate(shaken)
    assert best.side in kernel.SIDES and likeness(best.kernel, kernels.make(WORDS)) > 0.75
    large = torch.zeros(1, 1, 700, 900)
    large[..., 300:506, 500:706] = shaken
    large[..., :40, :] = float("nan")
    top, left, height, width = kernel.liveliest(large, 256)
    assert (height, width) == (256, 256) and top <= 300 and left <= 500 and top + height >= 506 and left + width >= 706


def test_what_cannot_be_found_is_said():
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(RestoreError, match="flat"):
        kernel.estimate(0.5 + 0.002 * torch.randn(1, 1, 128, 128, generator=generator))
    with pytest.raises(RestoreError, match="too few"):
        kernel.estimate(torch.rand(1, 1, 30, 200, generator=generator))
    with pytest.raises(RestoreError, match="kernel-size 41"):
        kernel.estimate(torch.rand(1, 1, 128, 128, generator=generator), 99)
    with pytest.raises(RestoreError, match="NaN"):
        kernel.estimate(torch.full((1, 1, 128, 128), float("nan")))


def test_what_the_kernel_leaves_is_noise_to_the_method(shaken):
    task, lines, given = fill(Deblur(side=15.0), shaken)
    assert task.kernel == "estimated" and task.sigma >= 2.55 and set(given) == {"kernel"} and any("leaves" in line for line in lines)
    told, _, _ = fill(Deblur(sigma=1.0, side=15.0), shaken)
    assert told.sigma == 1.0
    assert problem_of(task, given).describe().startswith("y = blur")


def test_shakes_that_nobody_knows():
    task = Deblur("shake:21", 2.55)
    assert task.hidden and not Deblur("shake:21@3").hidden and isinstance(problem_of(task).operator, Unknown)
    assert problem_of(task).describe() == "y = unknown blur x + n, Gaussian, sigma 2.55/255"
    several = draw(task, 8, torch.Generator().manual_seed(0), shape=(3, 64, 64)).operator.kernel
    extents = [max(kernel.extent(one)) for one in several[:, 0]]
    assert several.shape == (8, 1, 21, 21) and max(extents) > 1.5 * min(extents)
    assert torch.equal(drawn(task, (1, 64, 64), 5)["kernel"], kernels.make("shake:21@5"))
    assert recipes.find("deblurnet").task.covers(Deblur(None, 2.0)) and not recipes.find("deblurnet").task.covers(Deblur("disk:3", 2.0))


def test_a_result_is_moved_to_its_truth():
    x = torch.from_numpy(pictures.camera()[:128, :160] / 255.0).float()[None, None]
    assert float((moved(x.roll((3, -2), (2, 3)), x) - x).abs().max()) < 1e-4


def test_kernels_are_kept_and_read_again(cli, tmp_path, shaken):
    samples = (shaken[0, 0].clamp(0, 1) * 255).round().numpy().astype(np.uint8)
    Image.fromarray(samples).save(tmp_path / "a.png")
    done = cli("deblur", "a.png", "--kernel-size", "15", "--save-kernel", "{stem}.kernel.png", "-m", "wiener", "--json", env=ALONE)
    row = json.loads(done.stdout)
    assert done.returncode == 0 and row["task"]["kernel"] == "estimated" and any("kernel" in note for note in row["notes"])
    blind = np.asarray(Image.open(tmp_path / "a.deblur.png")).astype(int)
    again = cli("deblur", "a.png", "--kernel", "a.kernel.png", "-s", str(row["task"]["sigma"]), "-m", "wiener", "-o", "b.png", env=ALONE)
    assert again.returncode == 0 and np.abs(np.asarray(Image.open(tmp_path / "b.png")).astype(int) - blind).max() <= 1
    kept = load_kernel(str(tmp_path / "a.kernel.png"))
    assert likeness(kept, kernel.estimate(torch.from_numpy(samples / 255.0).float()[None, None], 15).kernel) > 0.9999
    refused = cli("deblur", "a.png", "--kernel", "motion:5", "--save-kernel", "a.kernel.png", "-s", "1", "-m", "wiener", "-o", "c.png", env=ALONE)
    assert refused.returncode != 0 and b"exists already" in refused.stderr and not (tmp_path / "c.png").exists()


def test_wrong_words_leave_nothing(cli, tmp_path):
    Image.fromarray(np.full((64, 64), 90, np.uint8)).save(tmp_path / "flat.png")
    for wrong in (["flat.png", "-s", "1"], ["flat.png", "--kernel", "disk:3", "--kernel-size", "9"], ["flat.png", "flat.png", "--save-kernel", "k.png"], ["flat.png", "--kernel", "no.npz:k1"]):
        done = cli("deblur", *wrong, "-m", "wiener", env=ALONE)
        assert done.returncode in (1, 2) and done.stderr and b"Traceback" not in done.stderr, wrong
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flat.png"]


def test_the_python_call_finds_the_kernel(shaken):
    assert api.run(shaken[0], "deblur", side=15, model="wiener").shape == shaken[0].shape
    with pytest.raises(UsageError, match="side"):
        api.run(shaken[0], "deblur", side=1, model="wiener")

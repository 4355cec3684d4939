"""Methods for missing pixels: what they keep, what they give, and who is the default."""

import numpy as np
import pytest
import torch

from restore import api, cards, io
from restore.bench import peers
from restore.errors import RestoreError, UsageError
from restore.jobs import given
from restore.measure.metrics import psnr
from restore.methods.biharmonic import Biharmonic, laplacian
from restore.methods.ksvd import KSVD, cosines, fitted, pursue
from restore.operators.problem import posed, problem_of
from restore.tasks import Denoise, Inpaint


def stripes(size=64):
    """Waves that a dictionary of cosines holds in few atoms, across an edge."""
    y, x = torch.meshgrid(torch.arange(size) / size, torch.arange(size) / size, indexing="ij")
    return (0.5 + 0.2 * torch.sin(90 * (x + 0.4 * y)) * (x < 0.6) + 0.2 * torch.cos(80 * y) * (x >= 0.6))[None, None].float()


def spoiled(x, mask, sigma=0.0, seed=0):
    problem = posed(Inpaint(mask, sigma), x.shape[1:], torch.Generator().manual_seed(seed))
    return problem, problem.simulate(x, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("method", [Biharmonic(), KSVD(2)], ids=["biharmonic", "ksvd"])
def test_what_is_known_stays_and_colours_are_treated_alone(method):
    x = torch.cat([stripes(40), stripes(40).mT, 1 - stripes(40)], 1)
    problem, y = spoiled(x, "missing:0.5")
    restored, known = method(y, problem), problem.operator.mask.expand_as(x) == 1
    assert torch.equal(restored[known], y[known]) and float(psnr(restored, x)) > float(psnr(y, x)) + 8
    assert torch.allclose(method(y[:, 1:2], problem), restored[:, 1:2], atol=1e-4)


def test_codes_know_texture_where_plates_are_smooth():
    x = stripes()
    problem, y = spoiled(x, "missing:0.5")
    assert float(psnr(KSVD(2)(y, problem), x)) > float(psnr(Biharmonic()(y, problem), x)) + 1


def test_noise_on_what_is_known_is_taken_off_too():
    x = stripes()
    problem, y = spoiled(x, "missing:0.3", sigma=20.0)
    known = problem.operator.mask == 1
    restored = KSVD(2)(y, problem)
    assert float((restored - x)[known].square().mean()) < 0.5 * float((y - x)[known].square().mean())


def test_a_patch_without_a_known_pixel_is_filled_from_around():
    x = stripes(48)
    mask = torch.ones(1, 1, 48, 48)
    mask[..., 10:32, 12:34] = 0
    problem = problem_of(Inpaint("array"), {"mask": mask})
    for method in (KSVD(2), Biharmonic()):
        restored = method(x * mask, problem)
        assert torch.isfinite(restored).all() and 0.0 < float(restored[..., 18:24, 20:26].mean()) < 1.0


def test_the_plate_is_scikit_images():
    inpaint = pytest.importorskip("skimage.restoration").inpaint_biharmonic
    x = torch.rand(1, 1, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, 1, 32, 32)
    mask[..., 8:14, 9:20] = 0
    theirs = inpaint((x * mask)[0, 0].numpy(), mask[0, 0].numpy() == 0)
    ours = Biharmonic()((x * mask), problem_of(Inpaint("array"), {"mask": mask}))
    assert np.abs(ours[0, 0].numpy() - theirs).max() < 1e-3
    v = torch.rand(1, 1, 9, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    w = torch.rand(1, 1, 9, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert float((laplacian(v) * w).sum()) == pytest.approx(float((v * laplacian(w)).sum()))
    with pytest.raises(RestoreError, match="missing"):
        Biharmonic()(x, problem_of(Denoise(sigma=5.0)))


def test_atoms_are_matched_and_fitted_on_what_is_known():
    """Codes of two atoms are found from half of the samples; an atom that is wrong is mended from them."""
    generator = torch.Generator().manual_seed(0)
    atoms = torch.nn.functional.normalize(cosines(8, 8), dim=1).float()
    truth = atoms[5] * torch.randn(200, 1, generator=generator) + 0.8 * atoms[20] * torch.randn(200, 1, generator=generator)
    known = (torch.rand(200, 64, generator=generator) < 0.5).float()
    codes = pursue(truth * known, atoms, 1e-6, known, torch.full((200,), 6.0))
    assert float((codes.sum(atoms, 200) - truth).square().mean()) < 1e-3 * float(truth.square().mean())
    wrong = atoms.clone()
    wrong[5] = torch.nn.functional.normalize(atoms[5] + 0.3 * atoms[40], dim=0)
    codes = pursue(truth * known, wrong, 0.01, known, torch.full((200,), 2.0))
    mended = fitted(wrong, truth * known, codes, known)
    assert float(mended[5] @ atoms[5]) > float(wrong[5] @ atoms[5]) and torch.allclose(mended.norm(dim=1), torch.ones(len(atoms)), atol=1e-4)


def test_plug_and_play_is_the_default_where_noise_is_and_denoising_is_as_it_was():
    assert [cards.choose(Inpaint("mask.png", sigma), channels=channels)[0] for sigma, channels in ((0.0, 3), (0.0, 1), (5.0, 3))] == ["usrnet", "usrnet", "pnp"]
    assert cards.choose(Denoise(sigma=25.0), "ksvd")[0] == "ksvd" and cards.choose(Inpaint("text:12"), "ksvd")[0] == "ksvd"


def test_a_peer_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda module: None)
    with pytest.raises(RestoreError, match="cv2 is not installed"):
        peers.find("peer:opencv-telea")


def test_pixels_around_holes_are_whole_and_feathering_keeps_what_lies_beyond(tmp_path):
    x = np.full((24, 24), 200, np.uint8)
    hole = np.zeros((24, 24), np.uint8)
    hole[10:14, 10:14] = 255
    io.write(tmp_path / "x.png", x)
    io.write(tmp_path / "m.png", hole)
    task = Inpaint(str(tmp_path / "m.png"), feather=2)
    with io.open_source(tmp_path / "x.png") as source:
        keep = given.read(task, source, 0, tmp_path / "x.png")["keep"]
        assert torch.allclose(keep[12, 6:11], torch.tensor([1, 1, 2 / 3, 1 / 3, 0]))
        for wrong in ({"feather": 0.5}, {"grow": 1.9}):
            with pytest.raises(UsageError, match="pixels"):
                given.read(Inpaint(str(tmp_path / "m.png"), **wrong), source, 0, tmp_path / "x.png")


def test_noise_of_known_pixels_is_taken_off_what_is_written_and_without_noise_they_stay():
    x = 0.3 + 0.4 * (torch.arange(48) > 24).float().expand(48, 48)
    mask = torch.rand(48, 48, generator=torch.Generator().manual_seed(1)) > 0.8
    y = (x + 20 / 255 * torch.randn(48, 48, generator=torch.Generator().manual_seed(2))).numpy()
    noisy, clean = (api.run(y, "inpaint", mask=mask.numpy(), sigma=sigma, model="tv") for sigma in (20, 0))
    assert np.array_equal(clean[~mask], y[~mask])
    before, after = (float(np.square(p - x.numpy())[~mask].mean()) for p in (y, noisy))
    assert after < 0.7 * before

"""Networks of the inverse problems: their recipes end to end, what their cards serve, and what each promises."""

import json
from dataclasses import replace

import numpy as np
import pytest
import skimage
import torch
from PIL import Image

from restore import api, cards
from restore.bench import phase, plot
from restore.errors import UsageError
from restore.measure.metrics import psnr, psnr_b
from restore.measure.protocol import PROTOCOLS
from restore.method import told
from restore.methods.edsr import EDSR
from restore.methods.istanet import ISTANet
from restore.methods.rednet import REDNet
from restore.methods.usrnet import USRNet
from restore.operators import jpeg
from restore.operators.problem import Problem, posed, problem_of
from restore.tasks import CompressedSensing, Deblur, Inpaint, Jpeg, SuperResolution
from restore.train import recipes, run
from restore.values import Range

SMALL = {"edsr": {"width": 8, "blocks": 1}, "red10": {"width": 8}, "drunet": {"widths": [8, 16], "blocks": [0, 1, 1]}, "istanet": {"phases": 1, "width": 8},
         "usrnet": {"steps": 2, "widths": [8, 16], "blocks": [0, 1, 1]}}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Four smooth colour pictures with an edge."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        down, across = np.mgrid[: 110 + number, :120] / 9
        planes = [np.sin(down * (1 + number / 7) + across + phase) + (across > 7) for phase in (0, 1, 2)]
        Image.fromarray(np.uint8(100 + 60 * np.stack(planes, -1))).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("name", ["edsr-x3-fast", "red10-x2", "red10-q10", "drunet-jpeg-fast", "red10-marks", "red10-disk", "istanet-r25", "usrnet-r25"])
def test_a_recipe_makes_weights_that_serve_their_task(name, pictures, tmp_path, monkeypatch):
    """Trained for two steps, exported, chosen for what it was trained for where there are no others, unless it is to be asked for by name, and run."""
    monkeypatch.setattr(cards, "folders", lambda: [tmp_path / "weights"])
    recipe = recipes.find(name)
    recipe = replace(recipe, start="", data=(str(pictures),), tests=(), batch=2, patch=min(recipe.patch, 96), args={**recipe.args, **SMALL[recipe.method]})
    card = run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", steps=2, device="cpu")
    assert card.recipe["validation"] > 10 and ("validation_before" in card.recipe) == (recipe.task.name != "cs")
    task = recipe.task.replace(**{part: (value.low + value.high) / 2 for part, value in recipe.task.words().items() if isinstance(value, Range)})
    channels = 1 if recipe.task.name == "cs" else 3
    by_name = recipe.task.name == "inpaint"  # what the holes of a mask look like is for the user to know
    chosen = cards.choose(task, None, channels=channels)[1]
    assert chosen is None if recipe.apart else chosen.full_name == card.full_name
    user = Inpaint("holes.png") if by_name else task
    assert cards.choose(user, card.full_name)[1].full_name == card.full_name
    assert (cards.choose(user, None, channels=channels)[0] == "pnp") is (by_name or recipe.apart)
    x = torch.rand(1, 3, 66, 66, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    problem = posed(task, x.shape[1:], generator)
    restored = cards.load(card.name, card)(problem.simulate(x, generator), problem)
    assert restored.shape == x.shape and torch.isfinite(restored).all()


@pytest.mark.parametrize("flops", [1.0, 1e12])
def test_a_part_is_never_a_net_for_another_task(flops, tiny_weights, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTORE_WEIGHTS", f"{tmp_path}:{tiny_weights}")
    net = cards.build("drunet", {"channels": 3, **SMALL["drunet"]})
    cards.save(cards.Card("drunet", "jpeg", Jpeg(Range(5, 95)), SMALL["drunet"], flops_per_pixel=flops), net, tmp_path)
    net.load_state_dict(api.load("drunet.jpeg").state_dict())
    assert not any(torch.equal(first, net.head.weight.half().float()) for first in (cards.load("drunet").head.weight, api.load("drunet").head.weight))


def test_edsr_begins_where_interpolation_ends_and_tiles_exactly(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = EDSR(3, width=8, blocks=2)
    x = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    y = torch.from_numpy(x / 255.0).float().permute(2, 0, 1)[None]
    problem = problem_of(SuperResolution(3.0))
    assert float((net(y, problem) - cards.load("bicubic")(y, problem)).detach().abs().max()) < 0.02
    with torch.no_grad():
        net.tail.weight.mul_(1000)
    cards.save(cards.Card("edsr", "x3", SuperResolution(3.0), {"scale": 3, "width": 8, "blocks": 2}), net, tmp_path)
    whole, tiled = (api.run(x, "sr", scale=3, model="edsr.x3", tile=tile) for tile in (None, 32))
    assert whole.shape == (120, 150, 3) and np.array_equal(whole, tiled)
    with pytest.raises(UsageError, match="scale 3"):
        api.run(x, "sr", scale=2, model="edsr.x3")


def test_luma_alone_is_changed():
    net, y = REDNet(10, width=8, luma=True), torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    moved = net(y, problem_of(Jpeg(10.0))) - y
    assert float(moved.detach().abs().max()) > 1e-4 and torch.allclose(moved[:, :1].expand(-1, 3, -1, -1), moved, atol=1e-6)
    grey = net(y[:, :1], problem_of(Jpeg(10.0)))
    assert grey.shape == (1, 1, 20, 24) and not torch.equal(grey, y[:, :1])


def test_measured_pixels_stay_in_a_mask():
    net, x = REDNet(10, 3, 8), torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    for sigma, same in ((0.0, True), (5.0, False)):
        problem = posed(Inpaint("marks:20", sigma), x.shape[1:], torch.Generator().manual_seed(2))
        y = problem.simulate(x, torch.Generator().manual_seed(0))
        known = problem.operator.mask.expand_as(x) == 1
        assert 0.3 < float(known.float().mean()) < 0.99 and torch.equal(net(y, problem)[known], y[known]) is same


def test_what_marks_cover():
    marks = Inpaint("marks:32")
    assert marks.covers(Inpaint("text:16")) and marks.covers(Inpaint("scratches:9")) and not marks.covers(Inpaint("missing:0.5"))
    assert marks.admits(Inpaint("mask.png")) and not marks.covers(Inpaint("mask.png")) and not marks.admits(Inpaint("mask.png", 25.0))
    assert Deblur("disk:7", Range(0, 3)).covers(Deblur("disk:7", 1.0, "circular"))


def test_a_net_is_told_how_coarse_the_tables_are():
    y = torch.zeros(2, 1, 8, 8)
    levels = [255 * float(told(problem_of(Jpeg(quality)), y)[0]) for quality in (5.0, 10.0, 50.0, 95.0)]
    assert levels == sorted(levels, reverse=True) and 10 < levels[1] < 15 and levels[3] < 2
    drawn = Problem(jpeg.Coding(jpeg.tables(torch.tensor([10.0, 90.0]))), problem_of(Jpeg(10.0)).noise)
    assert told(drawn, y).shape == (2, 1, 1, 1)


@pytest.mark.parametrize("size", [(66, 99), (40, 50)])
def test_the_linear_guess_of_measurements_is_the_conditional_mean(size):
    """Of noise with the covariance that it assumes, no scaled or shifted guess is nearer; what was measured is met."""
    from restore.operators.dense import RELATED

    problem = problem_of(CompressedSensing(0.25), shape=(2, *size))
    generator = torch.Generator().manual_seed(0)
    at = torch.arange(132.0)
    root = torch.linalg.cholesky(RELATED ** (at[:, None] - at).abs())
    x = 0.5 + 0.2 * (root @ torch.randn(2, 132, 132, generator=generator) @ root.T)[None, :, : size[0], : size[1]]
    canvas = problem.operator.canvas(problem.operator(x))
    whole = canvas.operator.guess(canvas.y)
    assert float((canvas.operator(whole) - canvas.y).square().mean().sqrt()) < 1e-3
    guess = canvas.crop(whole)
    assert guess.shape == x.shape and float((guess - x).square().mean()) < 0.5 * float((x - 0.5).square().mean())


@pytest.mark.parametrize("net", [ISTANet(2, 8), USRNet(2, 1, (8, 16), (0, 1, 1))])
def test_measurements_of_colour_are_taken_plane_by_plane(net):
    x = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    both, one = (problem_of(CompressedSensing(0.25), shape=(channels, 40, 50)) for channels in (3, 1))
    together = net(both.simulate(x), both)
    assert torch.allclose(together[:, 1:2], net(one.simulate(x[:, 1:2]), one), atol=1e-3)


def test_unfolded_rounds_begin_as_plug_and_play_and_meet_the_data():
    """Untrained with the flagship in it: nearer than the linear guess; what was measured is met, and the noise of it is not."""
    recipe = recipes.find("usrnet-r25")
    net, fresh = run.build(recipe), run.build(replace(recipe, start=""))
    flagship = cards.load("drunet", cards.find(recipe.start)[1])
    assert all(torch.equal(net.prior.state_dict()[name], value) for name, value in flagship.state_dict().items())
    assert not torch.equal(fresh.prior.head.weight, net.prior.head.weight) and torch.equal(fresh.error, net.error)
    x = torch.from_numpy(skimage.data.camera()[100:199, 160:292] / 255.0).float()[None, None]
    exact, noisy = (posed(CompressedSensing(0.25, sigma=sigma), (1, 99, 132), torch.Generator().manual_seed(0)) for sigma in (0.0, 10.0))
    with torch.inference_mode():
        y = exact.operator(x)
        restored = net(y, exact)
        assert float(psnr(restored, x)) > float(psnr(exact.operator.guess(y), x)) + 2
        assert float((exact.operator(restored) - y).abs().max()) < 1e-2
        y = noisy.simulate(x, torch.Generator().manual_seed(1))
        assert float(psnr(net(y, noisy), x)) > float(psnr(noisy.operator.guess(y), x)) + 1
        assert 5 / 255 < float((noisy.operator(net(y, noisy)) - y).std()) < 12 / 255
    assert net.flops_per_pixel == pytest.approx(6 * flagship.flops_per_pixel)


def test_sparse_vectors_are_recovered_up_to_the_transition():
    """Donoho and Tanner: with a quarter of the measurements a vector of 27 % as many entries as measurements is where recovery ends."""
    generator = torch.Generator().manual_seed(0)
    assert phase.recovered([20, 60], 128, generator, 4) == [1, 0]
    drawn = plot.shades("a < b", "m", "k", (0.5, 1.0), (0.5, 1.0), [[1.0, 1.0], [0.0, 1.0]])
    assert drawn.count("<rect") == 4 and drawn.count("rgb(0,0,0)") == 1 and "a &lt; b" in drawn


def test_psnr_b_is_less_where_there_are_blocks():
    x = torch.linspace(0.2, 0.8, 48).expand(1, 1, 64, 48)
    board = 0.02 * torch.tensor([[1.0, -1.0] * 3, [-1.0, 1.0] * 3] * 4).repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert float(psnr_b(x + 0.02, x)) == pytest.approx(float(psnr(x + 0.02, x)), abs=1e-3) and float(psnr_b(x + board, x)) < float(psnr(x + board, x)) - 3
    inside = x + board.roll((4, 4), (0, 1))  # edges inside blocks are no blocks
    assert float(psnr_b(inside, x)) == pytest.approx(float(psnr(inside, x)), abs=1e-3)
    coded = problem_of(Jpeg(10.0)).simulate(torch.linspace(0, 1, 64).outer(torch.linspace(0, 1, 64)).sqrt()[None, None])
    clean = torch.linspace(0, 1, 64).outer(torch.linspace(0, 1, 64)).sqrt()[None, None]
    assert float(psnr_b(coded, clean)) < float(psnr(coded, clean)) - 0.5
    assert PROTOCOLS["jpeg"].blocking(coded, clean) < PROTOCOLS["jpeg"].scores(coded, clean)[0] and np.isnan(PROTOCOLS["rednet"].blocking(coded, clean))


def test_what_is_told_of_d_is_not_learned_from_pairs(pictures):
    for name, task in (("usrnet-blur", Deblur("any:31", 5.0)), ("usrnet-holes", Inpaint("any:32"))):
        with pytest.raises(UsageError, match="told what was done"):
            run.build(replace(recipes.find(name), task=task, pairs=(str(pictures), str(pictures)), start=""))


def test_weights_for_any_kernel_serve_files_and_estimates_up_to_their_size(cli, tmp_path):
    """Where they cover the task they are the default; a shake that nobody knows is estimated first; wider kernels are left to plug-and-play."""
    args = {"channels": 3, **SMALL["usrnet"]}
    cards.save(cards.Card("usrnet", "blur", Deblur("any:9", Range(0, 12), "circular"), args), cards.build("usrnet", args), tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(tmp_path / "x.png")
    for side in (9, 11):
        np.save(tmp_path / f"{side}.npy", np.ones((side, side), np.float32))
    for words, name in ((["9.npy"], "usrnet.blur"), (["11.npy"], "pnp"), (["disk:4"], "usrnet.blur"), (["disk:5"], "pnp"), (["shake:7", "--model", "usrnet"], "usrnet.blur")):
        done = cli("deblur", "x.png", "--sigma", "2", "--json", "-o", "out.png", "--overwrite", "--kernel", *words, env={"RESTORE_WEIGHTS": str(tmp_path)})
        assert done.returncode == 0 and json.loads(done.stdout.splitlines()[0])["model"] == name, (words, done.stdout, done.stderr)

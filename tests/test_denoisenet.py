"""DenoiseNet: the paper's layers, blind to the level, trained on Poisson noise of any peak."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from restore.method import Exact
from restore.methods.denoisenet import DenoiseNet
from restore.operators.problem import problem_of
from restore.tasks import Denoise
from restore.train import data, export, loop, recipes, run


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DenoiseNet().eval().requires_grad_(False)


def test_size_and_reach(network):
    assert sum(p.numel() for p in network.parameters()) == 640 + 18 * (63 * 64 * 9 + 64) + 568
    assert network.tiling(problem_of(Denoise("poisson", peak=4.0))) == Exact(20)
    assert network.flops_per_pixel == pytest.approx(1.31e6, rel=0.01)


def test_each_layer_adds_its_part(network):
    """Written out: all maps but the first pass a relu, but for those that the last layer gets."""
    y = torch.rand(1, 1, 30, 26, generator=torch.Generator().manual_seed(0))
    x, parts = y - 0.5, 0
    for k, layer in enumerate(network.layers):
        maps = F.conv2d(x, layer.weight, layer.bias, padding=1)
        parts = parts + maps[:, :1]
        x = maps[:, 1:].clamp_min(0) if k < 18 else maps[:, 1:]
    torch.testing.assert_close(network.net(y, None), y + parts / 10)


def test_any_size_and_channels(network):
    for shape in ((1, 1, 1, 1), (2, 3, 9, 14)):
        y = torch.rand(shape)
        assert network(y, problem_of(Denoise("poisson", peak=2.0))).shape == y.shape


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Six smooth grey pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(6):
        down, across = np.mgrid[:48, :40] / (5 + number)
        Image.fromarray(np.uint8(127.5 + 120 * np.sin(down + across))).save(folder / f"{number}.png")
    return folder


def test_training_descends_and_cards_know_the_peak(pictures, monkeypatch):
    monkeypatch.setattr(loop, "WARM", 5)
    recipe = replace(recipes.find("denoisenet"), data=(str(pictures),), patch=16, batch=4, rate=1e-3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = run.build(recipe)
    training, held, _ = data.gather(run.items_of(recipe), 1, recipe.patch, recipe.seed)
    going = loop.start(recipe, network, training)
    going.of = 30
    before = loop.validate(going.average, recipe.task, held)
    for _ in range(going.of):
        loop.step(recipe, going, going.network)
    assert loop.validate(going.average, recipe.task, held) > before + 1

    class Folder:
        channels = 1

        def files(self):
            return sorted(pictures.iterdir())[:1]
    monkeypatch.setattr(export.sets, "find", lambda name: Folder())
    rows = export.table(recipe, going.average, "set", torch.device("cpu"))
    assert [row["peak"] for row in rows] == [1, 2, 4, 8, 30] and "sigma" not in rows[0]
    assert rows[-1]["psnr"] > rows[0]["psnr"]

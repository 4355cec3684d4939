"""The weights that are shipped, and how one is chosen for a task."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from restore import cards
from restore.catalog import CATALOG
from restore.errors import RestoreError, UsageError
from restore.method import Network
from restore.methods.drunet import DRUNet
from restore.tasks import Denoise, Jpeg
from restore.values import Range

SHIPPED = [cards.read(path) for path in sorted((Path(__file__).parent.parent / "weights").glob("*.toml"))]


@pytest.mark.parametrize("card", SHIPPED, ids=lambda card: card.full_name)
def test_a_shipped_card_tells_the_truth(card):
    assert cards.verify(card) and card.name in CATALOG and CATALOG[card.name].trained and card.licence and card.recipe and card.results
    assert card.data and all(part["terms"] and part["count"] for part in card.data)
    method = cards.load(card.name, card)
    assert sum(value.numel() for value in method.state_dict().values()) == card.parameters
    if isinstance(method, Network):
        told = method.facts
        del method.__dict__["facts"]
        assert told == method.facts  # probed again


def test_weights_stay_light():
    assert sum(card.weights.stat().st_size for card in SHIPPED) < 90e6


@pytest.fixture
def three(tmp_path, monkeypatch):
    """A small and a large colour net and a grey one, untrained."""
    for tag, channels, widths, high in (("small", 3, [8, 16], 50), ("large", 3, [16, 32], 75), ("grey", 1, [8, 16], 75)):
        args = {"channels": channels, "widths": widths, "blocks": [0, 1, 0]}
        net = DRUNet(**args)
        cards.save(cards.Card("drunet", tag, Denoise(sigma=Range(0, high)), args, flops_per_pixel=net.flops_per_pixel), net, tmp_path)
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(cards, "folders", lambda: [tmp_path])


def name(task, *how, **more):
    chosen, card = cards.choose(task, *how, **more)
    return card.full_name if card else chosen


def test_the_task_and_the_picture_choose_the_weights(three):
    assert name(Denoise(sigma=25.0), channels=3) == "drunet.large" and name(Denoise(sigma=25.0), None, True, 3) == "drunet.small"
    assert name(Denoise(sigma=25.0), channels=1) == "drunet.grey" and name(Denoise(sigma=60.0), None, True, 3) == "drunet.large"
    assert name(Denoise(sigma=90.0), channels=3) == "bm3d" and name(Denoise("poisson", peak=4.0), channels=3) == "ivst"
    assert name(Denoise("poisson-gaussian", peak=4.0, sigma=2.0), channels=3) == "vst"
    assert name(Denoise(sigma=25.0), "drunet.small", channels=1) == "drunet.small" and name(Denoise(sigma=25.0), "drunet", channels=1) == "drunet.grey"


def test_an_experiment_is_taken_by_its_full_name_alone(three):
    for tag in ("small", "large"):
        card = cards.find(f"drunet.{tag}")[1]
        cards.write(replace(card, apart=True))
    assert name(Denoise(sigma=25.0), None, True, 3) == "bm3d" and name(Denoise(sigma=25.0), "drunet", channels=3) == "drunet.grey"
    assert name(Denoise(sigma=25.0), "drunet.large", channels=3) == "drunet.large"
    with pytest.raises(UsageError) as caught:
        cards.choose(Denoise(sigma=80.0), "drunet")
    assert "drunet.large" not in str(caught.value.remedy) + str(caught.value.expected)


def test_a_level_out_of_range_is_an_error_that_names_what_covers_it(three):
    with pytest.raises(UsageError, match="0-50") as caught:
        cards.choose(Denoise(sigma=60.0), "drunet.small")
    assert "drunet.large" in caught.value.remedy
    with pytest.raises(UsageError, match="does not serve"):
        cards.choose(Denoise("poisson", peak=4.0), "drunet.small")


def test_saving_and_loading_costs_only_half_precision(tmp_path):
    torch.manual_seed(0)
    net = DRUNet(3, [8, 16], [0, 1, 0]).eval()
    card = cards.save(cards.Card("drunet", "x", Denoise(sigma=Range(0, 75)), {"widths": [8, 16], "blocks": [0, 1, 0]}, flops_per_pixel=net.flops_per_pixel), net, tmp_path)
    again = cards.load("drunet", card)
    y, sigma = torch.rand(1, 3, 32, 32), torch.full((1, 1, 1, 1), 0.1)
    with torch.no_grad():
        assert float((again.net(y, sigma) - net.net(y, sigma)).abs().max()) < 5e-3
    assert again.facts == net.facts and not [p for p in tmp_path.iterdir() if ".tmp" in p.name]


def test_what_is_put_inside_a_method_is_a_denoiser(three):
    assert cards.denoiser("bm3d")[0] == "bm3d" and cards.denoiser("drunet.small")[1].tag == "small"
    for name in ("edsr", "denoisenet", "vst"):
        with pytest.raises(UsageError, match="no denoiser"):
            cards.denoiser(name)
    card = cards.find("drunet.small")[1]
    cards.write(replace(card, task=Jpeg(10.0)))
    with pytest.raises(UsageError, match="no denoiser"):
        cards.denoiser("drunet.small")


def test_weights_that_are_not_there_are_named_with_those_that_are(three):
    with pytest.raises(UsageError) as caught:
        cards.find("bm3d.x")
    assert caught.value.expected == "bm3d, which needs none"
    with pytest.raises(UsageError) as caught:
        cards.find("drunet.smal")
    assert caught.value.expected.startswith("drunet.small")


def test_of_weights_of_one_cost_those_for_the_level_are_taken(three):
    for tag in ("small", "large"):
        cards.write(replace(cards.find(f"drunet.{tag}")[1], flops_per_pixel=5.0, task=Denoise(sigma=25.0 if tag == "large" else Range(0, 50))))
    assert name(Denoise(sigma=25.0), None, False, 3) == name(Denoise(sigma=25.0), None, True, 3) == "drunet.large"


def test_a_card_that_has_changed_is_read_again(tmp_path):
    path = tmp_path / "a.toml"
    for tag in ("one", "other"):
        path.write_text(f'name = "drunet"\ntag = "{tag}"\n[task]\nname = "denoise"\nsigma = "0-75"\n')
        assert cards.read(path).tag == tag and cards.read(path) is cards.read(path)
    path.unlink()
    with pytest.raises(RestoreError, match="not a model card"):
        cards.read(path)

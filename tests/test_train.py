"""The trainer: data, resumption bit for bit, what it refuses and what it survives."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tomli_w
import torch
from PIL import Image
from safetensors.torch import load_file

from restore import cards, io
from restore.commands.train import train
from restore.errors import RestoreError, UsageError
from restore.measure.protocol import PROTOCOLS
from restore.measure.score import score_one
from restore.operators.base import Identity
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem
from restore.tasks import Denoise
from restore.train import checkpoint, curves, data, export, loop, progress, recipes, run
from restore.train.group import Group
from restore.train.scenes import SCENES
from restore.values import Range


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    monkeypatch.setattr(loop, "REPORT", 5)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """Twelve smooth colour pictures of several sizes."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        height, width = 40 + 3 * number, 64 - 2 * number
        down, across = np.mgrid[:height, :width] / 9
        planes = [np.sin(down * (1 + number / 7) + across + phase) for phase in (0, 1, 2)]
        Image.fromarray(np.uint8(127.5 + 120 * np.stack(planes, -1))).save(folder / f"{number:02}.png")
    return folder


def small(recipe: recipes.Recipe, folder: Path, **changes) -> recipes.Recipe:
    """The shipped recipe with small patches and a small batch; the network is as it ships."""
    return replace(recipe, data=(str(folder),), **{"patch": 16, "batch": 2, **changes})


def begin(recipe: recipes.Recipe, of: int) -> tuple[checkpoint.Run, data.Pool]:
    network = run.build(recipe)
    training, held, _ = data.gather(run.items_of(recipe), network.channels, recipe.patch, recipe.seed)
    going = loop.start(recipe, network, training)
    going.of = of
    return going, held


def singles(folder: Path) -> list[tuple[Path, ...]]:
    return [(file,) for file in sorted(folder.iterdir())]


def stop_at(step: int):
    def report(event):
        if event.step == step:
            os.kill(os.getpid(), signal.SIGINT)
    return report


def bits(going: checkpoint.Run) -> dict[str, bytes]:
    return {f"{part}.{key}": value.numpy().tobytes() for part in ("network", "average") for key, value in getattr(going, part).state_dict().items()}


@pytest.mark.parametrize("name", ["red30", "drunet", "drunet-fast", "course-muon"])
def test_resumes_bit_for_bit(name, pictures, tmp_path):
    """40 steps against 20, Ctrl-C, a new process's worth of objects, and 20 more; a disturbed sampler position shows."""
    recipe = small(recipes.find(name), pictures)
    straight, held = begin(recipe, 40)
    loop.train(recipe, straight, held, tmp_path / "straight")
    cut, held = begin(recipe, 40)
    loop.train(recipe, cut, held, tmp_path / "cut", report=stop_at(20))
    assert cut.step in (20, 21)
    for disturbed in (False, True):
        resumed, held = begin(recipe, 0)
        checkpoint.load(resumed, recipe, tmp_path / "cut")
        assert (resumed.step, resumed.of, resumed.pool.position) == (cut.step, 40, cut.step * recipe.batch)
        resumed.pool.position += disturbed
        loop.train(recipe, resumed, held, tmp_path / f"resumed-{disturbed}")
        assert (bits(resumed) == bits(straight)) is not disturbed


@pytest.mark.parametrize(("part", "files"), [(None, 1), (2_000_000, 5)])
def test_what_is_saved_is_all_there_is(part, files, pictures, tmp_path):
    recipe = small(recipes.find("drunet-fast"), pictures)
    going, held = begin(recipe, 3)
    loop.train(recipe, going, held, tmp_path, part_bytes=part)
    sizes = [file.stat().st_size for file in tmp_path.glob("*.safetensors")]
    assert len(sizes) == files and (part is None or max(sizes) <= part)
    other, _ = begin(recipe, 0)
    checkpoint.load(other, recipe, tmp_path)
    assert bits(other) == bits(going)
    assert torch.equal(other.generator.get_state(), going.generator.get_state())
    for mine, theirs in zip(going.network.parameters(), other.network.parameters(), strict=True):
        for key, value in going.optimiser.state[mine].items():
            assert torch.equal(value, other.optimiser.state[theirs][key])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_checkpoint_of_another_recipe_is_refused(pictures, tmp_path):
    recipe = small(recipes.find("red10"), pictures)
    going, held = begin(recipe, 1)
    loop.train(recipe, going, held, tmp_path)
    with pytest.raises(UsageError, match="rate"):
        checkpoint.load(begin(recipe, 0)[0], replace(recipe, rate=1e-4), tmp_path)
    with pytest.raises(RestoreError, match="no checkpoint"):
        checkpoint.load(begin(recipe, 0)[0], recipe, tmp_path / "elsewhere")


def test_nan_in_the_loss_stops_with_the_last_good_checkpoint(pictures, tmp_path, monkeypatch):
    recipe = small(recipes.find("red10"), pictures)
    going, held = begin(recipe, 30)
    loop.train(recipe, going, held, tmp_path, report=stop_at(10))
    good = {file.name: file.read_bytes() for file in tmp_path.glob("checkpoint*")}
    real = loop.step
    monkeypatch.setattr(loop, "step", lambda *args: real(*args) * (float("nan") if going.step > 15 else 1))
    with pytest.raises(RestoreError, match="not a number"):
        loop.train(recipe, going, held, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("checkpoint*")} == good


def test_minutes_settle_the_steps_once(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "WARM", 4)
    recipe = small(recipes.find("red10"), pictures)
    going, held = begin(recipe, 0)
    settled = []

    def report(event):
        settled.append(event.of)
        if len(settled) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop, "REPORT", 1)
    loop.train(recipe, going, held, tmp_path, minutes=60.0, report=report)
    assert going.of > 40
    resumed, _ = begin(recipe, 0)
    checkpoint.load(resumed, recipe, tmp_path)
    assert resumed.of == going.of


def test_ctrl_c_is_answered_after_the_step_and_given_back():
    before = signal.getsignal(signal.SIGINT)
    with progress.Interrupt() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_log_holds_no_step_twice(pictures, tmp_path, monkeypatch):
    for step in (1, 2, 3, 4):
        progress.write(tmp_path, progress.Event(step, 0, 0.1, 1e-3, 1.0, 1.0, float("nan")))
    progress.trim(tmp_path, 2)
    lines = [json.loads(line) for line in (tmp_path / progress.LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert "left" not in lines[0]


def test_unreadable_and_small_pictures_are_named_and_skipped(pictures, tmp_path):
    notes: list[str] = []
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    Image.new("RGB", (15, 40)).save(tmp_path / "small.png")
    files = [*sorted(pictures.iterdir()), tmp_path / "broken.png", tmp_path / "small.png"]
    training, held, kept = data.gather([(file,) for file in files], 3, 16, 0, note=notes.append)
    assert (len(training), len(held), len(kept)) == (11, 1, 12)
    assert "broken.png is skipped" in notes[0]
    assert "small.png" in notes[1] and "15 x 40" in notes[1]
    with pytest.raises(RestoreError, match="trained on"):
        data.gather([(file,) for file in files[-2:]], 3, 16, 0)


def test_held_pictures_are_held_by_whatever_path(pictures, monkeypatch):
    held = sorted(pictures.iterdir())[3]
    monkeypatch.setattr(data, "SETS", {"held": SimpleNamespace(there=True, files=lambda: [held])})
    monkeypatch.chdir(pictures.parent)
    counts = [tuple(map(len, data.gather([(place / file.name,) for file in sorted(pictures.iterdir())], 3, 16, 0)[:2])) for place in (pictures, Path(pictures.name))]
    assert counts[0] == counts[1] and counts[0][1] == 2


def test_patches_are_pieces_of_the_pictures_in_every_turn(tmp_path):
    """A picture whose samples say where they are: each patch is one of its eight turns, all eight occur, all places are reached."""
    picture = np.arange(24 * 20, dtype=np.uint16).reshape(24, 20)
    for name in "ab":
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    pool, _, _ = data.gather(singles(tmp_path), 1, 6, 0)
    cut = (pool.patches(400, 6, torch.Generator().manual_seed(0))[0] * 65535).round().int().numpy()[:, 0]
    turns, tops, lefts = set(), set(), set()
    for patch in cut:
        top, left = divmod(int(patch.min()), 20)
        own = picture[top : top + 6, left : left + 6]
        found = [(quarter, mirror) for quarter in range(4) for mirror in (False, True)
                 if np.array_equal(np.rot90(own[:, ::-1] if mirror else own, quarter), patch)]
        assert len(found) == 1
        turns.add(found[0])
        tops.add(top)
        lefts.add(left)
    assert (len(turns), tops, lefts) == (8, set(range(19)), set(range(15)))


def test_every_picture_is_seen_once_a_round(pictures):
    pool, _, _ = data.gather(singles(pictures), 3, 16, 0)
    first, second = pool._next(11).tolist(), pool._next(11).tolist()
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second


def test_depths_and_colours_mix(tmp_path):
    """8 and 16 bits, grey and colour, in one pool; grey is MATLAB's rgb2gray."""
    Image.new("RGB", (20, 20), (255, 0, 0)).save(tmp_path / "a.png")
    Image.fromarray(np.full((20, 20), 32768, np.uint16)).save(tmp_path / "b.png")
    Image.new("L", (20, 20), 100).save(tmp_path / "c.png")
    training, held, _ = data.gather(singles(tmp_path), 1, 16, 0)
    assert float(held.picture(0)[0].mean()) == pytest.approx(76 / 255, abs=1e-6)
    assert [float(training.picture(i)[0].mean()) for i in range(2)] == pytest.approx([32768 / 65535, 100 / 255], abs=1e-6)
    assert data.gather(singles(tmp_path), 3, 16, 0)[0].picture(0)[0].shape == (1, 3, 20, 20)


@pytest.mark.data
def test_sets_kept_for_tests_are_refused(data):
    for name in ("set12", str(data / "test" / "burst"), str(data)):
        with pytest.raises(UsageError, match="refused"):
            run.items_of(replace(recipes.find("red30"), data=(name,)))


def test_the_whole_walk(pictures, tmp_path, monkeypatch):
    """Train, save, load by card: what the card says is what the weights give."""
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path / "weights"))
    recipe = small(recipes.find("red10"), pictures, task=Denoise(sigma=25.0), tests=())
    card = run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", steps=4, device="cpu")
    assert (card.full_name, card.task, card.parameters) == ("red10.s25", Denoise(sigma=25.0), 296641)
    assert (card.recipe["steps"], card.data[0]["count"]) == (4, 12)
    method = cards.load(*cards.find("red10.s25"))
    x = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    going, _ = begin(recipe, 0)
    checkpoint.load(going, recipe, tmp_path / "run")
    scores = [score_one(net.eval(), recipe.task, "x", x, PROTOCOLS["rednet"]).psnr for net in (method, going.average)]
    assert scores[0] == pytest.approx(scores[1], abs=0.01)
    with pytest.raises(UsageError, match="--resume"):
        run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", steps=4, device="cpu")
    again = replace(recipe, name="again", start="red10.s25", task=Denoise(sigma=30.0))
    assert torch.equal(run.build(again).state_dict()["encoder.0.weight"], method.state_dict()["encoder.0.weight"])


def test_initial_weights_come_from_the_seed_alone():
    before = torch.random.get_rng_state()
    first, second, other = (run.build(replace(recipes.find("red10"), seed=seed)).state_dict()["encoder.0.weight"] for seed in (0, 0, 1))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_recipes_are_told_apart_and_ready(monkeypatch):
    made = {f"{recipe.method}.{recipe.label}" for recipe in recipes.RECIPES.values()}
    for recipe in recipes.RECIPES.values():
        network = run.build(replace(recipe, start=""))
        assert recipe.start in made | {""}
        assert (getattr(network, "seen", None) or network.channels) in (1, 3)
        assert recipe.line and recipe.label and recipe.data
    assert replace(recipes.find("red30"), task=Denoise(sigma=50.0)).label == "s50"
    assert recipes.find("red30").label == "blind"
    with pytest.raises(UsageError, match="red30"):
        recipes.find("red31")
    monkeypatch.setattr(cards, "folders", lambda: [])
    with pytest.raises(UsageError, match="not there") as caught:
        run.build(recipes.find("red10-x3"))
    assert "restore train red10-x2" in caught.value.remedy


def test_rates_rise_then_fall_to_nothing():
    recipe = recipes.find("red30")
    rates = [loop.learning_rate(recipe, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(recipe.rate / loop.WARM)
    assert max(rates) == pytest.approx(recipe.rate, rel=0.01) and rates.index(max(rates)) in (loop.WARM - 1, loop.WARM)
    assert rates[-1] < 1e-5 * recipe.rate


def test_a_batch_is_shared_in_rows():
    shares = [list(range(8))[Group(rank, 4).rows(8)] for rank in range(4)]
    assert sum(shares, []) == list(range(8))
    with pytest.raises(UsageError, match="multiple"):
        Group(0, 3).rows(8)


def test_sigma_is_drawn_for_every_patch(pictures, monkeypatch):
    recipe = small(recipes.find("drunet-fast"), pictures, batch=64)
    going, _ = begin(recipe, 1)
    seen = []

    def call(y, problem):
        seen.append(problem.noise)
        return going.network(y, problem)

    loop.step(recipe, going, call)
    assert isinstance(seen[0], Gaussian) and seen[0].sigma.shape == (64, 1, 1, 1)
    assert recipe.task.sigma == Range(0, 75)
    assert float(seen[0].sigma.min()) * 255 < 15 and float(seen[0].sigma.max()) * 255 > 60


@pytest.mark.parametrize("optimiser", ["gd", "sgd", "momentum", "adam", "adamw", "muon"])
def test_every_optimiser_descends(optimiser, pictures):
    rate = {"gd": 2.0, "sgd": 2.0, "momentum": 0.3, "muon": 1e-2}.get(optimiser, 1e-3)
    recipe = small(recipes.find("red10"), pictures, optimiser=optimiser, rate=rate, args={"width": 8}, batch=8, precision="float32")
    going, _ = begin(recipe, 200)
    losses = [float(loop.step(recipe, going, going.network)) for _ in range(200)]
    assert sum(losses[-20:]) < (0.99 if optimiser == "gd" else 0.9) * sum(losses[:20])


@pytest.mark.parametrize(("optimiser", "same"), [("gd", True), ("sgd", False)])
def test_gradient_descent_proper_descends_one_function(optimiser, same, pictures):
    recipe = small(recipes.find("red10"), pictures, optimiser=optimiser, rate=0.0, args={"width": 8})
    going, _ = begin(recipe, 4)
    assert (len({float(loop.step(recipe, going, going.network)) for _ in range(4)}) == 1) is same


def test_pairs_are_matched_by_name_cut_alike_and_trained_on(pictures, tmp_path, monkeypatch):
    """y is 0.9 x here: patches keep that, and the net learns it."""
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path / "weights"))
    degraded, notes = tmp_path / "degraded", []
    degraded.mkdir()
    for file in sorted(pictures.iterdir()):
        Image.fromarray(np.uint8(np.rint(np.asarray(Image.open(file)) * 0.9))).save(degraded / f"{file.stem}.bmp")
    Image.new("RGB", (40, 40)).save(degraded / "lonely.bmp")
    Image.new("RGB", (64, 41)).save(degraded / "00.bmp")
    recipe = small(recipes.find("red10"), pictures, pairs=(str(degraded), str(pictures)), batch=8, args={"channels": 3})
    items = run.items_of(recipe, notes.append)
    training, held, files = data.gather(items, 3, 16, 0, note=notes.append)
    assert len(files) == 11 and "lonely" in notes[0] and "00.png" in notes[1] and "64 x 41" in notes[1]
    x, y = training.patches(64, 16, torch.Generator().manual_seed(0))
    torch.testing.assert_close(y, 0.9 * x, rtol=0, atol=0.51 / 255)
    card = run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", steps=60, device="cpu")
    before = loop.validate(run.build(recipe), recipe.task, held)
    assert card.recipe["validation"] > before + 1 and card.results == ()
    with pytest.raises(UsageError, match="told how much was lost"):
        run.build(replace(recipes.find("drunet-fast"), pairs=recipe.pairs))


def test_curves_are_drawn_from_the_log(tmp_path):
    for step in range(1, 50):
        progress.write(tmp_path, progress.Event(step, 60, 1 / step, 1e-3, 1.0, 1.0, 0.0, math.inf if step == 45 else 20 + step / 10 if step % 5 == 0 else None))
    with Image.open(curves.draw(tmp_path)) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 16)}
        assert curves.LINE in colours and picture.width > picture.height


def test_two_processes_are_one_with_their_batches_joined(pictures, tmp_path):
    """torchrun, gloo: the same loss curve to rounding, and the same weights; only the first process writes."""
    recipe = f"replace(recipes.find('red10'), data=({str(pictures)!r},), patch=16, batch=8, tests=(), task=Denoise(sigma=25.0), precision='float32')"
    script = tmp_path / "script.py"
    script.write_text("import sys\nfrom dataclasses import replace\nfrom pathlib import Path\nimport torch\ntorch.set_num_threads(1)\n"
                      "from restore.tasks import Denoise\nfrom restore.train import loop, recipes, run\nloop.REPORT = 1\n"
                      f"run.run_recipe({recipe}, Path(sys.argv[1]), Path(sys.argv[1]), steps=12, device='cpu')\n")
    for name, start in (("one", []), ("two", ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"])):
        done = subprocess.run([sys.executable, *start, str(script), str(tmp_path / name)], capture_output=True, text=True,
                              timeout=240, env=os.environ | {"PYTHONFAULTHANDLER": "1"})
        assert done.returncode == 0, done.stderr
    logs = [[json.loads(line) for line in (tmp_path / name / progress.LOG).read_text().splitlines()] for name in ("one", "two")]
    assert [row["step"] for row in logs[1]] == list(range(1, 13))
    assert [row["loss"] for row in logs[1]] == pytest.approx([row["loss"] for row in logs[0]], rel=1e-4)
    one, two = (load_file(tmp_path / name / "red10.s25.safetensors") for name in ("one", "two"))
    for key, value in one.items():
        torch.testing.assert_close(two[key].float(), value.float(), rtol=0.02, atol=2e-4)


def test_minutes_are_kept_where_steps_are_slow(pictures, tmp_path, monkeypatch):
    """The number of steps is settled after a third of the time, not after 50 steps."""
    recipe = small(recipes.find("red10"), pictures, args={"width": 8}, precision="float32")
    going, held = begin(recipe, 0)
    descend = loop.step

    def slow(*arguments):
        time.sleep(0.1)
        return descend(*arguments)
    monkeypatch.setattr(loop, "step", slow)
    loop.train(recipe, going, held, tmp_path, minutes=0.03)
    assert going.step == going.of < 20


@pytest.mark.slow
def test_compiled_training_is_the_same_to_rounding(pictures, tmp_path, monkeypatch):
    """What is compiled learns the same, and the result carries no trace of it."""
    monkeypatch.setattr(loop, "REPORT", 1)
    recipe, losses = small(recipes.find("red10"), pictures, args={"width": 8}, precision="float32"), []
    for compiled in (False, True):
        going, held = begin(recipe, 3)
        loop.train(recipe, going, held, tmp_path / str(compiled), compiled=compiled, report=lambda event: losses.append(event.loss))
    assert losses[3:] == pytest.approx(losses[:3], rel=1e-4)
    assert "net" not in going.average.__dict__


def test_the_command_trains_resumes_and_says_where_the_weights_are(pictures, tmp_path):
    """As a user without any image sets."""
    settings = {key: value for key, value in os.environ.items() if not key.startswith("RESTORE_")} | {"OMP_NUM_THREADS": "1"}

    def restore(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "restore", "train", *words], cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=240)

    done = restore("red10", "--sigma", "50", "--data", str(pictures), "--steps", "2", "--patch", "16", "--batch", "4", "--activation", "elu", "--split", "1M")
    assert (done.returncode, done.stdout.split()) == (0, ["weights/red10.s50.toml"]), done.stderr
    assert "step 2 of 2: loss" in done.stderr and "bsd200_half is not scored" in done.stderr
    place = tmp_path / "runs" / "red10.s50"
    assert {"checkpoint.json", "log.jsonl", "curves.png", "checkpoint-2-0.safetensors", "checkpoint-2-1.safetensors"} <= {file.name for file in place.iterdir()}
    again = restore("red10", "--sigma", "50", "--data", str(pictures), "--patch", "16", "--batch", "4")
    assert again.returncode == 2 and "--resume" in again.stderr
    before = (tmp_path / "weights" / "red10.s50.safetensors").read_bytes()
    elsewhere = restore("red10", "--sigma", "50", "--data", str(pictures), "--steps", "2", "--patch", "16", "--batch", "4", "--folder", "other")
    assert elsewhere.returncode == 2 and "--overwrite" in elsewhere.stderr and (tmp_path / "weights" / "red10.s50.safetensors").read_bytes() == before
    card = cards.read(tmp_path / "weights" / "red10.s50.toml")
    assert (card.args["activation"], card.recipe["data"], card.results) == ("elu", [str(pictures)], ())


@pytest.mark.parametrize("wrong", [{"steps": -5}, {"batch": -1}, {"patch": 0}, {"minutes": float("nan")}, {"rate": 0.0}])
def test_numbers_of_a_training_are_above_0(wrong):
    with pytest.raises(UsageError, match="above 0"):
        train("red10", **wrong)


def test_pairs_are_told_apart_by_their_folders_and_go_with_recipes_that_take_them(tmp_path):
    for kind in ("y", "x"):
        for place in ("a", "b"):
            (tmp_path / kind / place).mkdir(parents=True)
            io.write(tmp_path / kind / place / "1.png", np.full((8, 8), 9, np.uint8))
    (tmp_path / "y/b/1.png").unlink()
    assert data.pairs(tmp_path / "y", tmp_path / "x") == [(tmp_path / "x/a/1.png", tmp_path / "y/a/1.png")]
    io.write(tmp_path / "x/a/1.tif", np.full((8, 8), 9, np.uint8))
    with pytest.raises(UsageError, match="one name"):
        data.pairs(tmp_path / "y", tmp_path / "x")
    for recipe in ("edsr-x2-fast", "istanet-r25", "usrnet-r25", "waveletct", "varnet"):
        with pytest.raises(UsageError, match="pairs"):
            train(recipe, pairs=(tmp_path / "y", tmp_path / "x"))


def test_weights_of_another_shape_or_none_are_refused_to_begin_with(tiny_weights, monkeypatch):
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tiny_weights))
    for start, words in (("drunet.tiny", "another shape"), ("bm3d", "without weights")):
        with pytest.raises(UsageError, match=words):
            run.build(replace(recipes.find("drunet-fast"), start=start))


def test_own_levels_and_pairs_do_not_take_the_name_of_another_net(monkeypatch):
    """Weights of one level, of another range or of pairs stand beside those of the recipe as it is."""
    made = []
    monkeypatch.setattr(run, "run_recipe", lambda recipe, *_, **__: made.append(recipe))
    for name, how in (("red30", {}), ("red30", {"sigma": "50"}), ("red30", {"sigma": "0-10"}), ("mlp", {"sigma": "50"}), ("drunet-fast", {"sigma": "25.0"}),
                      ("red30", {"pairs": (Path("y"), Path("x"))}), ("red30", {"sigma": "25", "pairs": (Path("y"), Path("x"))})):
        train(name, **how)
    assert [recipe.label for recipe in made] == ["blind", "s50", "s0-10", "s50", "fast-25", "pairs", "s25-pairs"]
    assert [recipe.apart for recipe in made] == 5 * [False] + 2 * [True]


def test_pairs_lie_in_folders_even_where_a_set_has_their_name(tmp_path, pictures, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "bsds"):
        shutil.copytree(pictures, tmp_path / name)
    assert len(run.items_of(replace(recipes.find("red10"), data=(), pairs=("photos", "bsds")))) == 12


def test_an_infinite_gradient_is_seen_before_it_is_saved(pictures):
    recipe = small(recipes.find("red10"), pictures, args={"width": 4})
    going, _ = begin(recipe, 3)
    assert math.isfinite(loop.step(recipe, going, going.network))
    next(going.network.parameters()).register_hook(lambda slope: slope * math.inf)
    assert math.isnan(loop.step(recipe, going, going.network))


def test_of_large_pictures_the_middle_is_validated(pictures, monkeypatch):
    recipe, seen = small(recipes.find("red10"), pictures), []
    _, held, _ = data.gather(run.items_of(recipe), 1, 16, 0)
    monkeypatch.setattr(loop, "SIDE", 24)

    def average(y, problem):
        seen.append(y.shape[2:])
        return y

    loop.validate(average, recipe.task, held)
    assert seen and set(seen) == {(24, 24)}
    x = torch.arange(100 * 90.0).reshape(1, 1, 100, 90)
    assert torch.equal(loop.middle(x, 20), x[..., 32:52, 32:52]) and torch.equal(loop.middle(x, 100), x)


def test_a_run_goes_on_with_its_pictures_alone(pictures, tmp_path, monkeypatch):
    """Stopped, resumed and finished as a whole command does it; not with other pictures, not on another kind of device; what it began from may be gone by then."""
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path / "weights"))
    mine = shutil.copytree(pictures, tmp_path / "mine")
    first = small(recipes.find("red10"), mine, args={"width": 4}, tests=(), tag="first")
    run.run_recipe(first, tmp_path / "first", tmp_path / "weights", 2, device="cpu")
    recipe = replace(first, tag="second", start="red10.first")
    progress.write(tmp_path / "run", progress.Event(7, 9, 0.1, 1e-3, 1.0, 1.0, 0.0))  # of a run that ended before its first checkpoint
    with pytest.raises(run.Stopped, match="after step"):
        run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", 40, device="cpu", report=stop_at(10))
    for file in (tmp_path / "weights").iterdir():
        file.unlink()
    (mine / "05.png").rename(tmp_path / "05.png")
    with pytest.raises(UsageError, match="11 pictures .* now 10 pictures"):
        run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", resume=True, device="cpu")
    (tmp_path / "05.png").rename(mine / "05.png")
    elsewhere, _ = begin(first, 1)
    elsewhere.generator = SimpleNamespace(get_state=lambda: torch.zeros(16, dtype=torch.uint8))  # as CUDA has it
    checkpoint.save(elsewhere, first, tmp_path / "cuda")
    with pytest.raises(UsageError, match="kind of device"):
        checkpoint.load(begin(first, 0)[0], first, tmp_path / "cuda")
    card = run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", resume=True, device="cpu")
    steps = [row["step"] for row in progress.rows(tmp_path / "run")]
    assert (card.full_name, card.recipe["steps"], steps[0], len(set(steps))) == ("red10.second", 40, 5, len(steps))


def test_what_cannot_be_trained_on_or_written_is_an_error(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SETS", {"held": SimpleNamespace(there=True, files=lambda: sorted(pictures.iterdir()))})
    with pytest.raises(RestoreError, match="held out"):
        data.gather(singles(pictures), 1, 16, 0)
    (tmp_path / progress.LOG).mkdir()
    with pytest.raises(RestoreError, match="cannot be written"):
        progress.write(tmp_path, progress.Event(1, 9, 0.1, 1e-3, 1.0, 1.0, 0.0))
    for name, task in (("nothing", {"name": "denoise"}), ("red10", "denoise"), ("red10", {"name": "denoise", "sigma": "much"})):
        (tmp_path / "a.b.toml").write_text(tomli_w.dumps({"name": name, "tag": "b", "task": task}))
        with pytest.raises(RestoreError, match="a.b.toml is not a model card"):
            cards.read(tmp_path / "a.b.toml")


def test_weights_remember_how_long_those_were_trained_that_they_began_from(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path))
    recipe = small(recipes.find("red10"), pictures, args={"width": 4}, tests=(), tag="a")
    card = run.run_recipe(recipe, tmp_path / "run", tmp_path, 1, device="cpu")
    assert card.recipe["hours_before"] == 0
    cards.write(replace(card, recipe=card.recipe | {"hours": 1.5, "hours_before": 0.25}))
    assert export.hours("red10.a") == 1.75 and export.hours("red10.gone") == 0


def test_every_parameter_of_the_layered_coders_is_used():
    for coder in ("soft", "pursuit", "ml-ista"):
        net = cards.build("ml-csc", {"coder": coder, "widths": (4, 6)})
        net(torch.rand(1, 1, 16, 16), Problem(Identity(), Gaussian(0.1))).sum().backward()
        assert all(parameter.grad is not None for parameter in net.parameters()), coder


@pytest.mark.parametrize("name", ["red10-x2", "red10-marks"])
def test_of_pairs_the_problem_is_known_by_its_x_alone(name, pictures, tmp_path):
    """y lies on x's grid already, and nobody knows which of its pixels are missing: every pixel of the answer is the network's."""
    recipe = replace(recipes.find(name), data=(), pairs=(str(pictures), str(pictures)), patch=16, batch=2, scene="", args={**recipes.find(name).args, "width": 4}, tests=(), start="")
    card = run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", 2, device="cpu")
    assert card.start == recipe.begin and card.recipe["validation"] > 10
    x = torch.rand(1, 3, 16, 16)
    problem = loop.of_pairs(loop.draw(recipe.task, 1, torch.Generator().manual_seed(0), shape=(3, 16, 16)))
    assert problem.scale == 1 and (run.build(replace(recipe, pairs=()))(x, problem) != x).any()


def test_weights_that_are_no_numbers_are_not_written(pictures, tmp_path):
    recipe = small(recipes.find("red10"), pictures, rate=1e12, args={"width": 4}, tests=())
    with pytest.raises(RestoreError, match="not a number|fp16"):
        run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", 1, device="cpu")
    assert not list((tmp_path / "weights").glob("*.toml"))


def test_a_log_that_was_cut_off_is_read(tmp_path):
    (tmp_path / progress.LOG).write_text('{"step": 5, "of": 9, "loss": 0.1}\n{"step": 7, "of": 9, "loss": 0.1}\n{"step": 9, "of"')
    progress.trim(tmp_path, 5)
    assert [row["step"] for row in progress.rows(tmp_path)] == [5] and curves.draw(tmp_path).exists()


def test_what_says_nothing_to_a_recipe_is_refused(pictures, tmp_path):
    for how, word in (({"recipe": "epll", "rate": 1.0}, "rate"), ({"recipe": "epll", "start": "epll.bsds"}, "from"), ({"recipe": "epll", "sigma": "25"}, "sigma"),
                      ({"recipe": "epll", "pairs": (pictures, pictures)}, "pairs"), ({"recipe": "red10", "steps": 3, "minutes": 1.0}, "minutes"),
                      ({"recipe": "red10", "sigma": "12,10,14"}, "no level"), ({"recipe": "red10", "sigma": "auto"}, "no level"), ({"recipe": "red10-q10", "patch": 8}, "halves"),
                      ({"recipe": "red10", "data": [str(pictures)], "pairs": (pictures, pictures)}, "pairs")):
        with pytest.raises(UsageError, match=word):
            train(**how, folder=tmp_path / "run", weights=tmp_path / "weights")
    (tmp_path / "file").touch()
    with pytest.raises(RestoreError, match="cannot be made"):
        run.run_recipe(small(recipes.find("red10"), pictures), tmp_path / "run", tmp_path / "file", 1, device="cpu")
    with pytest.raises(UsageError, match="skimage"):
        run.items_of(replace(recipes.find("red10"), data=("skimage",)))


@pytest.mark.parametrize("asked", [{"minutes": 1.0}, {"steps": 3}])
def test_a_resumed_run_keeps_its_steps(asked, pictures, tmp_path):
    recipe = small(recipes.find("red10"), pictures, args={"width": 4}, tests=())
    run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", 2, device="cpu")
    with pytest.raises(UsageError, match="2 steps"):
        run.run_recipe(recipe, tmp_path / "run", tmp_path / "weights", resume=True, device="cpu", **asked)


def test_volumes_beside_pictures_have_their_channels(pictures, tmp_path):
    import nibabel

    nibabel.save(nibabel.Nifti1Image(np.random.default_rng(0).random((40, 40, 3)).astype(np.float32), np.eye(4)), tmp_path / "v.nii.gz")
    items, said = [*singles(pictures), (tmp_path / "v.nii.gz",)], []
    assert data.gather(items, 3, 16, 0)[0].pixels.shape[1] == 3
    data.gather([*((file, file) for (file,) in singles(pictures)), (tmp_path / "v.nii.gz",) * 2], 3, 16, 0, note=said.append)
    assert "pairs" in said[0]


def test_the_scene_of_printed_pages():
    """Mostly paper, with darker ink; drawn by the generator alone, no page as another, of any size and in every channel the same."""
    def pages(seed):
        scene = SCENES["text"](torch.zeros(3, 3, 70, 90), torch.Generator().manual_seed(seed))
        assert torch.equal(scene.x, scene.wanted)
        return scene.x

    x = pages(0)
    assert x.shape == (3, 3, 70, 90) and x.min() >= 0 and x.max() <= 1 and torch.equal(x[:, 0], x[:, 2])
    assert torch.equal(x, pages(0)) and not torch.equal(x, pages(1)) and not torch.equal(x[0], x[1])
    for page in x[:, 0]:
        paper = page.max()
        assert 0.4 < (page > paper - 0.02).float().mean() < 0.98 and page.min() < paper - 0.15

"""Shared fixtures: the image sets (marked `data`), one thread count, no environment leaking in."""

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # tests side by side have a core each; read when torch is imported
    os.environ["OMP_NUM_THREADS"] = "1"
THREADS = os.environ.get("OMP_NUM_THREADS", "2")


def pytest_collection_modifyitems(items):
    if _folder() is None:
        skip = pytest.mark.skip(reason="RESTORE_DATA does not name the folder of image sets")
        for item in items:
            if "data" in item.keywords:
                item.add_marker(skip)


def _folder() -> Path | None:
    name = os.environ.get("RESTORE_DATA")
    return Path(name) if name and (Path(name) / "test").is_dir() else None


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Figures that were measured before are not what a test looks at."""
    monkeypatch.setenv("RESTORE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of image sets; tests that use it are marked `data`."""
    folder = _folder()
    if folder is None:
        pytest.skip("RESTORE_DATA does not name the folder of image sets")
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """A folder with weights of a tiny colour net that was not trained: fast, so that commands can be tried on it."""
    import torch

    from restore import cards
    from restore.methods.drunet import DRUNet
    from restore.tasks import Denoise
    from restore.values import Range

    args = {"channels": 3, "widths": [8, 16], "blocks": [1, 1, 1]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = DRUNet(**args)
    card = cards.Card("drunet", "tiny", Denoise(sigma=Range(0, 75)), args, flops_per_pixel=net.flops_per_pixel, licence="none")
    folder = tmp_path_factory.mktemp("weights")
    cards.save(card, net, folder)
    return folder


@pytest.fixture
def cli(tiny_weights, tmp_path, monkeypatch):
    """Runs the installed command in a process of its own, in an empty folder, with the tiny net as its only weights: cli("denoise", "a.png") -> CompletedProcess."""
    import subprocess
    import sys

    def run(*arguments, stdin: bytes | None = None, env: dict[str, str] | None = None, **how):
        words = {k: v for k, v in os.environ.items() if not k.startswith("RESTORE_") and k != "NO_COLOR"}
        words |= {"RESTORE_WEIGHTS": str(tiny_weights), "OMP_NUM_THREADS": THREADS} | (env or {})
        return subprocess.run([sys.executable, "-m", "restore", *map(os.fspath, arguments)], input=stdin, capture_output=True, cwd=tmp_path, env=words, **how)

    return run


@pytest.fixture
def inside(tiny_weights, tmp_path, monkeypatch, capfdbinary):
    """`cli` in this process, for the many lines of wrong usage: all but a process's start, which takes seconds."""
    import signal
    import subprocess
    import sys

    from restore.cli import main

    def run(*arguments):
        line, ended, before = ["restore", *map(os.fspath, arguments)], 0, signal.getsignal(signal.SIGTERM)
        monkeypatch.setattr(sys, "argv", line)
        try:
            main()
        except SystemExit as end:
            ended = end.code or 0
        finally:
            signal.signal(signal.SIGTERM, before)
        return subprocess.CompletedProcess(line, ended, *capfdbinary.readouterr())

    monkeypatch.chdir(tmp_path)
    for word in [word for word in os.environ if word.startswith("RESTORE_") and word != "RESTORE_CACHE"]:
        monkeypatch.delenv(word)
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tiny_weights))
    return run

"""The static completion scripts: fresh, and doing what they should."""

import shutil
import subprocess
from pathlib import Path

import pytest

from restore import completions

FOLDER = Path(__file__).parent.parent / "completions"


@pytest.mark.parametrize("name", completions.SCRIPTS)
def test_scripts_are_fresh(name):
    assert (FOLDER / name).read_text("utf-8") == completions.SCRIPTS[name](), "stale: run python -m restore.completions completions"


def complete(*words: str, cwd=None) -> set[str]:
    line = f'source {FOLDER / "restore.bash"}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _restore; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", line, "bash", *words], capture_output=True, text=True, cwd=cwd, check=True)
    return set(filter(None, done.stdout.split("\n")))


def test_bash_completes_commands_options_values_and_files(tmp_path):
    (tmp_path / "a picture.png").touch()
    assert {"denoise", "degrade", "models"} <= complete("restore", "") and complete("restore", "deno") == {"denoise"}
    assert complete("restore", "denoise", "--sig") == {"--sigma"}
    assert complete("restore", "denoise", "--noise", "poi") == {"poisson", "poisson-gaussian"}
    assert {"red30", "bm3d"} <= complete("restore", "denoise", "x.png", "--model", "")
    assert complete("restore", "models", "") == {"list", "show", "verify"} and "bm3d" in complete("restore", "models", "show", "b")
    assert complete("restore", "denoise", "a", cwd=tmp_path) == {"a picture.png"}


@pytest.mark.parametrize("shell, name", [("zsh", "_restore"), ("fish", "restore.fish")])
def test_other_shells_can_read_them(shell, name):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n", FOLDER / name], check=True)


def test_fish_completes():
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    line = f"source {FOLDER / 'restore.fish'}; complete -C 'restore denoise --noise poi'"
    done = subprocess.run(["fish", "-c", line], capture_output=True, text=True, check=True)
    assert {row.split("\t")[0] for row in done.stdout.splitlines()} == {"poisson", "poisson-gaussian"}

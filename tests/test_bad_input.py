"""Odd and damaged files, and machines that say no, through the command: a clear message, nothing half-written, the others go on."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

MODEL = ("--model", "drunet.tiny", "--sigma", "25")


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (40, 50, 3), np.uint8)
    where = tmp_path / "in"
    where.mkdir()
    Image.fromarray(rgb).save(where / "good.png")
    Image.fromarray(rgb[:1, :1]).save(where / "one.png")
    Image.fromarray(rng.integers(0, 256, (70000, 3), np.uint8)).save(where / "thin.png")
    Image.fromarray(rgb).quantize(16).save(where / "palette.png")
    Image.fromarray(rgb[..., 0] > 128).save(where / "bilevel.png")
    Image.fromarray(np.dstack([rgb, rgb[..., :1]]), "CMYK").save(where / "cmyk.jpg")
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    frames[0].save(where / "animated.png", save_all=True, append_images=frames[1:])
    floats = rgb.astype(np.float32) / 255
    floats[3, 4], floats[20, 20] = np.nan, np.inf
    tifffile.imwrite(where / "nan.tif", floats, photometric="rgb")
    whole = (where / "good.png").read_bytes()
    (where / "cut.png").write_bytes(whole[: len(whole) // 2])
    (where / "empty.jpg").touch()
    (where / "text.png").write_text("this is no picture")
    Image.fromarray(rgb).save(where / "jpeg.png", format="JPEG")
    bomb = bytearray(whole)
    bomb[16:24] = (2**31 - 1).to_bytes(4, "big") * 2
    (where / "bomb.png").write_bytes(bomb)
    return where


def test_a_batch_of_odd_and_damaged_files(cli, folder, tmp_path):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = cli("denoise", "in", *MODEL, "-o", "out", "--json")
    rows = {Path(row["source"]).name: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1 and b"Traceback" not in done.stderr and b"Warning" not in done.stderr
    bad = {"cmyk.jpg", "animated.png", "cut.png", "empty.jpg", "text.png", "bomb.png"}
    assert {name for name, row in rows.items() if not row["ok"]} == bad
    for name in bad:
        assert name in rows[name]["error"]["what"] and rows[name]["error"]["remedy"], rows[name]
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(before) - bad
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    out = tifffile.imread(tmp_path / "out/nan.tif")
    assert np.isnan(out[3, 4]).all() and np.isinf(out[20, 20]).all() and np.isfinite(out).sum() == out.size - 6
    assert any("NaN" in note for note in rows["nan.tif"]["notes"])
    assert Image.open(tmp_path / "out/thin.png").size == (3, 70000) and Image.open(tmp_path / "out/one.png").size == (1, 1)
    assert Image.open(tmp_path / "out/bilevel.png").mode == "L"


def test_what_is_too_small_to_estimate_says_what_to_type(cli, folder):
    done = cli("denoise", "in/one.png", "-m", "drunet.tiny")
    assert done.returncode == 1 and b"--sigma" in done.stderr


def test_a_folder_that_may_not_be_written_to(folder, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    # all is imported by a first run, for another user may not be able to read the interpreter's own files
    code = """if True:
        import os, sys
        from restore.cli import main
        good, out, locked = sys.argv[1:]
        for target in (out, locked):
            sys.argv[1:] = ["degrade", good, "-o", target]
            try:
                main()
            except SystemExit as end:
                if target == locked:
                    raise
                assert not end.code
            os.setuid(65534)
    """
    done = subprocess.run([sys.executable, "-c", code, folder / "good.png", tmp_path / "x.png", locked / "x.png"], capture_output=True)
    assert done.returncode == 1 and b"locked/x.png" in done.stderr and b"Traceback" not in done.stderr, done.stderr
    assert not list(locked.iterdir())


def test_a_disk_that_fills(cli, folder, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)).save(tmp_path / "big.png")
    done = cli("denoise", "big.png", *MODEL, "-o", "out/big.tif", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)))
    assert done.returncode == 1 and b"big.tif" in done.stderr and b"Traceback" not in done.stderr
    assert not list((tmp_path / "out").iterdir())
    with open("/dev/full", "wb") as nowhere:
        full = subprocess.run([sys.executable, "-m", "restore", "degrade", "big.png", "-o", "-"], cwd=tmp_path, stdout=nowhere, stderr=subprocess.PIPE)
    assert full.returncode == 1 and full.stderr and b"Traceback" not in full.stderr


def test_sixteen_bit_levels_are_thought_of_only_where_they_may_be_meant():
    from restore.errors import UsageError
    from restore.tasks import Denoise

    for sigma, meant in ((2570.0, True), (1e9, False), (-3.0, False)):
        with pytest.raises(UsageError) as told:
            Denoise(sigma=sigma)
        assert ("16-bit levels" in str(told.value)) == meant

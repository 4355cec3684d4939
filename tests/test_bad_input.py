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
    for printing in (["models", "list"], ["denoise", "big.png", "-m", "tv", "-s", "5", "-n", "--json"]):
        with open("/dev/full", "wb") as nowhere:
            full = subprocess.run([sys.executable, "-m", "restore", *printing], cwd=tmp_path, stdout=nowhere, stderr=subprocess.PIPE)
        assert full.returncode == 1 and full.stderr.startswith(b"error: standard output: cannot be written") and b"Traceback" not in full.stderr


def test_sixteen_bit_levels_are_thought_of_only_where_they_may_be_meant():
    from restore.errors import UsageError
    from restore.tasks import Denoise

    for sigma, meant in ((2570.0, True), (1e9, False), (-3.0, False)):
        with pytest.raises(UsageError) as told:
            Denoise(sigma=sigma)
        assert ("16-bit levels" in str(told.value)) == meant


SAID = {  # a command on files that it names wrongly or that hold too little: what is said, and the exit code
    "compare nan.tif floats.tif": ("nan.tif: 61 samples are NaN or Inf", 1),
    "compare one.png one.png": ("one.png and one.png: SSIM of a picture of 1 x 1", 1),
    "degrade good.png --task jpeg --quality 0 -o j.png": ("quality 0 is out of range", 2),
    "degrade good.png --task sr --scale 3 -o s.png": ("crop it to 48 x 39 before", 1),
    "degrade good.png --task inpaint --missing 1.8 -o h.png": ("error: the mask 'missing:1.8' cannot be made", 2),
    "cs cut.npz -o t.png": ("cut.npz: cannot be read: the file is cut off", 1),
    "cs empty.npz -o t.png": ("empty.npz: cannot be read: the file is empty", 1),
    "deblur good.png -s 2 -m wiener --kernel disk:0": ("error: the kernel 'disk:0' cannot be made", 2),
    "deblur good.png -s 2 -m wiener --kernel zero.npy": ("zero.npy: the kernel holds NaN or Inf, or nothing above 0", 2),
    "deblur good.png -s 2 -m wiener --kernel k.txt": ("'k.txt' is no picture", 2),
    "deblur good.png -s 2 -m wiener --kernel wide.npy": ("the kernel of 61 x 61 pixels is larger than the picture of 50 x 40", 0),
    "inpaint good.png -m biharmonic --mask white.png": ("--invert takes the rest", 1),
    "jpeg good.png --quality-of abc": ("expected: one number\n", 2),
    "denoise good.png --sigma 0.1 --dry-run": ("0.1 is next to no noise", 0),
    "denoise nan.tif -m tv -s 10 -o n.png": ("60 samples are NaN and became black", 0),
    "denoise levels.tif -m tv -s 10 -n": ("levels.tif: half of its samples are above 12", 0),
    "denoise levels.tif -m tv -n": ("levels.tif: its noise would be", 1),
    "denoise photo.jpg -m tv -s 0 -n": ("photo.jpg: a jpeg file is coded with loss anew", 0),
    "denoise good.png -m tv -s 5 --format png -o x.jpg": ("'x.jpg' and --format say two formats", 2),
    "denoise good.png -m ./k.txt": ("error: ./k.txt is no file of weights", 2),
    "denoise good.png --denoiser bm3d -s 9": ("takes another denoiser", 1),
    "train red10 --resume --folder nowhere": ("error: there is no checkpoint to resume in nowhere", 1),
    "train red10 --data nowhere": ("error: there is no folder nowhere", 1),
    "deblur three.tif -m wiener -s 10 --kernel motion:5@0 --check -o t.tif": ("three.tif: page 3: D x differs from y", 0),
}


@pytest.fixture
def wrong(tmp_path, monkeypatch):
    """A folder with what the commands above name."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / "good.png")
    Image.fromarray(np.full((40, 50), 255, np.uint8)).save(tmp_path / "white.png")
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(tmp_path / "one.png")
    floats = rng.random((40, 50, 3), np.float32)
    tifffile.imwrite(tmp_path / "floats.tif", floats, photometric="rgb")
    tifffile.imwrite(tmp_path / "levels.tif", 255 * floats, photometric="rgb")
    Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / "photo.jpg")
    floats[:4, :5], floats[9, 9, 0] = np.nan, np.inf
    tifffile.imwrite(tmp_path / "nan.tif", floats, photometric="rgb")
    tifffile.imwrite(tmp_path / "three.tif", rng.integers(0, 256, (3, 30, 40), np.uint8), photometric="minisblack")
    (tmp_path / "empty.npz").touch()
    np.savez(tmp_path / "whole.npz", np.zeros(9))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:100])
    np.save(tmp_path / "zero.npy", np.zeros((5, 5)))
    np.save(tmp_path / "wide.npy", np.ones((61, 61)))
    (tmp_path / "k.txt").write_text("1 2 1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", SAID)
def test_errors_and_notes_name_the_file_and_the_remedy(line, wrong, monkeypatch, capfd):
    from restore.cli import main

    said, code = SAID[line]
    monkeypatch.setattr(sys, "argv", ["restore", *line.split()])
    with pytest.raises(SystemExit) as end:
        main()
    assert said in capfd.readouterr().err and (end.value.code or 0) == code
    assert not list(wrong.glob("*/*")) and not (wrong / "runs").exists() and not (wrong / "weights").exists()


def test_what_is_missing_in_a_pipe_is_told_to_be_lost(cli, wrong):
    done = cli("degrade", "good.png", "--task", "inpaint", "--missing", "0.8", "-o", "-")
    assert done.returncode == 0 and b"is not kept" in done.stderr

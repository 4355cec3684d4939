"""The commands as a user types them, in a process of their own."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

MODEL = ("--model", "drunet.tiny", "--sigma", "25")


def pixels(height=48, width=64, channels=3, seed=0):
    y, x = np.mgrid[:height, :width]
    base = 128 + 80 * np.sin(x / 9) * np.cos(y / 7)
    noise = np.random.default_rng(seed).normal(0, 15, (height, width, channels))
    return np.clip(base[..., None] + noise, 0, 255).astype(np.uint8)


def save(path, array=None, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = pixels() if array is None else array
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(path, **how)
    return path


def test_one_picture_beside_itself(cli, tmp_path):
    photo = save(tmp_path / "photo.png")
    before = photo.read_bytes()
    done = cli("denoise", "photo.png", *MODEL)
    assert done.returncode == 0 and done.stdout == b"" and b"photo.denoise.png" in done.stderr
    out = Image.open(tmp_path / "photo.denoise.png")
    assert out.size == (64, 48) and out.mode == "RGB" and photo.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.denoise.png", "photo.png"]


def test_sigma_is_found_and_printed(cli, tmp_path):
    save(tmp_path / "photo.png", pixels(200, 200))
    done = cli("denoise", "photo.png", "--model", "drunet.tiny", "--json")
    said = json.loads(done.stdout)
    found = said["task"]["sigma"]
    found = [float(part) for part in found.split(",")] if isinstance(found, str) else [found]
    assert done.returncode == 0 and all(abs(one - 15) < 2 for one in found) and b"sigma" in done.stderr


@pytest.mark.parametrize("tile", [(), ("--tile", "32")], ids=["whole", "tiled"])
@pytest.mark.parametrize("ensemble", [(), ("--ensemble",)], ids=["once", "ensemble"])
def test_tiles_give_equal_bytes(cli, tmp_path, tile, ensemble):
    save(tmp_path / "photo.png", pixels(130, 150))
    cli("denoise", "photo.png", *MODEL, *ensemble, "-o", "whole.png")
    assert cli("denoise", "photo.png", *MODEL, *ensemble, *tile, "-o", "tiled.png").returncode == 0
    assert (tmp_path / "whole.png").read_bytes() == (tmp_path / "tiled.png").read_bytes()


def test_a_folder_with_bad_files(cli, tmp_path):
    save(tmp_path / "in/a.png"), save(tmp_path / "in/sub/b.jpg"), save(tmp_path / "in/grå ü.png", pixels(channels=1))
    (tmp_path / "in/text.png").write_text("hello")
    (tmp_path / "in/empty.png").touch()
    done = cli("denoise", "in", *MODEL, "-o", "out", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [row["ok"] for row in rows].count(False) == 2 and len(rows) == 5
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()) == ["a.png", "grå ü.png", "sub/b.jpg"]
    assert Image.open(tmp_path / "out/grå ü.png").mode == "L"
    errors = [row["error"] for row in rows if not row["ok"]]
    assert all(error["what"] and error["remedy"] for error in errors)


def test_exit_codes_of_wrong_usage(inside, tmp_path):
    save(tmp_path / "a.png")
    for wrong in (["denoise"], ["denoise", "a.png", "--sigma", "many"], ["denoise", "a.png", "--sigma", "400"], ["denoise", "a.png", "--nois", "x"],
                  ["denoise", "a.png", "--noise", "gausian"], ["denoise", "a.png", "--model", "red99"], ["denoise", "a.png", "--strength", "2"],
                  ["denoise", "a.png", "--memory", "lots"], ["denoise", "a.png", "-o", "a.png", "--overwrite"], ["denoise", "a.png", "-o", "b.xyz"],
                  ["denoise", "a.png", "--device", "gpu"], ["denoise", "a.png", "--depth", "12"], ["denoise", "none*.png"], ["denois"]):
        done = inside(*wrong)
        assert done.returncode == 2 and done.stdout == b"" and done.stderr and b"Traceback" not in done.stderr, wrong
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert b"gaussian" in inside("denoise", "a.png", "--noise", "gausian").stderr
    assert b"red30" in inside("denoise", "a.png", "--model", "red29").stderr


def test_a_missing_file_is_a_failed_job(cli, tmp_path):
    save(tmp_path / "a.png")
    done = cli("denoise", "missing.png", "a.png", *MODEL)
    assert done.returncode == 1 and b"missing.png" in done.stderr and (tmp_path / "a.denoise.png").exists()


def test_a_level_that_no_weights_cover_is_an_error_that_names_others(cli, tmp_path):
    save(tmp_path / "a.png")
    done = cli("denoise", "a.png", "--model", "drunet.tiny", "--sigma", "90")
    assert done.returncode in (1, 2) and b"0-75" in done.stderr and b"bm3d" in done.stderr and not (tmp_path / "a.denoise.png").exists()


def test_nothing_is_overwritten_unasked(cli, tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "a.denoise.png").write_text("mine")
    assert cli("denoise", "a.png", *MODEL).returncode == 2
    assert cli("denoise", "a.png", *MODEL, "--skip-existing").returncode == 0
    assert (tmp_path / "a.denoise.png").read_text() == "mine"
    assert cli("denoise", "a.png", *MODEL, "--overwrite").returncode == 0
    assert Image.open(tmp_path / "a.denoise.png").size == (64, 48)


def test_the_dry_run_writes_nothing(cli, tmp_path):
    save(tmp_path / "a.png")
    done = cli("denoise", "a.png", *MODEL, "--dry-run")
    assert done.returncode == 0 and b"y = x + n, Gaussian, sigma 25/255" in done.stdout and b"the whole picture at once" in done.stdout and [p.name for p in tmp_path.iterdir()] == ["a.png"]
    plan = json.loads(cli("denoise", "a.png", *MODEL, "--dry-run", "--json").stdout)
    assert plan["model"] == "drunet.tiny" and plan["target"] == "a.denoise.png" and plan["expected_seconds"] >= 0


def test_what_the_format_cannot_hold_is_said_before_it_is_computed(cli, tmp_path):
    save(tmp_path / "a.png", pixels(channels=4))
    for how in ((), ("--dry-run",)):
        done = cli("denoise", "a.png", "-o", "b.jpg", *MODEL, *how)
        assert done.returncode == 1 and b"JPEG cannot hold transparency" in done.stderr + done.stdout and [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_pipes_lose_nothing(cli, tmp_path):
    photo = save(tmp_path / "a.png")
    one = cli("denoise", "-", *MODEL, stdin=photo.read_bytes())
    cli("denoise", "a.png", *MODEL)
    assert one.returncode == 0 and one.stdout == (tmp_path / "a.denoise.png").read_bytes()
    linear = cli("degrade", "a.png", "-o", "-", "--format", "tiff", "--depth", "32", "--sigma", "20")
    array = tifffile.imread(io.BytesIO(linear.stdout))
    assert array.dtype == np.float32 and array.min() < 0
    twice = cli("denoise", "-", *MODEL, "-o", "b.png", stdin=linear.stdout)
    assert twice.returncode == 0 and Image.open(tmp_path / "b.png").size == (64, 48)


def test_names_from_a_list_and_hostile_names(cli, tmp_path):
    names = ["with space.png", "-dash.png", "new\nline.png", "ünï.png", os.fsdecode(b"\xff.png")]
    for index, name in enumerate(names):
        save(tmp_path / name, pixels(seed=index))
    listed = b"\0".join(os.fsencode(f"./{name}") for name in names)
    done = cli("denoise", "--from-file", "-", "-0", *MODEL, "-o", "out", stdin=listed)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == sorted(os.fsencode(name) for name in names)
    assert cli("denoise", *MODEL, "-o", "out2/", "--", "-dash.png").returncode == 0 and (tmp_path / "out2/-dash.png").is_file()


def test_templates_and_environment(cli, tmp_path):
    save(tmp_path / "a.png")
    done = cli("denoise", "a.png", "-o", "{dir}/{stem}_s{sigma}_{model}{ext}", env={"RESTORE_SIGMA": "25", "RESTORE_MODEL": "drunet.tiny"})
    assert done.returncode == 0 and (tmp_path / "a_s25_drunet.tiny.png").exists()


def test_no_colour_and_no_bars_where_stderr_is_no_terminal(cli, tmp_path):
    save(tmp_path / "a.png")
    done = cli("denoise", "a.png", *MODEL)
    assert b"\x1b" not in done.stderr and len(done.stderr.splitlines()) == 1
    assert cli("denoise", "a.png", *MODEL, "--quiet", "--overwrite").stderr == b""


def test_alpha_depth_and_grey_come_back(cli, tmp_path):
    rgba = np.dstack([pixels(), np.full((48, 64), 200, np.uint8)])
    rgba[:10, :10, 3] = 0
    save(tmp_path / "rgba.png", rgba)
    deep = (pixels().astype(np.uint16) * 257)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb")
    tifffile.imwrite(tmp_path / "grey.tif", deep[..., 0])
    assert cli("denoise", "rgba.png", "deep.tif", "grey.tif", *MODEL).returncode == 0
    out = np.asarray(Image.open(tmp_path / "rgba.denoise.png"))
    assert np.array_equal(out[..., 3], rgba[..., 3]) and np.array_equal(out[:10, :10], rgba[:10, :10])
    wide = tifffile.imread(tmp_path / "deep.denoise.tif")
    assert wide.dtype == np.uint16 and wide.shape == deep.shape and len(np.unique(wide % 257)) > 10
    assert tifffile.imread(tmp_path / "grey.denoise.tif").shape == (48, 64)


def test_compare_sheet(cli, tmp_path):
    save(tmp_path / "a.png", pixels(300, 400))
    assert cli("denoise", "a.png", *MODEL, "--compare").returncode == 0
    assert min(Image.open(tmp_path / "a.denoise.compare.png").size) > 300


def test_degrade_is_the_seeds(cli, tmp_path):
    save(tmp_path / "a.png", np.full((200, 200, 3), 128, np.uint8))
    for out, seed in (("b", "0"), ("c", "0"), ("d", "1")):
        assert cli("degrade", "a.png", "--sigma", "20", "--seed", seed, "-o", f"{out}.png").returncode == 0
    b, c, d = (np.asarray(Image.open(tmp_path / f"{n}.png")).astype(float) for n in "bcd")
    assert np.array_equal(b, c) and not np.array_equal(b, d) and abs(b.std() - 20) < 0.3
    poisson = cli("degrade", "a.png", "--noise", "poisson", "--peak", "50", "-o", "p.png")
    assert poisson.returncode == 0 and abs(np.asarray(Image.open(tmp_path / "p.png")).std() - 255 * (128 / 255 / 50) ** 0.5) < 0.7
    assert cli("denoise", "p.png", "--noise", "poisson", "--peak", "50").returncode == 0


def test_compare_measures(cli, tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png", pixels(seed=1)), save(tmp_path / "c.png", pixels(10, 10))
    a, b = (np.asarray(Image.open(tmp_path / n)).astype(float) / 255 for n in ("a.png", "b.png"))
    said = json.loads(cli("compare", "a.png", "b.png", "--json").stdout)
    assert abs(said["psnr"] - 10 * np.log10(1 / np.mean((a - b) ** 2))) < 1e-6 and "protocol" in said
    assert json.loads(cli("compare", "a.png", "a.png", "--json").stdout)["identical"]
    rounded = (np.asarray(Image.open(tmp_path / "a.png")) / 255 + 0.001).astype(np.float32)
    tifffile.imwrite(tmp_path / "near.tif", rounded, photometric="rgb")
    said = json.loads(cli("compare", "near.tif", "a.png", "--protocol", "dncnn", "--json").stdout)
    assert said["psnr"] is None and not said["identical"] and "estimate and reference rounded" in said["protocol"] and "seed" not in said["protocol"]
    different = cli("compare", "a.png", "c.png")
    assert different.returncode == 1 and b"64 x 48" in different.stderr


def test_weights_that_are_not_there_are_named(cli, tmp_path):
    save(tmp_path / "a.png")
    done = cli("denoise", "a.png", "--model", "none.safetensors")
    assert done.returncode == 2 and b"'none.safetensors'" in done.stderr and b"Errno" not in done.stderr


def test_models_and_doctor(cli, tiny_weights):
    rows = [json.loads(line) for line in cli("models", "list", "--json").stdout.splitlines()]
    assert {"drunet.tiny", "bm3d", "vst"} <= {row["model"] for row in rows}
    shown = cli("models", "show", "drunet.tiny").stdout.decode()
    assert "halo" in shown and "FLOPs per pixel" in shown and "sha256" in shown
    assert b"paper" in cli("models", "show", "fbp").stdout
    assert cli("models", "verify").returncode == 0
    assert b"torch" in cli("doctor").stdout and b"threads" in cli("doctor").stdout
    assert b"restore 0." in cli("--version").stdout


def test_a_flipped_byte_in_the_weights(cli, tmp_path, tiny_weights):
    folder = tmp_path / "w"
    folder.mkdir()
    for path in tiny_weights.iterdir():
        data = bytearray(path.read_bytes())
        if path.suffix == ".safetensors":
            data[-100] ^= 1
        (folder / path.name).write_bytes(data)
    save(tmp_path / "a.png")
    done = cli("denoise", "a.png", *MODEL, env={"RESTORE_WEIGHTS": str(folder)})
    assert done.returncode == 1 and b"sha256" in done.stderr and not (tmp_path / "a.denoise.png").exists()
    assert cli("models", "verify", env={"RESTORE_WEIGHTS": str(folder)}).returncode == 1


def test_ctrl_c_leaves_nothing_half_written(tmp_path, tiny_weights):
    save(tmp_path / "a.png", pixels(2000, 2000))
    process = subprocess.Popen([sys.executable, "-m", "restore", "denoise", "a.png", "--model", "bm3d", "--sigma", "25"], cwd=tmp_path, stderr=subprocess.PIPE,
                               env=os.environ | {"RESTORE_WEIGHTS": str(tiny_weights)}, start_new_session=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # shells have what they start in the background ignore it
    watched = psutil.Process(process.pid)
    while process.poll() is None and watched.cpu_times().user < 7:  # beyond what imports take
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and b"Traceback" not in said
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_quiet_when_the_pipe_breaks(tmp_path, tiny_weights):
    for index in range(6):
        save(tmp_path / f"{index}.png")
    line = f"{sys.executable} -m restore denoise *.png --model drunet.tiny --sigma 25 --json -q | head -n 1"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, env=os.environ | {"RESTORE_WEIGHTS": str(tiny_weights)})
    assert b"Traceback" not in done.stderr and b"Error" not in done.stderr and len(done.stdout.splitlines()) == 1


def test_a_picture_is_not_written_to_a_terminal(cli, tmp_path):
    pty = pytest.importorskip("pty")
    save(tmp_path / "a.png")
    parent, child = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "restore", "denoise", "a.png", "-o", "-", "--sigma", "25"], cwd=tmp_path, stdout=child, stderr=subprocess.PIPE)
    os.close(child)
    _, said = process.communicate(timeout=120)
    os.close(parent)
    assert process.returncode != 0 and b"terminal" in said


def test_nothing_is_lost_unsaid(inside, tmp_path):
    """Sheets and kernels replace nothing, two files get two noises, wrong usage is told once and early, clipping and curves are said."""
    save(tmp_path / "a.png"), save(tmp_path / "b.png")
    (tmp_path / "x.compare.png").write_bytes(b"precious")
    done = inside("denoise", "a.png", *MODEL, "-o", "x.png", "--compare")
    assert done.returncode == 2 and (tmp_path / "x.compare.png").read_bytes() == b"precious" and not (tmp_path / "x.png").exists()
    done = inside("deblur", "a.png", "--kernel", "gaussian:1", "--sigma", "2", "--model", "wiener", "-o", "o.png", "--save-kernel", "a.png", "--overwrite")
    assert done.returncode == 2 and b"also an input" in done.stderr
    assert inside("degrade", "a.png", "b.png", "--sigma", "10", "-o", "noisy/").returncode == 0
    first, second = (np.asarray(Image.open(tmp_path / "noisy" / name)).astype(float) - pixels() for name in ("a.png", "b.png"))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    for wrong in (("--format", "heif"), ("--quality", "0"), ("--subsampling", "4:1:1"), ("--sigma", "5-75"), ("--peak", "30")):
        done = inside("denoise", "a.png", "b.png", "--model", "drunet.tiny", *wrong)
        assert done.returncode == 2 and done.stderr.count(b"error:") == 1, wrong
    assert inside("denoise", "a.png", *MODEL, "--format", "jpg").returncode == 0 and (tmp_path / "a.denoise.jpg").exists()
    tifffile.imwrite(tmp_path / "hot.tif", np.full((24, 24), 500, np.float32))
    assert b"576 samples lay outside" in inside("denoise", "hot.tif", *MODEL, "-o", "hot.png").stderr
    assert b"for files with loss" in inside("denoise", "a.png", *MODEL, "--quality", "90", "-o", "fine.png").stderr
    assert b"for files with loss" not in inside("denoise", "a.png", *MODEL, "--quality", "90", "-o", "fine.jpg").stderr
    assert b"2.55" in inside("denoise", "a.png", "--sigma", "0.01", "--model", "bm3d", "-o", "faint.png").stderr
    done = inside("a.png")
    assert done.returncode == 2 and b"restore denoise a.png" in done.stderr
    assert b"linear light" in inside("denoise", "a.png", *MODEL, "-o", "a.exr").stderr
    tifffile.imwrite(tmp_path / "two.tif", np.stack([pixels(200, 200, seed=1), pixels(200, 200, seed=2)]), photometric="rgb")
    assert b"page 2: sigma" in inside("denoise", "two.tif", "--model", "drunet.tiny").stderr


def test_what_cannot_be_written_is_not_computed(cli, tmp_path):
    Image.fromarray(np.dstack([pixels(), pixels(channels=1)])).save(tmp_path / "a.png")
    done = cli("denoise", "a.png", *MODEL, "-o", "a.jpg", "--json")
    assert done.returncode == 1 and b"transparency" in done.stderr and "tile" not in json.loads(done.stdout)


def test_closed_streams(cli, tmp_path, tiny_weights):
    save(tmp_path / "a.png")
    command = f"{sys.executable} -m restore denoise a.png {' '.join(MODEL)} -o out.png 2>&- <&-"
    assert subprocess.run(command, shell=True, cwd=tmp_path, env={**os.environ, "RESTORE_WEIGHTS": str(tiny_weights)}, timeout=300).returncode == 0
    assert (tmp_path / "out.png").exists()


def test_a_second_run_takes_no_result_for_an_input(cli, tmp_path):
    for name in ("f1.png", "f2.png"):
        save(tmp_path / name)
    assert cli("denoise", "f1.png", "f2.png", *MODEL, "--skip-existing").returncode == 0
    done = cli("denoise", *sorted(p.name for p in tmp_path.iterdir()), *MODEL, "--skip-existing")
    assert done.returncode == 0 and b"2 skipped" in done.stderr and len(list(tmp_path.iterdir())) == 4
    save(tmp_path / "f1.burst.png")
    done = cli("burst", "f1.burst.png", "f1.png", "f2.png", "-o", "out.tif", "--json")
    assert b"f1.burst.png: left out" in done.stderr and len(json.loads(done.stdout)["frames"]) == 2


def test_a_dry_run_tells_of_what_is_there(cli, tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "a.denoise.png")
    done = cli("denoise", "a.png", *MODEL, "--dry-run")
    assert done.returncode == 0 and b"exists already" in done.stdout
    assert b"there already" in cli("denoise", "a.png", *MODEL, "--dry-run", "--skip-existing").stdout
    assert b"no such file" in cli("denoise", "b.png", *MODEL, "-o", "a.denoise.png").stderr


def test_what_was_taken_out_can_be_put_back(cli, tmp_path):
    save(tmp_path / "a.png")
    assert cli("degrade", "a.png", "--task", "inpaint", "--missing", "0.5", "-o", "holes.png").returncode == 0
    missing = np.asarray(Image.open(tmp_path / "holes.mask.png")) == 255
    assert abs(missing.mean() - 0.5) < 0.03 and not np.asarray(Image.open(tmp_path / "holes.png"))[missing].any()
    done = cli("degrade", "a.png", "--missing", "0.5", "-o", "other.png")
    assert done.returncode == 2 and b"--task inpaint" in done.stderr


def test_verify_is_a_table(cli):
    assert b"drunet.tiny\twhole" in cli("models", "verify").stdout.splitlines()


def test_degraded_pictures_in_files_with_loss_are_told_of(cli, tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "a.jpg")
    assert "with loss" in cli("degrade", tmp_path / "a.jpg", "--sigma", "25", text=True).stderr
    assert "with loss" not in cli("degrade", tmp_path / "a.jpg", "--sigma", "25", "-o", tmp_path / "b.png", text=True).stderr

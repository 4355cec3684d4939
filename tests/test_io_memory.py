"""A hundred megapixels of 16-bit RGBA go through in bands: a child process makes the file, copies and checks it, and tells how much memory it took."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import json, re, sys
import numpy as np
from restore import io as rio
from restore.image import Header

path, copy, height, width, band, carry = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]), json.loads(sys.argv[6])
format = "tiff" if path.endswith(".tif") else "png"

def rows(top, bottom):
    y, x = np.arange(top, bottom, dtype=np.uint16)[:, None, None], np.arange(width, dtype=np.uint16)[None, :, None]
    return (y * np.uint16(7) + x * np.uint16(3)) ^ np.array([0, 255, 4096, 65535], np.uint16)

def put(path, header, give):
    with rio.open_sink(path, header) as sink:
        for top in range(0, height, band):
            sink.write(give(top, min(height, top + band)))

put(path, Header(height, width, dtype=np.dtype(np.uint16), alpha=True, format=format, carry=carry), rows)
with rio.open_source(path) as source:
    def checked(top, bottom):  # a window with a halo, as tiles are read
        low, high = max(0, top - 32), min(height, bottom + 32)
        window = source.read(low, high)
        assert (window == rows(low, high)).all(), top
        return window[top - low : bottom - low]

    put(copy, source.headers[0], checked)
with rio.open_source(copy) as source:
    assert (source.read(height // 2, height // 2 + 9) == rows(height // 2, height // 2 + 9)).all()
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) // 1024)  # ru_maxrss would count the parent before exec too
"""
LAYOUTS = {
    "strips.tif": {},
    "tiles.tif": {"tile": (256, 256), "compression": 5},
    "planes.tif": {"planar": 2, "compression": 50000, "predictor": 1, "strip": 16},
    "plain.tif": {"strip": 10000, "compression": 1, "predictor": 1},
    "picture.png": {},
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_hundred_megapixels_in_bands(tmp_path, name):
    paths = [tmp_path / name, tmp_path / f"copy-{name}"]
    run = subprocess.run([sys.executable, "-c", CHILD, *map(str, paths), "10000", "10000", "128", json.dumps(LAYOUTS[name])], capture_output=True, text=True)
    for path in paths:
        path.unlink(missing_ok=True)  # they are large
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 400, f"{run.stdout} MB"

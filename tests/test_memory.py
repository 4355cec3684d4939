"""A hundred megapixels of 16-bit RGBA go through the command in under two gigabytes."""

import os
import subprocess
import sys

import numpy as np
import pytest

from restore.image import Header
from restore.io import open_sink, open_source

SIDE = 10_000
CHILD = """if True:
    import resource, subprocess, sys
    code = subprocess.run([sys.executable, "-m", "restore", *sys.argv[1:]]).returncode
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    sys.exit(code)
"""


def bands():
    """Strips of a smooth picture with texture: quick to make and to pack, of no constant anywhere."""
    across = np.arange(SIDE, dtype=np.uint32)
    for top in range(0, SIDE, 100):
        down = np.arange(top, top + 100, dtype=np.uint32)[:, None]
        grey = (across * 3 + down * 5 + (across * down >> 12) * 16).astype(np.uint16)
        yield np.stack([grey, grey // 2, grey // 3, np.full_like(grey, 65535)], -1)


@pytest.mark.slow
def test_a_hundred_megapixels(tmp_path, tiny_weights):
    photo = tmp_path / "photo.tif"
    with open_sink(photo, Header(SIDE, SIDE, 3, np.dtype(np.uint16), alpha=True, format="tiff")) as sink:
        for rows in bands():
            sink.write(rows)
    environment = os.environ | {"RESTORE_WEIGHTS": str(tiny_weights)}
    for source, target in (("photo.tif", "out.png"), ("out.png", "out.tif")):  # a TIFF that is read, a PNG that is written, and the reverse
        line = [sys.executable, "-c", CHILD, "denoise", source, "--model", "drunet.tiny", "--sigma", "2", "--strength", "0", "-o", target]
        done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peak = int(done.stdout) * 1024
        assert peak < 2e9, f"{source} -> {target}: {peak / 1e9:.2f} GB at the peak"
    with open_source(photo) as one, open_source(tmp_path / "out.tif") as two:
        assert two.headers[0].samples == 4 and two.headers[0].dtype == np.uint16
        for top in range(0, SIDE, 1000):
            assert np.array_equal(one.read(top, top + 50), two.read(top, top + 50))

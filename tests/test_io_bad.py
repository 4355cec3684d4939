"""Damaged, hostile and unsuitable files, and disks that fill: an error that names the file, no half picture, nothing left behind."""

import io
import os
import stat
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from restore import io as rio
from restore.errors import RestoreError, UsageError
from restore.image import Header, Image

FORMATS = rio.WRITABLE
NAMES = {"png": "png", "jpeg": "jpg", "tiff": "tif", "webp": "webp", "bmp": "bmp", "exr": "exr", "gif": "gif"}


def array(height: int = 64, width: int = 80, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, channels), np.uint8)


def encoded(format: str) -> bytes:
    from PIL import Image as Pillow

    out = io.BytesIO()
    if format == "gif":
        Pillow.fromarray(array()[..., 0]).save(out, "GIF")
    else:
        rio.write(out, Image(Header(64, 80, format=format), array()))
    return out.getvalue()


def refused(path, *words: str) -> RestoreError:
    """The error that reading the whole picture ends in; it names the file."""
    with pytest.raises(RestoreError) as error:
        with rio.open_source(path) as source:
            for page, header in enumerate(source.headers):
                source.read(0, header.height, page)
    name = Path(path).name if isinstance(path, str | os.PathLike) else "standard input"
    assert name in error.value.what, error.value.what
    for word in words:
        assert word in str(error.value), str(error.value)
    assert error.value.expected and error.value.remedy
    return error.value


# what cannot be read --------------------------------------------------------------------------------------------------------------------------------------


def test_missing_empty_folder(tmp_path):
    refused(tmp_path / "gone.png", "no such file")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "empty")
    refused(io.BytesIO(), "empty")
    refused(tmp_path, "is a folder")


def test_text_and_other_files_under_a_picture_s_name(tmp_path):
    for suffix in rio.SUFFIXES:
        path = tmp_path / f"text{suffix}"
        path.write_text("this is no picture\n" * 50)
        refused(path)
    (tmp_path / "page.html").write_text("<html>")
    refused(tmp_path / "page.html", "no picture is known with the suffix .html")
    (tmp_path / "x.pgn").write_text("1. e4 e5")
    assert ".png" in refused(tmp_path / "x.pgn").expected
    refused(io.BytesIO(b"GET / HTTP/1.1"), "no picture known here")


@pytest.mark.parametrize("format", (*FORMATS, "gif"))
def test_content_counts_and_not_the_suffix(tmp_path, format):
    for suffix in (".png", ".jpg", ".tif", ".dat", ""):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(encoded(format))
        assert rio.read(path).header.format == format
        assert rio.read(io.BytesIO(encoded(format))).header.format == format


@pytest.mark.parametrize("format", (*FORMATS, "gif"))
def test_a_file_cut_anywhere_is_an_error(tmp_path, format):
    data = encoded(format)
    path = tmp_path / f"cut.{NAMES[format]}"
    last = {"gif": 3, "jpeg": 2}.get(format, 1)  # the end mark of these is no part of the picture
    for length in sorted({1, 5, 12, 40, 100, len(data) - last, *np.linspace(1, len(data) - last, 40).astype(int)}):
        path.write_bytes(data[:length])
        refused(path)


def test_a_tiff_cut_anywhere_is_an_error(tmp_path):
    import tifffile

    path = tmp_path / "cut.tif"
    for options in ({}, {"compression": "lzw"}, {"compression": "deflate", "tile": (16, 16)}, {"bigtiff": True, "planarconfig": "separate"}):
        pixels = np.moveaxis(array(), -1, 0) if "planarconfig" in options else array()
        tifffile.imwrite(path, np.ascontiguousarray(pixels), photometric="rgb", metadata=None, **options)
        data = path.read_bytes()
        for length in (1, 4, 8, 15, 100, 300, *np.linspace(400, len(data) - 1, 20).astype(int)):
            path.write_bytes(data[:length])
            refused(path)


@pytest.mark.parametrize("format", (*FORMATS, "gif"))
def test_flipped_bytes_give_an_error_or_a_picture_of_the_declared_size(tmp_path, format, capfd):
    data = encoded(format)
    generator = np.random.default_rng(5)
    path = tmp_path / f"flip.{NAMES[format]}"
    for _ in range(150):
        spoiled = bytearray(data)
        for at in generator.integers(0, min(len(data), 400) if generator.random() < 0.5 else len(data), generator.integers(1, 5)):
            spoiled[at] ^= 1 << generator.integers(0, 8)
        path.write_bytes(spoiled)
        try:
            with rio.open_source(path) as source:
                for page, header in enumerate(source.headers):
                    assert source.read(0, header.height, page).shape == (header.height, header.width, header.samples)
        except RestoreError as error:
            assert path.name in error.what
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err == ""


def test_a_png_with_a_wrong_checksum_is_an_error(tmp_path):
    data = bytearray(encoded("png"))
    data[data.index(b"IDAT", data.index(b"IDAT") + 4) + 1000] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    refused(tmp_path / "a.png", "checksum")


@pytest.mark.parametrize("format, at", (("png", 16), ("png", 20), ("bmp", 18), ("bmp", 22)))
def test_pictures_of_no_pixels(tmp_path, format, at):
    data = bytearray(encoded(format))
    data[at : at + 4] = bytes(4)
    if format == "png":
        data[29:33] = struct.pack(">L", zlib.crc32(data[12:29]))
    (tmp_path / f"a.{format}").write_bytes(data)
    refused(tmp_path / f"a.{format}")


def png_header(width: int, height: int, depth: int = 8) -> bytes:
    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    start = struct.pack(">LLBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", start) + chunk(b"IDAT", zlib.compress(bytes(10000))) + chunk(b"IEND", b"")


def test_decompression_bombs_are_refused_before_memory_is_taken(tmp_path):
    import tifffile

    bombs = {"huge.png": png_header(2**31 - 1, 2**31 - 1), "large.png": png_header(60000, 60000), "deep.png": png_header(30000, 30000, 16)}
    jpeg = bytearray(encoded("jpeg"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65000, 65000)
    gif = bytearray(encoded("gif"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    bmp = bytearray(encoded("bmp"))
    bmp[18:26] = struct.pack("<LL", 60000, 60000)
    out = io.BytesIO()
    tifffile.imwrite(out, array(), metadata=None, photometric="rgb", compression="lzw", rowsperstrip=64)
    tiff = out.getvalue()
    with tifffile.TiffFile(io.BytesIO(tiff)) as file:
        places = {tag.code: tag.valueoffset for tag in file.pages[0].tags}
    tiff = bytearray(tiff)
    for code in (256, 257, 278):
        tiff[places[code] : places[code] + 4] = struct.pack("<L", 60000)
    bombs |= {"a.jpg": bytes(jpeg), "a.gif": bytes(gif), "a.bmp": bytes(bmp), "a.tif": bytes(tiff)}
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
    code = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from restore import io as rio
from restore.errors import RestoreError
for name in sys.argv[1:]:
    try:
        rio.read(name)
    except RestoreError as error:
        assert name in error.what, error
        print(error.what)
"""
    lines = child(code, *(str(tmp_path / name) for name in bombs)).stdout.splitlines()
    assert len(lines) == len(bombs) and all("bomb" in line for line in lines), lines


def test_an_honest_large_picture_passes(tmp_path):
    from PIL import Image as Pillow

    large = np.zeros((11000, 17000), np.uint8)  # 187 megapixels, above the limit at which Pillow refuses
    large[::7] = 9
    Pillow.fromarray(large).save(tmp_path / "a.jpg", quality=30)
    with rio.open_source(tmp_path / "a.jpg") as source:
        assert source.read(5000, 5001).shape == (1, 17000, 1)


def test_cmyk_lab_and_other_colours_are_refused_with_a_way_out(tmp_path):
    import tifffile
    from PIL import Image as Pillow

    Pillow.new("CMYK", (20, 10)).save(tmp_path / "cmyk.jpg")
    Pillow.new("CMYK", (20, 10)).save(tmp_path / "cmyk.tif")
    Pillow.new("LAB", (20, 10)).save(tmp_path / "lab.tif")
    for name, word in (("cmyk.jpg", "CMYK"), ("cmyk.tif", "CMYK"), ("lab.tif", "Lab")):
        assert "magick" in refused(tmp_path / name, word).remedy
    tifffile.imwrite(tmp_path / "five.tif", array(channels=5), photometric="minisblack", planarconfig="contig", metadata=None)
    refused(tmp_path / "five.tif", "5 samples")
    tifffile.imwrite(tmp_path / "cfa.tif", array()[..., 0], photometric="cfa", metadata=None)
    refused(tmp_path / "cfa.tif", "mosaic")
    for dtype in (np.int16, np.complex64, np.uint64):
        tifffile.imwrite(tmp_path / "kind.tif", array()[..., 0].astype(dtype), photometric="minisblack", metadata=None)
        refused(tmp_path / "kind.tif", "samples are")


def test_exr_of_other_channels_is_refused(tmp_path):
    import OpenImageIO as oiio

    spec = oiio.ImageSpec(8, 8, 5, "half")
    spec.channelnames = ["R", "G", "B", "A", "Z"]
    output = oiio.ImageOutput.create("exr")
    assert output.open(str(tmp_path / "z.exr"), spec) and output.write_image(np.zeros((8, 8, 5), np.float16)) and output.close()
    refused(tmp_path / "z.exr", "Z", "oiiotool")


@pytest.mark.parametrize("format", ("PNG", "WEBP", "GIF"))
def test_animations_are_refused_and_single_frames_pass(tmp_path, format):
    from PIL import Image as Pillow

    frames = [Pillow.fromarray(np.roll(array(), k, axis=0)) for k in range(3)]
    path = tmp_path / f"moving.{format.lower()}"
    frames[0].save(path, format, save_all=True, append_images=frames[1:], duration=100)
    refused(path, "animation of 3 frames", "ffmpeg")
    frames[0].save(path, format, save_all=True)
    assert rio.read(path).header.width == 80


def test_damaged_camera_files(tmp_path, capfd):
    (tmp_path / "a.nef").write_bytes(b"II*\0" + struct.pack("<L", 8) + bytes(500))
    refused(tmp_path / "a.nef", "LibRaw", "DNG")
    (tmp_path / "a.cr3").write_bytes(bytes(500))
    refused(tmp_path / "a.cr3", "LibRaw")
    assert capfd.readouterr() == ("", "")


@pytest.mark.data
def test_cut_camera_files(data, tmp_path, capfd):
    for source in (data / "test/raw/raw_dng_tinydng/colorchart.dng", data / "test/raw/raw_dng_photoprism/canon_eos_6d.dng"):
        whole = source.read_bytes()
        for part in (0.02, 0.3, 0.7, 0.98):
            (tmp_path / "cut.dng").write_bytes(whole[: int(len(whole) * part)])
            refused(tmp_path / "cut.dng")
    assert capfd.readouterr() == ("", "")


def test_not_finite_samples_pass_untouched(tmp_path):
    values = np.random.default_rng(0).standard_normal((9, 8, 3)).astype(np.float32)
    values[0, 0], values[1, 1], values[2, 2] = np.nan, np.inf, -np.inf
    values.view(np.uint32)[3, 3] = 0x7FC12345  # a NaN with something in it
    for name in ("a.tif", "a.exr"):
        rio.write(tmp_path / name, Image(Header(9, 8, dtype=np.dtype(np.float32)), values))
        assert rio.read(tmp_path / name).samples.tobytes() == values.tobytes()


@pytest.mark.parametrize("name", ("a b.png", "line\nbreak.png", "-dash.png", "--overwrite.png", "Füße 東京.png", "?x=1#y.png", "%04d.png",
                                  os.fsdecode(b"\xff\xfe.png"), "x" * 251 + ".png"))
def test_hostile_names(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for suffix, format in ((".png", "png"), (".exr", "exr"), (".tif", "tiff"), (".jpg", "jpeg")):
        path = Path(name).with_suffix(suffix)
        rio.write(path, Image(Header(64, 80, format=format), array()))
        assert rio.read(path).samples.shape == (64, 80, 3)
        assert os.listdir(".") == [path.name]
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(RestoreError) as error:
            rio.read(path)
        assert error.value.what.isprintable()
        path.unlink()


# what cannot be written -----------------------------------------------------------------------------------------------------------------------------------


def child(code: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)
    assert not check or run.returncode == 0, run.stderr
    return run


@pytest.mark.parametrize("format", FORMATS)
def test_an_output_appears_whole_or_not_at_all(tmp_path, format):
    path = tmp_path / f"a.{NAMES[format]}"
    header = Header(64, 80, format=format)
    with pytest.raises(KeyboardInterrupt):
        with rio.open_sink(path, header) as sink:
            sink.write(array()[:30])
            assert [p.name.rpartition("-")[0] for p in tmp_path.iterdir()] == [f".a.{NAMES[format]}.tmp"]
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RestoreError, match="30 of 64 rows"):
        with rio.open_sink(path, header) as sink:
            sink.write(array()[:30])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="rows of shape"):
        with rio.open_sink(path, header) as sink:
            sink.write(array(65))
    assert list(tmp_path.iterdir()) == []
    with rio.open_sink(path, header) as sink:
        sink.write(array())
        assert not path.exists()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_overwritten_unasked(tmp_path, format):
    path = tmp_path / f"a.{NAMES[format]}"
    path.write_bytes(b"mine")
    path.chmod(0o640)
    image = Image(Header(64, 80, format=format), array())
    with pytest.raises(RestoreError, match="exists already") as error:
        rio.write(path, image)
    assert "--overwrite" in error.value.remedy and path.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [path]
    path.unlink()
    with pytest.raises(RestoreError, match="exists already"):
        with rio.open_sink(path, image.header) as sink:
            sink.write(image.samples)
            path.write_bytes(b"came meanwhile")
    assert path.read_bytes() == b"came meanwhile" and list(tmp_path.iterdir()) == [path]
    path.chmod(0o640)
    rio.write(path, image, overwrite=True)
    assert rio.read(path).samples.shape == (64, 80, 3) and stat.S_IMODE(path.stat().st_mode) == 0o640


def test_writing_onto_the_very_input_and_through_links(tmp_path):
    rio.write(tmp_path / "a.png", Image(Header(64, 80), array()))
    (tmp_path / "link.png").symlink_to("a.png")
    with rio.open_source(tmp_path / "a.png") as source:
        with rio.open_sink(tmp_path / "link.png", source.headers[0], overwrite=True) as sink:
            for top in range(0, 64, 8):
                sink.write(255 - source.read(top, top + 8))
    assert (tmp_path / "link.png").is_symlink()
    np.testing.assert_array_equal(rio.read(tmp_path / "a.png").samples, 255 - array())


def test_folders_that_are_missing_or_in_the_way(tmp_path):
    header = Header(64, 80)
    with pytest.raises(RestoreError, match="its folder does not exist") as error:
        rio.open_sink(tmp_path / "no/where/a.png", header)
    assert "mkdir" in error.value.remedy
    with pytest.raises(RestoreError, match="is a folder"):
        (tmp_path / "b.png").mkdir()
        rio.open_sink(tmp_path / "b.png", header)
    for name in ("a.xyz", "a", "a.gif", "a.nef"):
        with pytest.raises(UsageError):
            rio.open_sink(tmp_path / name, header)
    with pytest.raises(UsageError, match="pgn"):
        rio.open_sink(tmp_path / "a.png", header, format="pgn")
    assert [p.name for p in tmp_path.iterdir()] == ["b.png"]


def test_alpha_and_pages_that_a_format_cannot_hold(tmp_path):
    for name in ("a.jpg", "a.bmp"):
        with pytest.raises(RestoreError, match="transparency") as error:
            rio.open_sink(tmp_path / name, Header(4, 4, alpha=True))
        assert "png, tiff, webp or exr" in error.value.expected
    for name in ("a.jpg", "a.bmp", "a.png", "a.webp", "a.exr"):
        with pytest.raises(RestoreError, match="has 3") as error:
            rio.open_sink(tmp_path / name, Header(4, 4, pages=3))
        assert ".tif" in error.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="no users here")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    code = """
import os, sys
import numpy as np
from restore import io as rio
from restore.errors import RestoreError
from restore.image import Header, Image
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    rio.write(sys.argv[1], Image(Header(4, 4), np.zeros((4, 4, 3), np.uint8)))
except RestoreError as error:
    print(error)
"""
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    folder.chmod(0o555)
    run = child(code, str(folder / "a.png"))
    assert "a.png: cannot be written: Permission denied" in run.stdout and "-o" in run.stdout
    assert list(folder.iterdir()) == []


FULL = """
import os, resource, sys
import numpy as np
from restore import io as rio
from restore.errors import RestoreError
from restore.image import Header, Image
path, format, limits = sys.argv[1], sys.argv[2], [int(a) for a in sys.argv[3:]]
array = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
image = Image(Header(300, 400, format=format), array)
if not limits:
    rio.write(path, image)
for limit in limits:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        rio.write(path, image)
        print("written", limit)
    except RestoreError as error:
        assert os.path.basename(path) in error.what and "-o" in error.remedy, error
    if os.listdir(os.path.dirname(path)):
        print("left", os.listdir(os.path.dirname(path)), limit)
"""


@pytest.mark.parametrize("format", FORMATS)
def test_a_disk_that_fills(tmp_path, format):
    path = tmp_path / f"a.{NAMES[format]}"
    child(FULL, str(path), format)
    size = path.stat().st_size
    path.unlink()
    run = child(FULL, str(path), format, *(str(limit) for limit in (0, 1, 100, 4096, size // 2, size - 5000, size - 300, size - 20, size - 1)))
    assert run.stdout == "" and run.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("format", FORMATS)
def test_a_device_that_is_full(format, capfd):
    with pytest.raises(RestoreError, match="/dev/full: cannot be written: the disk is full"):
        with rio.open_sink(Path("/dev/full"), Header(64, 80, format=format), format=format) as sink:
            sink.write(array())
    assert Path("/dev/full").exists() and capfd.readouterr() == ("", "")
    with open("/dev/full", "wb", buffering=0) as stream, pytest.raises(RestoreError, match="full"):
        with rio.open_sink(stream, Header(64, 80, format=format)) as sink:
            sink.write(array())


@pytest.mark.parametrize("format", FORMATS)
def test_streams(tmp_path, format):
    """Through two pipes; nothing comes out of a sink that fails; a reader that has gone is no error of ours."""
    code = """
import sys
from restore import io as rio
with rio.open_source(sys.stdin.buffer) as source, rio.open_sink(sys.stdout.buffer, source.headers[0]) as sink:
    for top in range(0, 64, 10):
        sink.write(source.read(top, min(64, top + 10)))
"""
    data = encoded(format)
    run = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, timeout=60)
    assert run.returncode == 0 and run.stderr == b""
    assert rio.read(io.BytesIO(run.stdout)).samples.shape == (64, 80, 3)
    if format in ("png", "tiff", "bmp"):
        assert run.stdout == data
    out = io.BytesIO()
    with pytest.raises(RuntimeError):
        with rio.open_sink(out, Header(64, 80, format=format)) as sink:
            sink.write(array()[:10])
            raise RuntimeError
    assert out.getvalue() == b""
    unbuffered = tmp_path / "stream"
    with unbuffered.open("wb", buffering=0) as stream, rio.open_sink(stream, Header(64, 80, format=format)) as sink:
        sink.write(array())
    assert rio.read(unbuffered).samples.shape == (64, 80, 3)
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(BrokenPipeError), os.fdopen(write, "wb", buffering=0) as stream:
        with rio.open_sink(stream, Header(64, 80, format=format)) as sink:
            sink.write(array())


def test_outputs_of_long_names_never_meet(tmp_path):
    paths = [tmp_path / ("b" * 215 + f"{n}.png") for n in range(2)]
    header = Header(8, 8, format="png")
    with rio.open_sink(paths[0], header) as first, rio.open_sink(paths[1], header) as second:
        for number, sink in enumerate((first, second)):
            sink.write(np.full((8, 8, 3), number, np.uint8))
    assert [int(rio.read(path).samples.max()) for path in paths] == [0, 1]


def test_pages_may_be_read_by_two_threads(tmp_path):
    pages = np.random.default_rng(0).integers(0, 255, (2, 400, 300, 3), np.uint8)
    tifffile.imwrite(tmp_path / "pages.tif", pages, photometric="rgb", rowsperstrip=1, metadata=None)
    with rio.open_source(tmp_path / "pages.tif") as source, ThreadPoolExecutor(2) as pool:
        def whole(page: int) -> np.ndarray:
            return np.concatenate([source.read(top, top + 4, page) for _ in range(3) for top in range(0, 400, 4)][-100:])
        assert all(np.array_equal(*pair) for pair in zip(pool.map(whole, (0, 1)), pages, strict=True))


@pytest.mark.parametrize("how", [{"imagej": True}, {}], ids=["imagej", "shaped"])
def test_frames_that_a_tiff_does_not_list_are_not_lost_unsaid(tmp_path, how):
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((10, 32, 48), np.uint8), truncate=True, **how)
    with pytest.raises(RestoreError, match="10 frames"):
        rio.open_source(tmp_path / "stack.tif")

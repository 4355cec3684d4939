"""Every lossless format, depth, colour, alpha and layout: what is read is what is there, what is written is what was read.

Pictures are made and checked by other libraries than the code under test wherever they can hold them.
"""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
import tifffile

from restore import io as rio
from restore.errors import RestoreError
from restore.image import Header, Image, as_samples, upright
from restore.io.exif import orientation as exif_orientation

HEIGHT, WIDTH = 61, 47
INTEGERS = ("u1", "u2")
COLOURS = tuple(itertools.product((1, 3), (False, True)))


def picture(dtype: str, samples: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Smooth with some noise, so that all filters of a PNG get their turn; full range."""
    generator = np.random.default_rng(height * 1000 + samples)
    ramp = np.linspace(0, 1, height)[:, None, None] * np.linspace(0.2, 1, width)[None, :, None] * np.linspace(1, 0.5, samples)
    values = np.clip(ramp + 0.02 * generator.standard_normal((height, width, samples)), 0, 1)
    values[:3, :3], values[3:6, :3] = 0, 1
    return (values * np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else values * 3 - 1).astype(dtype)


def header(array: np.ndarray, alpha: bool, format: str, **more) -> Header:
    return Header(array.shape[0], array.shape[1], channels=array.shape[2] - alpha, dtype=array.dtype, alpha=alpha, format=format, **more)


def through(data: bytes) -> tuple[Image, bytes]:
    """Read, then written to the same format."""
    image = rio.read(io.BytesIO(data))
    out = io.BytesIO()
    rio.write(out, image)
    return image, out.getvalue()


# PNG ------------------------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("channels, alpha", COLOURS)
def test_png(dtype, channels, alpha):
    import imagecodecs

    array = picture(dtype, channels + alpha)
    image, written = through(imagecodecs.png_encode(array))
    assert (image.header.channels, image.header.alpha, image.header.dtype) == (channels, alpha, np.dtype(dtype))
    np.testing.assert_array_equal(image.samples, array)
    np.testing.assert_array_equal(imagecodecs.png_decode(written).reshape(array.shape), array)
    if dtype == "u1":
        from PIL import Image as Pillow

        np.testing.assert_array_equal(np.asarray(Pillow.open(io.BytesIO(written))).reshape(array.shape), array)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def png(values: np.ndarray, depth: int, colour: int, *extra: bytes, interlaced: bool = False) -> bytes:
    """A PNG of unfiltered rows, made by hand: bits packed, Adam7 where asked for. `values` (H, W, samples)."""

    def lines(part: np.ndarray) -> bytes:
        if not part.size:
            return b""
        if depth == 16:
            packed = part.astype(">u2").view(np.uint8).reshape(len(part), -1)
        elif depth == 8:
            packed = part.astype(np.uint8).reshape(len(part), -1)
        else:
            bits = np.unpackbits(part.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
            packed = np.packbits(bits.reshape(len(part), -1), axis=1)
        return b"".join(b"\0" + row.tobytes() for row in packed)

    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]
    data = b"".join(lines(values[y::down, x::across]) for y, x, down, across in passes)
    start = struct.pack(">LLBBBBB", values.shape[1], values.shape[0], depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", start) + b"".join(extra) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("interlaced", (False, True))
@pytest.mark.parametrize("depth", (1, 2, 4, 8))
def test_png_palette_and_few_bits(depth, interlaced):
    from PIL import Image as Pillow

    generator = np.random.default_rng(depth)
    values = generator.integers(0, 2**depth, (13, 21, 1))
    colours = generator.integers(0, 256, (2**depth, 3), dtype=np.uint8)
    grey = rio.read(io.BytesIO(png(values, depth, 0, interlaced=interlaced)))
    np.testing.assert_array_equal(grey.samples, values * (255 // (2**depth - 1)))
    assert (grey.header.channels, grey.header.dtype) == (1, np.uint8)
    palette = png(values, depth, 3, chunk(b"PLTE", colours.tobytes()), interlaced=interlaced)
    colour = rio.read(io.BytesIO(palette))
    np.testing.assert_array_equal(colour.samples, colours[values[..., 0]])
    np.testing.assert_array_equal(colour.samples, np.asarray(Pillow.open(io.BytesIO(palette)).convert("RGB")))
    opacity = generator.integers(0, 256, 2, dtype=np.uint8)
    clear = rio.read(io.BytesIO(png(values, depth, 3, chunk(b"PLTE", colours.tobytes()), chunk(b"tRNS", opacity.tobytes()), interlaced=interlaced)))
    full = np.append(opacity, np.full(2**depth, 255, np.uint8))[: 2**depth]
    np.testing.assert_array_equal(clear.samples, np.concatenate([colours[values[..., 0]], full[values]], axis=-1))
    out = io.BytesIO()
    rio.write(out, clear)
    np.testing.assert_array_equal(np.asarray(Pillow.open(io.BytesIO(out.getvalue()))), clear.samples)


@pytest.mark.parametrize("depth", (8, 16))
@pytest.mark.parametrize("colour, samples", ((0, 1), (2, 3), (4, 2), (6, 4)))
def test_png_interlaced(depth, colour, samples):
    values = np.random.default_rng(0).integers(0, 2**depth, (19, 33, samples))
    np.testing.assert_array_equal(rio.read(io.BytesIO(png(values, depth, colour, interlaced=True))).samples, values)


@pytest.mark.parametrize("height, width", tuple(itertools.product(range(1, 10), (1, 2, 5, 9))))
def test_png_interlaced_of_few_pixels(height, width):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3))
    np.testing.assert_array_equal(rio.read(io.BytesIO(png(values, 8, 2, interlaced=True))).samples, values)


@pytest.mark.parametrize("depth", (8, 16))
@pytest.mark.parametrize("colour, samples", ((0, 1), (2, 3)))
def test_png_transparent_colour_becomes_alpha(depth, colour, samples):
    values = np.random.default_rng(0).integers(0, 2, (9, 11, samples)) * (2**depth - 1)
    key = struct.pack(f">{samples}H", *[2**depth - 1] * samples)
    image = rio.read(io.BytesIO(png(values, depth, colour, chunk(b"tRNS", key))))
    assert image.header.alpha and image.samples.dtype == (np.uint16 if depth == 16 else np.uint8)
    np.testing.assert_array_equal(image.samples[..., :samples], values)
    np.testing.assert_array_equal(image.samples[..., -1] == 0, (values == 2**depth - 1).all(axis=-1))


def test_png_bytes_do_not_depend_on_the_bands():
    array = picture("u2", 3, 700, 333)

    def write(step: int) -> bytes:
        out = io.BytesIO()
        with rio.open_sink(out, header(array, False, "png")) as sink:
            for top in range(0, len(array), step):
                sink.write(array[top : top + step])
        return out.getvalue()

    assert write(700) == write(1) == write(64)


# TIFF -----------------------------------------------------------------------------------------------------------------------------------------------------


def tiff(array: np.ndarray, alpha: bool, planar: str = "contig", **more) -> bytes:
    import tifffile

    samples = array.shape[-1]
    colour = {"photometric": "minisblack" if samples < 3 else "rgb", "extrasamples": ["unassalpha"] if alpha else None}
    stored = array[..., 0] if samples == 1 else np.moveaxis(array, -1, 0) if planar == "separate" else array
    out = io.BytesIO()
    tifffile.imwrite(out, np.ascontiguousarray(stored), metadata=None, planarconfig=planar if samples > 1 else None, **(colour | more))
    return out.getvalue()


def tiff_samples(data: bytes, shape: tuple[int, ...], page: int = 0) -> np.ndarray:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        stored = file.pages[page].asarray()
    return np.moveaxis(stored, 0, -1) if stored.ndim == 3 and stored.shape != shape else stored.reshape(shape)


def layout(data: bytes, page: int = 0) -> dict:
    """The tags of a page, save where its segments lie and how many bytes each takes."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return {"big": file.is_bigtiff, "order": file.byteorder} | {tag.code: (int(tag.dtype), tag.count, tag.value) for tag in file.pages[page].tags
                                                                     if tag.code not in (273, 279, 324, 325)}


@pytest.mark.parametrize("compression", (None, "lzw", "deflate", "zstd", "packbits"))
@pytest.mark.parametrize("dtype", ("u1", "u2", "u4", "f2", "f4", "f8"))
def test_tiff(dtype, compression):
    for (channels, alpha), planar, tile, order, big in itertools.product(COLOURS, ("contig", "separate"), (None, (32, 16)), "<>", (False, True)):
        if planar == "separate" and channels + alpha == 1:
            continue
        array = picture(dtype, channels + alpha)
        data = tiff(array, alpha, planar, compression=compression, predictor=compression in ("lzw", "deflate", "zstd"), tile=tile,
                    rowsperstrip=None if tile else 7, byteorder=order, bigtiff=big)
        image, written = through(data)
        assert (image.header.channels, image.header.alpha, image.header.dtype) == (channels, alpha, np.dtype(dtype))
        np.testing.assert_array_equal(image.samples, array)
        np.testing.assert_array_equal(tiff_samples(written, array.shape), array)
        assert layout(written) == layout(data)


def test_tiff_plain_strips_are_copied_bit_for_bit():
    data = tiff(picture("u2", 3), False, rowsperstrip=10, resolution=(300, 300), software="a program")
    _, written = through(data)
    import tifffile

    pages = [tifffile.TiffFile(io.BytesIO(d)).pages[0] for d in (data, written)]
    parts = [[d[o : o + c] for o, c in zip(p.dataoffsets, p.databytecounts, strict=True)] for d, p in zip((data, written), pages, strict=True)]
    assert parts[0] == parts[1]


def test_a_tiff_palette_of_more_than_256_colours():
    table = np.stack([np.arange(65536), np.arange(65536)[::-1], np.full(65536, 4000)]).astype(np.uint16)
    values, out = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH)).astype(np.uint16), io.BytesIO()
    tifffile.imwrite(out, values, photometric="palette", colormap=table, metadata=None)
    np.testing.assert_array_equal(rio.read(io.BytesIO(out.getvalue())).samples, table.T[values])


def test_a_channel_of_no_stated_meaning_is_no_transparency():
    """It stays as it is, and so marked; a format that would take it for transparency says so."""
    array, out = picture("u1", 4), io.BytesIO()
    tifffile.imwrite(out, array, photometric="rgb", extrasamples=["unspecified"], metadata=None)
    image, written = through(out.getvalue())
    assert image.header.spare and rio.read(io.BytesIO(written)).header.spare
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(written)), array)
    with rio.open_sink(io.BytesIO(), image.header, format="png") as sink:
        sink.write(image.samples)
        assert ["no stated meaning" in line for line in sink.said()] == [True]


@pytest.mark.parametrize("photometric", ("miniswhite", "palette"))
def test_tiff_grey_from_white_and_palette(photometric):
    import tifffile

    values = picture("u1", 1)[..., 0]
    out = io.BytesIO()
    table = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16) * 257
    tifffile.imwrite(out, values, photometric=photometric, metadata=None, **({"colormap": table} if photometric == "palette" else {}))
    image, written = through(out.getvalue())
    if photometric == "palette":
        np.testing.assert_array_equal(image.samples, (table.T // 257)[values])
    else:
        np.testing.assert_array_equal(image.samples[..., 0], 255 - values)
        np.testing.assert_array_equal(tifffile.imread(io.BytesIO(written)), values)
        assert layout(written) == layout(out.getvalue())


@pytest.mark.parametrize("bits, dtype, white", ((1, np.uint8, 255), (10, np.uint16, 65535), (12, np.uint16, 65535), (14, np.uint16, 65535)))
def test_tiff_odd_depths_are_scaled_to_full_range(bits, dtype, white):
    import tifffile

    values = np.random.default_rng(bits).integers(0, 2**bits, (9, 16)).astype(np.uint8 if bits == 1 else np.uint16)
    out = io.BytesIO()
    tifffile.imwrite(out, values.astype(bool) if bits == 1 else values, bitspersample=bits, photometric="minisblack", metadata=None)
    image = rio.read(io.BytesIO(out.getvalue()))
    assert image.samples.dtype == dtype
    np.testing.assert_array_equal(image.samples[..., 0], np.rint(values * (white / (2**bits - 1))))


def test_tiff_pages_of_different_kinds():
    import tifffile

    arrays = [picture("u1", 3), picture("u2", 1, 20, 30), picture("f4", 4, 33, 18)]
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for index, array in enumerate(arrays):
            writer.write(array[..., 0] if array.shape[2] == 1 else array, metadata=None, photometric="minisblack" if array.shape[2] == 1 else "rgb",
                         extrasamples=["unassalpha"] if array.shape[2] == 4 else None, extratags=[(285, "s", 0, f"page {index}", True)],
                         compression=("deflate", None, "lzw")[index], tile=(16, 16) if index == 2 else None)
    written = io.BytesIO()
    with rio.open_source(io.BytesIO(out.getvalue())) as source:
        assert [h.pages for h in source.headers] == [3, 3, 3]
        for index in (2, 0, 1):
            np.testing.assert_array_equal(source.read(5, 15, index), arrays[index][5:15])
        with rio.open_sink(written, source.headers[0]) as sink:
            for index, head in enumerate(source.headers):
                if index:
                    sink.page(head)
                sink.write(source.read(0, 9, index))
                sink.write(source.read(9, head.height, index))
    for index, array in enumerate(arrays):
        np.testing.assert_array_equal(tiff_samples(written.getvalue(), array.shape, index), array)
        assert layout(written.getvalue(), index) == layout(out.getvalue(), index)


def test_tiff_jpeg_inside_is_read_and_written_without_loss():
    import tifffile

    array = picture("u1", 3, 64, 64)
    out = io.BytesIO()
    tifffile.imwrite(out, array, photometric="ycbcr", compression="jpeg", metadata=None, tile=(32, 32))
    image, written = through(out.getvalue())
    np.testing.assert_array_equal(image.samples, tifffile.imread(io.BytesIO(out.getvalue())))
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(written)), image.samples)


def test_tiff_becomes_big_where_it_must():
    big = Header(40000, 40000, channels=3, dtype=np.dtype(np.uint8), format="tiff")
    assert _first_bytes(big) == b"II+\0"
    assert _first_bytes(big.replace(height=400)) == b"II*\0"
    assert _first_bytes(big.replace(height=400, pages=100)) == b"II+\0"


def _first_bytes(head: Header) -> bytes:
    sink = rio.open_sink(io.BytesIO(), head)
    sink.file.seek(0)
    start = sink.file.read(4)
    sink.__exit__(KeyboardInterrupt, None, None)
    return start


# WebP, BMP, GIF, EXR --------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", (False, True))
def test_webp_lossless(alpha):
    from PIL import Image as Pillow

    array = picture("u1", 3 + alpha)
    if alpha:
        array[:10, :, 3] = 0  # the colour under it must survive
    out = io.BytesIO()
    Pillow.fromarray(array).save(out, "WEBP", lossless=True, exact=True)
    image, written = through(out.getvalue())
    np.testing.assert_array_equal(image.samples, array)
    np.testing.assert_array_equal(np.asarray(Pillow.open(io.BytesIO(written))), array)
    assert b"VP8L" in written[:64]


def test_webp_stays_lossy_and_grey_comes_as_rgb():
    from PIL import Image as Pillow

    out, grey = io.BytesIO(), io.BytesIO()
    Pillow.fromarray(picture("u1", 3)).save(out, "WEBP", quality=80)
    image, written = through(out.getvalue())
    assert b"VP8 " in written[:64]
    assert np.abs(rio.read(io.BytesIO(written)).samples.astype(int) - image.samples).mean() < 2
    array = picture("u1", 1)
    with rio.open_sink(grey, header(array, False, "png"), format="webp") as sink:
        sink.write(array)
    np.testing.assert_array_equal(np.asarray(Pillow.open(grey)), np.repeat(array, 3, axis=2))


@pytest.mark.parametrize("mode", ("1", "L", "P", "RGB"))
def test_bmp(mode):
    from PIL import Image as Pillow

    made = Pillow.fromarray(picture("u1", 3)).convert(mode)
    out = io.BytesIO()
    made.save(out, "BMP", dpi=(300, 200))
    image, written = through(out.getvalue())
    expected = np.asarray(made.convert("L" if mode in "1L" else "RGB"))
    np.testing.assert_array_equal(image.samples.squeeze(), expected)
    again = Pillow.open(io.BytesIO(written))
    np.testing.assert_array_equal(np.asarray(again), expected)
    assert again.info["dpi"] == pytest.approx(Pillow.open(io.BytesIO(out.getvalue())).info["dpi"])
    if mode in ("L", "RGB"):
        assert written == out.getvalue()


@pytest.mark.parametrize("mode", ("L", "P"))
def test_gif_is_read(mode):
    from PIL import Image as Pillow

    made = Pillow.fromarray(picture("u1", 3)).convert(mode)
    out = io.BytesIO()
    made.save(out, "GIF")
    image = rio.read(io.BytesIO(out.getvalue()))
    np.testing.assert_array_equal(image.samples.squeeze(), np.asarray(made.convert("RGB" if mode == "P" else "L")))
    made.save(out := io.BytesIO(), "GIF", transparency=int(np.asarray(made)[30, 30]), optimize=False)
    clear = rio.read(io.BytesIO(out.getvalue()))
    np.testing.assert_array_equal(clear.samples[..., -1], np.asarray(Pillow.open(out).convert("RGBA"))[..., 3])
    assert (clear.samples[..., -1] == 0).any()


@pytest.mark.parametrize("compression", ("none", "rle", "zip", "zips", "piz"))
@pytest.mark.parametrize("dtype", ("f2", "f4"))
@pytest.mark.parametrize("channels, alpha", COLOURS)
def test_exr(tmp_path, dtype, channels, alpha, compression):
    import OpenImageIO as oiio

    array = picture(dtype, channels + alpha)
    array[0, 0, 0], array[0, 1, 0], array[0, 2, 0] = np.nan, np.inf, 60000
    names = ["Y"] if channels == 1 else ["R", "G", "B"]
    spec = oiio.ImageSpec(WIDTH, HEIGHT, channels + alpha, "half" if dtype == "f2" else "float")
    spec.channelnames = names + ["A"] * alpha
    spec.attribute("compression", compression)
    spec.attribute("owner", "somebody")
    output = oiio.ImageOutput.create("exr")
    assert output.open(str(tmp_path / "a.exr"), spec) and output.write_image(array) and output.close()
    image = rio.read(tmp_path / "a.exr")
    assert (image.header.channels, image.header.alpha, image.header.premultiplied, image.header.dtype) == (channels, alpha, alpha, np.dtype(dtype))
    np.testing.assert_array_equal(image.samples, array)
    rio.write(tmp_path / "b.exr", image)
    check = oiio.ImageInput.open(str(tmp_path / "b.exr"))
    np.testing.assert_array_equal(check.read_image("half" if dtype == "f2" else "float").reshape(array.shape), array)
    assert check.spec().to_xml() == oiio.ImageInput.open(str(tmp_path / "a.exr")).spec().to_xml()


def test_exr_in_tiles(tmp_path):
    """Read in bands that tiles do not divide, of a window that does not begin at 0; written in tiles again."""
    import OpenImageIO as oiio

    array = picture("f2", 3)
    spec = oiio.ImageSpec(WIDTH, HEIGHT, 3, "half")
    spec.tile_width, spec.tile_height, spec.x, spec.y = 16, 32, 5, -3
    output = oiio.ImageOutput.create("exr")
    assert output.open(str(tmp_path / "a.exr"), spec) and output.write_image(array) and output.close()
    with rio.open_source(tmp_path / "a.exr") as source:
        rows = [source.read(top, min(top + 7, HEIGHT)) for top in range(0, HEIGHT, 7)]
        np.testing.assert_array_equal(np.concatenate(rows), array)
        np.testing.assert_array_equal(source.read(3, 40), array[3:40])
    rio.write(tmp_path / "b.exr", rio.read(tmp_path / "a.exr"))
    assert oiio.ImageInput.open(str(tmp_path / "b.exr")).spec().to_xml() == oiio.ImageInput.open(str(tmp_path / "a.exr")).spec().to_xml()


# every format ---------------------------------------------------------------------------------------------------------------------------------------------

LOSSLESS = ("png", "tiff", "webp", "bmp", "exr")


def kept(format: str, dtype: str) -> str:
    """The depth in which a format holds another."""
    if format == "exr":
        return "f2" if dtype == "f2" else "f4"
    return {"png": "u1" if dtype == "u1" else "u2", "tiff": dtype}.get(format, "u1")


@pytest.mark.parametrize("format", LOSSLESS)
@pytest.mark.parametrize("dtype", ("u1", "u2", "u4", "f2", "f4", "f8"))
def test_another_depth_is_the_nearest_that_the_format_holds(format, dtype):
    array = np.clip(picture(dtype, 3), 0, None)
    out = io.BytesIO()
    with rio.open_sink(out, header(array, False, "tiff"), format=format) as sink:
        assert sink.header.dtype == np.dtype(kept(format, dtype)) and sink.header.format == format
        sink.write(array[:20])
        sink.write(array[20:])
    image = rio.read(io.BytesIO(out.getvalue()))
    white = np.iinfo(dtype).max if dtype[0] == "u" else 1
    exact = array.astype(np.float64) / white
    step = {"u1": 1 / 255, "u2": 1 / 65535, "u4": 2**-23, "f2": 2e-3, "f4": 3e-7, "f8": 0}[kept(format, dtype)]
    got = image.samples.astype(np.float64) / (np.iinfo(image.samples.dtype).max if image.samples.dtype.kind == "u" else 1)
    assert np.abs(got - (np.clip(exact, 0, 1) if image.samples.dtype.kind == "u" else exact)).max() <= step / 2 + 1e-7


@pytest.mark.parametrize("format", ("png", "tiff", "bmp", "webp"))
def test_floats_are_rounded_and_clipped_once(format):
    values = np.linspace(-0.2, 1.2, HEIGHT * WIDTH * 3).astype(np.float32).reshape(HEIGHT, WIDTH, 3)
    values[0, 0, 0] = np.nan
    out = io.BytesIO()
    with rio.open_sink(out, Header(HEIGHT, WIDTH, format=format)) as sink:
        sink.write(values)
    expected = np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255)
    np.testing.assert_array_equal(rio.read(io.BytesIO(out.getvalue())).samples, expected)
    assert as_samples(np.float32([np.nan, -np.inf, np.inf]), np.uint16).tolist() == [0, 0, 65535]


@pytest.mark.parametrize("format", rio.WRITABLE)
@pytest.mark.parametrize("height, width", ((1, 1), (1, 9), (9, 1), (3, 16000)))
def test_extreme_shapes(format, height, width):
    for channels in (1, 3):
        array = picture("u1", channels, height, width)
        out = io.BytesIO()
        with rio.open_sink(out, header(array, False, format)) as sink:
            sink.write(array)
        image = rio.read(io.BytesIO(out.getvalue()))
        assert image.samples.shape[:2] == (height, width)
        if format not in ("jpeg", "exr", "webp"):
            np.testing.assert_array_equal(image.samples, array)


@pytest.mark.parametrize("format", ("png", "tiff", "exr", "bmp"))
@pytest.mark.parametrize("height, width", ((3, 70000), (70000, 3)))
def test_long_sides(format, height, width):
    array = picture("u1", 3, height, width)
    out = io.BytesIO()
    with rio.open_sink(out, header(array, False, format)) as sink:
        sink.write(array)
    np.testing.assert_array_equal(as_samples(rio.read(io.BytesIO(out.getvalue())).samples, np.uint8), array)


@pytest.mark.parametrize("format", ("jpeg", "webp"))
def test_sides_that_a_format_cannot_hold(format):
    with pytest.raises(RestoreError, match="70000 x 3 pixels do not fit in " + format) as error:
        rio.open_sink(io.BytesIO(), Header(3, 70000, format=format))
    assert "png" in error.value.remedy


@pytest.mark.parametrize("kind", ("png", "png interlaced", "tiff strips", "tiff tiles", "tiff one strip", "tiff plain", "tiff planes", "bmp", "webp", "exr"))
def test_bands_in_any_order(kind):
    array = picture("u1", 3)
    format = kind.split()[0]
    if kind == "png interlaced":
        data = png(array, 8, 2, interlaced=True)
    elif format == "tiff":
        data = tiff(array, False, **{"strips": {"rowsperstrip": 8, "compression": "lzw"}, "tiles": {"tile": (16, 16), "compression": "deflate"},
                                     "one": {"rowsperstrip": HEIGHT, "compression": "zstd"}, "plain": {"rowsperstrip": HEIGHT},
                                     "planes": {"planar": "separate", "rowsperstrip": 9}}[kind.split()[1]])
    else:
        out = io.BytesIO()
        rio.write(out, Image(header(array, False, format), array))
        data = out.getvalue()
    generator = np.random.default_rng(1)
    with rio.open_source(io.BytesIO(data)) as source:
        whole = array if format != "exr" else source.read(0, HEIGHT)
        for top, bottom in [(0, 10), (5, 30), (25, HEIGHT), (0, HEIGHT), (60, 61)] + [sorted(generator.choice(HEIGHT + 1, 2, False)) for _ in range(25)]:
            np.testing.assert_array_equal(source.read(int(top), int(bottom)), whole[top:bottom])


def test_going_forward_never_decodes_twice(monkeypatch):
    from restore.io import png as codec

    data = io.BytesIO()
    array = picture("u2", 3, 400, 50)
    rio.write(data, Image(header(array, False, "png"), array))
    rows = []
    scanlines = codec.PngSource._scanlines
    monkeypatch.setattr(codec.PngSource, "_scanlines", lambda self, width, count: rows.append(count) or scanlines(self, width, count))
    with rio.open_source(io.BytesIO(data.getvalue())) as source:
        for top in range(0, 400, 40):  # windows that overlap, as tiles with halos do
            np.testing.assert_array_equal(source.read(max(0, top - 16), min(400, top + 56)), array[max(0, top - 16) : top + 56])
    assert sum(rows) == 400


@pytest.mark.parametrize("orientation", range(1, 9))
def test_formats_without_the_tag_are_turned_upright(orientation):
    from PIL import Image as Pillow
    from PIL import ImageOps

    array = picture("u1", 3)
    marked = Pillow.fromarray(array)
    marked.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(marked))
    np.testing.assert_array_equal(upright(array, orientation), expected)
    for format in ("bmp", "exr"):
        out = io.BytesIO()
        with rio.open_sink(out, header(array, False, "png", orientation=orientation), format=format) as sink:
            assert (sink.header.height, sink.header.width, sink.header.orientation) == (*expected.shape[:2], 1)
            sink.write(array)
        image = rio.read(io.BytesIO(out.getvalue()))
        np.testing.assert_array_equal(as_samples(image.samples, np.uint8), expected)
        assert image.header.orientation == 1


def test_premultiplied_alpha_is_undone_where_the_format_keeps_it_apart():
    straight = np.clip(picture("f4", 4), 0.1, 1)
    multiplied = np.concatenate([straight[..., :3] * straight[..., 3:], straight[..., 3:]], axis=-1)
    for format, given, flag, expected in (("png", multiplied, True, straight), ("exr", straight, False, multiplied), ("tiff", multiplied, True, multiplied)):
        out = io.BytesIO()
        with rio.open_sink(out, header(given, True, "exr", premultiplied=flag), format=format) as sink:
            sink.write(given)
        image = rio.read(io.BytesIO(out.getvalue()))
        assert image.header.premultiplied == (expected is multiplied)
        np.testing.assert_allclose(as_samples(image.samples, np.float32), expected, atol=2e-5)
    empty = io.BytesIO()
    with rio.open_sink(empty, header(np.zeros((2, 2, 4), np.float32), True, "exr", premultiplied=True), format="png") as sink:
        sink.write(np.zeros((2, 2, 4), np.float32))
    assert not rio.read(io.BytesIO(empty.getvalue())).samples.any()


def test_a_palette_of_greys_is_grey():
    import tifffile

    values = picture("u1", 1)
    greys = np.random.default_rng(0).integers(0, 256, 256, dtype=np.uint8)
    table = np.repeat(greys[:, None], 3, axis=1)
    out = io.BytesIO()
    tifffile.imwrite(out, values[..., 0], photometric="palette", colormap=table.T.astype(np.uint16) * 257, metadata=None)
    for data in (png(values, 8, 3, chunk(b"PLTE", table.tobytes())), out.getvalue()):
        image = rio.read(io.BytesIO(data))
        np.testing.assert_array_equal(image.samples, greys[values])
    clear = rio.read(io.BytesIO(png(values, 8, 3, chunk(b"PLTE", table.tobytes()), chunk(b"tRNS", b"\0"))))
    assert (clear.header.channels, clear.header.alpha, clear.samples.shape[2]) == (1, True, 2)


@pytest.mark.data
def test_real_pictures(data):
    from PIL import Image as Pillow

    for path in sorted((data / "test/set5").iterdir()) + sorted((data / "test/set11").iterdir()):
        image = rio.read(path)
        with Pillow.open(path) as other:
            mode = "L" if image.header.channels == 1 else "RGB"
            assert mode == "L" or other.mode != "L"
            np.testing.assert_array_equal(image.samples.squeeze(), np.asarray(other.convert(mode)))


@pytest.mark.data
def test_camera_files(data):
    raws = sorted((data / "test/raw").glob("*/*.dng")) + sorted((data / "test/raw").glob("*/*.KDC"))
    assert len(raws) == 3
    for path in raws:
        with rio.open_source(path) as source:
            (head,) = source.headers
            samples = source.read(0, head.height)
        assert samples.shape == (head.height, head.width, 3) and samples.dtype == np.uint16
        assert (head.format, head.orientation) == ("raw", 1) and head.exif is not None
        assert 500 < samples.mean() < 40000 and samples.max() == 65535
        np.testing.assert_array_equal(rio.read(io.BytesIO(path.read_bytes())).samples, samples) if path.suffix == ".dng" else None


@pytest.mark.data
@pytest.mark.parametrize("orientation", (2, 5, 6, 7, 8))
def test_camera_files_come_upright(data, orientation):
    import tifffile

    original = (data / "test/raw/raw_dng_tinydng/colorchart.dng").read_bytes()
    with tifffile.TiffFile(io.BytesIO(original)) as file:
        place = file.pages[0].tags[274].valueoffset
    image = rio.read(io.BytesIO(original[:place] + struct.pack("<H", orientation) + original[place + 2 :]))
    np.testing.assert_array_equal(image.samples, upright(rio.read(io.BytesIO(original)).samples, orientation))
    assert image.header.orientation == exif_orientation(image.header.exif) == 1


def test_a_description_of_the_files_layout_is_no_description_of_a_page(tmp_path):
    """tifffile and ImageJ say there how many pages of which size lie in a row; the page that is written is alone."""
    pages = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8)
    tifffile.imwrite(tmp_path / "two.tif", pages, photometric="rgb")
    rio.write(tmp_path / "one.tif", rio.read(tmp_path / "two.tif"))
    assert np.array_equal(rio.read(tmp_path / "one.tif").samples, pages[0])
    with tifffile.TiffFile(tmp_path / "one.tif") as file:
        assert 270 not in file.pages[0].tags
    tifffile.imwrite(tmp_path / "own.tif", pages[0], photometric="rgb", description="a lizard", metadata=None)
    rio.write(tmp_path / "copy.tif", rio.read(tmp_path / "own.tif"))
    with tifffile.TiffFile(tmp_path / "copy.tif") as file:
        assert file.pages[0].description == "a lizard"

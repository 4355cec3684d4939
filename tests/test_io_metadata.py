"""What a file says beside its pixels comes through: byte for byte in its own format, and as far as the other allows in another."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest

from restore import io as rio
from restore.errors import RestoreError
from restore.image import Header, Image
from restore.io import exif as tags

ICC = b"a colour profile that nobody parses " * 40
XMP = b'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="t"/></x:xmpmeta><?xpacket end="w"?>'
MAKER = bytes(range(256)) * 3


def exif(order: str = "<", orientation: int = 6) -> bytes:
    """A block with a maker's note, GPS, rationals and a string of odd length."""
    text = lambda value: (2, len(value) + 1, value + b"\0")  # noqa: E731
    rational = (5, 3, struct.pack(order + "6L", 52, 1, 22, 1, 30, 1))
    camera = {0x829A: (5, 1, struct.pack(order + "LL", 1, 250)), 0x9003: text(b"2026:01:02 03:04:05"), 0x927C: (7, len(MAKER), MAKER),
              tags.INTEROP: {1: text(b"R98")}}
    return tags.build(order, {271: text(b"Maker"), 272: text(b"Model"), tags.ORIENTATION: tags.short(orientation, order), 33432: text(b"someone"),
                              tags.EXIF: camera, tags.GPS: {0: (1, 4, b"\2\3\0\0"), 2: rational}})


def samples(header: Header) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (header.height, header.width, header.samples), np.uint8)


def written(header: Header, format: str) -> bytes:
    out = io.BytesIO()
    with rio.open_sink(out, header, format=format) as sink:
        sink.write(samples(header))
    return out.getvalue()


def again(data: bytes) -> Header:
    with rio.open_source(io.BytesIO(data)) as source:
        return source.headers[0]


FULL = Header(20, 30, exif=exif(), icc=ICC, xmp=XMP, dpi=(300.0, 300.0), orientation=6, format="none")
CARRIERS = ("png", "jpeg", "tiff", "webp")


def test_exif_blocks_are_what_pillow_reads():
    from PIL import Image as Pillow

    for order in "<>":
        read = Pillow.Exif()
        read.load(exif(order))
        assert read[271] == "Maker" and read[274] == 6 and read.get_ifd(tags.EXIF)[0x927C] == MAKER and read.get_ifd(tags.GPS)[2] == (52, 22, 30)
        assert tags.build(*tags.parse(exif(order))) == exif(order)
        assert tags.parse(exif(order))[1] == tags.reordered(tags.parse(exif("<>"[order == "<"]))[1], "<>"[order == "<"], order)
        assert tags.build(order, tags.reordered(tags.parse(exif("<"))[1], "<", order)) == exif(order)


def test_orientation_is_patched_in_place():
    for order, value in itertools.product("<>", range(1, 9)):
        block = tags.with_orientation(exif(order), value)
        assert tags.orientation(block) == value and len(block) == len(exif(order))
        assert sum(a != b for a, b in zip(block, exif(order), strict=True)) <= 1
    assert tags.with_orientation(exif(), 6) is not None and tags.with_orientation(None, 1) is None
    assert tags.orientation(tags.with_orientation(None, 3)) == 3
    assert tags.orientation(b"nonsense") == tags.orientation(b"II*\0\xff\xff\xff\xff") == tags.orientation(None) == 1


@pytest.mark.parametrize("first, second", tuple(itertools.product(CARRIERS, CARRIERS)))
def test_from_format_to_format(first, second):
    """icc and xmp byte for byte; exif byte for byte save through TIFF, which spreads it over its own directories."""
    from PIL import Image as Pillow

    one = again(written(FULL, first))
    data = written(one, second)
    two = again(data)
    for head in (one, two):
        assert head.icc == ICC and head.xmp == XMP and head.orientation == 6
        if "webp" not in (first, second):
            assert head.dpi == pytest.approx((300, 300), abs=0.01)
    if "tiff" not in (first, second):
        assert two.exif == FULL.exif
    for order, directory in (tags.parse(one.exif), tags.parse(two.exif)):
        original = tags.parse(FULL.exif)[1]
        assert {tag: directory[tag] for tag in original} == original and order == "<"
    with Pillow.open(io.BytesIO(data)) as picture:
        assert picture.info["icc_profile"] == ICC
        assert picture.getexif()[274] == 6 and picture.getexif().get_ifd(tags.EXIF)[0x927C] == MAKER


@pytest.mark.parametrize("order", "<>")
def test_tiff_takes_the_byte_order_of_the_exif_block(order):
    import tifffile

    head = FULL.replace(exif=exif(order))
    data = written(head, "tiff")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        assert file.byteorder == order and page.tags["Make"].value == "Maker" and page.tags["Orientation"].value == 6
        assert page.tags["ExifTag"].value["MakerNote"] == MAKER and page.tags["GPSTag"].value["GPSLatitude"] == (52, 1, 22, 1, 30, 1)
        assert page.tags["InterColorProfile"].value == ICC and page.tags["XMP"].value == XMP and page.tags["XResolution"].value == (300, 1)
        np.testing.assert_array_equal(page.asarray(), samples(head))
    assert tags.parse(again(data).exif)[0] == order


def test_orientation_follows_the_header():
    for format in CARRIERS:
        turned = again(written(again(written(FULL, format)).replace(orientation=1), format))
        assert turned.orientation == 1 and tags.orientation(turned.exif) == 1 and b'tiff:Orientation="1"' in turned.xmp
        bare = again(written(Header(20, 30, orientation=8, format="none"), format))
        assert bare.orientation == 8


def test_what_the_header_does_not_say_any_more_is_gone():
    for format in CARRIERS:
        kept = again(written(FULL, format))
        bare = written(kept.replace(icc=None, exif=None, xmp=None, dpi=None, orientation=1), format)
        head = again(bare)
        assert (head.icc, head.exif, head.xmp, head.dpi) == (None, None, None, None), format
        assert b"Maker" not in bare and ICC not in bare and b"xpacket" not in bare and b"52" not in bare[:200]


# PNG ------------------------------------------------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">L", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    return found


BEFORE = (chunk(b"iCCP", b"name\0\0" + zlib.compress(ICC, 1)), chunk(b"gAMA", struct.pack(">L", 45455)), chunk(b"cHRM", bytes(32)), chunk(b"sBIT", b"\5\6\5"),
          chunk(b"bKGD", struct.pack(">3H", 1, 2, 3)), chunk(b"pHYs", struct.pack(">LLB", 2835, 2834, 1)), chunk(b"tEXt", b"Title\0with latin \xe9"),
          chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"long" * 99)), chunk(b"iTXt", "Autor\0\0\0de\0Autor\0ÄÖ".encode()),
          chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP), chunk(b"eXIf", exif(">")), chunk(b"prVt", b"private"),
          chunk(b"tIME", bytes((7, 234, 1, 2, 3, 4, 5))))
AFTER = (chunk(b"tEXt", b"Software\0some program"), chunk(b"zzTx", b"unknown"))


def png(before=BEFORE, after=AFTER) -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in samples(FULL))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">LLBBBBB", 30, 20, 8, 2, 0, 0, 0)) + b"".join(before) + chunk(b"IDAT", zlib.compress(rows))
            + b"".join(after) + chunk(b"IEND", b""))


def test_png_chunks_are_copied_byte_for_byte_in_their_order():
    data = png()
    image = rio.read(io.BytesIO(data))
    head = image.header
    assert (head.icc, head.xmp, head.exif, head.orientation) == (ICC, XMP, exif(">"), 6) and head.dpi == pytest.approx((72.009, 71.9836))
    out = io.BytesIO()
    rio.write(out, image)
    other = lambda data: [c for c in chunks(data) if c[0] != b"IDAT"]  # noqa: E731
    assert other(out.getvalue()) == other(data)


def test_png_chunks_that_hang_on_the_depth_go_with_it():
    image = rio.read(io.BytesIO(png()))
    out = io.BytesIO()
    rio.write(out, Image(image.header.replace(dtype=np.dtype(np.uint16)), image.samples))
    assert {b"sBIT", b"bKGD"} & {kind for kind, _ in chunks(out.getvalue())} == set()
    assert {b"gAMA", b"prVt", b"zzTx", b"iCCP"} <= {kind for kind, _ in chunks(out.getvalue())}


def test_png_a_new_profile_replaces_what_else_names_the_space():
    image = rio.read(io.BytesIO(png((chunk(b"sRGB", b"\0"), chunk(b"tEXt", b"a\0b")))))
    out = io.BytesIO()
    rio.write(out, Image(image.header.replace(icc=ICC), image.samples))
    kinds = [kind for kind, _ in chunks(out.getvalue())]
    assert b"sRGB" not in kinds and b"iCCP" in kinds and b"tEXt" in kinds
    assert again(out.getvalue()).icc == ICC


def test_png_resolution_without_a_unit_stays():
    image = rio.read(io.BytesIO(png((chunk(b"pHYs", struct.pack(">LLB", 3, 2, 0)),))))
    out = io.BytesIO()
    rio.write(out, image)
    assert image.header.dpi is None and (b"pHYs", struct.pack(">LLB", 3, 2, 0)) in chunks(out.getvalue())


# JPEG -----------------------------------------------------------------------------------------------------------------------------------------------------


def jpeg(mode: str = "RGB", size=(64, 48), **options) -> bytes:
    from PIL import Image as Pillow

    across, down = np.meshgrid(np.linspace(0, 3, size[0]), np.linspace(0, 2, size[1]))
    channels = [127 + 100 * np.sin(across * k + down) for k in (1, 2, 3)]
    array = np.stack(channels if mode == "RGB" else channels[:1], axis=-1).astype(np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(array.squeeze()).save(out, "JPEG", **options)
    return out.getvalue()


def segments(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 2
    while data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((data[at + 1], data[at + 4 : at + 2 + length]))
        at += 2 + length
    return found


@pytest.mark.parametrize("quality", (30, 75, 95, 100))
@pytest.mark.parametrize("subsampling", (0, 1, 2))
@pytest.mark.parametrize("progressive", (False, True))
@pytest.mark.parametrize("mode", ("RGB", "L"))
def test_jpeg_tables_subsampling_and_kind_are_those_of_the_source(mode, progressive, subsampling, quality):
    from PIL import Image as Pillow

    data = jpeg(mode, quality=quality, subsampling=subsampling, progressive=progressive)
    image = rio.read(io.BytesIO(data))
    out = io.BytesIO()
    rio.write(out, image)
    first, second = Pillow.open(io.BytesIO(data)), Pillow.open(out)
    np.testing.assert_array_equal(image.samples.squeeze(), np.asarray(first))
    assert first.quantization == second.quantization and first.layer == second.layer
    assert bool(first.info.get("progressive")) == bool(second.info.get("progressive")) == progressive
    assert np.abs(np.asarray(first).astype(int) - np.asarray(second)).mean() < 0.5


def test_jpeg_tables_of_any_make():
    from PIL import Image as Pillow

    generator = np.random.default_rng(0)
    for number in (1, 2, 3):
        tables = [generator.integers(1, 255, 64).tolist() for _ in range(number)]
        data = jpeg(qtables=tables, subsampling=0)
        out = io.BytesIO()
        rio.write(out, rio.read(io.BytesIO(data)))
        assert Pillow.open(io.BytesIO(data)).quantization == Pillow.open(out).quantization and len(Pillow.open(out).quantization) == number


def test_jpeg_coded_as_rgb_stays_so():
    from PIL import Image as Pillow

    data = jpeg(keep_rgb=True, quality=90)
    image = rio.read(io.BytesIO(data))
    np.testing.assert_array_equal(image.samples, np.asarray(Pillow.open(io.BytesIO(data))))
    out = io.BytesIO()
    rio.write(out, image)
    assert [s for s in segments(data) if s[0] >= 0xE0] == [s for s in segments(out.getvalue()) if s[0] >= 0xE0]
    assert np.abs(np.asarray(Pillow.open(out)).astype(int) - image.samples).mean() < 0.5


def test_jpeg_quality_and_subsampling_can_be_chosen():
    from PIL import Image as Pillow

    image = rio.read(io.BytesIO(jpeg(quality=60, subsampling=2)))
    for quality, subsampling, layer, like in ((90, None, (2, 2), 90), (None, "4:4:4", (1, 1), 60), (85, "4:2:2", (2, 1), 85)):
        out = io.BytesIO()
        rio.write(out, image, quality=quality, subsampling=subsampling)
        picture = Pillow.open(out)
        assert picture.layer[0][1:3] == layer and picture.quantization == Pillow.open(io.BytesIO(jpeg(quality=like))).quantization
    out = io.BytesIO()
    rio.write(out, Image(Header(48, 64, format="jpeg"), image.samples))
    assert Pillow.open(out).layer[0][1:3] == (1, 1) and Pillow.open(out).quantization == Pillow.open(io.BytesIO(jpeg(quality=95))).quantization
    for wrong in ({"quality": 0}, {"quality": 101}, {"subsampling": "4:1:9"}):
        with pytest.raises(RestoreError):
            rio.write(io.BytesIO(), image, **wrong)


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def test_jpeg_segments_are_copied_byte_for_byte_in_their_order():
    long = bytes(np.random.default_rng(0).integers(0, 256, 150000, np.uint8))
    parts = [long[at : at + 65519] for at in range(0, len(long), 65519)]
    extra = [(0xE1, b"Exif\0\0" + exif(">")), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP), (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(500)),
             *((0xE2, b"ICC_PROFILE\0" + bytes((i + 1, len(parts))) + part) for i, part in enumerate(parts)), (0xED, b"Photoshop 3.0\0" + bytes(99)),
             (0xFE, b"a comment, in latin \xe9"), (0xFE, b"and another"), (0xE5, b"a maker's own"), (0xEE, b"Adobe\0\x64\0\0\0\0\1")]
    plain = jpeg(dpi=(240, 240))
    at = 4 + int.from_bytes(plain[4:6], "big")
    data = plain[:at] + b"".join(segment(*s) for s in extra) + segment(0xE2, b"MPF\0" + bytes(60)) + plain[at:] + b"\xff\xd8 a second picture"
    head = again(data)
    assert (head.icc, head.exif, head.xmp, head.dpi, head.orientation) == (long, exif(">"), XMP, (240, 240), 6)
    out = io.BytesIO()
    rio.write(out, rio.read(io.BytesIO(data)))
    told = [s for s in segments(out.getvalue()) if s[0] >= 0xE0]
    assert told == [s for s in segments(plain) if s[0] >= 0xE0] + extra


def test_jpeg_of_a_camera_gets_no_jfif_segment():
    plain = jpeg()
    at = 4 + int.from_bytes(plain[4:6], "big")
    data = plain[:2] + segment(0xE1, b"Exif\0\0" + exif()) + plain[at:]
    out = io.BytesIO()
    rio.write(out, rio.read(io.BytesIO(data)))
    assert [s[0] for s in segments(out.getvalue())][:2] == [0xE1, 0xDB]


def test_jpeg_takes_large_metadata_or_says_why_not():
    from PIL import Image as Pillow

    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b"x" * 150000 + b"</x:xmpmeta>"
    data = written(FULL.replace(xmp=xmp), "jpeg")
    parts = [p for m, p in segments(data) if m == 0xE1 and p.startswith(b"http://ns.adobe.com/xmp/extension/\0")]
    assert b"".join(part[75:] for part in parts) == xmp and parts[0][35:67] in again(data).xmp
    assert Pillow.open(io.BytesIO(data)).info["icc_profile"] == ICC
    with pytest.raises(RestoreError, match="EXIF block of 70000 bytes") as error:
        written(FULL.replace(exif=exif().ljust(70000, b"\0")), "jpeg")
    assert "TIFF" in error.value.remedy


@pytest.mark.data
def test_photographs(data):
    from PIL import Image as Pillow

    for path in sorted((data / "test/photos").glob("*.jpg")):
        image = rio.read(path)
        out = io.BytesIO()
        rio.write(out, image)
        with Pillow.open(path) as first, Pillow.open(out) as second:
            assert first.quantization == second.quantization and first.layer == second.layer
            for key in ("exif", "icc_profile", "xmp", "photoshop", "dpi"):
                assert first.info.get(key) == second.info.get(key)
            error = np.abs(image.samples.astype(np.int16) - np.asarray(second)).mean()
            assert error < 0.5
        assert image.header.icc and image.header.exif
        original = path.read_bytes()
        assert [s for s in segments(original) if s[0] >= 0xE0] == [s for s in segments(out.getvalue()) if s[0] >= 0xE0]


# TIFF, raw ------------------------------------------------------------------------------------------------------------------------------------------------


def test_tiff_tags_of_all_kinds_are_kept():
    import tifffile

    extra = [(285, "s", 0, "a page", True), (297, "H", 2, (0, 1), True), (65000, "s", 0, "private", True), (65001, "d", 3, (1.5, -2.0, 3.0), True),
             (65002, "B", 5, bytes(5), True), (33723, "B", 4, b"iptc", True), (34377, "B", 6, b"8BIM\0\1", True),
             (318, "2I", 2, (3127, 10000, 3290, 10000), True),
             (700, "B", len(XMP), XMP, True), (34675, "B", len(ICC), ICC, True), (270, "s", 0, "what it shows", True), (274, "H", 1, 8, True),
             (315, "s", 0, "who", True)]
    for order, big in itertools.product("<>", (False, True)):
        out = io.BytesIO()
        tifffile.imwrite(out, samples(FULL), photometric="rgb", metadata=None, extratags=extra, resolution=(118.11, 118.11), resolutionunit="centimeter",
                         byteorder=order, bigtiff=big, software="a program", datetime="2026:01:02 03:04:05")
        image = rio.read(io.BytesIO(out.getvalue()))
        assert (image.header.icc, image.header.xmp, image.header.orientation) == (ICC, XMP, 8)
        assert image.header.dpi == pytest.approx((300, 300), abs=0.01)
        again_out = io.BytesIO()
        rio.write(again_out, image)
        values = [{t.code: (t.count, t.value) for t in tifffile.TiffFile(io.BytesIO(d.getvalue())).pages[0].tags if t.code != 273} for d in (out, again_out)]
        assert values[0] == values[1]


def test_tiff_metadata_twice_through_is_equal_to_the_byte():
    once = written(FULL, "tiff")
    out = io.BytesIO()
    rio.write(out, rio.read(io.BytesIO(once)))
    assert out.getvalue() == once


def test_tiff_description_of_a_stack_is_no_exif():
    import tifffile

    out = io.BytesIO()
    tifffile.imwrite(out, samples(FULL), photometric="rgb", metadata=None, description="<OME " + "x" * 70000, software="s")
    image = rio.read(io.BytesIO(out.getvalue()))
    assert len(image.header.exif) < 500
    rio.write(io.BytesIO(), Image(image.header.replace(format="jpeg"), image.samples))
    back = io.BytesIO()
    rio.write(back, image)
    assert tifffile.TiffFile(io.BytesIO(back.getvalue())).pages[0].description.endswith("x" * 70000)


@pytest.mark.data
def test_camera_files_hand_on_their_exif_upright(data):
    from PIL import Image as Pillow

    path = data / "test/raw/raw_dng_photoprism/canon_eos_6d.dng"
    head = again(path.read_bytes())
    read = Pillow.Exif()
    read.load(head.exif)
    assert read[272] == "Canon EOS 6D" and read.get(274, 1) == 1 and head.orientation == 1 and head.xmp.startswith(b"<?xpacket")
    assert read.get_ifd(tags.EXIF)


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_size_in_exif_follows_the_picture(form, order):
    inner = {tags.NOTE: (7, 5, b"maker"), tags.WIDTH: tags.short(999, order), tags.HEIGHT: (4, 1, struct.pack(order + "L", 999))}
    exif = tags.build(order, {271: (2, 6, b"maker\0"), tags.EXIF: inner})
    samples_ = np.zeros((48, 64, 3), np.uint8)
    out = io.BytesIO()
    rio.write(out, Image(Header(48, 64, 3, np.dtype(np.uint8), exif=exif, format=form), samples_))
    found_order, found = tags.parse(again(out.getvalue()).exif)
    assert [tags.number(found[tags.EXIF], tag, found_order) for tag in (tags.WIDTH, tags.HEIGHT)] == [64, 48]
    assert found[tags.EXIF][tags.NOTE][2] == b"maker"


@pytest.mark.parametrize("channels, kind, format", [(1, b"GRAY", "webp"), (1, b"RGB ", "png"), (1, b"RGB ", "jpeg"), (3, b"GRAY", "png"), (3, b"GRAY", "webp"), (1, b"RGB ", "tiff")])
def test_a_profile_that_the_channels_do_not_suit_is_left_out_and_said(channels, kind, format):
    """A grey picture becomes RGB in WebP; a palette of greys becomes grey."""
    profile, out = bytes(16) + kind + bytes(200), io.BytesIO()
    with rio.open_sink(out, Header(20, 30, channels, icc=profile, format="none"), format=format) as sink:
        sink.write(samples(Header(20, 30, channels)))
        assert ["profile" in line for line in sink.said()] == [True]
    assert again(out.getvalue()).icc is None


def test_bmp_says_what_it_has_no_place_for():
    with rio.open_sink(io.BytesIO(), Header(20, 30, icc=ICC, exif=exif(), format="none"), format="bmp") as sink:
        sink.write(samples(Header(20, 30)))
        assert ["ICC, EXIF" in line for line in sink.said()] == [True]


def test_png_chunks_that_hang_on_the_pixels_are_not_copied():
    """Small last letter: safe to copy (PNG, 14.2). Apple's iDOT holds places in the old data, C2PA's caBX a signature over it."""
    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    plain = written(Header(20, 30), "png")
    data = plain[:33] + b"".join(chunk(kind, b"1234") for kind in (b"gAMA", b"iDOT", b"caBX", b"prVt")) + plain[33:]
    image, out = rio.read(io.BytesIO(data)), io.BytesIO()
    rio.write(out, image)
    assert [kind in out.getvalue() for kind in (b"gAMA", b"iDOT", b"caBX", b"prVt")] == [True, False, False, True]


def test_directories_past_four_gigabytes(tmp_path):
    """The EXIF and GPS of a BigTIFF that is larger than a short offset tells; the file has a hole."""
    order, directory = tags.parse(exif())
    with (tmp_path / "large").open("w+b") as file:
        file.seek(2**32 + 8)
        file.write(tags.pack(directory, 2**32 + 8, order, True))
        assert tags.read_directory(file, 2**32 + 8, order, True) == directory

"""Files <-> pictures: the suffix table and four verbs. Codecs are imported when a file needs them."""

import importlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError, UsageError, nearest
from restore.image import Header, Image
from restore.io.base import Sink, Source
from restore.io.files import Target, broken, reading, shown, writing

SUBSAMPLING = ("4:4:4", "4:2:2", "4:2:0")  # of JPEG
SCANS = {".dcm", ".dicom", ".ima", ".nii", ".gz", ".h5", ".hdf5", ".mat", ".npy"}
RAW = "3fr arw cr2 cr3 crw dcr erf fff iiq k25 kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2 srf srw x3f".split()
SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".jpe": "jpeg", ".jfif": "jpeg", ".tif": "tiff", ".tiff": "tiff", ".btf": "tiff",
            ".webp": "webp", ".bmp": "bmp", ".dib": "bmp", ".gif": "gif", ".exr": "exr"} | {f".{name}": "raw" for name in RAW} | {".dng": "dng"}
PICTURES = [suffix for suffix, format in SUFFIXES.items() if format not in ("raw", "dng")]
_SOURCES = {"png": "png:PngSource", "jpeg": "jpeg:JpegSource", "tiff": "tiff:TiffSource", "webp": "standard:WebpSource", "bmp": "standard:BmpSource",
            "gif": "standard:GifSource", "exr": "exr:ExrSource", "raw": "raw:RawSource", "dng": "raw:RawSource"}
_SINKS = {"png": "png:PngSink", "jpeg": "jpeg:JpegSink", "tiff": "tiffwrite:TiffSink", "webp": "standard:WebpSink", "bmp": "standard:BmpSink",
          "exr": "exr:ExrSink", "dng": "dngwrite:DngSink"}
READABLE, WRITABLE = tuple(_SOURCES), tuple(format for format in _SINKS if format != "dng")  # pictures; a DNG holds none yet

_MAGIC = ((0, b"\x89PNG\r\n\x1a\n", "png"), (0, b"\xff\xd8\xff", "jpeg"), (8, b"WEBP", "webp"), (0, b"GIF8", "gif"), (0, b"v/1\x01", "exr"),
          (0, b"BM", "bmp"), (8, b"CR\x02", "raw"), (0, b"FUJIFILMCCD-RAW", "raw"), (4, b"ftypcrx", "raw"), (0, b"IIRO", "raw"), (0, b"IIRS", "raw"),
          (0, b"MMOR", "raw"), (0, b"IIU\0", "raw"), (0, b"\0MRM", "raw"), (0, b"FOVb", "raw"), (0, b"II*\0", "tiff"), (0, b"MM\0*", "tiff"),
          (0, b"II+\0", "tiff"), (0, b"MM\0+", "tiff"))


def open_source(path: Path | BinaryIO, name: str | None = None) -> Source:
    """A picture to read: what its content says it is; its suffix decides only between TIFF and the camera formats made of it.

    A stream is spooled to a temporary file. RestoreError where the file is missing, empty, damaged or no picture that is known here.
    """
    spooled = not isinstance(path, str | os.PathLike)
    name = name or ("standard input" if spooled else shown(path))
    with reading(name):
        file = copied(path, name) if spooled else _open(Path(path), name)
        try:
            return _codec(_SOURCES[_recognise(file, "" if spooled else Path(path).suffix.lower(), name)])(file, name)
        except BaseException:
            file.close()
            raise


def open_sensor(path: Path | BinaryIO, layout=None) -> Source:
    """What the sensor of a camera saw, to read: of a camera file, or by its `mosaic.Layout` of a file without a header."""
    spooled = not isinstance(path, str | os.PathLike)
    name = "standard input" if spooled else shown(path)
    with reading(name):
        file = copied(path, name) if spooled else _open(Path(path), name)
        try:
            if layout is not None:
                return _codec("mosaic:HeaderlessSource")(file, name, layout)
            found = _recognise(file, "" if spooled else Path(path).suffix.lower(), name)
            if found != "raw":
                raise RestoreError(f"{name}: is a finished picture ({found})", "the file of a camera: " + " ".join(RAW[:8]) + " ...",
                                   "restore denoise treats it; a mosaic without a header takes --raw-size WIDTHxHEIGHT")
            return _codec("mosaic:MosaicSource")(file, name)
        except BaseException:
            file.close()
            raise


def _open(path: Path, name: str) -> BinaryIO:
    try:
        if path.is_dir():
            if not os.access(path, os.R_OK | os.X_OK):
                raise RestoreError(f"{name}: may not be read", "a folder that you may read", "chmod u+rx FOLDER")
            raise RestoreError(f"{name}: is a folder", "a picture", "give the pictures in it: FOLDER/*.png")
        if not path.is_file():  # a pipe or a device cannot be read twice
            with path.open("rb") as stream:
                return copied(stream, name)
        return path.open("rb")
    except FileNotFoundError as cause:
        raise RestoreError(f"{name}: there is no such file", "a picture that exists", "check the name and the folder") from cause
    except PermissionError as cause:
        raise RestoreError(f"{name}: may not be read", "a file that you may read", "chmod u+r FILE") from cause


def copied(stream: BinaryIO, name: str) -> BinaryIO:
    """A temporary copy of a stream, which can be read as often as asked."""
    with writing(f"{name}: its copy in {tempfile.gettempdir()}"):
        file = tempfile.NamedTemporaryFile(prefix="restore-")
        shutil.copyfileobj(stream, file, 1 << 20)
        file.flush()
    return file


def _recognise(file: BinaryIO, suffix: str, name: str) -> str:
    file.seek(0)
    start = file.read(32)
    if not start:
        raise RestoreError(f"{name}: is empty", "a picture", "copy or download the file again")
    found = next((format for at, magic, format in _MAGIC if start[at:].startswith(magic)), None)
    declared = SUFFIXES.get(suffix)
    if declared in ("raw", "dng") and found in (None, "tiff"):
        return "raw"
    if found == "tiff" and _codec("raw:is_dng")(file):
        return "raw"
    if found:
        return found
    if declared:
        raise broken(name, f"its content is no {declared}, nor any other picture known here")
    if suffix in SCANS:
        raise RestoreError(f"{name}: is a scan, or an array", "a picture", "restore ct and restore mri take scans; restore ct info FILE and restore mri info FILE tell what it holds")
    if suffix:
        raise RestoreError(f"{name}: no picture is known with the suffix {shown(suffix)}", nearest(suffix, PICTURES), "convert it to PNG or TIFF first, or, if it is a mosaic "
                           "without a header, type restore isp with --raw-size")
    raise RestoreError(f"{name}: is no picture known here", "one of " + ", ".join(READABLE), "convert it to PNG or TIFF first")


def open_sink(path: Path | BinaryIO, header: Header, *, format: str | None = None, quality: int | None = None, subsampling: str | None = None,
              overwrite: bool = False) -> Sink:
    """A picture to write: format by `format`, else by the suffix, for a stream the header's own. A depth that it cannot hold becomes the nearest one.

    `quality` 1 to 100 and `subsampling` ("4:4:4", "4:2:2", "4:2:0") are for JPEG, `quality` also for WebP. The output appears when the `with` block ends well.
    """
    stream = not isinstance(path, str | os.PathLike)
    format = format or (header.format if stream else format_of(Path(path)))
    check_sink(format, quality, subsampling)
    sink = _codec(_SINKS[format])
    target = Target(path if stream else Path(path), overwrite)
    try:
        return sink(target, header, quality, subsampling)
    except BaseException:
        target.discard()
        raise


def fitted(path: Path, header: Header, format: str | None = None) -> Header:
    """What `open_sink` would write of a picture of this header; RestoreError where the format cannot hold it."""
    return _codec(_SINKS[format or format_of(path)]).fitted(shown(path), header)


def check_sink(format: str | None, quality: int | None, subsampling: str | None) -> None:
    """Raise UsageError for what no sink takes."""
    if format is not None and format not in _SINKS:
        expected = "one of " + ", ".join(WRITABLE) if format in READABLE else nearest(format, WRITABLE)
        raise UsageError(f"{format} cannot be written", expected, "choose another format: -o NAME.png, or --format tiff")
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"quality {quality} is out of range", "1 to 100", "--quality 95")
    if subsampling is not None and subsampling not in SUBSAMPLING:
        raise UsageError(f"subsampling {subsampling} is not known", "one of " + ", ".join(SUBSAMPLING), "--subsampling 4:4:4")


def has_quality(format: str) -> bool:
    """Whether files of this format can be told a quality."""
    return format in ("jpeg", "webp")


def is_lossy(format: str, header: Header, quality: int | None = None) -> bool:
    """Whether a format codes a picture of this header with loss."""
    return format == "jpeg" or format == "webp" and _codec("standard:is_lossy")(header, quality)


def format_of(path: Path) -> str:
    """The format that a file name stands for."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        cause = f"the suffix {shown(suffix)} stands for no format known here" if suffix else "has no suffix to tell its format"
        raise UsageError(f"{shown(path)}: {cause}", nearest(suffix, SUFFIXES) if suffix else "one of " + ", ".join(WRITABLE),
                         "-o NAME.png, or --format png")
    return SUFFIXES[suffix]


def read(path: Path | BinaryIO, page: int = 0) -> Image:
    """One page of a picture, whole, in the file's own depth."""
    with open_source(path) as source:
        header = source.headers[page]
        return Image(header, source.read(0, header.height, page))


def write(path: Path | BinaryIO, image: Image | np.ndarray, *, overwrite: bool = False, quality: int | None = None, subsampling: str | None = None) -> None:
    """A picture of one page to a file; an array is (H, W) or (H, W, 1 to 4), 2 and 4 with alpha, integers that span their dtype or floats on [0, 1]."""
    if not isinstance(image, Image):
        image = _from_array(np.asarray(image))
    with open_sink(path, image.header.replace(pages=1), overwrite=overwrite, quality=quality, subsampling=subsampling) as sink:
        sink.write(image.samples)


def _from_array(array: np.ndarray) -> Image:
    samples = array[..., None] if array.ndim == 2 else array
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4 or samples.dtype.kind not in "uf" or samples.dtype == np.uint64:
        raise RestoreError(f"an array of shape {array.shape} and {array.dtype} is no picture", "(H, W) or (H, W, 1 to 4), unsigned integers or floats")
    height, width, count = samples.shape
    return Image(Header(height, width, 1 if count < 3 else 3, samples.dtype, alpha=count in (2, 4)), samples)


def _codec(name: str):
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(f"restore.io.{module}"), attribute)

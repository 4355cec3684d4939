"""Files <-> scans: the suffix table and two verbs. Formats are imported when a file needs them; they come with the extra `medical`."""

import importlib
import os
from pathlib import Path

import numpy as np

from restore.errors import RestoreError, UsageError, nearest
from restore.image import Header, Scan
from restore.io import format_of, open_sink
from restore.io.files import Target, reading, shown, writing

SUFFIXES = {".dcm": "dicom", ".dicom": "dicom", ".ima": "dicom", ".nii": "nifti", ".nii.gz": "nifti", ".npy": "npy", ".h5": "hdf5", ".hdf5": "hdf5",
            ".mat": "mat"}
DICOM = tuple(suffix for suffix, format in SUFFIXES.items() if format == "dicom")
_READERS = {"dicom": "dicom:read", "nifti": "nifti:read", "npy": "arrays:read_npy", "hdf5": "arrays:read_hdf5", "mat": "arrays:read_mat"}
_WRITERS = {"dicom": "dicom:write", "nifti": "nifti:write", "npy": "arrays:write_npy", "hdf5": "arrays:write_hdf5"}
_LIBRARIES = {"dicom": "pydicom", "nifti": "nibabel", "hdf5": "h5py"}
_MAGIC = ((128, b"DICM", "dicom"), (0, b"\x93NUMPY", "npy"), (0, b"\x89HDF", "hdf5"), (0, b"MATLAB 5.0", "mat"), (344, b"n+1\0", "nifti"), (4, b"n+2\0", "nifti"),
          (0, b"\x1f\x8b", "nifti"))
PICTURES = (".tif", ".tiff", ".png", ".exr")  # that a reconstruction can be written to
SINGLE = (*DICOM, ".png", ".exr")  # that hold one slice
VOLUMES = (".nii", ".nii.gz", ".npy", ".h5", ".hdf5", ".tif", ".tiff")  # that hold a whole series
WRITABLE_SUFFIXES = tuple(suffix for suffix, format in SUFFIXES.items() if format in _WRITERS) + PICTURES


def suffix_of(path: Path) -> str:
    """The suffix in small letters; `.nii.gz` is one."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def read_scan(path: Path, expect: str = "image") -> Scan:
    """The scan in a file, or in a folder of DICOM slices, whole. `expect`: the kind (sinogram, kspace, image) that a bare array is taken for.

    RestoreError where the file is missing, empty, damaged or no scan that is known here.
    """
    name = shown(path)
    if path.is_dir():
        read_series = _function("dicom", "dicom:read_series")
        scan = read_series(sorted(part for part in path.iterdir() if is_dicom(part)))
    else:
        format = _recognise(path, name)
        read = _function(format, _READERS[format])
        with reading(name):
            scan = read(path, name, expect)
    if not scan.array.size:
        raise RestoreError(f"{name}: the array is empty, its shape is {scan.array.shape}", "at least one sample", "check how the file was made")
    if scan.array.dtype.kind in "fc" and not np.isfinite(scan.array).all():
        count = int((~np.isfinite(scan.array)).sum())
        raise RestoreError(f"{name}: {count} of {scan.array.size} values are NaN or Inf", "finite numbers", "replace them before, or scan again")
    return scan


def is_dicom(path: Path) -> bool:
    """By its suffix, or, where it has none, as scanners name files, by what it begins with."""
    if path.suffix.lower() in DICOM:
        return True
    if path.suffix.strip(".0123456789") or not os.path.isfile(path):  # a UID for a name has a number for a suffix
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:  # told of where it is named
        return False


def _recognise(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(352)
    except FileNotFoundError as cause:
        raise RestoreError(f"{name}: there is no such file", "a scan that exists", "check the name and the folder") from cause
    if not start:
        raise RestoreError(f"{name}: is empty", "a scan", "copy or download the file again")
    found = next((format for at, magic, format in _MAGIC if start[at:].startswith(magic)), None)
    declared = SUFFIXES.get(suffix_of(path))
    if found or declared == "dicom":  # old DICOM has no preamble
        return found or declared
    raise RestoreError(f"{name}: is no scan known here", "one of " + ", ".join(_READERS), "check the file, or convert it to .npy")


def check_writable(path: Path) -> None:
    """Raise RestoreError where what writes such a file is not installed: before the work, not after it."""
    format = SUFFIXES.get(suffix_of(path))
    if format in _WRITERS:
        _function(format, _WRITERS[format])


def write_scan(path: Path, scan: Scan, *, overwrite: bool = False) -> None:
    """A scan to a file whose suffix chooses the format; it appears whole or not at all. Images also go to TIFF and EXR (values as they are) and PNG (windowed)."""
    suffix = suffix_of(path)
    if suffix in PICTURES:
        _write_picture(path, scan, overwrite)
        return
    format = SUFFIXES.get(suffix)
    if format not in _WRITERS:
        raise UsageError(f"{shown(path)}: a scan cannot be written as {suffix or 'a file without suffix'}", nearest(suffix, WRITABLE_SUFFIXES), "-o NAME.nii.gz")
    write, target = _function(format, _WRITERS[format]), Target(path, overwrite)
    try:
        with writing(target.name):
            write(target.file, scan, suffix)
        target.commit()
    except BaseException:
        target.discard()
        raise


def _write_picture(path: Path, scan: Scan, overwrite: bool) -> None:
    if scan.header.kind != "image" or np.iscomplexobj(scan.array):
        raise UsageError(f"{shown(path)}: a {scan.header.kind} is no picture", "a reconstruction", "-o NAME.h5")
    array = scan.array.astype(np.float32)
    dtype = np.dtype(np.float32)
    if format_of(path) == "png":
        low, high = scan.header.carry.get("window") or window(array, scan.header.unit)
        array, dtype = (array - low) / max(high - low, 1e-30), np.dtype(np.uint8)
    header = Header(array.shape[1], array.shape[2], 1, dtype, pages=len(array))
    with open_sink(path, header, overwrite=overwrite) as sink:
        for number, page in enumerate(array):
            if number:
                sink.page(header)
            sink.write(page[..., None])


def window(array: np.ndarray, unit: str) -> tuple[float, float]:
    """What is shown black and white: [-160, 240] HU, else 0 or the 0.1th centile to the 99.9th."""
    if unit == "HU":
        return -160.0, 240.0
    low, high = (float(value) for value in np.percentile(array, (0.1, 99.9)))
    return min(0.0, low) if unit == "" else low, high


def _function(format: str, name: str):
    module, _, attribute = name.partition(":")
    try:
        if format in _LIBRARIES:
            importlib.import_module(_LIBRARIES[format])
    except ImportError as cause:
        raise RestoreError(f"{_LIBRARIES[format]} is not installed, which reads and writes such scans", "the extra `medical`", "pip install 'restore[medical]'") from cause
    return getattr(importlib.import_module(f"restore.io.{module}"), attribute)

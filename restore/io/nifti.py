"""NIfTI-1 and -2 by nibabel: volumes with their affine."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError
from restore.image import Scan, ScanHeader

UNITS = {"meter": 1e3, "micron": 1e-3}  # of lengths, in mm


def read(path: Path, name: str, expect: str) -> Scan:
    """A volume (slice, y, x) in float32 (complex64 where the file is complex), scaled as the header says; the header is carried."""
    import nibabel

    image = nibabel.load(path)
    if len([size for size in image.shape if size > 1]) > 3 or len(image.shape) < 2:
        raise RestoreError(f"{name}: a volume of shape {image.shape}", "two or three axes", "take one volume out of the series first")
    data = np.asarray(image.dataobj)
    data = data.reshape(*image.shape[:2], -1).astype(np.complex64 if data.dtype.kind == "c" else np.float32)
    scale = UNITS.get(image.header.get_xyzt_units()[0], 1.0)
    zooms = [scale * float(size) for size in image.header.get_zooms()[:3]]
    x, y, z = zooms + [scale] * (3 - len(zooms))
    affine = np.diag([scale, scale, scale, 1.0]) @ image.affine
    header = ScanHeader("image", ("slice", "y", "x"), spacing=(z, y, x), affine=affine, format="nifti", carry={"nifti": image.header.copy()})
    return Scan(header, np.ascontiguousarray(data.transpose(2, 1, 0)))


def write(file: BinaryIO, scan: Scan, suffix: str) -> None:
    """(slice, y, x) as (x, y, slice), float32 or complex64, with the affine, as NIfTI-2 where it came so; gzip by suffix."""
    import gzip

    import nibabel

    header, array = scan.header, scan.array
    array = array.astype(np.complex64 if np.iscomplexobj(array) else np.float32)
    carried = header.carry.get("nifti")
    made = nibabel.Nifti2Image if isinstance(carried, nibabel.Nifti2Header) else nibabel.Nifti1Image
    image = made(array.transpose(2, 1, 0), header.placed(*array.shape[-2:]), carried)
    image.set_data_dtype(array.dtype)
    image.header.set_slope_inter(1, 0)
    image.header.set_xyzt_units("mm")
    data = image.to_bytes()
    if suffix == ".nii.gz":
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
            packed.write(data)
    else:
        file.write(data)

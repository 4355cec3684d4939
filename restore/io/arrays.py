"""Bare arrays: NumPy files, HDF5 in the layout of Data Exchange, and the MATLAB files of the Helsinki tomography challenge."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError
from restore.image import Geometry, Scan, ScanHeader
from restore.io import kspace

IMAGES = ("image", "reconstruction", "volume")  # names of datasets that are no sinograms
AXES = {"image": ("slice", "y", "x"), "sinogram": ("slice", "view", "detector"), "kspace": kspace.AXES}


def bare(array: np.ndarray, name: str, kind: str, format: str) -> Scan:
    """An array of which nothing is known, taken for a scan of this kind; missing leading axes are added."""
    axes = AXES[kind]
    if kind == "kspace":
        array = kspace.checked(array, name)
    if array.dtype.kind not in "uifcb":
        raise RestoreError(f"{name}: holds {array.dtype}, which is no number", "an array of numbers")
    if array.dtype.kind == "c" and kind != "kspace":
        raise RestoreError(f"{name}: its numbers are complex", f"the real numbers of a {kind}", "k-space goes to restore mri")
    if not 2 <= array.ndim <= len(axes):
        raise RestoreError(f"{name}: an array of shape {array.shape} is no {kind}", f"axes {', '.join(axes)}, the first may be missing")
    return Scan(ScanHeader(kind, axes, format=format), array.reshape((1,) * (len(axes) - array.ndim) + array.shape))


def read_npy(path: Path, name: str, expect: str) -> Scan:
    return bare(np.load(path, allow_pickle=False), name, expect, "npy")


def write_npy(file: BinaryIO, scan: Scan, suffix: str) -> None:
    np.save(file, scan.array)


def read_hdf5(path: Path, name: str, expect: str) -> Scan:
    """`exchange/data` with `data_dark`, `data_white` and `theta`, k-space, or one dataset of this kind."""
    import h5py

    with h5py.File(path, "r") as file:
        if "exchange/data" in file:
            return _exchange(file, name)
        if kspace.here(file):
            return kspace.read(file, name)
        found = _datasets(file)
        for known in () if expect == "kspace" else ("sinogram", "data", *IMAGES):
            if known in found:
                kind, attrs = ("image" if known in IMAGES else "sinogram" if known == "sinogram" else expect), file[known].attrs
                scan = bare(file[known][()], name, kind, "hdf5")
                spacing = tuple(float(step) for step in attrs["spacing"]) if "spacing" in attrs else None
                return scan.replace(scan.array, geometry=_stated(file[known], scan.array.shape[-1]), unit=str(attrs.get("unit", "")), spacing=spacing, affine=attrs.get("affine"))
    raise RestoreError(f"{name}: holds no {expect} under a name known here; found: {', '.join(sorted(found)[:12]) or 'nothing'}",
                       "kspace (fastMRI) or dataset/data (ISMRMRD)" if expect == "kspace" else "exchange/data (Data Exchange), sinogram, data, image or volume")


def _datasets(file) -> list[str]:
    import h5py

    found: list[str] = []
    file.visititems(lambda key, item: found.append(key) if isinstance(item, h5py.Dataset) else None)
    return found


def _exchange(file, name: str) -> Scan:
    """(view, slice, detector) of counts, dark and bright fields of several shots each."""
    data = file["exchange/data"][()]
    if data.ndim != 3:
        raise RestoreError(f"{name}: exchange/data has shape {data.shape}", "(view, slice, detector)")
    carry = {}
    for field in ("data_dark", "data_white"):
        if f"exchange/{field}" in file:
            shots = file[f"exchange/{field}"][()]
            if shots.shape[-2:] != data.shape[-2:]:
                raise RestoreError(f"{name}: exchange/{field} has shape {shots.shape}", f"(shot, {data.shape[1]}, {data.shape[2]}), as exchange/data has")
            carry[field] = _finite(shots.reshape(-1, *data.shape[1:]).mean(0, dtype=np.float64), f"{name}: exchange/{field}")
    theta = file["exchange/theta"][()] if "exchange/theta" in file else None
    if theta is not None and theta.shape != data.shape[:1]:
        raise RestoreError(f"{name}: exchange/theta has {theta.size} angles for {data.shape[0]} views", "one angle per view")
    geometry = None if theta is None else Geometry(tuple(float(angle) for angle in _finite(theta, f"{name}: exchange/theta")), data.shape[2])
    header = ScanHeader("sinogram", AXES["sinogram"], "counts" if "data_white" in carry else "", geometry=geometry, format="hdf5", carry=carry)
    return Scan(header, np.ascontiguousarray(data.transpose(1, 0, 2)))


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise RestoreError(f"{name} has values that are NaN or Inf", "finite numbers", "replace them before, or scan again")
    return values


def _stated(dataset, detectors: int) -> Geometry | None:
    """The geometry that `write_hdf5` left beside a sinogram."""
    words = {key: dataset.attrs[key] for key in ("angles", "pitch", "source", "detector", "center") if key in dataset.attrs}
    if "angles" not in words:
        return None
    angles = tuple(float(angle) for angle in words.pop("angles"))
    return Geometry(angles, detectors, **{key: float(value) for key, value in words.items()})


def write_hdf5(file: BinaryIO, scan: Scan, suffix: str) -> None:
    """One dataset, named after the kind; the geometry as its attributes. What comes from a magnet goes as fastMRI has it."""
    import h5py

    if scan.header.modality == "MR":
        kspace.write(file, scan)
        return
    with h5py.File(file, "w") as out:
        dataset = out.create_dataset(scan.header.kind, data=scan.array)
        dataset.attrs["unit"] = scan.header.unit
        if scan.header.spacing:
            dataset.attrs["spacing"] = scan.header.spacing
        if scan.header.affine is not None:
            dataset.attrs["affine"] = scan.header.affine
        geometry = scan.header.geometry
        if geometry:
            for key in ("angles", "pitch", "source", "detector", "center"):
                if getattr(geometry, key) is not None:
                    dataset.attrs[key] = getattr(geometry, key)


def read_mat(path: Path, name: str, expect: str) -> Scan:
    """`CtDataFull` or `CtDataLimited` of the Helsinki tomography challenge 2022, or the only array in the file."""
    from scipy.io import loadmat

    words = {key: value for key, value in loadmat(path, squeeze_me=True, struct_as_record=False).items() if not key.startswith("__")}
    for key in ("CtDataFull", "CtDataLimited"):
        if key in words:
            return _helsinki(words[key], name)
    arrays = {key: value for key, value in words.items() if isinstance(value, np.ndarray) and value.ndim >= 2}
    if len(arrays) != 1:
        raise RestoreError(f"{name}: holds {', '.join(words) or 'nothing'}", "CtDataFull or CtDataLimited, or one array alone")
    return bare(next(iter(arrays.values())), name, expect, "mat")


def _helsinki(data, name: str) -> Scan:
    facts, sinogram = data.parameters, np.asarray(data.sinogram)
    angles = np.atleast_1d(facts.angles).astype(float).tolist()
    if sinogram.ndim != 2 or len(angles) != len(sinogram):
        raise RestoreError(f"{name}: {len(angles)} angles for a sinogram of shape {sinogram.shape}", "one angle per view")
    angles = [angle + 180 for angle in angles]  # their source begins below the object and their detector runs the other way
    geometry = Geometry(tuple(angles), sinogram.shape[1], float(facts.pixelSizePost), float(facts.distanceSourceOrigin), float(facts.distanceSourceDetector),
                        (sinogram.shape[1] - 1) / 2)
    return Scan(ScanHeader("sinogram", AXES["sinogram"], geometry=geometry, modality="CT", format="mat"), np.ascontiguousarray(sinogram[None, :, ::-1]))

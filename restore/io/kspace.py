"""k-space in HDF5: the layout of fastMRI and that of ISMRMRD, (slice, coil, readout, phase); and reconstructions as fastMRI has them submitted.

Zbontar et al., fastMRI, arXiv 1811.08839, 2018; Inati et al., ISMRM raw data format: a proposed standard for MRI raw datasets, MRM 2017.
"""

from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np

from restore.errors import RestoreError
from restore.image import Scan, ScanHeader

AXES = ("slice", "coil", "ky", "kx")
REFERENCES = ("reconstruction_rss", "reconstruction_esc")  # of fastMRI: the picture from all samples, of several coils and of one
# ISMRMRD's flags of noise, navigators, phase correction, feedback, dummies, feedback in real time and coil correction
_REVERSE = 1 << 21  # samples from the end of the line to its beginning
_NO_PICTURE = sum(1 << bit for bit in (18, 22, 23, 25, 26, 27, 28))
_SPACE = '<{0}><matrixSize><x>{1}</x><y>{2}</y><z>1</z></matrixSize><fieldOfView_mm><x>{3:.6g}</x><y>{4:.6g}</y><z>{5:.6g}</z></fieldOfView_mm></{0}>'


def here(file) -> bool:
    """Whether an open HDF5 file is one of these two."""
    return "kspace" in file or "dataset/data" in file


def read(file, name: str) -> Scan:
    """The k-space of an open HDF5 file. What else it says is in `carry`: mask, recon (height and width of the picture), reference."""
    return _fastmri(file, name) if "kspace" in file else _ismrmrd(file, name)


def checked(array: np.ndarray, name: str) -> np.ndarray:
    """Complex numbers in complex64. RestoreError for reals."""
    if array.dtype.kind != "c":
        pair = array.ndim and 2 in (array.shape[0], array.shape[-1])
        what = "complex numbers as two reals" if pair and array.dtype.kind == "f" else str(array.dtype)
        raise RestoreError(f"{name}: its k-space of shape {array.shape} holds {what}", "complex numbers",
                           "y = y[..., 0] + 1j * y[..., 1] joins them" if pair else "a sinogram goes to restore ct, a picture to restore degrade --task mri")
    return array.astype(np.complex64, copy=False)


def _fastmri(file, name: str) -> Scan:
    array = checked(file["kspace"][()], f"{name}: kspace")
    if array.ndim not in (3, 4):
        raise RestoreError(f"{name}: kspace has shape {array.shape}", "(slice, readout, phase), or (slice, coil, readout, phase)")
    array = array[:, None] if array.ndim == 3 else array
    carry: dict[str, object] = {}
    if "mask" in file:
        carry["mask"] = mask = np.asarray(file["mask"][()]).astype(bool)
        if mask.shape not in (array.shape[-1:], array.shape[-2:]):
            raise RestoreError(f"{name}: its mask has shape {mask.shape}, its k-space {array.shape}",
                               f"a mask of {array.shape[-1]} columns, or {array.shape[-2:]}", "the mask belongs to another file")
    for key in REFERENCES:
        if key in file and len(file[key]) == len(array):
            carry["reference"] = file[key][()].astype(np.float32)
    spacing = None
    if "ismrmrd_header" in file:
        recon = _encoding(file["ismrmrd_header"][()], name)[1]
        carry["recon"] = tuple(min(side, whole) for side, whole in zip(recon[0][:2], array.shape[-2:], strict=True))
        spacing = (recon[1][2], recon[1][0] / recon[0][0], recon[1][1] / recon[0][1])
    affine = file.attrs["affine"] if "affine" in file.attrs else None
    if "spacing" in file.attrs:
        spacing = tuple(float(step) for step in file.attrs["spacing"])
    return Scan(ScanHeader("kspace", AXES, "", "MR", spacing, affine, format="hdf5", carry=carry), array)


Space = tuple[tuple[int, ...], tuple[float, ...]]  # samples and mm along x (readout), y, z


def _encoding(xml: bytes | str, name: str) -> tuple[Space, Space, int]:
    """The encoded space, that of the picture, and the phase line that passes the centre, as the XML header says."""
    try:
        encoding = ElementTree.fromstring(xml).find("{*}encoding")
        spaces = [tuple(tuple(kind(encoding.find(f"{{*}}{space}/{{*}}{part}/{{*}}{axis}").text) for axis in "xyz")
                        for part, kind in (("matrixSize", int), ("fieldOfView_mm", float))) for space in ("encodedSpace", "reconSpace")]
        centre = encoding.find("{*}encodingLimits/{*}kspace_encoding_step_1/{*}center")
        trajectory = (getattr(encoding.find("{*}trajectory"), "text", None) or "cartesian").strip()
    except (ElementTree.ParseError, AttributeError, ValueError, TypeError) as error:
        raise RestoreError(f"{name}: its XML header cannot be read ({error})", "ISMRMRD's, with an encoded and a reconstruction space") from error
    if trajectory != "cartesian":
        raise RestoreError(f"{name}: its samples lie on a {trajectory} trajectory", "Cartesian lines", "regrid it first")
    return *spaces, spaces[0][0][1] // 2 if centre is None else int(centre.text)


def _ismrmrd(file, name: str) -> Scan:
    """Lines put where their headers say: the mean of those that come more than once; of several contrasts or repetitions the first."""
    lines = file["dataset/data"][()]
    if lines.dtype.names is None or not {"head", "data"} <= set(lines.dtype.names) or "dataset/xml" not in file:
        raise RestoreError(f"{name}: dataset/data or dataset/xml are not as ISMRMRD has them; found: {', '.join(file['dataset'])}",
                           "acquisitions of head, traj and data, and an XML header")
    encoded, recon, centre = _encoding(np.ravel(file["dataset/xml"][()])[0], name)
    head = lines["head"]
    wanted = (head["flags"] & _NO_PICTURE) == 0
    for part in ("repetition", "contrast", "set", "phase"):
        wanted &= head["idx"][part] == 0
    head, data = head[wanted], lines["data"][wanted]
    if not len(head):
        raise RestoreError(f"{name}: none of its {len(lines)} lines is of a picture", "lines of k-space")
    if (head["flags"] & _REVERSE).any():
        raise RestoreError(f"{name}: {int(((head['flags'] & _REVERSE) > 0).sum())} of its {len(head)} lines were read backwards, as echo-planar imaging does",
                           "lines that run one way", "turn them and correct their phase first")
    if head["idx"]["kspace_encode_step_2"].max() > 0:
        raise RestoreError(f"{name}: is a 3-D acquisition", "slices of two-dimensional k-space", "transform it along the slices first")
    columns = head["idx"]["kspace_encode_step_1"].astype(int) - centre + encoded[0][1] // 2
    starts = encoded[0][0] // 2 - head["center_sample"].astype(int)
    slices, coils = head["idx"]["slice"].astype(int), int(head["active_channels"].max())
    array = np.zeros((slices.max() + 1, coils, encoded[0][0], encoded[0][1]), np.complex64)
    count = np.zeros((len(array), 1, 1, encoded[0][1]), np.float32)
    for values, channels, samples, place, start, column in zip(data, head["active_channels"], head["number_of_samples"], slices, starts, columns, strict=True):
        inside = 0 <= column < encoded[0][1] and 0 <= start <= encoded[0][0] - int(samples)
        if len(values) != 2 * int(channels) * int(samples) or channels != coils or not inside:
            raise RestoreError(f"{name}: a line of {len(values) // 2} samples of {channels} coils at column {column} does not fit its header",
                               f"{coils} coils of at most {encoded[0][0]} samples, {encoded[0][1]} columns", "copy the file again")
        array[place, :, start : start + int(samples), column] += np.asarray(values, np.float32).view(np.complex64).reshape(coils, int(samples))
        count[place, 0, 0, column] += 1
    array /= np.maximum(count, 1)
    size = tuple(min(round(whole * shown / seen), whole) for whole, shown, seen in zip(encoded[0][:2], recon[1], encoded[1], strict=False))
    spacing = (recon[1][2], *(seen / whole for seen, whole in zip(encoded[1][:2], encoded[0], strict=False)))
    return Scan(ScanHeader("kspace", AXES, "", "MR", spacing, format="hdf5", carry={"recon": size}), array)


def write(file: BinaryIO, scan: Scan) -> None:
    """k-space as fastMRI's files hold it, with mask, reference and a header; a picture as `reconstruction`. The affine is an attribute of the file."""
    import h5py

    header, array = scan.header, scan.array
    with h5py.File(file.name, "w") as out:  # by its name: the library reads back what it writes
        if header.affine is not None:
            out.attrs["affine"] = header.affine
        if header.spacing is not None:
            out.attrs["spacing"] = header.spacing
        if header.kind != "kspace":
            out["reconstruction"] = array
            return
        coils, (height, width) = array.shape[1], array.shape[-2:]
        out["kspace"] = array if coils > 1 else array[:, 0]
        if "mask" in header.carry:
            out["mask"] = np.asarray(header.carry["mask"], np.float32)
        reference = header.carry.get("reference")
        if reference is not None:
            out[REFERENCES[coils == 1]] = reference
            out.attrs["max"], out.attrs["norm"] = float(reference.max()), float(np.linalg.norm(reference))
        thick, down, across = header.spacing or (1.0, 1.0, 1.0)
        sizes = (height, width, height * down, width * across, thick)
        out["ismrmrd_header"] = ('<?xml version="1.0" encoding="utf-8"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>'
                                 f'{_SPACE.format("encodedSpace", *sizes)}{_SPACE.format("reconSpace", *sizes)}'
                                 '<trajectory>cartesian</trajectory></encoding></ismrmrdHeader>')

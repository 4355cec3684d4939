"""DICOM by pydicom: slices in Hounsfield units (or as stored, for MR), and derived images that keep what they were derived from.

Samples are stored * slope + intercept; what is written goes back through the same slope and intercept, into the same bits, padding as it was.
Compressed files are read by pydicom (RLE) and imagecodecs (JPEG, lossless JPEG, JPEG-LS, JPEG 2000), and written uncompressed.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError
from restore.image import Scan, ScanHeader
from restore.io.files import reading, shown

_CODECS = {"1.2.840.10008.1.2.4.50": "jpeg", "1.2.840.10008.1.2.4.51": "jpeg", "1.2.840.10008.1.2.4.57": "ljpeg", "1.2.840.10008.1.2.4.70": "ljpeg",
           "1.2.840.10008.1.2.4.80": "jpegls", "1.2.840.10008.1.2.4.81": "jpegls", "1.2.840.10008.1.2.4.90": "jpeg2k", "1.2.840.10008.1.2.4.91": "jpeg2k"}
_RLE = "1.2.840.10008.1.2.5"
_CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"}
UNEVEN = 0.05  # of the distance between slices: a gap that differs by more is a slice that is missing


def read(path: Path, name: str, expect: str = "image") -> Scan:
    """One file: a slice, or the frames of an old multi-frame file, (slice, y, x) in float32."""
    dataset = _dataset(path, name)
    stored = _stored(dataset, name)
    slope, intercept = _rescale(dataset)
    array = (stored * slope + intercept).astype(np.float32)
    modality = str(dataset.get("Modality", ""))
    unit = "HU" if modality == "CT" and "RescaleSlope" in dataset and str(dataset.get("RescaleType") or "HU").upper() in ("HU", "US") else ""
    spacing = _spacing(dataset)
    header = ScanHeader("image", ("slice", "y", "x"), unit, modality, spacing, _affine(dataset, spacing), format="dicom",
                        carry={"datasets": [dataset], "stored": stored, "padding": _padding(dataset, stored)})
    return Scan(header, array)


def read_series(paths: Sequence[Path]) -> Scan:
    """The slices of one series as a volume, in order along its normal. RestoreError where one is missing, comes twice, or is of another series or size."""
    if not paths:
        raise RestoreError("the folder holds no DICOM slices", "files ending in .dcm")
    scans = []
    for path in paths:
        with reading(shown(path)):
            scans.append(read(path, shown(path)))
    datasets = [scan.header.carry["datasets"][0] for scan in scans]
    folder = shown(Path(paths[0]).parent)
    series = {str(dataset.get("SeriesInstanceUID", "")) for dataset in datasets}
    shapes = {scan.array.shape for scan in scans}
    if len(series) > 1 or len(shapes) > 1:
        what = f"{len(series)} series" if len(series) > 1 else f"slices of {len(shapes)} sizes"
        raise RestoreError(f"{folder}: holds {what}", "one series of slices of one size", "give each series a folder of its own")
    places = np.array([_along(dataset, shown(path)) for dataset, path in zip(datasets, paths, strict=True)])
    order = np.argsort(places, kind="stable")
    gap = _gap(places[order], [shown(paths[index]) for index in order])
    scans, first = [scans[index] for index in order], datasets[order[0]]
    carry = {"datasets": [scan.header.carry["datasets"][0] for scan in scans]}
    carry |= {key: np.concatenate([scan.header.carry[key] for scan in scans]) for key in ("stored", "padding")}
    spacing = _spacing(first)
    spacing = spacing and (gap or spacing[0], *spacing[1:])
    header = scans[0].header.replace(spacing=spacing, affine=_affine(first, spacing), carry=carry)
    return Scan(header, np.concatenate([scan.array for scan in scans]))


def _gap(places: np.ndarray, names: list[str]) -> float:
    gaps = np.diff(places)
    if not len(gaps):
        return 0.0
    usual = float(np.median(gaps))
    twice = np.flatnonzero(gaps < 1e-3)
    if len(twice):
        raise RestoreError(f"{names[twice[0]]} and {names[twice[0] + 1]} show the same place", "one slice per place", "take one of them away")
    wide = np.flatnonzero(np.abs(gaps - usual) > UNEVEN * usual)
    if len(wide):
        raise RestoreError(f"between {names[wide[0]]} and {names[wide[0] + 1]} are {gaps[wide[0]]:.4g} mm, elsewhere {usual:.4g} mm: slices are missing",
                           "all slices of the series", "copy the missing ones, or treat the slices one by one: -o FOLDER/")
    return usual


def _along(dataset, name: str) -> float:
    """Where the slice lies along the normal of its plane, in mm."""
    if "ImagePositionPatient" not in dataset or "ImageOrientationPatient" not in dataset:
        raise RestoreError(f"{name}: does not say where its slice lies", "ImagePositionPatient and ImageOrientationPatient", "treat the slices one by one: -o FOLDER/")
    across, down = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    return float(np.cross(across, down) @ np.array(dataset.ImagePositionPatient, float))


def _dataset(path: Path, name: str):
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        dataset = dcmread(path)
    except InvalidDicomError:
        dataset = dcmread(path, force=True)  # without the preamble
        if "SOPClassUID" not in dataset:
            raise RestoreError(f"{name}: is no DICOM file", "a CT or MR slice", "check the file") from None
    if "PixelData" not in dataset:
        raise RestoreError(f"{name}: holds no pixels ({dataset.get('Modality', 'no modality')}, {getattr(dataset.get('SOPClassUID'), 'name', 'unknown kind')})", "a CT or MR slice")
    if dataset.get("SamplesPerPixel", 1) != 1:
        raise RestoreError(f"{name}: is a colour picture ({dataset.PhotometricInterpretation})", "one sample per pixel, as CT and MR have", "a secondary capture is no scan")
    if "PerFrameFunctionalGroupsSequence" in dataset:
        raise RestoreError(f"{name}: is an enhanced multi-frame file", "one slice per file", "convert it first: emf2sf of dcm4che does")
    return dataset


def _stored(dataset, name: str) -> np.ndarray:
    """(slice, y, x) as stored, in the type that the file's bits have."""
    from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

    syntax = dataset.file_meta.TransferSyntaxUID if "TransferSyntaxUID" in getattr(dataset, "file_meta", {}) else None
    if syntax is None:  # old files without a meta header
        dataset.file_meta.TransferSyntaxUID = syntax = ImplicitVRLittleEndian
    if syntax == ExplicitVRBigEndian:
        raise RestoreError(f"{name}: its numbers are big-endian, a retired way", "little-endian", "convert it first: gdcmconv --raw FILE OUT.dcm")
    if not syntax.is_compressed or syntax == _RLE:
        expected = int(dataset.get("NumberOfFrames") or 1) * dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
        if syntax != _RLE and len(dataset.PixelData) < expected:
            raise RestoreError(f"{name}: is cut off: {len(dataset.PixelData)} of {expected} bytes of pixels are there", "a complete file", "copy or download the file again")
        array = dataset.pixel_array
    elif str(syntax) in _CODECS:
        array = _decoded(dataset, _CODECS[str(syntax)])
    else:
        raise RestoreError(f"{name}: nothing here decodes {syntax.name}", "uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000", "convert it first: gdcmconv --raw FILE OUT.dcm")
    array = array.reshape(-1, dataset.Rows, dataset.Columns)
    if array.dtype.itemsize * 8 < dataset.BitsAllocated:  # a codec says how many bits it found, not how many there are to be
        array = array.astype(f"{array.dtype.kind}{dataset.BitsAllocated // 8}")
    if array.dtype.kind == "u" and dataset.PixelRepresentation:  # two's complement in fewer bits
        spare = 8 * array.dtype.itemsize - dataset.BitsStored
        array = (array << spare).view(array.dtype.str.replace("u", "i")) >> spare
    return array


def _decoded(dataset, codec: str) -> np.ndarray:
    import imagecodecs
    from pydicom.encaps import generate_frames

    decode = getattr(imagecodecs, f"{codec}_decode")
    return np.stack([decode(frame) for frame in generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1))])


def _rescale(dataset) -> tuple[float, float]:
    return float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))


def _padding(dataset, stored: np.ndarray) -> np.ndarray:
    """Where a pixel is padding."""
    if dataset.get("PixelPaddingValue") is None:
        return np.zeros(stored.shape, bool)
    limits = [dataset.PixelPaddingValue, dataset.get("PixelPaddingRangeLimit", dataset.PixelPaddingValue)]
    bits = 8 * stored.dtype.itemsize
    limits = [int(np.array(value & ((1 << bits) - 1), f"u{bits // 8}").astype(stored.dtype)) if isinstance(value, int) else int(value) for value in limits]
    return (stored >= min(limits)) & (stored <= max(limits))


def _spacing(dataset) -> tuple[float, float, float] | None:
    if "PixelSpacing" not in dataset:
        return None
    down, across = (float(value) for value in dataset.PixelSpacing)
    return float(dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness") or 1), down, across


def _affine(dataset, spacing: tuple[float, float, float] | None) -> np.ndarray | None:
    """From (x, y, slice) to mm in right-anterior-superior; DICOM counts left and posterior."""
    if spacing is None or "ImagePositionPatient" not in dataset or "ImageOrientationPatient" not in dataset:
        return None
    across, down = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    affine = np.eye(4)
    affine[:3] = np.stack([across * spacing[2], down * spacing[1], np.cross(across, down) * spacing[0], np.array(dataset.ImagePositionPatient, float)], 1)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def write(file: BinaryIO, scan: Scan, suffix: str) -> None:
    """One slice. Of a DICOM slice a derived image of it, else a new one; `carry["derivation"]` is the sentence that says how it came about, "run" what all
    slices of one run have in common, by which their series is known."""
    from pydicom.uid import ExplicitVRLittleEndian

    if scan.header.kind != "image" or np.iscomplexobj(scan.array) or len(scan.array) != 1:
        raise RestoreError(f"{scan.header.kind} of shape {scan.array.shape} does not fit into one DICOM file", "one real slice", "-o NAME.nii.gz, or -o FOLDER/ for a series")
    datasets = scan.header.carry.get("datasets")
    dataset = _derived(datasets[0], scan) if datasets else _fresh(scan)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(file, enforce_file_format=True)


def _derived(source, scan: Scan):
    """The same patient, geometry, bits and rescale; new identity, said to be derived."""
    from pydicom.dataset import Dataset

    dataset, carry = deepcopy(source), scan.header.carry
    slope, intercept = _rescale(source)
    kept = carry["stored"]
    least, most = ((-(1 << source.BitsStored - 1), (1 << source.BitsStored - 1) - 1) if source.PixelRepresentation else (0, (1 << source.BitsStored) - 1))
    stored = np.clip(np.rint((scan.array.astype(np.float64) - intercept) / slope), least, most).astype(kept.dtype)
    stored = np.where(carry["padding"], kept, stored)
    said = str(carry.get("derivation", "restored"))
    original = Dataset()
    original.ReferencedSOPClassUID, original.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    dataset.SourceImageSequence = [original]
    dataset.SOPInstanceUID = _uid(str(source.SOPInstanceUID), said, stored.tobytes())
    dataset.SeriesInstanceUID = _uid(str(source.get("SeriesInstanceUID", source.SOPInstanceUID)), str(carry.get("run", said)))
    kind = source.get("ImageType") or ["", "PRIMARY"]
    dataset.ImageType = ["DERIVED", *(["PRIMARY"] if isinstance(kind, str) or len(kind) < 2 else list(kind)[1:])]
    earlier = str(source.get("DerivationDescription", ""))
    dataset.DerivationDescription = f"{earlier}; {said}"[-1024:] if earlier else said[:1024]
    for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue", "InstanceCreationDate", "InstanceCreationTime"):
        if keyword in dataset:
            del dataset[keyword]
    _put(dataset, stored)
    return dataset


def _placed(header: ScanHeader, height: int, width: int) -> tuple[list[str], list[str]]:
    """Directions of rows and columns, and where the first pixel lies, in mm to the left, the back and the head; by the affine, else centred."""
    there = np.diag([-1.0, -1.0, 1.0, 1.0]) @ header.placed(height, width)
    axes = [there[:3, axis] / max(float(np.linalg.norm(there[:3, axis])), 1e-12) for axis in (0, 1)]
    return [f"{value:.10g}" for value in np.concatenate(axes)], [f"{value:.10g}" for value in there[:3, 3]]


def _put(dataset, stored: np.ndarray) -> None:
    """Samples into a data set, uncompressed."""
    from pydicom.uid import ExplicitVRLittleEndian

    # set_pixel_data would also write bits and rows anew: they are right already
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset["PixelData"].VR = "OW" if stored.dtype.itemsize > 1 else "OB"
    dataset["PixelData"].is_undefined_length = False
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    dataset.PhotometricInterpretation = dataset.get("PhotometricInterpretation", "MONOCHROME2")


def _uid(*words: str | bytes) -> str:
    """The same words give the same identity, so that slices of a series stay in one series."""
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=[word if isinstance(word, str) else word.hex() for word in words])


def _fresh(scan: Scan):
    """A new CT or MR image, of nobody; values that are no HU are scaled to 15 bits."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import generate_uid

    header, dataset = scan.header, Dataset()
    modality = header.modality if header.modality in _CLASSES else "CT"
    series, number, white = header.carry.get("place", (str(generate_uid()), None, float(np.abs(scan.array).max())))
    slope = 1.0 if header.unit == "HU" else max(white, 1e-30) / 32767
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = _CLASSES[modality]
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = (_uid(word, series) for word in ("study", "series", "frame"))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
                    "SeriesNumber", "InstanceNumber", "Manufacturer", "PositionReferenceIndicator", "KVP", "AcquisitionNumber"):
        setattr(dataset, keyword, None if keyword in ("SeriesNumber", "InstanceNumber", "KVP", "AcquisitionNumber") else "")
    dataset.InstanceNumber = number
    dataset.Modality, dataset.ImageType = modality, ["DERIVED", "PRIMARY", "AXIAL"] if modality == "CT" else ["DERIVED", "PRIMARY", "OTHER"]
    if modality == "MR":
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions, dataset.MRAcquisitionType = "RM", "NONE", "", "2D"
    dataset.DerivationDescription = str(header.carry.get("derivation", "reconstructed"))[:1024]
    thick, down, across = header.spacing or (1.0, 1.0, 1.0)
    height, width = scan.array.shape[-2:]
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PhotometricInterpretation = height, width, 1, "MONOCHROME2"
    dataset.PixelSpacing, dataset.SliceThickness = [f"{down:.10g}", f"{across:.10g}"], f"{thick:.10g}"
    dataset.ImageOrientationPatient, dataset.ImagePositionPatient = _placed(header, height, width)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, f"{slope:.10g}", header.unit.upper() or "US"
    stored = np.clip(np.rint(scan.array / float(dataset.RescaleSlope)), -32768, 32767).astype(np.int16)
    dataset.PixelData = b""
    _put(dataset, stored)
    return dataset

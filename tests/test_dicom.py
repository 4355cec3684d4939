"""DICOM slices: what comes back, compressed files made by pydicom, series, and what is refused. Data sets are made here, not by the program."""

import os

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")

from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless, generate_uid  # noqa: E402

from restore.errors import RestoreError  # noqa: E402
from restore.io import dicom  # noqa: E402
from restore.io.scans import read_scan, write_scan  # noqa: E402
from restore.measure import sets  # noqa: E402
from restore.measure.score import load  # noqa: E402
from restore.train import data  # noqa: E402

SERIES = generate_uid()


def slice_of(number=0, **changes):
    """A CT slice of 64 x 48, 12 bits signed, of a patient, with padding in its corners."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SeriesInstanceUID, ds.StudyInstanceUID = SERIES, generate_uid()
    ds.PatientName, ds.PatientID, ds.Modality, ds.ImageType = "Doe^Jane", "42", "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber, ds.SliceThickness, ds.PixelSpacing = number + 1, 2.5, [0.7, 0.8]
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-10, -20, 2.5 * number]
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 64, 48, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.PixelPaddingValue = -1024, 1, -2000
    stored = np.random.default_rng(number).integers(900, 1200, (64, 48)).astype(np.int16)
    stored[:5, :5] = -2000
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def saved(path, ds):
    ds.save_as(path, enforce_file_format=True)
    return path


def test_a_slice_lies_where_it_lay_whatever_it_goes_through(tmp_path):
    """Left stays left: DICOM to HDF5 to NIfTI; and where no place is known, to DICOM and to NIfTI the same."""
    nibabel, _ = pytest.importorskip("nibabel"), pytest.importorskip("h5py")
    scan = read_scan(saved(tmp_path / "a.dcm", slice_of()))
    write_scan(tmp_path / "a.h5", scan)
    write_scan(tmp_path / "a.nii", read_scan(tmp_path / "a.h5"))
    assert np.allclose(nibabel.load(tmp_path / "a.nii").affine, scan.header.affine) and scan.header.affine[0, 0] < 0
    unplaced = scan.replace(scan.array, affine=None, carry={}, format="")
    write_scan(tmp_path / "b.dcm", unplaced)
    write_scan(tmp_path / "b.nii", unplaced)
    assert np.allclose(nibabel.load(tmp_path / "b.nii").affine[:, [0, 1, 3]], read_scan(tmp_path / "b.dcm").header.affine[:, [0, 1, 3]])


def test_nifti_2_stays_nifti_2(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti2Image(np.random.default_rng(0).random((8, 6, 3), np.float32), np.eye(4)), tmp_path / "a.nii")
    scan = read_scan(tmp_path / "a.nii")
    write_scan(tmp_path / "b.nii", scan)
    assert isinstance(nibabel.load(tmp_path / "b.nii"), nibabel.Nifti2Image) and np.array_equal(read_scan(tmp_path / "b.nii").array, scan.array)


def test_hounsfield_units_padding_and_tags_come_back(tmp_path):
    path = saved(tmp_path / "a.dcm", slice_of())
    scan = read_scan(path)
    assert scan.header.unit == "HU" and scan.array.shape == (1, 64, 48) and scan.header.spacing == (2.5, 0.7, 0.8)
    assert scan.array[0, 10:].min() >= -124 and scan.header.carry["padding"].sum() == 25
    write_scan(tmp_path / "b.dcm", scan.replace(scan.array + 3, carry={**scan.header.carry, "derivation": "a test"}))
    before, after = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "b.dcm")
    assert np.array_equal(after.pixel_array[10:], before.pixel_array[10:] + 3) and (after.pixel_array[:5, :5] == -2000).all()
    assert after.SOPInstanceUID != before.SOPInstanceUID and after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.SeriesInstanceUID != before.SeriesInstanceUID and after.ImageType[0] == "DERIVED" and after.DerivationDescription == "a test"
    assert after.SourceImageSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
                    "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "InstanceNumber"):
        assert after[keyword].value == before[keyword].value, keyword


def test_values_are_held_to_the_bits_that_are_stored(tmp_path):
    ds = slice_of(BitsStored=12, HighBit=11, PixelRepresentation=0, PixelPaddingValue=0)
    ds.PixelData = np.full((64, 48), 1000, np.uint16).tobytes()
    scan = read_scan(saved(tmp_path / "a.dcm", ds))
    write_scan(tmp_path / "b.dcm", scan.replace(np.full_like(scan.array, 9000.0)))
    assert pydicom.dcmread(tmp_path / "b.dcm").pixel_array.max() == 4095


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=["rle", "jpeg2000"])
def test_compressed_files(tmp_path, syntax):
    ds = slice_of()
    stored = ds.pixel_array.copy()
    if syntax == RLELossless:
        ds.compress(RLELossless)
    else:
        imagecodecs = pytest.importorskip("imagecodecs")
        ds.PixelData = encapsulate([imagecodecs.jpeg2k_encode(stored, level=0, reversible=True)])
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = syntax
    scan = read_scan(saved(tmp_path / "a.dcm", ds))
    assert np.array_equal(scan.header.carry["stored"][0], stored)
    write_scan(tmp_path / "b.dcm", scan)
    assert np.array_equal(pydicom.dcmread(tmp_path / "b.dcm").pixel_array, stored)


def test_an_unknown_compression_is_named(tmp_path):
    ds = slice_of()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"  # MPEG2
    ds.PixelData = encapsulate([b"\0" * 100])
    ds["PixelData"].is_undefined_length = True
    with pytest.raises(RestoreError, match="MPEG2"):
        read_scan(saved(tmp_path / "a.dcm", ds))


def test_a_series_is_put_in_order_and_a_gap_is_found(tmp_path):
    order = [3, 0, 4, 1, 2]
    paths = [saved(tmp_path / f"{letter}.dcm", slice_of(number)) for letter, number in zip("abcde", order, strict=True)]
    volume = dicom.read_series(paths)
    assert volume.array.shape == (5, 64, 48) and volume.header.spacing == (2.5, 0.7, 0.8)
    assert [d.InstanceNumber for d in volume.header.carry["datasets"]] == [1, 2, 3, 4, 5]
    assert np.allclose(volume.header.affine @ [0, 0, 4, 1], [10, 20, 10, 1])
    with pytest.raises(RestoreError, match="slices are missing"):
        dicom.read_series([path for path, number in zip(paths, order, strict=True) if number != 2])
    other = saved(tmp_path / "f.dcm", slice_of(7, SeriesInstanceUID=generate_uid()))
    with pytest.raises(RestoreError, match="2 series"):
        dicom.read_series([*paths, other])
    with pytest.raises(RestoreError, match="same place"):
        dicom.read_series([*paths, saved(tmp_path / "g.dcm", slice_of(3))])


def test_a_folder_through_the_command(cli, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        saved(tmp_path / f"in/{number}.dcm", slice_of(number))
    before = {name: (tmp_path / "in" / name).read_bytes() for name in os.listdir(tmp_path / "in")}
    done = cli("ct", "in", "-o", "out/", "--hu", "40", "--model", "bm3d")
    assert done.returncode == 0, done.stderr
    found = [pydicom.dcmread(tmp_path / f"out/{number}.dcm") for number in range(3)]
    assert len({str(one.SeriesInstanceUID) for one in found}) == 1 and len({str(one.SOPInstanceUID) for one in found}) == 3
    assert {name: (tmp_path / "in" / name).read_bytes() for name in before} == before
    done = cli("ct", "in", "-o", "volume.nii.gz", "--hu", "40", "--model", "bm3d")
    assert done.returncode == 0 and read_scan(tmp_path / "volume.nii.gz").array.shape == (3, 64, 48), done.stderr


def test_what_is_no_slice_is_refused(inside, tmp_path):
    saved(tmp_path / "colour.dcm", slice_of(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0))
    saved(tmp_path / "mr.dcm", slice_of(Modality="MR"))
    cut = slice_of()
    cut.PixelData = cut.PixelData[:1000]
    saved(tmp_path / "cut.dcm", cut)
    report = slice_of(Modality="SR")
    del report.PixelData
    saved(tmp_path / "report.dcm", report)
    (tmp_path / "text.dcm").write_text("this is no DICOM file, though it says so")
    for name, words in (("colour.dcm", b"colour"), ("mr.dcm", b"restore mri"), ("cut.dcm", b"cut off"), ("report.dcm", b"no pixels"), ("text.dcm", b"no DICOM")):
        done = inside("ct", name, "-o", "out.dcm", "--hu", "40", "--model", "bm3d")
        assert done.returncode == 1 and words in done.stderr and b"Traceback" not in done.stderr, (name, done.stderr)
    assert not (tmp_path / "out.dcm").exists()


def test_a_series_stays_one_whatever_the_noise_of_its_slices(tmp_path):
    """Levels are found slice by slice; the identity of the series is that of the run."""
    from restore.commands.ct import ct

    (tmp_path / "in").mkdir()
    for number, spread in enumerate((30, 50, 80)):
        ds = slice_of(number, Rows=128, Columns=128, PixelPaddingValue=None)
        draw = np.random.default_rng(number)
        ds.PixelData = (1060 + spread * draw.standard_normal((128, 128))).astype(np.int16).tobytes()
        saved(tmp_path / f"in/{number}.dcm", ds)
    series = []
    for strength in (1.0, 0.5):
        assert ct([str(tmp_path / "in")], output=str(tmp_path / f"out{strength}") + "/", model="bm3d", strength=strength, quiet=True) == 0
        found = [pydicom.dcmread(tmp_path / f"out{strength}/{number}.dcm") for number in range(3)]
        assert len({str(one.DerivationDescription) for one in found}) == 3  # each says its own level
        series.append({str(one.SeriesInstanceUID) for one in found})
    assert len(series[0]) == len(series[1]) == 1 and series[0] != series[1]


def test_slices_of_air_have_the_noise_of_the_others(tmp_path, capsys):
    from restore.commands.ct import ct

    (tmp_path / "in").mkdir()
    for number in range(3):
        ds = slice_of(number, Rows=128, Columns=128, PixelPaddingValue=None)
        level = 24 if number == 2 else 1060
        ds.PixelData = (level + 40 * np.random.default_rng(number).standard_normal((128, 128))).astype(np.int16).tobytes()
        saved(tmp_path / f"in/{number}.dcm", ds)
    assert ct([str(tmp_path / "in")], output=str(tmp_path / "volume.nii.gz"), model="bm3d") == 0
    assert "1 slice(s) in which no noise was found" in capsys.readouterr().err
    assert read_scan(tmp_path / "volume.nii.gz").array.shape == (3, 128, 128)


def test_dicom_as_scanners_and_archives_have_it(tmp_path):
    """Without suffixes, without a meta header, with one word of ImageType, in fewer bits than are allocated, in 32 bits with padding; big-endian is refused."""
    from restore.commands.ct import ct

    (tmp_path / "in").mkdir()
    for number in range(2):
        saved(tmp_path / f"in/IM{number:04}", slice_of(number, ImageType="ORIGINAL"))
    assert ct([str(tmp_path / "in")], output=str(tmp_path / "x.nii"), hu="40", model="bm3d", quiet=True) == 0
    assert ct([str(tmp_path / "in/IM0000")], output=str(tmp_path / "x.dcm"), hu="40", model="bm3d", quiet=True) == 0
    assert list(pydicom.dcmread(tmp_path / "x.dcm").ImageType) == ["DERIVED", "PRIMARY"]
    ds = slice_of()
    del ds.file_meta
    pydicom.dcmwrite(tmp_path / "old.dcm", ds, implicit_vr=True, little_endian=True)
    assert np.array_equal(read_scan(tmp_path / "old.dcm").array, read_scan(tmp_path / "in/IM0000").array)
    wide = slice_of(BitsAllocated=32, BitsStored=32, HighBit=31)
    stored = np.full((64, 48), 1000, np.int32)
    stored[:4] = -2000
    wide.PixelData = stored.tobytes()
    assert read_scan(saved(tmp_path / "wide.dcm", wide)).header.carry["padding"].sum() == 4 * 48
    imagecodecs = pytest.importorskip("imagecodecs")
    small = slice_of(BitsStored=8, HighBit=7, PixelRepresentation=0, PixelPaddingValue=None)
    samples = np.random.default_rng(0).integers(0, 255, (64, 48)).astype(np.uint8)
    small.PixelData = encapsulate([imagecodecs.jpeg2k_encode(samples, codecformat="j2k", reversible=True)])
    small["PixelData"].is_undefined_length = True
    small.file_meta.TransferSyntaxUID = JPEG2000Lossless
    scan = read_scan(saved(tmp_path / "small.dcm", small))
    write_scan(tmp_path / "again.dcm", scan)
    assert np.array_equal(pydicom.dcmread(tmp_path / "again.dcm").pixel_array, samples)
    big = slice_of()
    big.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
    pydicom.dcmwrite(tmp_path / "big.dcm", big, implicit_vr=False, little_endian=False, enforce_file_format=True, overwrite=True)
    with pytest.raises(RestoreError, match="big-endian"):
        read_scan(tmp_path / "big.dcm")


def test_an_image_that_is_no_hounsfield_units_does_not_come_back_as_such(tmp_path):
    from restore.image import Scan, ScanHeader

    write_scan(tmp_path / "x.dcm", Scan(ScanHeader("image", ("slice", "y", "x"), "1/mm", "CT"), np.full((1, 8, 8), 0.02, np.float32)))
    assert read_scan(tmp_path / "x.dcm").header.unit != "HU"


def test_what_is_not_installed_is_said_before_the_work(tmp_path, monkeypatch):
    import sys

    path = saved(tmp_path / "a.dcm", slice_of())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(RestoreError, match="pydicom is not installed"):
        read_scan(path)
    from restore.commands.ct import ct

    np.save(tmp_path / "y.npy", np.zeros((8, 8)))
    with pytest.raises(RestoreError, match="pydicom is not installed"):
        ct([str(tmp_path / "y.npy")], output=str(tmp_path / "x.dcm"), quiet=True)


def test_slices_are_pictures_of_attenuation_to_training_and_to_tables(tmp_path):
    """Air is black, the densest white, padding black too; a set or a folder of them holds pictures."""
    for number in range(3):
        saved(tmp_path / f"{number}.dcm", slice_of(number))
    assert [file.name for file in sets.pictures(tmp_path)] == ["0.dcm", "1.dcm", "2.dcm"]
    x, hu = load(tmp_path / "0.dcm")[0, 0].numpy(), read_scan(tmp_path / "0.dcm").array[0]
    assert x.max() == 1 and (x[hu <= -1000] == 0).all() and np.allclose(x, np.maximum(hu + 1000, 0) / (hu.max() + 1000))
    training, held, files = data.gather([(file,) for file in sets.pictures(tmp_path)], 1, 32, 0)
    assert len(files) == 3 and len(training) == 2
    assert np.abs(held.picture(0)[0][0, 0].numpy() - x).max() < 1e-4

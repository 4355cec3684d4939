"""Sets of pictures by name, with their role. RESTORE_DATA names the folder that they lie in."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from restore.errors import RestoreError, UsageError, nearest
from restore.io import SUFFIXES
from restore.io.scans import SUFFIXES as SCANS
from restore.io.scans import suffix_of

EVERY = 20  # every 20th picture by name is kept for validation


@dataclass(frozen=True)
class ImageSet:
    """A named folder. `listed`: a file of names, one per line, to which it is confined; `without`: words in the manifest's terms that leave a file out."""

    name: str
    folder: str  # under RESTORE_DATA
    role: str  # train, test, or held: no test set, and not trained on
    line: str
    channels: int = 1  # 1 grey, 3 colour
    listed: str = ""
    without: tuple[str, ...] = ()
    own: tuple[str, ...] = ()  # files that come with scikit-image, instead of a folder
    held: tuple[str, ...] = ()  # what training on these sets together keeps for validation, but for what training on `part` alone sees
    part: str = ""
    only: tuple[str, ...] = ()  # files of the folder, where it holds others too
    terms: str = ""  # of all files, where there is no manifest of them

    @property
    def path(self) -> Path:
        if not self.own:
            return root() / self.folder
        if not find_spec("skimage"):
            raise RestoreError(f"the set {self.name} comes with scikit-image, which is not installed", "RESTORE_DATA, that names a folder of sets", "pip install scikit-image, or name a folder")
        return Path(find_spec("skimage").origin).parent / "data"

    @property
    def there(self) -> bool:
        """Whether RESTORE_DATA is set and holds all of it, or it comes with scikit-image."""
        if self.own:
            return find_spec("skimage") is not None
        if not os.environ.get("RESTORE_DATA"):
            return False
        needed = [self.path / name for name in self.only] or [root() / self.listed if self.listed else self.path]
        return self.path.is_dir() and all(path.exists() for path in needed) and all(SETS[name].there for name in self.held)

    def files(self) -> list[Path]:
        """Its pictures, by name."""
        if self.own:
            return [self.path / name for name in self.own]
        if self.held:
            part = SETS[self.part].files()
            return sorted(kept([file for name in self.held for file in SETS[name].files()]) - (set(part) - kept(part)), key=lambda file: file.name)
        files = [self.path / name for name in self.only] or pictures(self.path)
        if self.listed:
            names = set((root() / self.listed).read_text("utf-8").split())
            files = [file for file in files if file.name in names]
        if self.without:
            files = [file for file in files if not any(word in terms(file) for word in self.without)]
        return files


def _test(name: str, line: str, channels: int = 1, folder: str = "", listed: str = "") -> ImageSet:
    return ImageSet(name, f"test/{folder or name}", "test", line, channels, listed)


SETS: dict[str, ImageSet] = {row.name: row for row in (
    ImageSet("photos", "train/photos", "train", "sharp, textured colour crops", 3),
    ImageSet("photos_stated", "train/photos", "train", "those of them whose terms are stated file by file", 3, without=("not itemised", "unverified")),
    ImageSet("bsds", "train/bsds", "train", "BSDS500 train, in colour", 3),
    ImageSet("research", "train/research", "train", "20 pictures of denoising research", 3),
    ImageSet("heads", "train/mri", "train", "9 head volumes of 4 patients: T1, FLAIR, T2", terms="CC BY; open_ms_data"),
    ImageSet("heads_test", "test/mri", "test", "4 head volumes of 2 other patients"),
    ImageSet("ct", "train/ct", "train", "full-dose CT slices of 54 patients, DICOM", terms="CC BY 3.0; TCGA-LUAD, The Cancer Imaging Archive"),
    _test("ct_test", "20 full-dose CT slices of 10 other patients, DICOM", folder="ct"),
    ImageSet("held", "train", "held", "training pictures that no training sees, for they are kept for validation", 3, held=("bsds", "photos", "research"), part="photos_stated"),
    _test("set12", "12 classics, grey"),
    _test("bsd68", "68 photographs of 481x321, grey"),
    _test("cbsd68", "the same in colour", 3, "b100", "test/cbsd68.txt"),
    _test("b100", "BSDS500 val in colour", 3),
    _test("bsd200_half", "BSDS500 test, grey, half size: most likely the BSD200 of RED-Net"),
    _test("red14_proxy256", "14 classics at 256x256, a proxy for the unnamed 14 of RED-Net: compare offsets to BM3D"),
    _test("classic14_std", "14 classics at their standard sizes"),
    _test("wnnm19", "the pictures of WNNM and PGPD without Paint"),
    _test("set5", "super-resolution, colour", 3),
    _test("set14", "super-resolution, colour", 3),
    _test("classic5", "JPEG, grey"),
    _test("live1", "JPEG, colour", 3),
    _test("set11", "compressed sensing, grey"),
    _test("poisson", "classics of Poisson denoising"),
    ImageSet("print", "", "test", "a page and letters that come with scikit-image, grey", own=("page.png", "text.png")),
    _test("kodak24", "Kodak's 24 photographs, where a user has them", 3),
    _test("mcmaster", "18 saturated crops, where a user has them", 3),
    _test("urban100", "100 buildings, where a user has them", 3),
    _test("real_noise", "real noisy pictures, no truth", 3),
    ImageSet("levin", "test/levin09/gt", "test", "the four sharp pictures of Levin et al., CVPR 2009, grey", only=("im1.png", "im2.png", "im3.png", "im4.png")),
    ImageSet("dpir4", "test/set12", "test", "of DPIR's six pictures for deblurring the four that are in Set12", only=("01.png", "02.png", "05.png", "04.png")),
    ImageSet("skimage", "", "test", "pictures that come with scikit-image", 3, own=("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "rocket.jpg")),
)}


def root() -> Path:
    """The folder of image sets."""
    name = os.environ.get("RESTORE_DATA")
    if not name:
        raise UsageError("RESTORE_DATA is not set", "it names the folder of image sets, with train/ and test/ in it", "export RESTORE_DATA=/path/to/data")
    if not Path(name).is_dir():
        raise UsageError(f"RESTORE_DATA names {name}, which is no folder", "the folder of image sets, with train/ and test/ in it", "export RESTORE_DATA=/path/to/data, or unset it")
    return Path(name)


def find(name: str) -> ImageSet:
    """The set of this name."""
    if name not in SETS:
        raise UsageError(f"unknown set {name!r}", nearest(name, SETS))
    return SETS[name]


def kept(files: Iterable[Path]) -> set[Path]:
    """What is kept for validation where these are trained on: every EVERY-th by name."""
    return set(sorted(files, key=lambda file: file.name)[::EVERY])


def pictures(folder: Path) -> list[Path]:
    """The files of a folder, and of those inside it, that are pictures or scans by suffix, by path."""
    if not folder.is_dir():
        raise RestoreError(f"there is no folder {folder}", "a folder of pictures")
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES or is_scan(path)]
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def slices(folder: Path) -> list[Path]:
    """The DICOM slices of a folder and those inside it, by path."""
    return sorted(path for path in folder.rglob("*") if SCANS.get(path.suffix.lower()) == "dicom" and path.is_file())


def is_scan(path: Path) -> bool:
    """Whether a file holds slices, one or a volume of them, by its suffix."""
    return SCANS.get(suffix_of(path)) in ("dicom", "nifti")


def refuse_test(folder: Path) -> None:
    """Raises if a folder is a test set, lies inside one, or holds one."""
    folder, there = folder.resolve(), bool(os.environ.get("RESTORE_DATA"))
    for row in SETS.values():
        if row.role != "test" or not (row.own or there):
            continue
        place = row.path.resolve()
        if folder == place or not row.own and (folder in place.parents or place in folder.parents):
            where = "the same" if folder == place else "inside it" if folder in place.parents else "around it"
            raise UsageError(f"{folder} is refused: the test set {row.name} is {where}",
                             "what figures are measured on never enters training", "type --data with another folder")
    if there and (root() / "test").resolve() in (folder, *folder.parents):
        raise UsageError(f"{folder} is refused: it is kept for tests", "what figures are measured on never enters training", "type --data with another folder")


def terms(file: Path) -> str:
    """The terms of a file as the manifest above its folder, or else its set, states them; empty where neither does."""
    stated = _manifest(file.parent.parent / "manifest.tsv").get(f"{file.parent.parent.name}/{file.parent.name}/{file.name}")
    return stated or next((row.terms for row in SETS.values() if row.terms and os.environ.get("RESTORE_DATA") and row.path in file.parents), "")


def _manifest(path: Path) -> dict[str, str]:
    if path not in _MANIFESTS:
        rows = path.read_text("utf-8").splitlines()[1:] if path.is_file() else []
        _MANIFESTS[path] = {cells[0]: cells[3] for cells in (row.split("\t") for row in rows) if len(cells) > 3}
    return _MANIFESTS[path]


_MANIFESTS: dict[Path, dict[str, str]] = {}

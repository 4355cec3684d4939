"""Measurements of compressed sensing from file to file: NumPy's .npz with the measurements, the picture's size, the seed of the matrix, and the noise."""

import zipfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError
from restore.image import Header
from restore.io.files import Target, broken, reading, writing

ARCHIVE = b"PK\x03\x04"  # what a whole one begins with
SUFFIX = ".npz"
FIELDS = ("measurements", "size", "seed", "sigma")


@dataclass(frozen=True)
class Measured:
    """measurements: (C, m, blocks down, blocks across), float32. Of a picture of `height` x `width`; `sigma` on the 0-255 scale."""

    measurements: np.ndarray
    height: int
    width: int
    seed: int
    sigma: float
    header: Header | None = None  # of the picture that was measured: what of it can be given back

    @property
    def nbytes(self) -> int:
        return self.measurements.nbytes


class MeasuredSource:
    """Measurements opened for reading: the header is that of the picture to be recovered."""

    def __init__(self, path: Path | BinaryIO, name: str):
        self.name = name
        with reading(name):
            try:
                with np.load(path, allow_pickle=False) if zipfile.is_zipfile(path) else _nothing(path, name) as file:
                    if set(FIELDS) - set(file.files):
                        raise broken(name, f"holds {', '.join(file.files) or 'nothing'}, not {', '.join(FIELDS)}")
                    y, (height, width) = file["measurements"], (int(n) for n in file["size"])
                    self.measured = Measured(y.astype(np.float32), height, width, int(file["seed"]), float(file["sigma"]))
                    told = {part: file[part].tobytes() for part in ("icc", "exif", "xmp") if part in file.files}
                    told |= {"dtype": np.dtype(str(file["dtype"]))} if "dtype" in file.files else {}
                    told |= {"orientation": int(file["orientation"])} if "orientation" in file.files else {}
            except FileNotFoundError as cause:
                raise RestoreError(f"{name}: there is no such file", "measurements that exist", "restore degrade IMAGE --task cs --ratio 0.25 -o NAME.npz makes them") from cause
        whole = (-(-height // 33), -(-width // 33))
        if y.ndim != 4 or y.shape[0] not in (1, 3) or not 1 <= y.shape[1] <= 1089 or min(height, width) < 1 or y.shape[2:] != whole:
            raise broken(name, f"an array of shape {y.shape} is no measurement of a picture of {width} x {height} pixels")
        if not np.isfinite(y).all():
            raise broken(name, "there are NaN or Inf among the measurements")
        if not 0 <= self.measured.seed < 1 << 53 or told.get("orientation", 1) not in range(1, 9) or told.get("dtype", np.dtype(np.uint8)).kind not in "uf":
            raise broken(name, f"its seed, {self.measured.seed}, its depth or its orientation is out of range")
        self.headers = [Header(height, width, y.shape[0]).replace(**told)]

    def close(self) -> None:
        pass


def _nothing(path: Path | BinaryIO, name: str):
    """Raises for what is no archive."""
    with path.open("rb") if isinstance(path, Path) else nullcontext(path) as file:
        file.seek(0)
        start = file.read(len(ARCHIVE))
    if start in (b"", ARCHIVE):
        raise broken(name, "the file is cut off" if start else "the file is empty")
    raise RestoreError(f"{name}: holds no measurements", f"a file of {SUFFIX} as restore degrade --task cs writes it", "a picture goes to restore denoise")


class MeasuredSink:
    """Measurements being written; the file appears when the `with` block ends well."""

    def __init__(self, path: Path | BinaryIO, overwrite: bool):
        self.target = Target(path, overwrite)
        self.measured: Measured | None = None

    def write(self, measured: Measured) -> None:
        self.measured = measured

    def said(self) -> list[str]:
        return []

    def __enter__(self) -> "MeasuredSink":
        return self

    def __exit__(self, kind, value, trace) -> None:
        try:
            if kind is None:
                with writing(self.target.name):
                    m = self.measured
                    told = {part: np.frombuffer(value, np.uint8) for part in ("icc", "exif", "xmp") if m.header and (value := getattr(m.header, part))}
                    told |= {"dtype": np.array(m.header.dtype.str), "orientation": m.header.orientation} if m.header else {}
                    np.savez(self.target.file, measurements=m.measurements, size=np.array([m.height, m.width]), seed=m.seed, sigma=m.sigma, **told)
                self.target.commit()
        finally:
            self.target.discard()

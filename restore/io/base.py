"""What every codec shares: Source, Sink, and work on all cores in order."""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import numpy as np

from restore.errors import RestoreError
from restore.image import Header, as_float, as_samples, upright
from restore.io.files import Target, broken, reading, writing

PIXEL_LIMIT = 2**32  # a header that declares more is taken for damage or a decompression bomb
WORKERS = min(8, os.cpu_count() or 1)


def sane(name: str, height: int, width: int, stored: int | None = None, ratio: float = 0) -> None:
    """Refuse a size that is zero, absurd, or out of all proportion to the `stored` bytes: at most `ratio` pixels to a byte."""
    if height < 1 or width < 1:
        raise RestoreError(f"{name}: the picture is {width} x {height} pixels: there is nothing in it", "at least one pixel", "check how the file was made")
    if height * width > PIXEL_LIMIT or (stored is not None and height * width > ratio * stored + 65536):
        size = "" if stored is None else f" in {stored} bytes"
        raise RestoreError(f"{name}: declares {width} x {height} pixels{size}: a damaged file or a decompression bomb",
                           f"at most {PIXEL_LIMIT} pixels, and data for them", "copy the file again, or cut the picture into parts")


class Source:
    """A picture opened for reading: `headers` at once, then rows of any page in the file's own depth, as often as asked.

    Codecs set `headers` and give `_rows`. Going forward never decodes twice: the last band is kept for the next one's overlap.
    """

    def __init__(self, file: BinaryIO, name: str):
        self.file, self.name = file, name
        self.headers: Sequence[Header] = []
        self.turn = threading.Lock()  # one thread at a time moves in the file
        self._band: tuple[int, int, np.ndarray] | None = None

    def read(self, top: int, bottom: int, page: int = 0) -> np.ndarray:
        """Rows [top, bottom) of a page, (rows, W, channels [+ alpha]) in the header's dtype."""
        header = self.headers[page]
        if not 0 <= top < bottom <= header.height:
            raise ValueError(f"rows {top} to {bottom} of a page of {header.height}")
        with self.turn:
            return self._read(top, bottom, page)

    def _read(self, top: int, bottom: int, page: int) -> np.ndarray:
        rows = self._kept(top, bottom, page)
        if rows is None or len(rows) < bottom - top:
            start = top if rows is None else top + len(rows)
            with reading(self.name), np.errstate(all="ignore"):
                new = self._rows(start, bottom, page)
            rows = new if rows is None else np.concatenate([rows, new])
        self._band = page, top, rows
        return rows

    def _kept(self, top: int, bottom: int, page: int) -> np.ndarray | None:
        if self._band is None:
            return None
        kept_page, start, rows = self._band
        if kept_page != page or not start <= top < start + len(rows):
            return None
        return rows[top - start : bottom - start]

    def _rows(self, top: int, bottom: int, page: int) -> np.ndarray:
        raise NotImplementedError

    def close(self) -> None:
        self._band = None
        self.file.close()

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *exc) -> None:
        self.close()


class WholeSource(Source):
    """A format that is decoded at one go: codecs give `_decode`, the result is kept."""

    _whole: np.ndarray | None = None

    def _decode(self) -> np.ndarray:
        """(H, W, samples) in the header's dtype."""
        raise NotImplementedError

    def _read(self, top: int, bottom: int, page: int) -> np.ndarray:
        if self._whole is None:
            with reading(self.name):
                self._whole = self._decode()
            if self._whole.shape != (self.headers[0].height, self.headers[0].width, self.headers[0].samples):
                raise broken(self.name, f"decoded to {self._whole.shape}, not to the size that its header declares")
        return self._whole[top:bottom]

    def close(self) -> None:
        self._whole = None
        super().close()


class Sink:
    """A picture being written, rows in order; it appears when the `with` block ends well, and not at all otherwise.

    `header` is what is really written: `fit` has chosen the nearest depth that the format holds. Codecs give `fit`, `_begin`, `_rows`, `_end`, `_finish`.
    """

    turns = True  # the format carries an orientation tag
    limit = PIXEL_LIMIT  # the longest side
    clipped = black = 0  # samples of a float picture outside [0, 1], and NaN, for which a format of integers has no room

    def __init__(self, target: Target, header: Header):
        self.target, self.name, self.file = target, target.name, target.file
        self._open_page(header)

    @classmethod
    def fit(cls, name: str, header: Header) -> Header:
        """The header as this format can hold it; RestoreError where something would be lost that the user must decide on. name: of the file, for errors."""
        raise NotImplementedError

    @classmethod
    def fitted(cls, name: str, header: Header) -> Header:
        """What is written of a picture of this header: as `fit` says, in sides that the format has numbers for, with a profile that suits the channels."""
        fit = cls.fit(name, header)
        if max(fit.height, fit.width) > cls.limit:
            raise RestoreError(f"{name}: {fit.width} x {fit.height} pixels do not fit in {fit.format}", f"sides of at most {cls.limit} pixels", "choose PNG or TIFF: -o NAME.png")
        return _profiled(fit, fit.channels)

    def _open_page(self, header: Header) -> None:
        with writing(self.name):
            self.header, self.row = self.fitted(self.name, header), 0
            self.given = _profiled(header, self.header.channels)
            self.unsuited = self.given is not header
            self._begin()

    def page(self, header: Header) -> None:
        """Begin the next page; the last one is complete."""
        self._complete()
        with writing(self.name):
            self._end()
        self._open_page(header)

    def write(self, rows: np.ndarray) -> None:
        """The next rows (n, W, samples): floats on [0, 1], rounded and clipped here, or the file's own dtype, untouched."""
        wanted = (self.given.width, self.given.samples)
        if rows.ndim != 3 or rows.shape[1:] != wanted or self.row + len(rows) > self.given.height:
            raise ValueError(f"rows of shape {rows.shape} at row {self.row} of a picture of {self.given.height} rows of {wanted}")
        self.row += len(rows)
        with writing(self.name), np.errstate(all="ignore"):  # values that are not finite are no business of ours
            if self.given.dtype.kind == "f" and self.header.dtype.kind != "f":
                self.clipped += int(np.count_nonzero(np.abs(rows[..., : self.given.channels] - 0.5) > 0.501))
                self.black += int(np.count_nonzero(np.isnan(rows[..., : self.given.channels])))
            if self.given.alpha and self.given.premultiplied != self.header.premultiplied:
                rows = _associate(rows, self.header.premultiplied)
            rows = as_samples(rows, self.header.dtype)
            if self.header.channels > self.given.channels:  # a format without grey
                rows = np.concatenate([np.repeat(rows[..., :1], 3, axis=-1), rows[..., 1:]], axis=-1)
            self._rows(rows)

    def said(self) -> list[str]:
        """What was lost to the format."""
        lost = []
        if self.header.dtype.itemsize < self.given.dtype.itemsize:
            lost.append(f"{8 * self.given.dtype.itemsize} bits a sample became {8 * self.header.dtype.itemsize}, the most that {self.header.format} holds")
        if self.clipped:
            lost.append(f"{self.clipped} samples lay outside of black and white and were clipped; a TIFF with --depth 32 keeps them")
        if self.unsuited:
            lost.append(f"its profile is one of {'grey' if self.header.channels == 3 else 'colour'}, which the picture is not in: left out")
        if self.given.spare and self.header.format != "tiff":
            lost.append(f"a channel of no stated meaning became transparency, the only other one that {self.header.format} has")
        if self.black:
            lost.append(f"{self.black} samples are NaN and became black; a TIFF with --depth 32 keeps them")
        return lost

    def _complete(self) -> None:
        if self.row != self.given.height:
            raise RestoreError(f"{self.name}: {self.row} of {self.given.height} rows came: the output is not complete")

    def _begin(self) -> None: ...

    def _rows(self, rows: np.ndarray) -> None:
        raise NotImplementedError

    def _end(self) -> None: ...

    def _finish(self) -> None: ...

    def _release(self) -> None: ...

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, kind, value, trace) -> None:
        try:
            if kind is None:
                self._complete()
                with writing(self.name):
                    self._end()
                    self._finish()
                self.target.commit()
        finally:
            self._release()
            self.target.discard()


class WholeSink(Sink):
    """A format that is encoded at one go: rows are held in their final depth, codecs give `_encode`."""

    turns = False

    def _begin(self) -> None:
        self._whole = np.empty((self.given.height, self.given.width, self.header.samples), self.header.dtype)

    def _rows(self, rows: np.ndarray) -> None:
        self._whole[self.row - len(rows) : self.row] = rows

    def _end(self) -> None:
        self._encode(self._whole if self.turns else upright(self._whole, self.given.orientation))

    def _encode(self, samples: np.ndarray) -> None:
        raise NotImplementedError

    def page(self, header: Header) -> None:
        raise one_page(self.name, self.header.format, header.pages)

    def _release(self) -> None:
        self._whole = None


def _profiled(header: Header, channels: int) -> Header:
    """The header without a profile of grey where the picture is written in colour, and the reverse: no reader takes one."""
    wrong = b"RGB " if channels == 1 else b"GRAY"
    return header.replace(icc=None) if header.icc and header.icc[16:20] == wrong else header


def turned(header: Header) -> Header:
    """The header of the picture turned upright."""
    quarter = header.orientation >= 5
    dpi = header.dpi[::-1] if header.dpi and quarter else header.dpi
    return header.replace(height=header.width if quarter else header.height, width=header.height if quarter else header.width, dpi=dpi, orientation=1)


def one_page(name: str, format: str, pages: int) -> RestoreError:
    return RestoreError(f"{name}: {format} holds one page and the picture has {pages}", "a format with pages", "choose TIFF: -o NAME.tif")


def no_alpha(name: str, format: str) -> RestoreError:
    return RestoreError(f"{name}: {format} cannot hold transparency", "png, tiff, webp or exr can", "choose one of them: -o NAME.png")


def _associate(rows: np.ndarray, premultiplied: bool) -> np.ndarray:
    """Colour times alpha, or that undone; float, and 0 where nothing is left to undo."""
    rows = as_float(rows)
    alpha = rows[..., -1:]
    colour = rows[..., :-1] * alpha if premultiplied else np.divide(rows[..., :-1], alpha, out=np.zeros_like(rows[..., :-1]), where=alpha != 0)
    return np.concatenate([colour, alpha], axis=-1)


class Ordered:
    """Work on all cores whose results are handed to `emit` in the order in which they were submitted, few at a time in flight."""

    def __init__(self, emit: Callable):
        self.emit = emit
        self.pool = ThreadPoolExecutor(WORKERS)
        self.waiting: deque[Future] = deque()

    def submit(self, work: Callable, *arguments) -> None:
        while len(self.waiting) >= 2 * WORKERS:
            self.emit(self.waiting.popleft().result())
        self.waiting.append(self.pool.submit(work, *arguments))

    def drain(self) -> None:
        while self.waiting:
            self.emit(self.waiting.popleft().result())

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.waiting.clear()

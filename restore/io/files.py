"""The file that appears whole or not at all, and errors that name the file."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from restore.errors import RestoreError, shown

FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Whatever a decoder raises becomes a RestoreError that names the file."""
    try:
        yield
    except RestoreError:
        raise
    except MemoryError as cause:
        raise RestoreError(f"{name}: there is not enough memory to decode it", "room for the whole picture in its own depth",
                           "convert it to a tiled TIFF or to PNG, which are read in bands") from cause
    except Exception as cause:
        raise broken(name, _line(cause)) from cause


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Whatever an encoder or the disk raises becomes a RestoreError; a closed pipe stays BrokenPipeError, which ends the program quietly."""
    try:
        yield
    except (RestoreError, BrokenPipeError):
        raise
    except OSError as cause:
        if cause.errno in FULL:
            raise RestoreError(f"{name}: cannot be written: the disk is full or the file too large ({_line(cause)})", "enough room for the whole output",
                               "free some space or choose another folder with -o") from cause
        if cause.errno == errno.ENAMETOOLONG:
            raise RestoreError(f"{name}: cannot be written: {_line(cause)}", "a name of at most 255 bytes", "choose a shorter one with -o") from cause
        raise RestoreError(f"{name}: cannot be written: {_line(cause)}", "a folder that you may write to", "choose another folder with -o") from cause
    except Exception as cause:
        raise RestoreError(f"{name}: cannot be encoded: {_line(cause)}", "", "choose another format with -o NAME.tif") from cause


def put(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all; what was there is replaced."""
    temporary = _temporary(path)
    with writing(shown(path)):
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A name beside a path that nothing else has."""
    short = os.fsdecode(os.fsencode(path.name)[:200])  # file systems end names at 255 bytes
    return path.with_name(f".{short}.tmp-{uuid4().hex[:12]}")


def broken(name: str, cause: str) -> RestoreError:
    return RestoreError(f"{name}: cannot be read: {' '.join(cause.split())}", "a complete, undamaged file", "copy or download the file again")


def _line(cause: BaseException) -> str:
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return " ".join(text.split()) or type(cause).__name__


class Target:
    """Where bytes go: a temporary file beside its place, renamed by `commit`; for a stream, a spool that is copied by `commit`."""

    def __init__(self, path: Path | BinaryIO, overwrite: bool):
        self.stream = None if isinstance(path, str | os.PathLike) else path
        self.name = shown(path) if self.stream is None else str(getattr(path, "name", "standard output")).replace("<stdout>", "standard output")
        self.overwrite = overwrite
        self.temporary: Path | None = None
        self.device: BinaryIO | None = None  # opened here, and closed here
        with writing(self.name):
            if self.stream is not None:
                self.file: BinaryIO = tempfile.TemporaryFile()
                return
            self.path = Path(os.path.realpath(path))  # a link stays a link, what it points to is replaced
            if self.path.is_dir():
                raise RestoreError(f"{self.name}: is a folder", "a file name", f"-o {self.name.rstrip('/')}/NAME.png")
            if self.path.exists() and not self.path.is_file():  # a device or a named pipe
                self.stream = self.device = self.path.open("wb", buffering=0)
                self.file = tempfile.TemporaryFile()
                return
            self._may_replace()
            if not self.path.parent.is_dir():
                raise RestoreError(f"{self.name}: its folder does not exist", "a folder that exists", f"mkdir -p {shown(self.path.parent)}")
            temporary = _temporary(self.path)
            self.file = temporary.open("xb")
            self.temporary = temporary

    def _may_replace(self) -> None:
        if not self.overwrite and os.path.lexists(self.path):
            raise self._exists()

    def _exists(self) -> RestoreError:
        return RestoreError(f"{self.name}: exists already", "a name that is free", "--overwrite replaces it, --skip-existing leaves it")

    def commit(self) -> None:
        """The output appears: complete and on the disk. Anything that fails here removes the temporary file."""
        try:
            with writing(self.name):
                self.file.flush()
                if self.temporary is None:
                    self._copy()
                else:
                    os.fsync(self.file.fileno())
                    self.file.close()
                    self._appear()
        except BaseException:
            self.discard()
            raise
        self.file.close()

    def _copy(self) -> None:
        self.file.seek(0)
        while part := memoryview(self.file.read(1 << 20)):
            while part:  # a stream without a buffer may take less than it is given
                part = part[self.stream.write(part) :]
        self.stream.flush()

    def _appear(self) -> None:
        if self.overwrite:
            if self.path.exists():
                shutil.copymode(self.path, self.temporary)
            os.replace(self.temporary, self.path)
            return
        try:  # a link refuses to replace what came into being meanwhile; a rename would not
            os.link(self.temporary, self.path)
        except FileExistsError:
            raise self._exists() from None
        except OSError:  # a file system without hard links
            self._may_replace()
            os.rename(self.temporary, self.path)
        else:
            self.temporary.unlink()

    def discard(self) -> None:
        for file in (self.file, self.device):
            try:
                if file is not None:
                    file.close()
            except OSError:  # what could not be flushed to a full disk is not wanted any more
                pass
        if self.temporary is not None:
            self.temporary.unlink(missing_ok=True)

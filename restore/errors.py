"""The one error that a user is meant to read."""

import difflib
import os
import traceback
from collections.abc import Iterable


class RestoreError(Exception):
    """What happened, what was expected, what to type.

    Library code raises it; only `cli` turns it into an exit code.
    """

    exit_code = 1

    def __init__(self, what: str, expected: str = "", remedy: str = ""):
        super().__init__(what, expected, remedy)
        self.what, self.expected, self.remedy = what, expected, remedy

    def of(self, name: str) -> "RestoreError":
        """The same, told of a file."""
        return type(self)(f"{name}: {self.what}", self.expected, self.remedy)

    def __str__(self) -> str:
        return "\n  ".join(part for part in (self.what, self.expected and f"expected: {self.expected}", self.remedy) if part)


def shown(path: object) -> str:
    """A path as messages print it: control characters and undecodable bytes escaped."""
    text = os.fsdecode(path) if isinstance(path, os.PathLike | str) else str(path)
    return text if text.isprintable() else repr(text)


def fault(name: str, error: Exception) -> RestoreError:
    """What nobody foresaw, as the failure of one file: the others go on."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return RestoreError(f"{name}: {type(error).__name__} in {os.path.basename(place.filename)}:{place.lineno}: {' '.join(str(error).split())}",
                        "no such fault: it is one of this program", "report it, with the file if you may")


class UsageError(RestoreError):
    """The command line or the call is wrong; no file has been touched."""

    exit_code = 2


def nearest(name: str, names: Iterable[str]) -> str:
    """The names closest to an unknown one, as a phrase for `expected`."""
    names = sorted(names)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return " or ".join(close)
    return "one of " + ", ".join(names)

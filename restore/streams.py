"""Standard input and output as binary files."""

import sys
from typing import BinaryIO

from restore.errors import UsageError


def stdin() -> BinaryIO:
    return sys.stdin.buffer


def stdout() -> BinaryIO:
    """Raises where it is a terminal."""
    if sys.stdout.isatty():
        raise UsageError("a picture is not written to a terminal", "", "give -o a file, or redirect standard output")
    return sys.stdout.buffer

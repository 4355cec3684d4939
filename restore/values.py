"""Values of the parts of a task: a number, one per channel, a range, or unknown; how they are typed and written. No numpy, no torch."""

import math
import re
from dataclasses import dataclass

from restore.errors import UsageError


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included; written `5-75`."""

    low: float
    high: float

    def __post_init__(self):
        if not self.low <= self.high:
            raise UsageError(f"the range {self.low:g}-{self.high:g} is empty", "LOW-HIGH, as 5-75")

    def __contains__(self, value: float) -> bool:
        below, above = (1e-3 * max(1.0, abs(end)) for end in (self.low, self.high))
        return self.low - below <= value <= self.high + above

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g}"


RANGE = re.compile(r"(.*[^eE])-(.+)")  # a minus after an e belongs to a number
Value = float | tuple[float, ...] | Range | None  # a number, one number per channel, a range, unknown


def parse_value(text: str | Value, name: str = "value") -> Value:
    """`25`, `12,10,14` (one number per channel), `5-75` (a range), `auto` (unknown)."""
    if text is None or isinstance(text, Range):
        return text
    try:
        if isinstance(text, (tuple, list)):
            return tuple(map(float, text))
        if not isinstance(text, str):
            return float(text)
        text = text.strip()
        if text == "auto":
            return None
        if "," in text:
            return tuple(float(part) for part in text.split(","))
        between = RANGE.fullmatch(text)
        return Range(float(between[1]), float(between[2])) if between else float(text)
    except (TypeError, ValueError):
        raise UsageError(f"{name} {text!r} is not a number", "a number (25), one per channel (12,10,14), or auto") from None


def parse_number(text: str | float | None, name: str, above: float = -math.inf) -> float | None:
    """One finite number above `above`; None, and `auto`, stay unknown."""
    expected = "one number" + (f" above {above:g}" if above > -math.inf else "")
    try:
        value = parse_value(text, name)
    except UsageError as error:
        raise UsageError(error.what, expected) from None
    if value is not None and not (isinstance(value, float) and above < value < math.inf):
        raise UsageError(f"{name} {text} is out of range", expected)
    return value


def parse_numbers(text: str, count: int, name: str, words: str = "") -> tuple[float, ...]:
    """`2.1,1,1.4`: so many finite numbers; `words` are what could be typed instead."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count or not all(abs(number) < float("inf") for number in numbers):
        expected = f"{count} numbers with commas between" if count > 1 else "a number"
        raise UsageError(f"{name} {text!r} is not understood", f"{words} or {expected}" if words else expected)
    return numbers


def parse_size(text: str) -> tuple[int, int]:
    """`768x512`: columns and rows."""
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        raise UsageError(f"{text!r} is not a size", "columns x rows, as 768x512")
    return int(columns), int(rows)


def write_value(value: Value) -> str | float | None:
    """The inverse of `parse_value`: what a card, `--json` and a file name hold."""
    if isinstance(value, tuple):
        return ",".join(f"{part:.4g}" for part in value)
    return str(value) if isinstance(value, Range) else value


def covers(mine: Value | str, theirs: Value | str) -> bool:
    if theirs is None or mine is None:
        return True
    if isinstance(theirs, str) or isinstance(mine, str):
        return mine == theirs
    if isinstance(theirs, Range):
        return isinstance(mine, Range) and theirs.low in mine and theirs.high in mine
    parts = theirs if isinstance(theirs, tuple) else (theirs,)
    if isinstance(mine, Range):
        return all(part in mine for part in parts)
    return all(abs(part - mine) <= 0.02 * mine for part in parts)

"""Where tiles lie. Pure integers; no torch.

Along one axis a window is read at `start` for `size` samples and kept from `keep` to `until`. Starts and sizes are multiples of
`multiple`; the last window is shifted inwards, so that only true borders are borders, and where the picture's length is no multiple
(a method whose grid must be kept, not padded) it is the one that takes the rest.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    start: int
    size: int
    keep: int  # the part that is written, in the coordinates of the picture
    until: int


def round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def even_size(length: int, most: int, halo: int, multiple: int) -> int:
    """The smallest equal window that covers `length` with as few windows as windows of `most` would: no thin last one.

    length is a multiple of `multiple`. A window is never smaller than two halos and one multiple.
    """
    halo = round_up(halo, multiple)
    most = max(most // multiple * multiple, 2 * halo + multiple)
    if most >= length:
        return length
    count = -(-(length - 2 * halo) // (most - 2 * halo))
    return min(round_up(-(-(length - 2 * halo) // count), multiple) + 2 * halo, length)


def next_window(done: int, length: int, size: int, halo: int, multiple: int) -> Window:
    """The window that continues from sample `done`. ValueError for a size that no `even_size` gives: it would not get on."""
    if size < length and (size % multiple or size < 2 * round_up(halo, multiple) + multiple):
        raise ValueError(f"windows of {size} samples with a halo of {halo} at multiples of {multiple}")
    last = max(length - size, 0) // multiple * multiple
    start = min(max((done - round_up(halo, multiple)) // multiple * multiple, 0), last)
    if start == last:
        return Window(start, length - start, done, length)
    return Window(start, size, done, start + size - round_up(halo, multiple))


def windows(length: int, size: int, halo: int, multiple: int) -> list[Window]:
    """All windows of one axis."""
    found, done = [], 0
    while done < length:
        found.append(next_window(done, length, size, halo, multiple))
        done = found[-1].until
    return found


def equal_groups(found: list[Window], most: int) -> list[list[Window]]:
    """Neighbours of equal size, up to `most` at a time."""
    groups: list[list[Window]] = []
    for window in found:
        if groups and len(groups[-1]) < most and groups[-1][0].size == window.size:
            groups[-1].append(window)
        else:
            groups.append([window])
    return groups


def count(length: int, size: int, halo: int, multiple: int) -> int:
    return len(windows(length, size, halo, multiple))


def largest_tile(bytes_allowed: float, bytes_per_pixel: float, row_bytes: float, height: int, width: int, halo: int, multiple: int, most: int) -> tuple[int, int]:
    """Height and width of the largest near-square tile with no side over `most`; equalised over the picture.

    Two thirds of the memory are for the tile at work, a third for the rows of the picture that a row of tiles spans (`row_bytes` each).
    """
    pixels = max(2 / 3 * bytes_allowed / bytes_per_pixel, 1)
    side = min(int(pixels**0.5), most)
    tallest = max(min(int(1 / 3 * bytes_allowed / row_bytes), most), min(side, 4 * halo + 32))  # below that halos cost more than memory
    across = even_size(width, side, halo, multiple)
    down = even_size(height, min(int(pixels / across), tallest), halo, multiple)
    return down, even_size(width, min(int(pixels / down), most), halo, multiple)

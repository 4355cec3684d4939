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
    """The window that continues from sample `done`."""
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


def count(length: int, size: int, halo: int, multiple: int) -> int:
    return len(windows(length, size, halo, multiple))


def largest_tile(bytes_allowed: int, bytes_per_pixel: float, height: int, width: int, halo: int, multiple: int, most: int) -> tuple[int, int]:
    """Height and width of the largest near-square tile that fits the memory, with no side over `most`; equalised over the picture."""
    pixels = max(bytes_allowed / bytes_per_pixel, 1)
    side = min(int(pixels**0.5), most)
    across = even_size(width, side, halo, multiple)
    down = even_size(height, min(int(pixels / across), most), halo, multiple)
    return down, even_size(width, min(int(pixels / down), most), halo, multiple)

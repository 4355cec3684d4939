"""The arrays that a task's words name: a kernel in a file, a mask in a file or in the picture itself; and those that words have drawn."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from restore import io
from restore.errors import RestoreError, UsageError
from restore.image import as_float, upright
from restore.names import filled
from restore.operators import kernels, masks
from restore.operators.problem import Given
from restore.tasks import Deblur, Inpaint, Task
from restore.values import Value, write_value

BANDS = 1 << 22  # samples read at one go
STORED = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}  # the EXIF turn that undoes another


def read(task: Task, source: io.Source, page: int, path: Path) -> Given:
    """What the words of a task name for one page of a source."""
    return READ[task.name](task, source, page, path) if task.name in READ else {}


def files(task: Task, path: Path) -> list[Path]:
    """The files that the words of a task name for the picture of this path."""
    if isinstance(task, Inpaint) and task.mask and not (masks.is_made(task.mask) or _is_found(task.mask)):
        return [filled(task.mask, path)]
    if isinstance(task, Deblur) and task.kernel and not kernels.is_made(task.kernel):
        return [_kernel_file(task.kernel)[0]]
    return []


def draw(task: Task, shape: Sequence[int], seed: int) -> Given:
    """What the words of a task leave to chance, for an x of this shape (C, H, W) without batch: masks of missing pixels, shakes."""
    if isinstance(task, Inpaint) and task.mask and masks.is_made(task.mask):
        return {"mask": masks.make(task.mask, shape[1], shape[2], seed)}
    if isinstance(task, Deblur) and task.hidden:
        return {"kernel": kernels.make(f"{task.kernel}@{seed}")}
    return {}


def _kernel(task: Deblur, source: io.Source, page: int, path: Path) -> Given:
    """A kernel in a file: a picture of one, or an array (.npy), made to sum to 1; turned as the picture is stored, for it is meant as that is seen."""
    orientation = source.headers[page].orientation
    return turned(task, orientation) if task.kernel is None or kernels.is_made(task.kernel) else {"kernel": _turned(load_kernel(task.kernel), orientation)}


def turned(task: Task, orientation: int) -> Given:
    """The kernel that words make, where the picture is not stored as it is seen."""
    made = isinstance(task, Deblur) and task.kernel is not None and kernels.is_made(task.kernel) and not task.hidden
    return {"kernel": _turned(kernels.make(task.kernel), orientation)} if made and orientation != 1 else {}


def _turned(kernel: Tensor, orientation: int) -> Tensor:
    return torch.from_numpy(upright(kernel.numpy()[..., None], STORED[orientation])[..., 0].copy())


def load_kernel(name: str) -> Tensor:
    """(h, w), float32, sum 1, sides odd. FILE.npz:NAME is one of several; a name without a dot or a slash is taken for a misspelt word."""
    path, member = _kernel_file(name)
    if not os.path.isfile(path):
        if ":" in name or not path.suffix:
            kernels.make(name)
        raise UsageError(f"the kernel {name!r} is no file that exists", "a picture or a .npy of the kernel, or gaussian:SIGMA, disk:RADIUS, motion:LENGTH@DEGREES, airy:RADIUS")
    if path.suffix in (".npy", ".npz"):
        try:
            array = np.load(path, allow_pickle=False)
            if path.suffix == ".npz":
                if member not in array:
                    raise UsageError(f"{path} holds {', '.join(array)}", "one of them", f"type --kernel {path}:{next(iter(array), 'NAME')}")
                array = array[member]
            if array.dtype.kind not in "biuf":
                raise ValueError(f"its numbers are {array.dtype}")
            array = (np.squeeze(array) if array.ndim > 2 else array).astype(np.float32)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise RestoreError(f"{name}: cannot be read: {error}", "a NumPy array of the kernel") from error
        kernel = torch.from_numpy(array)
    elif path.suffix.lower() in io.SUFFIXES:
        kernel = torch.from_numpy(io.read(path).pixels.mean(2))
    else:
        raise UsageError(f"the kernel {name!r} is no picture and no .npy", "a picture, or a NumPy array as .npy or .npz")
    try:
        return kernels.normalised(kernel)
    except UsageError as error:
        raise error.of(name) from None


def _kernel_file(name: str) -> tuple[Path, str]:
    """The file, and what is taken out of it."""
    file, colon, member = name.rpartition(".npz:")
    return Path(file + ".npz" if colon else name), member


def _mask(task: Inpaint, source: io.Source, page: int, path: Path) -> Given:
    """mask (1, 1, H, W): 1 where a pixel was measured and stays whole; keep (H, W): the share of the original that stays, soft where the border is feathered."""
    if task.mask is None:
        raise UsageError("it is not said which pixels are missing", "--mask FILE, alpha, nan or color:#ff00ff")
    header = source.headers[page]
    if masks.is_made(task.mask):
        missing = masks.make(task.mask, header.height, header.width)[0, 0] == 0
    elif _is_found(task.mask):
        missing = torch.from_numpy(_found(task.mask, source, page))
    else:
        missing = torch.from_numpy(_drawn(task.mask, path, header))
    return masked(task, missing)


def masked(task: Inpaint, missing: Tensor) -> Given:
    """What `_mask` gives, of missing pixels (H, W) as they were named: inverted, grown and feathered as the task says."""
    missing = (~missing if task.invert else missing)[None, None].float()
    missing = _grown(missing, _pixels("grow", task.grow))
    keep = 1 - missing
    if not keep.any():
        raise RestoreError("every pixel is missing", "a picture of which something is known", "leave --invert out" if task.invert else "--invert takes the rest of the mask")
    if task.feather:
        keep = _feathered(keep, _pixels("feather", task.feather))
    return {"mask": (keep == 1).float(), "keep": keep[0, 0]}


def _pixels(name: str, value: Value) -> int:
    if not isinstance(value, float | int) or value != int(value):
        raise UsageError(f"{name} of {write_value(value)} pixels", "a whole number of pixels")
    return int(value)


def _is_found(word: str) -> bool:
    return word in ("alpha", "nan") or word.startswith("color:")


def _found(word: str, source: io.Source, page: int) -> np.ndarray:
    """(H, W): pixels that are transparent, not finite, or of one colour."""
    header = source.headers[page]
    if word == "alpha" and (not header.alpha or header.spare):
        raise RestoreError(f"{source.name}: has no transparency to take the mask from", "a picture with alpha", "type --mask FILE")
    colour = _colour(word) if word.startswith("color:") else None
    rows = max(BANDS // (header.width * header.samples), 1)
    parts = []
    for top in range(0, header.height, rows):
        samples = source.read(top, min(top + rows, header.height), page)
        if word == "alpha":
            parts.append(samples[..., -1] == 0)
        elif word == "nan":
            parts.append(~np.isfinite(samples[..., : header.channels]).all(2) if samples.dtype.kind == "f" else np.zeros(samples.shape[:2], bool))
        else:
            parts.append((np.rint(samples[..., : header.channels] * (255 / header.white)) == colour).all(2))
    return np.concatenate(parts)


def _colour(word: str) -> np.ndarray:
    digits = word.removeprefix("color:").removeprefix("#")
    try:
        return np.array([int(digits[at : at + 2], 16) for at in (0, 2, 4)]) if len(digits) == 6 else 1 / 0
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{word!r} is no colour", "six hexadecimal digits, as color:#ff00ff") from None


def _drawn(name: str, path: Path, header) -> np.ndarray:
    """(H, W): where a picture is white, and not transparent; {stem} and {dir} in its name are those of the picture to be mended. Turned as that one is stored."""
    file = filled(name, path)
    if not os.path.isfile(file):
        raise RestoreError(f"the mask {str(file)!r} is no file that exists", "a picture that is white where pixels are missing, alpha, nan, color:#rrggbb")
    picture = io.read(file)
    mask = upright(upright(as_float(picture.samples), picture.header.orientation), STORED[header.orientation])
    if mask.shape[:2] != (header.height, header.width):
        turned = header.orientation in range(5, 9)
        (width, height), (wide, high) = (size[::-1] if turned else size for size in (mask.shape[1::-1], (header.width, header.height)))
        raise RestoreError(f"the mask {str(file)!r} has {width} x {height} pixels", f"{wide} x {high}, as the picture when it is seen upright", "save the mask as the picture is seen")
    return mask[..., : picture.header.channels].mean(2) * (mask[..., -1] if picture.header.alpha else 1) > 0.5


def _grown(missing: Tensor, pixels: int) -> Tensor:
    """A missing region wider by so many pixels to every side, its corners round."""
    for step in range(pixels):
        cross = torch.maximum(F.max_pool2d(missing, (3, 1), 1, (1, 0)), F.max_pool2d(missing, (1, 3), 1, (0, 1)))
        missing = F.max_pool2d(missing, 3, 1, 1) if step % 2 else cross
    return missing


def _feathered(keep: Tensor, pixels: int) -> Tensor:
    """From 0 in a hole to 1 beyond `pixels` around it."""
    total, hole = torch.zeros_like(keep), 1 - keep
    for _ in range(pixels + 1):
        total = total + 1 - hole
        hole = _grown(hole, 1)
    return keep * total / (pixels + 1)


READ: dict[str, Callable[..., Given]] = {"deblur": _kernel, "inpaint": _mask}

"""`restore.run` and `restore.load`: the walk of a job without files. Numpy in, numpy out; torch in, torch out; Image in, Image out."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from restore import cards
from restore.catalog import CATALOG
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.engine.run import Settings
from restore.errors import RestoreError, UsageError, nearest
from restore.image import Header, Image, as_samples
from restore.jobs import given as named
from restore.jobs.stating import Request, check, method_for, pushed, reduction, state
from restore.method import Method
from restore.operators.kernels import normalised
from restore.operators.problem import Given
from restore.tasks import TASKS, Deblur, Isp, Task, from_dict
from restore.values import Value

PICTURED = ("denoise", "deblur", "sr", "inpaint", "jpeg", "isp", "lowdose")  # tasks that begin with a picture, or with a mosaic
Picture = Image | np.ndarray | torch.Tensor


def run(picture: Picture, task: str = "denoise", *, model: str | os.PathLike | None = None, device: str = "auto", precision: str = "auto", tile: int | None = None,
        memory: int | None = None, ensemble: bool = False, strength: float = 1.0, **parts: Value | str | np.ndarray) -> Picture:
    """Restore one picture: `restore.run(picture, "denoise", sigma=25)`.

    picture: an Image, a numpy array (H, W) or (H, W, 1|3), or a torch tensor (H, W), (C, H, W) or (B, C, H, W) with C 1 or 3; integers span
    their dtype, floats are on [0, 1]. What comes back has the same kind, shape (times the task's scale), dtype and device; floats are not clipped.
    parts: of the task, in the user's units (sigma=25, noise="poisson", peak=30); what is left out is estimated per picture. A kernel (h, w) and a mask
    (H, W), true where a pixel is missing, may be arrays; grow, feather and invert change such a mask too. Raises RestoreError.
    """
    if task not in TASKS:
        raise UsageError(f"unknown task {task!r}", nearest(task, TASKS))
    if task not in PICTURED:
        raise UsageError(f"the task {task} does not begin with a picture", "one of " + ", ".join(PICTURED), f"type restore {task} in a shell")
    parts = {part: _numpy(value) if isinstance(value, np.ndarray | torch.Tensor) else value for part, value in parts.items()}
    parts |= {part: tuple(value.tolist()) for part, value in parts.items() if isinstance(value, np.ndarray) and value.ndim == 1}  # a number per channel
    arrays = {part: value for part, value in parts.items() if isinstance(value, np.ndarray) and value.ndim}
    request = Request(from_dict({"name": task, **parts} | dict.fromkeys(arrays, "array")), model and os.fspath(model), Settings(device, precision, tile, memory, ensemble), strength)
    if isinstance(request.task, Deblur) and request.task.boundary == "valid":
        raise UsageError("a picture blurred with the boundary valid is smaller than what it shows", "reflect or circular: what lies beyond its edges")
    check(request)
    if task == "sr":
        whole, factor = request.task.whole()
        request = replace(request, task=whole, factor=factor)
    given = _given(arrays, request.task)
    if task == "inpaint" and "mask" not in arrays or task == "deblur" and "kernel" not in arrays and named.files(request.task, Path()):
        raise UsageError("a call takes masks and kernels as arrays", "mask (H, W), true where a pixel is missing; kernel (h, w), or words as gaussian:1.6")

    def one(samples: np.ndarray, header: Header) -> np.ndarray:
        return _page(samples, header, request, given)

    if isinstance(picture, Image):
        samples = as_samples(one(picture.samples, picture.header), picture.header.dtype)
        return Image(picture.header.replace(height=samples.shape[0], width=samples.shape[1]), samples)
    if isinstance(picture, torch.Tensor):
        return _tensor(picture, one)
    return _array(np.asarray(picture), one)


def _numpy(value: np.ndarray | torch.Tensor) -> np.ndarray:
    """Real numbers as an array; other arrays are not for the parts of a task."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()
    if value.dtype.kind not in "biuf":
        raise UsageError(f"an array of {value.dtype} says nothing of a task", "real numbers")
    return value


def _array(picture: np.ndarray, one) -> np.ndarray:
    """(H, W) or (H, W, 1|3)."""
    samples = picture[..., None] if picture.ndim == 2 else picture
    if samples.ndim != 3 or samples.shape[2] not in (1, 3) or 0 in samples.shape:
        raise RestoreError(f"an array of shape {picture.shape} is no picture", "(H, W), (H, W, 1) or (H, W, 3); an Image for alpha")
    if samples.dtype.kind not in "uf" or samples.dtype == np.uint64:
        raise RestoreError(f"an array of {samples.dtype} is no picture", "unsigned integers of up to 32 bits that span their dtype, or floats on [0, 1]")
    height, width, channels = samples.shape
    restored = as_samples(one(samples, Header(height, width, channels, samples.dtype)), samples.dtype)
    return restored[..., 0] if picture.ndim == 2 and restored.shape[2] == 1 else restored


def _tensor(picture: torch.Tensor, one) -> torch.Tensor:
    """(H, W), (C, H, W) or (B, C, H, W)."""
    if picture.ndim not in (2, 3, 4) or 0 in picture.shape:
        raise RestoreError(f"a tensor of shape {tuple(picture.shape)} is no picture", "(H, W), (C, H, W) or (B, C, H, W), C 1 or 3")
    batch = picture.detach().cpu().reshape((1,) * (4 - picture.ndim) + picture.shape)
    restored = [_array(part.permute(1, 2, 0).float().numpy() if part.is_floating_point() else part.permute(1, 2, 0).numpy(), one) for part in batch]
    whole = torch.from_numpy(np.stack(restored)).permute(0, 3, 1, 2)
    if picture.ndim < 4:
        whole = whole[0] if picture.ndim == 3 or whole.shape[1] > 1 else whole[0, 0]
    return whole.to(device=picture.device, dtype=picture.dtype)


def _given(arrays: dict[str, np.ndarray], task: Task) -> Given:
    """Arrays of the call as problems want them."""
    given = {}
    for part, array in arrays.items():
        if part == "kernel":
            given["kernel"] = normalised(torch.from_numpy(array.astype(np.float32)))
        elif part == "mask" and array.ndim == 2:
            given |= named.masked(task, torch.from_numpy(array != 0))
        else:
            raise UsageError(f"{part} was given as an array of shape {array.shape}", "a number, words, a kernel (h, w) or a mask (H, W)")
    return given


def _page(samples: np.ndarray, header: Header, request: Request, given: Given) -> np.ndarray:
    def read(top: int, bottom: int) -> np.ndarray:
        return samples[top:bottom]
    if isinstance(request.task, Isp) and request.task.pattern != "linear" and header.channels != 1:
        raise RestoreError(f"a picture of {header.channels} channels is no mosaic", "(H, W), one colour of each pixel")
    given = named.turned(request.task, header.orientation) | given
    keep = given["keep"].numpy() if "keep" in given else None
    if keep is not None and keep.shape != samples.shape[:2]:
        raise UsageError(f"a mask of shape {keep.shape} for a picture of shape {samples.shape[:2]}", "equal sizes")
    stated = state(request, Page(read, header, keep=keep), request.settings, given)
    method, rows = method_for(stated), []
    multiple = engine.wrapped(method, stated.problem, request.settings.ensemble, request.settings.consistent).multiple
    page = Page(read, header, multiple, stated.problem.scale, keep, stated.noisy, stated.problem.operator.beyond)
    last = reduction(request, *(stated.problem.scale * size for size in samples.shape[:2]))

    def take(top: int, x: torch.Tensor) -> None:
        done = page.finish(top, x, request.strength)
        rows.append(done if last is None else pushed(last, done, header))
    engine.run(method, stated.problem, page, take, request.settings)
    return np.concatenate(rows)


def load(model: str | os.PathLike) -> Method:
    """A method of the catalog, ready to be called as `x = method(y, problem)` on (B, C, H, W) tensors: `NAME`, `NAME.TAG` or a path of weights.

    A trained method named without a tag comes with its costliest weights for the first of its tasks.
    """
    name, card = cards.find(os.fspath(model))
    if card is None and CATALOG[name].trained:
        every = [card for card in cards.offered() if card.name == name]
        found = [card for card in every if card.task.name == CATALOG[name].tasks[0]] or every
        if not found:
            raise RestoreError(f"no weights of {name} are installed", "", "restore models list shows what is")
        card = max(found, key=lambda card: card.flops_per_pixel)
    return cards.load(name, card)

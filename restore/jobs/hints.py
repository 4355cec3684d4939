"""What a user may not have meant, said before it is done."""

from collections.abc import Iterator
from pathlib import Path

from restore import io
from restore.image import Header
from restore.jobs import given
from restore.jobs.stating import Request, Stated
from restore.operators.blur import Blur
from restore.tasks import Inpaint

FAINT = 0.5  # of 255: noise that may be meant of 1
MOST = 0.6  # share of a picture that a drawn mask rarely hides


def hints(request: Request, source: Path, header: Header, stated: Stated, target: str, quality: int | None) -> Iterator[str]:
    """Of one file, whose first page has this header and was stated so; `target`: the format that is written, `quality`: with which, if any."""
    task, sigma, operator = request.task, getattr(request.task, "sigma", None), stated.problem.operator
    if isinstance(sigma, float) and 0 < sigma < FAINT:
        yield f"sigma is on the 0-255 scale: {sigma:g} is next to no noise, {sigma:g} of a white of 1 would be --sigma {255 * sigma:g}"
    if (quality or request.subsampling) and not io.has_quality(target):
        yield f"--quality and --subsampling are for files with loss: {target} keeps every sample"
    if header.format in ("raw", "dng") and header.sensor is None:
        yield "a camera file, developed by LibRaw before; restore isp works on its mosaic"
    if stated.problem.solved and io.is_lossy(target, header, request.quality):
        yield f"a {target} file is coded with loss anew all the same: cp keeps every bit"
    if isinstance(task, Inpaint) and task.sigma == 0 and io.is_lossy(target, header, request.quality):
        yield f"a {target} file with loss does not hold known pixels as they were: -o NAME.png does"
    if given.files(task, source) and "mask" in stated.given and (missing := 1 - float(stated.given["mask"].mean())) > MOST:
        yield f"the mask calls {100 * missing:.0f} % of the picture missing: {'without --invert the rest of it is' if task.invert else '--invert takes the rest of it for'} missing instead"
    if isinstance(operator, Blur) and (operator.sides[0] > header.height or operator.sides[1] > header.width):
        yield f"the kernel of {operator.sides[1]} x {operator.sides[0]} pixels is larger than the picture of {header.width} x {header.height}"
    if target not in ("exr", "tiff") if header.format == "exr" else target == "exr" and header.dtype.kind != "f" and header.sensor is None:
        yield "EXR holds linear light as a rule: values are passed on as they are, and other programs will show them lighter or darker"

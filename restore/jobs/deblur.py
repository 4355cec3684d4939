"""The walk of `restore deblur` where the kernel is to be kept."""

from pathlib import Path

import numpy as np

from restore import io
from restore.errors import UsageError
from restore.image import upright
from restore.jobs.stating import Request
from restore.jobs.walk import Events, Open, Walk
from restore.names import filled, make_folder, suffixed
from restore.operators.blur import Blur


class Keeping(Walk):
    """Also writes the kernel of each file's first page, its largest sample white, in 16 bits. target: a name, with {stem} and {dir} of the picture."""

    def __init__(self, request: Request, events: Events, target: str):
        super().__init__(request, events)
        self.target = target

    def look(self, opened: Open) -> None:
        super().look(opened)
        if not isinstance(opened.stated.problem.operator, Blur):
            raise UsageError(f"{opened.stated.full_name} needs no kernel, so there is none to be written", "", "leave --save-kernel out")

    def work(self, opened, write, report):
        super().work(opened, write, report)
        if opened.ahead.page == 0:
            kernel = opened.stated.problem.operator.kernel[0, 0].cpu().numpy()
            kernel = upright(kernel[..., None], opened.ahead.header.orientation)[..., 0]
            target = kernel_file(self.target, opened.names.source)
            make_folder(target)
            io.write(target, np.rint(kernel * (65535 / kernel.max())).astype(np.uint16), overwrite=self.request.overwrite)


def kernel_file(target: str, source: Path) -> Path:
    """Where the kernel of a picture is written."""
    return suffixed(filled(target, source), (".png", ".tif", ".tiff"))

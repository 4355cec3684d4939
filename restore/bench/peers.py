"""Methods of other packages, where they are installed, beside ours in the same run. None of them is needed or shipped."""

from importlib.util import find_spec

import torch

from restore.errors import RestoreError
from restore.method import Method

PREFIX = "peer:"  # of a table's model


class Telea(Method):
    """Holes filled from their rim inwards, by OpenCV, in 8 bits. Telea, An image inpainting technique based on the fast marching method, JGT 2004."""

    RADIUS = 3  # pixels around a hole that are looked at

    def restore(self, y, problem):
        import cv2

        hole, found = ((problem.operator.mask[0, 0] == 0).cpu().numpy() * 255).astype("uint8"), []
        for plane in (y * 255).round().clamp(0, 255).byte().cpu().flatten(0, 1).numpy():
            found.append(torch.from_numpy(cv2.inpaint(plane, hole, self.RADIUS, cv2.INPAINT_TELEA)))
        return torch.where(problem.operator.mask == 1, y, torch.stack(found).reshape(y.shape).to(y) / 255)


PEERS: dict[str, tuple[str, type[Method]]] = {"opencv-telea": ("cv2", Telea)}


def find(model: str) -> Method:
    """The method for `peer:NAME`. Raises RestoreError where its package is not installed."""
    module, kind = PEERS[model.removeprefix(PREFIX)]
    if not find_spec(module):
        raise RestoreError(f"{module} is not installed")
    return kind()

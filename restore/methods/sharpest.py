"""Lucky imaging: of a burst the sharpest frame, and nothing of the others."""

import torch.nn.functional as F

from restore.method import Merge
from restore.numerics import register


class Sharpest(Merge):
    """x = y_i, i the frame with the most fine detail for its contrast. What every merge of shaken frames is measured against.

    Fried, Probability of getting a lucky short-exposure image through turbulence, JOSA 1978.
    """

    def window(self, problem):
        return 0

    def contributions(self, y, problem):
        best = [int(register.sharpness(frames.mean(1, keepdim=True)).argmax()) for frames in y]
        return y * F.one_hot(y.new_tensor(best).long(), y.shape[1]).to(y)[:, :, None, None, None]

"""Muon: momentum whose every step is an orthogonal matrix. After two or three minutes of a CPU core plain deep nets (RED10, RED30,
DenoiseNet) are 0.5 dB above where Adam leaves them, DRUNet and ML-ISTA 0.3; EDSR and the learned sparse coder are level. An hour of it brought
the MLP that Adam had left 1.2 dB under BM3D level with it.

Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024 (kellerjordan.github.io/posts/muon).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, optim

MOMENTUM = 0.95
ROUNDS = 5  # of Newton and Schulz, after which the singular values lie in 0.7 to 1.2
QUINTIC = (3.4445, -4.7750, 2.0315)  # x <- a x + b x^3 + c x^5 for singular values
FEW = 9  # rows or columns, up to which a parameter is left to Adam: biases, the first and the last layer of grey
ADAM = 0.2  # of the rate, for those
DECAYS = (0.9, 0.999)


class Muon(optim.Optimizer):
    """w <- w - rate O, O the orthogonal factor of the Nesterov momentum of a layer's weights, (outputs, inputs x height x width).

    Weights with few rows or columns take Adam's steps, at a fifth of the rate. Rates: .01 to .02; .004 to go on with trained ones, .02 with an MLP.
    """

    def __init__(self, parameters: Iterable[Tensor], rate: float):
        super().__init__(parameters, {"lr": rate})

    @torch.no_grad()
    def step(self) -> None:
        for settings in self.param_groups:
            for parameter in settings["params"]:
                if parameter.grad is not None:
                    matrix = parameter.ndim > 1 and min(parameter.flatten(1).shape) > FEW
                    (self._turned if matrix else self._adam)(parameter, settings["lr"])

    def _turned(self, parameter: Tensor, rate: float) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].lerp_(parameter.grad, 1 - MOMENTUM)
        ahead = parameter.grad.lerp(momentum, MOMENTUM).flatten(1)
        rows, columns = ahead.shape
        parameter.sub_(orthogonal(ahead).reshape(parameter.shape), alpha=rate * max(1.0, rows / columns) ** 0.5)

    def _adam(self, parameter: Tensor, rate: float) -> None:
        state, (first, second) = self.state[parameter], DECAYS
        if not state:
            state |= {"step": torch.zeros(()), "mean": torch.zeros_like(parameter), "square": torch.zeros_like(parameter)}
        count = state["step"].add_(1)
        mean = state["mean"].lerp_(parameter.grad, 1 - first)
        square = state["square"].lerp_(parameter.grad.square(), 1 - second)
        spread = (square / (1 - second ** float(count))).sqrt_().add_(1e-8)
        parameter.addcdiv_(mean, spread, value=-ADAM * rate / (1 - first ** float(count)))


def orthogonal(matrix: Tensor) -> Tensor:
    """U V^T of matrix = U S V^T, nearly: singular values of 0.7 to 1.2 for 1."""
    a, b, c = QUINTIC
    x = matrix / (matrix.norm() + 1e-12)
    x = x.mT if len(x) > x.shape[1] else x
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if len(matrix) > matrix.shape[1] else x

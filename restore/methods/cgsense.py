"""Sensitivity encoding by conjugate gradients.

Pruessmann, Weiger, Boernert & Boesiger, Advances in sensitivity encoding with arbitrary k-space trajectories, MRM 2001.
"""

from torch import Tensor

from restore.method import Method
from restore.numerics.solvers import cg
from restore.operators.problem import Problem


class CGSense(Method):
    """min |D x - y|^2 + penalty |x|^2, D = M F S, by `steps` of conjugate gradients on (D^T D + penalty) x = D^T y. x is complex.

    Few steps are themselves a regulariser: noise comes late. With one coil it gives the zero-filled picture, over 1 + penalty.
    """

    takes, gives = "k-space", "complex"

    def __init__(self, penalty: float = 5e-3, steps: int = 20):
        super().__init__()
        self.penalty, self.steps = penalty, steps

    def restore(self, y: Tensor, problem: Problem) -> Tensor:
        operator = problem.operator
        b = operator.adjoint(y)
        return cg(lambda x: operator.adjoint(operator(x)) + self.penalty * x, b, 0 * b, self.steps)

    def bytes_per_pixel(self, problem):
        return 40.0

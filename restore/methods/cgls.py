"""CGLS: conjugate gradients on D^T D x = D^T y, stopped early; what is not yet fitted is mostly noise.

Hestenes & Stiefel, Methods of conjugate gradients for solving linear systems, 1952.
"""

import torch

from restore.method import Method
from restore.numerics.solvers import cg


class CGLS(Method):
    """The least-squares x for any linear D, after `steps` rounds from 0."""

    noises = ("Gaussian", "NoNoise", "Transmission")

    def __init__(self, steps: int = 15):
        super().__init__()
        self.steps = steps

    def restore(self, y, problem):
        operator = problem.operator
        b = operator.adjoint(y)
        return cg(lambda x: operator.adjoint(operator(x)), b, torch.zeros_like(b), self.steps)

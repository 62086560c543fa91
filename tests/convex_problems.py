"""Convex problems whose multipliers a solver knows exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cvxpy
import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class Problem:
    """min 1/n sum_i l_i(w) subject to l'_i(w) <= epsilon_i, for outputs X w.

    `objective` and `constraint` make the expression of all n losses from that of the outputs.
    """

    inputs: NDArray[np.float64]
    targets: NDArray[np.float64]
    objective: Any
    constraint: Any

    def solve(self, epsilon):
        """Return (optimal value, w, lambda); lambda is n times the solver's multipliers.

        The Lagrangian of the solver is 1/n sum l_i + sum mu_i (l'_i - epsilon_i), that of (D-CERM)
        1/n sum [l_i + lambda_i (l'_i - epsilon_i)]: lambda_i = n mu_i.
        """
        n, d = self.inputs.shape
        w = cvxpy.Variable(d)
        outputs = self.inputs @ w
        bound = self.constraint(outputs, self.targets) <= epsilon
        problem = cvxpy.Problem(
            cvxpy.Minimize(cvxpy.sum(self.objective(outputs, self.targets)) / n), [bound]
        )

        problem.solve(solver=cvxpy.CLARABEL)
        assert problem.status == "optimal"
        return problem.value, w.value, n * bound.dual_value

    def least_bound(self):
        """Return (t, w): the smallest bound that can hold for all samples, and where it does."""
        w = cvxpy.Variable(self.inputs.shape[1])
        losses = self.constraint(self.inputs @ w, self.targets)
        value = cvxpy.Problem(cvxpy.Minimize(cvxpy.max(losses))).solve(solver=cvxpy.CLARABEL)
        return value, w.value

    def free_losses(self):
        """Return the constrained losses of the minimum without constraints."""
        w = cvxpy.Variable(self.inputs.shape[1])
        outputs = self.inputs @ w
        cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(self.objective(outputs, self.targets)))).solve()
        return self.constraint(outputs, self.targets).value


def squared(outputs, targets):
    return cvxpy.square(outputs - targets)


def logistic(outputs, targets):
    """Cross-entropy of the logits (0, output), classes 0 and 1."""
    return cvxpy.logistic(outputs) - cvxpy.multiply(targets, outputs)


def absolute(outputs, targets):
    return cvxpy.abs(outputs - targets)


class Linear(torch.nn.Module):
    """Outputs X w, or the logits (0, X w); the inputs are the embeddings."""

    def __init__(self, d, logits=False):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.zeros(d))
        self.logits = logits

    def forward(self, inputs):
        outputs = inputs @ self.weights
        if self.logits:
            outputs = torch.stack([torch.zeros_like(outputs), outputs], 1)
        return outputs, inputs

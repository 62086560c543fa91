"""The trainer's multipliers are the dual variables that a convex solver finds."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("cvxpy", reason="needs cvxpy")

from convex_problems import Linear, Problem, absolute, logistic, squared

from ally_fast.primal_dual import PrimalDualTrainer

N, D = 16, 3


def problem(objective, constraint, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(N, D))
    noise = 2.0 if objective is logistic else 0.7  # classes that no plane separates
    outputs = inputs @ rng.normal(size=D) + noise * rng.normal(size=N)
    targets = (outputs > 0).astype(float) if objective is logistic else outputs
    return Problem(inputs, targets, objective, constraint)


def between(p, share):
    """Return one bound for all, between the least that is feasible and one that is slack."""
    return (1 - share) * p.least_bound()[0] + share * p.free_losses().max()


def for_each(p, *factors):
    """Return bounds: those of the largest losses of the free minimum times factors; others 10."""
    free = p.free_losses()
    epsilon = np.full(N, 10.0)
    order = np.argsort(-free)[: len(factors)]
    epsilon[order] = np.array(factors) * free[order]
    return epsilon


def absolute_error(outputs, targets):
    return (outputs - targets).abs()


# Bounds, dual loss (None: the objective), primal and dual learning rate, epochs.
CASES = {
    "least squares": lambda p: (between(p, 0.3), None, 0.1, 1.0, 500),
    "least squares, epsilon per sample": lambda p: (
        for_each(p, 0.7, 0.8, 1.5),
        None,
        0.1,
        3.0,
        500,
    ),
    "least squares, |error| bounded": lambda p: (between(p, 0.5), absolute_error, 0.1, 1.0, 500),
    "logistic": lambda p: (0.9, None, 1.0, 2.0, 500),  # weights of 0 give log 2
    "logistic, epsilon per sample": lambda p: (for_each(p, 0.6, 0.8, 1.5), None, 1.0, 2.0, 400),
}


def case(name):
    logits = name.startswith("logistic")
    losses = (logistic, logistic) if logits else (squared, squared)
    if "|error|" in name:
        losses = (squared, absolute)
    p = problem(*losses)
    return p, *CASES[name](p), logits


def train(p, epsilon, dual_loss, primal_lr, dual_lr, epochs, logits):
    """Full gradients, T_p = 2: Algorithm 1 to the letter."""
    model = Linear(D, logits)
    targets = torch.tensor(p.targets, dtype=torch.int64 if logits else torch.float32)
    trainer = PrimalDualTrainer(
        epsilon=epsilon,
        loss="cross_entropy" if logits else "squared_error",
        dual_loss=dual_loss,
        dual_lr=dual_lr,
        primal_steps=2,
        batch_size=None,
        validation=0,
        max_epochs=epochs,
        optimizer=lambda parameters: torch.optim.SGD(parameters, primal_lr),
    )
    trained = trainer.fit(model, (torch.tensor(p.inputs, dtype=torch.float32), targets))
    return trained.multipliers, model.weights.detach().numpy()


@pytest.mark.parametrize("name", CASES)
def test_multipliers_are_the_solvers(name):
    p, epsilon, *settings = case(name)
    _, weights, exact = p.solve(epsilon)
    multipliers, found = train(p, epsilon, *settings)
    tight = exact > 1e-3
    assert 1 <= tight.sum() < N
    np.testing.assert_allclose(multipliers[tight], exact[tight], rtol=0.02)
    assert (multipliers[~tight] == 0).all()
    np.testing.assert_allclose(found, weights, atol=0.01)


@pytest.mark.parametrize("name", ["least squares", "logistic, epsilon per sample"])
def test_sensitivity_of_the_optimum(name):
    """Theorem 3.1: the optimum falls by lambda_i / n for each unit by which epsilon_i is relaxed.

    The functional derivative of the theorem is taken under the distribution of the samples, here
    1/n for each; the derivative in one number epsilon_i carries that 1/n.
    """
    p, epsilon, *settings = case(name)
    multipliers, _ = train(p, epsilon, *settings)
    h = 1e-3
    for i in [*np.flatnonzero(multipliers), int(np.argmin(multipliers))]:
        moved = h * (np.arange(N) == i)
        slope = (p.solve(epsilon + moved)[0] - p.solve(epsilon - moved)[0]) / (2 * h)
        assert slope == pytest.approx(-multipliers[i] / N, rel=0.03, abs=1e-5)

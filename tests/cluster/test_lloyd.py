"""The native training: an engine that answers late changes no answer."""

import numpy as np
import pytest

from ally_fast.cluster import lloyd
from ally_fast.cluster.fit import FitOptions


def fit(rows, k, lookahead, *, max_iter=25, tol=1e-3, normalize=False):
    """Return what training came to, and the calls of `advance`."""
    calls = []
    options = FitOptions(max_iter, tol, 5, normalize, calls.append)
    return lloyd.fit_lloyd(rows, k, options, lookahead=lookahead), calls


@pytest.mark.parametrize(
    ("t", "k", "changes"),
    [
        (3000, 20, {}),
        (9000, 30, {"tol": 0.02}),
        (9000, 30, {"tol": 0.0, "max_iter": 7}),
        (9000, 30, {"max_iter": 1}),
        (3000, 2, {"tol": 0.0, "max_iter": 200}),
        (4000, 120, {"normalize": True}),
        (40, 40, {}),
    ],
    ids=["plain", "prefixes", "max_iter", "one_iteration", "convergence", "normalize", "all_rows"],
)
def test_lookahead_changes_nothing(t, k, changes, rng):
    rows = rng.normal(size=(t, 6)).astype(np.float32)
    if changes.get("normalize"):
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected, advanced = fit(rows, k, 0, **changes)
    assert sum(advanced) == expected.n_iter <= changes.get("max_iter", 25)
    for lookahead in (1, 2):
        got, calls = fit(rows, k, lookahead, **changes)
        np.testing.assert_array_equal(got.centroids, expected.centroids)
        assert (got.inertia, got.n_iter, calls) == (expected.inertia, expected.n_iter, advanced)


@pytest.mark.parametrize("lookahead", [0, 1, 2], ids="lookahead={}".format)
def test_steps_start_before_an_inertia_is_read(lookahead, monkeypatch, rng):
    """Iteration i + 1 + lookahead waits for the inertia of iteration i, and none before it does."""
    events = []

    class Late:
        def __init__(self, value):
            self.value, self.step = value, sum(event[0] == "start" for event in events)

        def __float__(self):
            events.append(("read", self.step))
            return self.value

    def late_update(*arguments, **options):
        *arrays, inertia = update(*arguments, **options)
        late = Late(inertia)
        events.append(("start", late.step))
        return *arrays, late

    update = lloyd.centroid_update
    monkeypatch.setattr(lloyd, "centroid_update", late_update)
    monkeypatch.setattr(lloyd, "ROUNDS", 0)
    rows = rng.normal(size=(1000, 3)).astype(np.float32)  # too few for a start on a prefix
    fitted, _ = fit(rows, 20, lookahead, tol=0.0, max_iter=200)
    assert isinstance(fitted.inertia, float)

    started, started_at_read = 0, {}
    for event, step in events:
        if event == "start":
            started = step
        else:
            started_at_read.setdefault(step, started)
    # Steps are 0, the first two, and the rest; each group is started on its own.
    steady = range(3, fitted.n_iter - 1)
    assert len(steady) > 3
    assert all(started_at_read[step] == step + lookahead for step in steady)
    assert sum(event == "start" for event, _ in events) == fitted.n_iter + lookahead

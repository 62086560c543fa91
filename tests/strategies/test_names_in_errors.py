"""An error names the piece of the context that it is about, and rows of the pool."""

import numpy as np
import pytest
import reference
from strategy_contract import world

from ally_fast.strategies import (
    ALLY,
    BADGE,
    DAL,
    GIST,
    ALLYHerding,
    ClusterMargin,
    Context,
    CoreSet,
    DropQuery,
    MaxHerding,
    TypicalStart,
    UncertaintyHerding,
)


class Head:
    """Scores by the first feature."""

    def fit(self, embeddings, multipliers):
        return self

    def score(self, embeddings):
        return embeddings[:, 0]


WITH_HEAD = ("embeddings", "labeled_embeddings", "multipliers")
STRATEGIES = {
    "ALLY with a head": (ALLY, {"head": Head()}, WITH_HEAD),
    "ALLY with a radius": (ALLY, {"radius": 1.0}, ("embeddings", "labeled_embeddings", "scores")),
    "CoreSet": (CoreSet, {}, ("embeddings", "labeled_embeddings")),
    "CoreSet, cosine": (CoreSet, {"metric": "cosine"}, ("embeddings", "labeled_embeddings")),
    "DAL": (DAL, {"epochs": 1, "width": 4}, ("embeddings", "labeled_embeddings")),
    "BADGE": (BADGE, {}, ("embeddings", "probabilities")),
    "ClusterMargin": (ClusterMargin, {}, ("embeddings", "probabilities")),
    "DropQuery": (DropQuery, {}, ("embeddings", "probabilities", "mc_probabilities")),
    "DropQuery, cosine": (
        DropQuery,
        {"metric": "cosine"},
        ("embeddings", "probabilities", "mc_probabilities"),
    ),
    "GIST": (GIST, {}, ("embeddings", "scores")),
    "GIST, cosine": (GIST, {"metric": "cosine"}, ("embeddings", "scores")),
    "MaxHerding": (MaxHerding, {}, ("embeddings", "labeled_embeddings")),
    "MaxHerding, cosine": (
        MaxHerding,
        {"metric": "cosine"},
        ("embeddings", "labeled_embeddings"),
    ),
    "UncertaintyHerding": (
        UncertaintyHerding,
        {"targets": 20},
        ("embeddings", "labeled_embeddings", "probabilities"),
    ),
    "ALLYHerding": (ALLYHerding, {}, ("embeddings", "labeled_embeddings", "scores")),
    "ALLYHerding with a head": (ALLYHerding, {"head": Head()}, WITH_HEAD),
    "TypicalStart": (TypicalStart, {}, ("embeddings",)),
    "TypicalStart, cosine": (TypicalStart, {"metric": "cosine"}, ("embeddings",)),
}


def ask(case, **changes):
    if case == "DAL":
        pytest.importorskip("torch")
    make, arguments, pieces = STRATEGIES[case]
    everything = {**world(60), "scores": None}
    given = {piece: everything[piece] for piece in pieces if piece != "scores"}
    if "scores" in pieces:
        given["dual_scores"] = everything["dual_scores"]
    return make(**arguments).query(Context(**{**given, **changes}, chunk_rows=10), 5)


WITH_LABELED = [case for case, (_, _, pieces) in STRATEGIES.items() if "labeled" in str(pieces)]
WRONG = {
    "columns": (np.zeros((8, 2), np.float32), r"got shape \(8, 2\)"),
    "rank": (np.zeros(8, np.float32), r"got shape \(8,\)"),
    "NaN": (np.full((8, 5), np.nan), "NaN"),
    "text": ([["a"] * 5] * 8, "real numbers"),
    "vectors": (np.array([np.zeros(5), None], object), "np.stack"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("case", WITH_LABELED)
def test_labeled_embeddings(case, wrong):
    labeled, message = WRONG[wrong]
    named = rf"^(\w+: )?labeled_embeddings\b.*{message}"
    with pytest.raises((ValueError, TypeError), match=named):
        ask(case, labeled_embeddings=labeled)


@pytest.mark.parametrize("case", ["ALLY with a head", "ALLYHerding with a head", "DAL"])
def test_labeled_embeddings_beyond_float32(case):
    labeled = world(60)["labeled_embeddings"].astype(np.float64)
    labeled[5] = 1e60
    with pytest.raises(ValueError, match=r": labeled_embeddings: 1 of rows .* row 5"):
        ask(case, labeled_embeddings=labeled)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_labeled_rows_for_the_head(rows):
    pytest.importorskip("torch")
    everything = world(60)
    with pytest.raises(ValueError, match="ALLY: labeled_embeddings: got shape"):
        ALLY().query(
            Context(
                embeddings=everything["embeddings"],
                labeled_embeddings=everything["labeled_embeddings"][:rows],
                multipliers=everything["multipliers"][:rows],
            ),
            5,
        )


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("case", STRATEGIES)
def test_embeddings(case, value):
    """Row 33 of the pool, whatever chunk it comes in."""
    embeddings = world(60)["embeddings"].astype(np.float64)
    embeddings[33, 1] = value
    if "cosine" in case and np.isfinite(value):  # a direction like any other
        unit = reference.normalize_rows(embeddings)
        np.testing.assert_array_equal(ask(case, embeddings=embeddings), ask(case, embeddings=unit))
        return
    with pytest.raises(ValueError, match=r"embeddings: (1 of .*first is|.* 1e\+200, in) row 33\b"):
        ask(case, embeddings=embeddings)
    excluded = ask(case, embeddings=embeddings, exclude=[33])
    assert len(set(excluded.tolist()) - {33}) == 5


@pytest.mark.parametrize("case", ["CoreSet", "BADGE", "GIST"])
def test_embeddings_whose_squares_vanish(case):
    """All rows would be equally far: the first ones would be picked."""
    everything = world(60)
    changes = {"embeddings": everything["embeddings"].astype(np.float64) * 1e-163}
    if case == "CoreSet":
        changes["labeled_embeddings"] = np.empty((0, 5))
    with pytest.raises(
        ValueError, match=rf"^{case}: embeddings: the largest value is .*rescale the rows$"
    ):
        ask(case, **changes)


@pytest.mark.parametrize("factor", [1e155, 1e-163])
def test_cosine_takes_embeddings_of_any_scale(factor):
    everything = world(60)
    near, far = (everything["embeddings"].astype(np.float64) * scale for scale in (1, factor))
    picks = ask("CoreSet, cosine", embeddings=near)
    np.testing.assert_array_equal(ask("CoreSet, cosine", embeddings=far), picks)

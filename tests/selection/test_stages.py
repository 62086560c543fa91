"""`select` by its stages: what stands between them is not changed, and parts merge in any order."""

import inspect
import pickle

import numpy as np
import pytest

import ally_fast
from ally_fast import stages
from ally_fast.exports import KeptColumn
from ally_fast.pools import Rows
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.finish import finish
from ally_fast.selection.plan import make_plan
from ally_fast.selection.portion import portion
from ally_fast.selection.request import check

N, D, B, K = 400, 6, 37, 8
DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(ally_fast.select).parameters.items()
    if parameter.default is not parameter.empty and name != "return_info"
}
RULES = {
    "equal": {},
    "weights": {"allocation": np.arange(1.0, K + 1)},
    "proportional": {"allocation": "proportional"},
    "radius": {"radius": 0.9},
    "radius, cosine, sqrt": {"radius": 0.3, "metric": "cosine", "allocation": "sqrt"},
    "excluded rows": {"exclude": np.arange(0, N, 3), "max_score": 1.5},
    "no budget": {"b": 0},
}


def arguments(rng, **changes):
    pool = rng.normal(size=(N, D)).astype(np.float32)
    scores = rng.normal(size=N).round(1)  # many ties
    given = {"embeddings": pool, "dual_scores": scores, "b": B, "k": K}
    return {**DEFAULTS, **given, "train_size": 100, **changes}


def planned(given):
    """Return the plan, and what scanning needs."""
    first = [given[name] for name in ("embeddings", "dual_scores", "b", "k")]
    plan = stages.plan(*first, **{name: given[name] for name in DEFAULTS})
    return plan, stages.task(plan, stages.train(plan))


def rounded(rows):
    """Return scores of which many are equal."""
    return np.round(rows[:, 1] * 2, 1)


def sent(value):
    """Return what comes out at the other end."""
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("scored_by", ["array", "function"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cuts", [[], [1], [150, 151, 399], [100, 200, 300]], ids=str)
def test_parts_merge_in_any_order_and_grouping(rule, cuts, scored_by, rng):
    given = arguments(rng, **RULES[rule])
    if scored_by == "function":
        given["dual_scores"] = rounded
    expected, info = ally_fast.select(**given, return_info=True)
    plan, task = planned(given)
    ranges = list(zip([0, *cuts], [*cuts, N], strict=True))
    parts = [stages.scan(*sent((task, portion(plan, rows)))) for rows in ranges]
    rng.shuffle(parts)
    middle = len(parts) // 2 or 1
    halves = [stages.merge(task.rule, *half) for half in (parts[:middle], parts[middle:]) if half]
    for whole in (stages.merge(task.rule, *parts), stages.merge(task.rule, *halves)):
        batch = finish(plan, whole)
        np.testing.assert_array_equal(batch.indices, expected)
        np.testing.assert_array_equal(batch.ranks, info.ranks)
        np.testing.assert_array_equal(whole.sizes, info.cluster_sizes)


def test_a_plan_leaves_its_request_as_it_was(rng):
    labeled = rng.normal(size=(20, D))
    exclude = np.arange(0, N, 3)
    given = arguments(rng, labeled_embeddings=labeled, radius=1.0, exclude=exclude, b=5)
    request = check(Arguments(**given))
    before = request.eligible.copy()
    plan = make_plan(request)
    np.testing.assert_array_equal(request.eligible, before)
    assert K < plan.eligible_rows < before.sum()


class GatheredPool:
    """Remembers how often each row was gathered."""

    dtype_name, itemsize = "float32", 4

    def __init__(self, rows):
        self._rows = rows
        self.n, self.d = rows.shape
        self.times = np.zeros(self.n, int)

    def read(self, lo, hi):
        return Rows(self._rows[lo:hi], False)

    def gather(self, indices):
        self.times[indices] += 1
        return Rows(self._rows[indices], False)


@pytest.mark.parametrize("radius", [None, 1e-3], ids="radius={}".format)
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_picks_are_gathered_once(radius, metric, dtype, rng):
    given = arguments(rng, radius=radius, metric=metric, centroids=rng.normal(size=(K, D)))
    given["embeddings"] = given["embeddings"].astype(dtype)
    expected, told = ally_fast.select(**given, return_info=True)
    pool = GatheredPool(given["embeddings"])
    pool.dtype_name, pool.itemsize = dtype, np.dtype(dtype).itemsize
    picks, info = ally_fast.select(**{**given, "embeddings": pool}, return_info=True)
    np.testing.assert_array_equal(picks, expected)
    np.testing.assert_array_equal(info.distances, told.distances)
    assert (pool.times[picks] == 1).all()
    rows = np.asarray(given["embeddings"], np.float64)[picks]
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    distances = np.linalg.norm(rows - info.centroids[info.clusters], axis=1)
    np.testing.assert_allclose(info.distances, distances, rtol=1e-5)  # unit rows are float32


def test_what_workers_are_sent_does_not_grow_with_the_rows(tmp_path, rng):
    """Ids, scores and kept columns were read here: none of them travels with the pool."""
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    sizes = []
    for n in (1000, 20_000):
        rows = rng.normal(size=(n, D)).astype(np.float32)
        ids = [f"{i:030d}" for i in range(n)]
        folder = tmp_path / str(n)
        folder.mkdir()
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), D)
        parquet.write_table(
            pa.table({"id": ids, "emb": vectors, "text": ids}), folder / "a.parquet"
        )
        duals = folder / "duals.csv"
        duals.write_text(
            "id,score\n" + "".join(f'"{i}",{s}\n' for i, s in zip(ids, rows[:, 0], strict=True))
        )
        pool = ally_fast.open_pool(
            str(folder / "a.parquet"),
            column="emb",
            ids="id",
            scores=f"{duals}:score@id",
            keep=["text"],
        )
        pool.keep = {name: KeptColumn(column) for name, column in pool.keep.items()}
        plan = stages.plan(pool, None, b=n // 2, k=K, exclude_ids=ids[:3])
        trained = stages.train(plan)
        task = stages.task(plan, trained)
        found = stages.conclude(plan, trained, stages.scan(task, portion(plan, (0, n))))
        assert found[1].ids[0] == ids[found[0][0]]
        sizes.append(len(pickle.dumps(stages.task(plan, trained))))
        again = pickle.loads(pickle.dumps(pool))
        assert again.ids.take(np.array([7])).to_pylist() == [ids[7]]
        assert again.keep["text"].take(np.array([7])).to_pylist() == [ids[7]]
    assert sizes[1] < sizes[0] + 100

"""Groups, costs and random ties: against the oracle, and what the rule promises."""

import numpy as np
import pytest
import reference
from cases import OwnRows, hard_pool, pools
from hypothesis import given
from hypothesis import strategies as st

import ally_fast
from ally_fast import ById, _cpu

ALLOCATIONS = ["equal", "proportional", "sqrt"]


def both(embeddings, scores, b, centroids, *, seed=0, **options):
    """Return the batch and the oracle's, each None where it is refused."""
    random = options.get("tie_break") == "random"
    ours = {name: value for name, value in options.items() if name != "tie_break"}
    try:
        expected = reference.select(
            embeddings, scores, b, centroids, tie_seed=seed if random else None, **ours
        )
    except ValueError:
        expected = None
    try:
        found = ally_fast.select(
            embeddings,
            scores,
            b,
            len(centroids),
            centroids=centroids,
            seed=seed,
            return_info=True,
            **options,
        )
    except ValueError:
        found = None
    return found, expected


def check(embeddings, scores, b, centroids, **options):
    found, expected = both(embeddings, scores, b, centroids, **options)
    assert (found is None) == (expected is None)
    if found is not None:
        indices, info = found
        np.testing.assert_array_equal(indices, expected.indices)
        np.testing.assert_array_equal(info.clusters, expected.clusters)
        np.testing.assert_array_equal(info.ranks, expected.ranks)
        np.testing.assert_array_equal(info.scores, expected.scores)


@given(pool=pools(), data=st.data())
def test_is_the_reference(pool, data):
    embeddings, scores, centroids = pool
    n = len(scores)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    options = {"allocation": data.draw(st.sampled_from(ALLOCATIONS), label="allocation")}
    b = data.draw(st.integers(1, n), label="b")
    if data.draw(st.booleans(), label="coarse scores"):
        scores = np.round(scores)
    if data.draw(st.booleans(), label="ties"):
        options |= {"tie_break": "random", "seed": data.draw(st.integers(0, 2**64 - 1))}
    if data.draw(st.booleans(), label="groups"):
        options["groups"] = rng.choice(list("abc"), n).tolist()
        names = sorted(set(options["groups"]))  # a limit for another group is refused
        limits = st.dictionaries(st.sampled_from(names), st.integers(0, max(1, b // 2)))
        options["min_per_group"] = data.draw(limits, label="min")
        options["max_per_group"] = data.draw(limits, label="max")
    if data.draw(st.booleans(), label="cost"):
        options["cost"] = rng.choice([0.0, 0.1, 0.7, 3.0], n)
        options["cost_budget"] = data.draw(st.floats(0, 2.0 * b), label="budget")
    if data.draw(st.booleans(), label="radius"):
        options["radius"] = data.draw(st.sampled_from([0.01, 0.5, 2.0]), label="radius")
    check(embeddings, scores, b, centroids, **options)


def in_clusters(rng, n=600, k=12, d=9):
    embeddings, centroids = hard_pool("plain", rng, n, k, d)
    return embeddings, rng.exponential(size=n), centroids


@pytest.mark.parametrize("radius", [None, 0.5])
def test_a_rare_group_far_down_the_lists(radius, rng):
    """Its rows are the worst of their clusters, so that lists must be made longer."""
    embeddings, scores, centroids = in_clusters(rng)
    groups = np.where(np.argsort(np.argsort(scores)) < 8, "rare", "usual")
    options = {"groups": groups, "min_per_group": {"rare": 5}, "radius": radius}
    check(embeddings, scores, 20, centroids, **options)
    _, info = ally_fast.select(
        embeddings, scores, 20, 12, centroids=centroids, return_info=True, **options
    )
    assert info.groups[:5] == ["rare"] * 5
    assert info.groups.count("rare") == 5


def test_one_group_has_all_good_rows(rng):
    embeddings, scores, centroids = in_clusters(rng)
    groups = np.argsort(np.argsort(-scores)) // 200
    options = {"groups": groups, "max_per_group": {0: 3, 1: 4}}
    check(embeddings, scores, 60, centroids, **options)
    _, info = ally_fast.select(
        embeddings, scores, 60, 12, centroids=centroids, return_info=True, **options
    )
    assert [info.groups.count(group) for group in (0, 1, 2)] == [3, 4, 53]


def test_a_prefix_is_the_answer_for_a_smaller_budget(rng):
    embeddings, scores, centroids = in_clusters(rng)
    options = {
        "groups": rng.choice(list("abc"), len(scores)),
        "min_per_group": 4,
        "max_per_group": 30,
        "centroids": centroids,
    }
    whole = ally_fast.select(embeddings, scores, 80, 12, **options)
    for b in (12, 13, 40, 79):
        np.testing.assert_array_equal(
            ally_fast.select(embeddings, scores, b, 12, **options), whole[:b]
        )


def test_limits_that_limit_nothing_change_nothing(rng):
    embeddings, scores, centroids = in_clusters(rng)
    plain = ally_fast.select(embeddings, scores, 50, 12, centroids=centroids)
    for options in (
        {"groups": rng.integers(0, 3, len(scores)), "min_per_group": 0},
        {"groups": rng.integers(0, 3, len(scores)), "max_per_group": 50},
        {"cost": np.ones(len(scores)), "cost_budget": 50},
        {"cost": rng.random(len(scores)), "cost_budget": 1e9},
    ):
        found = ally_fast.select(embeddings, scores, 50, 12, centroids=centroids, **options)
        np.testing.assert_array_equal(found, plain)


def test_costs_add_up_to_the_budget_at_most(rng):
    embeddings, scores, centroids = in_clusters(rng)
    cost = rng.choice([1.0, 2.0, 5.0], len(scores))
    options = {"cost": cost, "cost_budget": 41, "centroids": centroids, "return_info": True}
    batch, info = ally_fast.select(embeddings, scores, 300, 12, **options)
    assert cost[batch].sum() == info.costs.sum() == 41
    assert len(batch) < 300


def test_limits_do_not_depend_on_chunks_or_threads(rng):
    embeddings, scores, centroids = in_clusters(rng)
    options = {
        "groups": rng.choice(list("abc"), len(scores)),
        "min_per_group": {"a": 9},
        "cost": rng.random(len(scores)),
        "cost_budget": 9.0,
        "tie_break": "random",
        "centroids": centroids,
    }
    scores = np.round(scores)
    expected = ally_fast.select(embeddings, scores, 40, 12, **options)
    for chunk_rows, threads in ((1, 3), (77, 1), (None, 2)):
        found = ally_fast.select(
            OwnRows(embeddings), scores, 40, 12, chunk_rows=chunk_rows, threads=threads, **options
        )
        np.testing.assert_array_equal(found, expected)


# Ties


def test_places_are_those_of_the_reference(rng):
    indices = np.concatenate([np.arange(50), rng.integers(0, 2**62, 50), [2**31, 2**62 - 1]])
    for seed in (0, 7, 2**64 - 1):
        expected = [reference.tie_place(int(index), seed) for index in indices]
        assert _cpu.tie_positions(indices, seed).tolist() == expected
    np.testing.assert_array_equal(_cpu.tie_positions(indices, None), indices)


def test_rows_with_equal_scores_come_at_random(rng):
    """All-zero scores take any rows of a cluster, others for another seed, the same for one."""
    embeddings = rng.normal(size=(4000, 3)).astype(np.float32)
    scores = np.zeros(4000)
    centroids = embeddings[:4]
    batches = [
        ally_fast.select(
            embeddings, scores, 400, 4, centroids=centroids, tie_break="random", seed=seed
        )
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(batches[0], batches[1])
    assert len(set(batches[0].tolist()) & set(batches[2].tolist())) < 100
    assert abs(batches[0].mean() - 2000) < 4 * 4000 / np.sqrt(12 * 400)
    by_index = ally_fast.select(embeddings, scores, 400, 4, centroids=centroids)
    assert by_index.mean() < 1000


def test_ties_in_shards_and_in_one_part(rng, tmp_path):
    rows = rng.normal(size=(300, 4)).astype(np.float32)
    for number, part in enumerate(np.array_split(rows, 3)):
        np.save(tmp_path / f"{number}.npy", part)
    options = {"tie_break": "random", "seed": 3, "chunk_rows": 7}
    for allocation in ALLOCATIONS:
        np.testing.assert_array_equal(
            ally_fast.select(tmp_path, np.zeros(300), 40, 5, allocation=allocation, **options),
            ally_fast.select(rows, np.zeros(300), 40, 5, allocation=allocation, **options),
        )


# Mistakes, and joins

N = 30
MISTAKES = {
    "no limits": ({"groups": np.zeros(N, int)}, "groups: have no effect alone"),
    "no groups": ({"min_per_group": 3}, "min_per_group: has no effect without groups"),
    "length": (
        {"groups": [1], "max_per_group": 9},
        "groups: got 1, needs one for each of 30",
    ),
    "a null": ({"groups": [None, *"a" * 29], "max_per_group": 9}, "groups: row 0 has no group"),
    "few rows": (
        {"groups": [*"a" * 28, *"bb"], "min_per_group": {"b": 3}},
        "min_per_group: group 'b' needs 3, but has 2 eligible rows",
    ),
    "no such group": (
        {"groups": [*"a" * 30], "min_per_group": {"c": 1}},
        "min_per_group: group 'c' needs 1, but has 0 eligible rows",
    ),
    "too many": (
        {"groups": [*"abc" * 10], "min_per_group": 4},
        "min_per_group: the groups need 12 in all, but b is 10",
    ),
    "too few": (
        {"groups": [*"abc" * 10], "max_per_group": 3},
        "max_per_group: the groups allow only 9 in all, but b is 10",
    ),
    "crossed": (
        {"groups": [*"ab" * 15], "min_per_group": {"a": 3}, "max_per_group": {"a": 2}},
        "min_per_group: group 'a' needs 3, but max_per_group allows 2",
    ),
    "no such group, most": (
        {"groups": [*"ab" * 15], "max_per_group": {"c": 1}},
        "max_per_group: no row has the group 'c'; the groups are 'a', 'b'",
    ),
    "no time": (
        {"groups": np.array(["NaT"] * N, "M8[D]"), "max_per_group": 30},
        "groups: row 0 has no group",
    ),
    "negative": ({"groups": [*"ab" * 15], "max_per_group": -1}, "max_per_group: got -1"),
    "cost alone": ({"cost": np.ones(N)}, "cost: has no effect without cost_budget"),
    "budget alone": ({"cost_budget": 3}, "cost_budget: has no effect without cost"),
    "cost below 0": (
        {"cost": [*[1.0] * 29, -1.0], "cost_budget": 3},
        "cost: 1 values are negative or not finite, the first is -1.0 in row 29",
    ),
    "cost and minima": (
        {
            "groups": [*"ab" * 15],
            "min_per_group": 4,
            "cost": np.ones(N),
            "cost_budget": 6,
        },
        "min_per_group: group '[ab]' needs 4, but only [23] of its rows can be picked",
    ),
    "ties": ({"tie_break": "no"}, "tie_break"),
    "threads": ({"threads": 0}, "threads: got 0, needs at least 1"),
    "threads, many": ({"threads": 10**6}, "threads: got 1000000, needs at most 4096"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case, rng):
    options, message = MISTAKES[case]
    with pytest.raises(ValueError, match=message):
        ally_fast.select(rng.normal(size=(N, 3)), np.arange(N), 10, 3, **options)


def test_limits_find_groups_by_how_they_are_written(rng):
    rows, scores = rng.normal(size=(N, 3)), rng.random(N)
    for groups, limits in (
        (np.arange(N) % 2 == 0, {"true": 3}),
        (np.arange(N) % 2, {"1": 3}),
        (np.array(["1", "0"] * 15), {1: 3}),
    ):
        _, info = ally_fast.select(
            rows, scores, 12, 3, groups=groups, max_per_group=limits, return_info=True
        )
        (limited,) = (str(name).lower() for name in limits)
        assert [str(group).lower() for group in info.groups].count(limited) == 3


def test_lists_are_no_groups(rng):
    groups = np.empty(N, object)
    groups[:] = [[1]] * N
    with pytest.raises(TypeError, match="groups: got a list in row 0"):
        ally_fast.select(rng.random((N, 3)), rng.random(N), 9, 3, groups=groups, max_per_group=9)


def test_with_costs_b_may_be_beyond_the_rows(rng):
    rows = rng.normal(size=(N, 3))
    options = {"cost": np.ones(N), "cost_budget": 7}
    assert len(ally_fast.select(rows, rng.random(N), 10 * N, 3, **options)) == 7


def test_a_budget_that_ends_lists_few_rows(rng, monkeypatch):
    """What is left buys nothing: no longer lists are made to find that out."""
    from ally_fast.selection import greedy

    listed = []
    real = greedy.best_entries

    def watch(*arguments):
        found = real(*arguments)
        listed.append(len(found[0][0]))
        return found

    monkeypatch.setattr(greedy, "best_entries", watch)
    rows, scores = rng.normal(size=(20_000, 3)).astype(np.float32), rng.random(20_000)
    options = {"cost": np.ones(20_000), "cost_budget": 50, "centroids": rows[:4]}
    assert len(ally_fast.select(rows, scores, 100, 4, **options)) == 50
    assert sum(listed) < 400


def test_excluded_rows_need_no_group_and_no_cost(rng):
    rows, scores = rng.normal(size=(N, 3)), rng.random(N)
    groups = np.array([*"ab" * 15], object)
    groups[:5] = None
    cost = np.ones(N)
    cost[:5] = np.nan
    options = {"exclude": range(5), "centroids": rows[:3]}
    limits = {"max_per_group": 6, "cost_budget": 10}
    batch, info = ally_fast.select(
        rows, scores, 9, 3, groups=groups, cost=cost, return_info=True, **limits, **options
    )
    assert max(map(info.groups.count, "ab")) <= 6
    assert set(batch.tolist()) <= set(range(5, N))


def test_groups_and_costs_by_id(rng):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    rows, scores, order = rng.normal(size=(N, 3)), rng.random(N), rng.permutation(N)
    groups, cost = np.array([*"ab" * 15]), rng.random(N)
    limits = {"max_per_group": 6, "cost_budget": 4.0}
    expected = ally_fast.select(rows, scores, 9, 3, groups=groups, cost=cost, **limits)
    found = ally_fast.select(
        rows,
        scores,
        9,
        3,
        ids=np.arange(N),
        groups=ById(order, groups[order]),
        cost=ById(order, cost[order]),
        **limits,
    )
    np.testing.assert_array_equal(found, expected)

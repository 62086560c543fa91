"""Scores, exclusions and kept columns by id."""

import numpy as np
import pytest

import ally_fast
from ally_fast import ById, open_pool, select
from ally_fast.pools import read_column

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
csv = pytest.importorskip("pyarrow.csv", reason="needs pyarrow")

N, D, B, K = 90, 4, 20, 5
SHARDS = 3


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def scores(rng):
    return rng.random(N)


@pytest.fixture(params=["texts", "integers"])
def ids(request, rng):
    numbers = rng.permutation(10 * N)[:N]
    return numbers if request.param == "integers" else np.array([f"image-{i}" for i in numbers])


@pytest.fixture
def folder(rows, scores, ids, tmp_path):
    """Return a folder of Parquet shards with vectors, ids, scores and a kept column."""
    write(tmp_path / "pool", rows, ids, scores, range(SHARDS))
    return tmp_path / "pool"


def write(folder, rows, ids, scores, order):
    folder.mkdir()
    parts = np.array_split(np.arange(N), SHARDS)
    for number, part in enumerate(order):
        chosen = parts[part]
        table = pa.table(
            {
                "emb": pa.FixedSizeListArray.from_arrays(pa.array(rows[chosen].ravel()), D),
                "image_id": ids[chosen],
                "score": scores[chosen],
                "uri": [f"s3://b/{i}" for i in chosen],
            }
        )
        pq.write_table(table, folder / f"part-{number}.parquet", row_group_size=11)


def test_the_pools_own_ids_scores_and_kept_columns(folder, rows, scores, ids):
    pool = open_pool(folder, column="emb", ids="image_id", scores="score", keep=["uri", "score"])
    batch, info = select(pool, None, B, K, return_info=True)
    np.testing.assert_array_equal(batch, select(rows, scores, B, K))
    assert info.ids.tolist() == ids[batch].tolist()
    assert info.kept["uri"].tolist() == [f"s3://b/{i}" for i in batch]
    np.testing.assert_array_equal(info.kept["score"], scores[batch])


def test_shuffled_scores_with_ids_give_the_same_batch(rows, scores, ids, rng):
    order = rng.permutation(N)
    shuffled = ById(ids[order], scores[order])
    batch, info = select(rows, shuffled, B, K, ids=ids, return_info=True)
    np.testing.assert_array_equal(batch, select(rows, scores, B, K))
    assert info.ids.tolist() == ids[batch].tolist()


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_shuffled_scores_in_a_file(form, folder, rows, scores, ids, rng, tmp_path):
    order = rng.permutation(N)
    table = pa.table({"image_id": ids[order], "s": scores[order]})
    path = tmp_path / f"duals.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    elif form == "csv":
        csv.write_csv(table, path)
    else:
        lines = table.to_pandas().to_json(orient="records", lines=True, double_precision=15)
        path.write_text(lines)
    pool = open_pool(folder, column="emb", ids="image_id", scores=f"{path}:s@image_id")
    np.testing.assert_array_equal(select(pool, None, B, K), select(rows, scores, B, K))


def test_ids_of_a_file_of_their_own(rows, scores, ids, tmp_path):
    np.save(tmp_path / "pool.npy", rows)
    np.save(tmp_path / "ids.npy", ids)
    pool = open_pool(tmp_path / "pool.npy", ids=f"{tmp_path}/ids.npy")
    batch, info = select(pool, scores, B, K, return_info=True)
    assert info.ids.tolist() == ids[batch].tolist()


def test_a_second_round_over_reordered_shards_repeats_nothing(folder, rows, scores, ids, tmp_path):
    pool = open_pool(folder, column="emb", ids="image_id", scores="score")
    first = select(pool, None, B, K, return_info=True)[1].ids
    write(tmp_path / "again", rows, ids, scores, [2, 0, 1])
    pool = open_pool(tmp_path / "again", column="emb", ids="image_id", scores="score")
    second = select(pool, None, B, K, exclude_ids=first, return_info=True)[1].ids
    assert not set(first.tolist()) & set(second.tolist())


def test_ids_may_be_excluded_twice(rows, scores, ids):
    batch = select(rows, scores, B, K, ids=ids, exclude_ids=[*ids[:9], *ids[:9]])
    np.testing.assert_array_equal(batch, select(rows, scores, B, K, exclude=np.arange(9)))


def test_excluded_by_id_and_by_index(rows, scores, ids):
    batch = select(rows, scores, B, K, ids=ids, exclude_ids=set(ids[:9].tolist()), exclude=[20, 30])
    np.testing.assert_array_equal(batch, select(rows, scores, B, K, exclude=[*range(9), 20, 30]))


def test_only_excluded_rows_may_lack_scores(rows, scores, ids):
    some = ById(ids[5:], scores[5:])
    batch = select(rows, some, B, K, ids=ids, exclude_ids=ids[:5])
    np.testing.assert_array_equal(batch, select(rows, scores, B, K, exclude=np.arange(5)))
    with pytest.raises(
        ValueError, match=r"dual_scores: 1 of 90 rows have no value, the first is row 4"
    ):
        select(rows, some, B, K, ids=ids, exclude_ids=ids[:4])


def test_unknown_ids(rows, scores, ids):
    strange = 10**9 if ids.dtype.kind == "i" else "nobody"
    more = ById([*ids.tolist(), strange], [*scores, 9.0])
    with pytest.raises(ValueError, match=r"dual_scores\.ids: 1 of 91 ids belong to no row, the f"):
        select(rows, more, B, K, ids=ids)
    with pytest.raises(ValueError, match=r"exclude_ids: 1 of 1 ids belong to no row"):
        select(rows, scores, B, K, ids=ids, exclude_ids=[strange])
    batch = select(rows, more, B, K, ids=ids, exclude_ids=[strange], unknown_ids="ignore")
    np.testing.assert_array_equal(batch, select(rows, scores, B, K))


def test_ids_that_come_twice(rows, scores, ids):
    twice = ids.copy()
    twice[40] = twice[7]
    with pytest.raises(ValueError, match=r"ids: 1 of 90 ids are repeated; .* in rows 7 and 40"):
        select(rows, scores, B, K, ids=twice)
    with pytest.raises(ValueError, match=r"dual_scores\.ids: 1 of 90 ids are repeated"):
        select(rows, ById(twice, scores), B, K, ids=ids)


def test_ids_of_another_kind(rows, scores, ids):
    other = [str(i) for i in range(N)] if ids.dtype.kind == "i" else np.arange(N)
    with pytest.raises(TypeError, match=r"exclude_ids: got (texts|integers), needs"):
        select(rows, scores, B, K, ids=ids, exclude_ids=other)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ids": ["a"] * (N - 1)}, ValueError, "ids: got 89, needs one for each of 90 rows"),
        ({"ids": [*"ab", None] * 30}, ValueError, "ids: the id of row 2 is missing"),
        ({"ids": np.arange(N) / 2}, TypeError, "ids must be integers or texts; got 'double'"),
        ({"ids": "image"}, TypeError, "ids: got 'image', needs one id for each row"),
        ({"ids": np.arange(N), "exclude_ids": 5}, TypeError, "exclude_ids: got 5, needs one id"),
        ({"exclude_ids": [1]}, ValueError, "exclude_ids: got ids, but the pool has none"),
        ({"ids": np.arange(N), "unknown_ids": "no"}, ValueError, "unknown_ids"),
        ({"dual_scores": None}, ValueError, "dual_scores: got None, but the pool has no scores"),
        ({"dual_scores": ById([1], [2.0])}, ValueError, "dual_scores.ids: got ids, but"),
        ({"ids": np.arange(N), "dual_scores": ById([1], [2.0, 3])}, ValueError, "got 2 values for"),
    ],
)
def test_mistakes(arguments, error, message, rows, scores):
    with pytest.raises(error, match=message):
        select(rows, arguments.pop("dual_scores", scores), B, K, **arguments)


def test_the_pool_has_ids_already(folder):
    pool = open_pool(folder, column="emb", ids="image_id", scores="score")
    with pytest.raises(ValueError, match="ids: got ids, but the pool has its own; needs only one"):
        select(pool, None, B, K, ids=np.arange(N))


def test_a_hive_folder_is_a_column(rows, tmp_path):
    for day, part in (("2026-01-02", rows[:40]), ("2026-01-10", rows[40:])):
        (tmp_path / f"day={day}").mkdir()
        np.save(tmp_path / f"day={day}" / "x.npy", part)
    pool = open_pool(tmp_path, keep=["day"])
    batch, info = select(pool, np.arange(N), B, K, return_info=True)
    assert info.kept["day"].tolist() == ["2026-01-02" if i < 40 else "2026-01-10" for i in batch]


@pytest.mark.parametrize("where", ["memory", "files"])
def test_bad_rows_are_skipped_and_counted(where, rows, scores, tmp_path):
    rows[[3, 50]] = np.nan
    rows[70, 1] = np.inf
    good = np.setdiff1d(np.arange(N), [3, 50, 70])
    source = rows
    if where == "files":
        np.save(tmp_path / "a.npy", rows[:40])
        np.save(tmp_path / "b.npy", rows[40:])
        source = tmp_path
    pool = open_pool(source, on_bad_row="skip")
    batch, info = select(pool, scores, B, K, exclude=[50], return_info=True)
    np.testing.assert_array_equal(batch, select(rows, scores, B, K, exclude=[3, 50, 70]))
    assert (info.skipped_rows, info.eligible_rows) == (2, N - 3)
    centroids = ally_fast.kmeans(pool, K).centroids
    assigned = ally_fast.assign(pool, centroids)
    assert set(np.flatnonzero(assigned < 0)) == {3, 50, 70}
    np.testing.assert_array_equal(assigned[good], ally_fast.assign(rows[good], centroids))


def test_skipped_rows_need_no_scores(rows, scores, ids):
    rows[5] = np.nan
    pool = open_pool(rows, on_bad_row="skip")
    expected = select(rows, scores, B, K, exclude=[5])
    some = ById(np.delete(ids, 5), np.delete(scores, 5))
    np.testing.assert_array_equal(select(pool, some, B, K, ids=ids), expected)
    scores[5] = np.nan
    np.testing.assert_array_equal(select(pool, scores, B, K), expected)


def test_large_integers_by_id_are_not_rounded(rows, ids):
    big = np.arange(N) + 2**53 + 1
    with pytest.raises(ValueError, match="integers that float64 cannot hold"):
        select(rows, ById(ids[1:], big[1:]), B, K, ids=ids, exclude=[0])


def test_a_bad_row_is_named_by_shard_row_and_id(folder, rows, ids, scores, tmp_path):
    rows[60] = np.nan
    write(tmp_path / "bad", rows, ids, scores, range(SHARDS))
    pool = open_pool(tmp_path / "bad", column="emb", ids="image_id", scores="score")
    name = repr(ids[60].item())
    message = rf"part-2\.parquet: column 'emb': row 0 holds NaN or infinite values \(id {name}\)"
    with pytest.raises(ValueError, match=message):
        select(pool, None, B, K)


def test_paths_and_tables_are_embeddings(folder, rows, scores):
    expected = select(rows, scores, B, K)
    np.testing.assert_array_equal(select(f"{folder}/part-*.parquet:emb", scores, B, K), expected)
    table = pa.concat_tables([pq.read_table(path) for path in sorted(folder.iterdir())])
    pool = open_pool(table, column="emb", ids="image_id", scores="score", keep=["uri"])
    batch, info = select(pool, None, B, K, return_info=True)
    np.testing.assert_array_equal(batch, expected)
    assert info.kept["uri"][0] == f"s3://b/{batch[0]}"


def test_read_column_over_shards(folder, scores):
    np.testing.assert_array_equal(read_column(f"{folder}/*.parquet:score"), scores)
    with pytest.raises(ValueError, match=r"holds 90 rows, needs 91"):
        read_column(f"{folder}/*.parquet:score", n=N + 1)

"""Lance tables: versions, deleted rows, where they are found, what is refused."""

import pickle
import shutil

import numpy as np
import pytest
from reader_forms import arrow_table

from ally_fast import select
from ally_fast.cli import main
from ally_fast.pools import lance_file, open_pool
from ally_fast.pools.sources import locations

lance = pytest.importorskip("lance", reason="needs pylance")

N, D = 60, 4


@pytest.fixture
def array(rng):
    return rng.normal(size=(N, D)).astype(np.float16)


@pytest.fixture
def table(array):
    return arrow_table(array, {"id": [f"k{row}" for row in range(N)]}, fixed=True)


@pytest.fixture
def path(table, tmp_path):
    """Return a table of three fragments."""
    lance.write_dataset(table, tmp_path / "x.lance", max_rows_per_file=25)
    return tmp_path / "x.lance"


def rows_of(pool):
    return pool.read(0, pool.n).array


def test_a_pool_stays_at_the_version_that_it_was_opened_in(path, table, array):
    pool = open_pool(path, ids="id")
    digest = pool.fingerprint()
    lance.write_dataset(table.slice(0, 7), path, mode="append")
    np.testing.assert_array_equal(rows_of(pool), array)
    pool.check()
    twin = pickle.loads(pickle.dumps(pool))
    np.testing.assert_array_equal(rows_of(twin), array)
    assert twin.ids.take(np.array([59])).to_pylist() == ["k59"]
    assert pool.fingerprint() == digest
    later = open_pool(path, ids="id")
    np.testing.assert_array_equal(rows_of(later), np.concatenate([array, array[:7]]))
    assert later.fingerprint() != digest


def test_a_version_that_is_removed_is_a_change(path, table):
    pool = open_pool(path)
    lance.write_dataset(table.slice(0, 7), path, mode="overwrite")
    for manifest in (path / "_versions").glob("*.manifest"):
        if int(manifest.stem) == 2**64 - 2:
            manifest.unlink()
    with pytest.raises(ValueError, match=r"x\.lance: the file changed while it was read"):
        rows_of(pool)


@pytest.mark.parametrize("group", [5, 1 << 16])
def test_deleted_rows_are_no_rows(group, path, array, monkeypatch):
    monkeypatch.setattr(lance_file, "_GROUP_ROWS", group)
    lance.dataset(path).delete("id in ('k0', 'k3', 'k30', 'k59')")
    left = np.delete(np.arange(N), [0, 3, 30, 59])
    pool = open_pool(path, ids="id")
    assert (pool.n, pool.d, pool.dtype_name) == (len(left), D, "float16")
    for lo in range(0, pool.n, 9):
        hi = min(lo + 11, pool.n)
        np.testing.assert_array_equal(pool.read(lo, hi).array, array[left[lo:hi]])
    some = np.array([0, 2, 27, 55])
    np.testing.assert_array_equal(pool.gather(some).array, array[left[some]])
    assert pool.ids.take(some).to_pylist() == [f"k{row}" for row in left[some]]


def test_parts_of_fragments_are_groups(path, array, monkeypatch):
    monkeypatch.setattr(lance_file, "_GROUP_ROWS", 4)
    pool = open_pool(path)
    for lo, hi in ((0, N), (3, 5), (23, 27), (59, 60), (10, 50)):
        np.testing.assert_array_equal(pool.read(lo, hi).array, array[lo:hi])


def test_a_folder_is_a_table_whatever_it_is_called(path, array, tmp_path):
    shutil.copytree(path, tmp_path / "inner/deep/y.lance")
    shutil.copytree(path, tmp_path / "plain")
    for source in (f"{tmp_path}/plain", f"{tmp_path}/plain:emb", f"{tmp_path}/inner"):
        np.testing.assert_array_equal(rows_of(open_pool(source)), array)
    assert open_pool(tmp_path).n == 3 * N
    assert {one.extension for one in locations(tmp_path)} == {".lance"}
    shutil.rmtree(tmp_path / "plain")
    found = locations(f"{tmp_path}/**/*.lance")  # and none of the files within tables
    assert [one.path for one in found] == [f"{tmp_path}/inner/deep/y.lance", str(path)]


def test_ids_scores_and_kept_columns_from_a_table(path, array, rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores = rng.normal(size=N)
    wanted = select(array, scores, 9, 4)
    pool = open_pool(path, ids="id", keep=["id"])
    picks, info = select(pool, scores, 9, 4, return_info=True)
    np.testing.assert_array_equal(picks, wanted)
    assert list(info.ids) == [f"k{row}" for row in wanted]
    np.save("scores.npy", scores)
    options = ["--embeddings", "x.lance:emb", "--scores", "scores.npy", "--ids", ":id"]
    assert main(["select", *options, "-b", "9", "-k", "4", "-o", "b.npy", "--quiet"]) == 0
    np.testing.assert_array_equal(np.load("b.npy"), wanted)


def test_struct_fields_and_one_column_a_dimension(array, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    columns = {f"e{place}": array[:, place] for place in range(D)}
    columns["s"] = arrow.array([{"v": row.tolist()} for row in array.astype(np.float32)])
    lance.write_dataset(arrow.table(columns), tmp_path / "x.lance")
    for column in ("e*", "s.v"):
        pool = open_pool(tmp_path / "x.lance", column=column)
        np.testing.assert_array_equal(rows_of(pool), array)
        np.testing.assert_array_equal(pool.gather(np.array([3, 50])).array, array[[3, 50]])


def test_what_is_not_read(path, tmp_path):
    (file, *_) = sorted((path / "data").iterdir())
    with pytest.raises(
        ValueError, match="is not a Lance table; name the folder that has _versions"
    ):
        open_pool(file)
    lance.dataset(path).tags.create("now", 1)
    lance.dataset(path).shallow_clone(str(tmp_path / "clone.lance"), "now")
    with pytest.raises(ValueError, match=r"clone\.lance: .*files lie in other folders"):
        open_pool(tmp_path / "clone.lance")


def test_a_table_behind_a_url_is_refused_in_a_line(path):
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    memory = fsspec.filesystem("memory")
    memory.put(str(path), "/lances/x.lance", recursive=True)
    sources = ("memory://lances/x.lance", "memory://lances", "memory://lances/**/*.lance")
    for url in (*sources, "memory://lances/*.lance:emb"):
        with pytest.raises(ValueError, match=r"x\.lance: Lance tables are read from a disk only"):
            open_pool(url)
    memory.rm("/lances", recursive=True)

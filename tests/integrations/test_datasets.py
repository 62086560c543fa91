"""A Hugging Face dataset in, the chosen rows out."""

import numpy as np
import pytest

import ally_fast

datasets = pytest.importorskip("datasets", reason="needs datasets")

from ally_fast.integrations.datasets import select  # noqa: E402

N, D = 90, 6


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def scores(rng):
    return rng.random(N)


@pytest.fixture
def dataset(rows, scores):
    return datasets.Dataset.from_dict(
        {"emb": rows, "score": scores, "text": [f"text {i}" for i in range(N)]}
    )


@pytest.mark.parametrize("how", ["array", "name", "function"])
def test_the_rows_of_the_batch_come_in_its_order(how, dataset, rows, scores):
    if how == "function":
        scores = rows[:, 0]
    given = {"array": scores, "name": "score", "function": lambda rows: rows[:, 0]}[how]
    chosen = select(dataset, "emb", given, 12, 4, seed=3)
    batch, info = ally_fast.select(rows, scores, 12, 4, seed=3, return_info=True)
    assert isinstance(chosen, datasets.Dataset)
    assert chosen["text"][:] == [f"text {i}" for i in batch]
    assert chosen["ally_index"][:] == batch.tolist()
    assert chosen["ally_score"][:] == info.scores.tolist()
    assert chosen["ally_cluster"][:] == info.clusters.tolist()
    assert chosen["ally_rank"][:] == info.ranks.tolist()
    assert chosen["ally_distance"][:] == info.distances.tolist()
    assert chosen.features["emb"] == dataset.features["emb"]


def test_nothing_need_be_added(dataset):
    chosen = select(dataset, "emb", "score", 5, 2, added=None)
    assert chosen.column_names == dataset.column_names
    assert select(chosen, "emb", "score", 2, 1).num_rows == 2


def views(dataset):
    return {
        "shuffled": dataset.shuffle(seed=1),
        "filtered": dataset.filter(lambda row: row["score"] > 0.3),
        "part": dataset.select(range(20, 80)),
        "formatted": dataset.with_format("numpy"),
        "joined": datasets.concatenate_datasets([dataset, dataset.shuffle(seed=2)]),
    }


@pytest.mark.parametrize("view", ["shuffled", "filtered", "part", "formatted", "joined"])
def test_views_of_a_dataset_are_read_as_they_are_seen(view, dataset):
    seen = views(dataset)[view]
    chosen = select(seen, "emb", "score", 8, 3)
    rows = np.array(seen.with_format("numpy")["emb"][:], np.float32)
    expected = ally_fast.select(rows, np.array(seen.with_format("numpy")["score"][:]), 8, 3)
    assert np.asarray(chosen["ally_index"][:]).tolist() == expected.tolist()
    texts = seen.with_format(None)["text"][:]
    assert list(chosen.with_format(None)["text"][:]) == [texts[i] for i in expected]


def test_rows_from_disk_are_read_where_they_lie(dataset, scores, tmp_path):
    dataset.save_to_disk(tmp_path / "saved")
    loaded = datasets.load_from_disk(tmp_path / "saved")
    chosen = select(loaded, "emb", "score", 10, 3)
    assert chosen["text"][:] == select(dataset, "emb", "score", 10, 3)["text"][:]


def test_a_second_round_excludes_by_place(dataset):
    first = select(dataset, "emb", "score", 20, 4)
    second = select(dataset, "emb", "score", 20, 4, exclude=first["ally_index"][:])
    assert not set(first["text"][:]) & set(second["text"][:])


def test_array2d_of_one_row_and_options_of_select(rows, scores):
    features = datasets.Features(
        {"emb": datasets.Array2D((1, D), "float32"), "score": datasets.Value("float32")}
    )
    content = {"emb": rows[:, None], "score": scores.astype(np.float32)}
    dataset = datasets.Dataset.from_dict(content, features=features)
    chosen = select(dataset, "emb", "score", 7, 3, metric="cosine", allocation="sqrt")
    expected = ally_fast.select(
        rows, scores.astype(np.float32), 7, 3, metric="cosine", allocation="sqrt"
    )
    assert chosen["ally_index"][:] == expected.tolist()


def test_what_is_no_dataset_is_refused(dataset):
    for other in (datasets.DatasetDict({"train": dataset}), dataset.to_iterable_dataset()):
        with pytest.raises(
            TypeError, match=f"dataset: got {type(other).__name__}, needs a Dataset"
        ):
            select(other, "emb", "score", 5, 2)


def test_a_column_that_would_be_overwritten_is_refused(dataset):
    taken = dataset.add_column("ally_rank", [0] * N)
    with pytest.raises(ValueError, match="added: the dataset already has a column ally_rank"):
        select(taken, "emb", "score", 5, 2)
    assert "why_rank" in select(taken, "emb", "score", 5, 2, added="why_").column_names


def test_errors_name_the_column(dataset):
    with pytest.raises(ValueError, match="embedding"):
        select(dataset, "embedding", "score", 5, 2)
    with pytest.raises(ValueError, match="loss"):
        select(dataset, "emb", "loss", 5, 2)

"""The code of docs/integrations.md runs as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest
from documented import run, sections

import ally_fast

PAGE = "docs/integrations.md"
N, D = 300, 6


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D))


def test_every_section_with_code_is_run_here():
    tested = re.findall(r"run\(\s*PAGE,\s*\"([^\"]+)\"", Path(__file__).read_text())
    assert sections(PAGE) == tested


def test_scikit_activeml(rows):
    pytest.importorskip("skactiveml", reason="needs scikit-activeml")
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    labels = np.full(N, np.nan)
    labels[:30] = np.arange(30) % 2
    clf = SklearnClassifier(LogisticRegression(), classes=[0, 1]).fit(rows, labels)
    names = run(PAGE, "scikit-activeml", clf=clf, X=rows, y=labels)
    assert len(set(names["query_indices"].tolist())) == 10
    assert min(names["query_indices"]) >= 30


def test_modal(rows):
    pytest.importorskip("modAL", reason="needs modAL-python")
    from sklearn.linear_model import LogisticRegression

    known = {"X_labeled": rows[:30], "y_labeled": np.arange(30) % 2, "X_pool": rows[30:]}
    names = run(PAGE, "modAL", estimator=LogisticRegression(), **known)
    np.testing.assert_array_equal(names["queried"], rows[30:][names["query_indices"]])
    assert len(names["queried"]) == 10


@pytest.mark.filterwarnings("ignore:The function .* has been deprecated")
def test_small_text(rows):
    small_text = pytest.importorskip("small_text", reason="needs small-text")
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    labels = np.arange(N) % 2
    names = run(
        PAGE,
        "small-text",
        PoolBasedActiveLearner=small_text.PoolBasedActiveLearner,
        clf_factory=small_text.SklearnClassifierFactory(LogisticRegression(), 2),
        dataset=small_text.SklearnDataset(csr_matrix(rows), labels, target_labels=np.arange(2)),
        indices_initial=np.arange(30),
        y_initial=labels[:30],
        embeddings=rows,
    )
    assert len(set(names["indices_queried"].tolist()) - set(range(30))) == 10


def test_hugging_face_datasets(rows, rng):
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    content = {"emb": rows, "score": rng.random(N), "text": [str(i) for i in range(N)]}
    names = run(PAGE, "Hugging Face datasets", dataset=datasets.Dataset.from_dict(content))
    assert len({*names["chosen"]["text"][:], *names["more"]["text"][:]}) == 200


@pytest.mark.filterwarnings("ignore")  # those of many packages
def test_fiftyone(rows, rng):
    fiftyone = pytest.importorskip("fiftyone", reason="needs fiftyone")
    try:
        dataset = fiftyone.Dataset()
    except Exception as error:  # of its configuration, or of the driver
        pytest.skip(f"needs a MongoDB server: {str(error)[:80]}")
    scores = rng.random(N)
    dataset.add_samples(
        [
            fiftyone.Sample(f"/tmp/{i}.jpg", embedding=rows[i].tolist(), score=scores[i])
            for i in range(N)
        ]
    )
    names = run(PAGE, "FiftyOne", dataset=dataset)
    expected = [f"/tmp/{i}.jpg" for i in ally_fast.select(rows, scores, 100, 20)]
    assert names["view"].values("filepath") == expected
    tagged = dataset.match_tags("to label")
    assert sorted(tagged.values("filepath")) == sorted(expected)

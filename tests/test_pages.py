"""Every block of code of the README and of docs/ runs, or says why it does not."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from documented import PAGES, ROOT, blocks, run

import ally_fast

pytest.importorskip("pyarrow", reason="needs pyarrow")
pytest.importorskip("torch", reason="needs torch")
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import torch

N, D, LABELED = 32_000, 8, 500
FEW = 1500  # where models are trained, again and again
# Pages whose code needs packages of the environment of integrations, and the tests that run it.
APART = {
    "docs/engines.md": "tests/integrations/test_engines.py",
    "docs/integrations.md": "tests/integrations/test_pages.py",
}
NOT_RUN = {
    "CI runs it as a whole": 2,
    "needs FiftyOne's database": 1,
    "needs a CVAT server": 1,
    "needs a GPU": 2,
    "needs a cluster": 1,
    "takes hours": 2,
}


def test_blocks_that_are_not_run_are_counted():
    reasons = Counter(block.reason for page in PAGES for block in blocks(page) if block.reason)
    assert reasons == NOT_RUN


def test_every_other_block_is_run_by_one_test():
    """JSON is parsed; formulas and what only the site reads are no code."""
    languages = {
        page: {block.language for block in blocks(page) if not block.reason} for page in PAGES
    }
    assert set().union(*languages.values()) <= {"python", "sh", "json", "text", "{eval-rst}"}
    here = re.findall(r'run\(\s*"([^"]+\.md)"', Path(__file__).read_text())
    assert sorted([*here, *APART]) == [
        page for page in sorted(PAGES) if languages[page] & {"python", "sh"}
    ]
    for page, test in APART.items():
        headings = {block.section for block in blocks(page) if not block.reason}
        assert all(f'"{heading}"' in (ROOT / test).read_text() for heading in headings)


@pytest.mark.parametrize("page", PAGES)
def test_code_is_fenced(page):
    """An indented block has no language, and would not be counted."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.M | re.S)
    block = r"^<!-- ((?:experiment|frozen):\S+) -->.*?^<!-- /\1 -->"
    drawn = re.sub(block, "", text, flags=re.M | re.S)
    assert not re.findall(r"\n\n {4,}\S.*", drawn)


@pytest.fixture(scope="module")
def values():
    """Return what a pool of images holds, column by column."""
    rng = np.random.default_rng(0)
    ids = [f"a{i:05}" for i in range(N)]
    embeddings = rng.normal(size=(N, D)).astype(np.float16)
    return {
        "image_id": ids,
        "emb": embeddings,
        "score": rng.random(N),
        "topic": (embeddings[:, 0] > 0).astype(int),
        "camera": np.where(rng.random(N) < 0.3, "night", rng.choice(["north", "south"], N)),
        "minutes": rng.uniform(1, 4, N).round(2),
        "width": np.full(N, 640),
        "height": np.full(N, 480),
        "file": [f"{name}.jpg" for name in ids],
        "image": [f"s3://bucket/{name}.jpg" for name in ids],
        "uri": [f"s3://bucket/{name}.jpg" for name in ids],
        "caption": [f"picture {name}" for name in ids],
    }


@pytest.fixture(scope="module")
def probabilities(values):
    first = 1 / (1 + np.exp(-2 * values["emb"][:, 0].astype(np.float64)))
    return np.stack([1 - first, first], axis=1)


@pytest.fixture
def names(request, values, probabilities, tmp_path, monkeypatch):
    """Go to a folder with the files of all pages; return the names that pages have in common."""
    monkeypatch.chdir(tmp_path)
    n = getattr(request, "param", N)
    values = {name: column[:n] for name, column in values.items()}
    emb = values["emb"]
    table = pa.table({**values, "emb": pa.FixedSizeListArray.from_arrays(emb.ravel(), D)})
    Path("pool").mkdir()
    for part in range(4):
        rows = table.slice(part * n // 4, n // 4)
        pyarrow.parquet.write_table(rows, f"pool/part-{part}.parquet")
    order = np.random.default_rng(1).permutation(n)
    for name in ("duals", "duals2", "new"):
        scores = table.select(["image_id", "score"]).take(order)
        pyarrow.parquet.write_table(scores, f"{name}.parquet")
    chances = pa.table({"image_id": values["image_id"], "p": probabilities[:n].tolist()})
    pyarrow.parquet.write_table(chances.take(order), "probs.parquet")
    pyarrow.csv.write_csv(table.select(["image_id"])[:LABELED], "labeled.csv")
    np.save("pool.npy", emb)
    np.save("duals.npy", values["score"])
    task = {"data": {"image_id": "a00007"}, "annotations": [{"was_cancelled": False}]}
    Path("export.json").write_text(json.dumps([task]))
    return {
        **{"ally_fast": ally_fast, "np": np, "embeddings": emb, "scores": values["score"]},
        **{"ids": values["image_id"], "probabilities": probabilities[:n]},
        "pool": ally_fast.open_pool("pool/", column="emb"),
    }


def network():
    """Return a model whose layers 1 and 3 give embeddings of the same size."""
    layers = torch.nn.Linear(D, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.ReLU()
    return torch.nn.Sequential(*layers, torch.nn.Linear(8, 2))


def picks(path, column="id"):
    return pyarrow.csv.read_csv(path)[column].to_pylist()


def test_readme(names):
    found = run("README.md", **names)
    assert len({*found["batch"].tolist(), *found["more"].tolist()}) == 20_000
    tasks = json.loads(Path("tasks.json").read_text())
    assert len(tasks) == 10_000
    labeled = set(names["ids"][:LABELED])
    assert not labeled & {task["data"]["image_id"] for task in tasks}
    assert "10,000 rows to label" in Path("report.html").read_text()


def test_dual_ascent(names):
    found = run("docs/dual_ascent.md", **names)
    raised = np.flatnonzero(found["multipliers"])
    assert set(raised) == set(found["ids"][found["step"].slacks > 0])


def test_exactness(names):
    found = run("docs/exactness.md", **names)
    assert len(set(found["again"].tolist())) == 1000


def test_exports(names):
    run("docs/exports.md", **names)
    first, more = (json.loads(Path(name).read_text()) for name in ("tasks.json", "more.json"))
    assert len(first) == len(more) == 1000
    assert "a00007" not in {task["data"]["image_id"] for task in more}
    assert len(Path("files.txt").read_text().splitlines()) == 100
    assert len(Path("stream.jsonl").read_text().splitlines()) == 100


def test_ids(names):
    labeled = names["ids"][:LABELED]
    found = run(
        "docs/ids.md",
        **{**names, "labeled": labeled, "scores": names["scores"][::-1]},
        score_ids=names["ids"][::-1],
    )
    rounds = [*labeled, *picks("round1.csv"), *picks("round2.csv")]
    assert len(set(rounds)) == LABELED + 20_000
    assert picks("round1.csv") == found["info"].ids.tolist()


def test_job(names):
    run("docs/job.md", **names)
    assert len({*picks("round1.csv"), *picks("round2.csv")}) == 20_000


@pytest.mark.filterwarnings("ignore::ally_fast.primal_dual.DualHeadWarning")
def test_learning(names):
    inputs = torch.tensor(names["embeddings"][:LABELED], dtype=torch.float32)
    targets = (inputs[:, 0] > 0).long()
    found = run(
        "docs/learning.md",
        **{**names, "pool": torch.tensor(names["embeddings"], dtype=torch.float32)},
        **{"model": network(), "inputs": inputs, "targets": targets, "labeled": inputs},
        **{"loader": [(inputs, targets, torch.arange(LABELED))], "images": torch.rand(10, D)},
    )
    assert len(set(found["batch"].tolist())) == 1000
    assert found["found"].frames.shape == (61, 10, D)
    assert (np.diff(found["found"].multipliers, axis=0) >= 0).all()


def test_pools(names):
    found = run("docs/pools.md", **names)
    assert found["info"].ids[0] in found["info"].kept["uri"][0]
    assert len({*found["batch"].tolist(), *found["more"].tolist()}) == 20_000
    assert not {*picks("batch.csv")} & {*names["ids"][:LABELED]}


def test_quotas(names, values):
    cameras, minutes = np.array(values["camera"]), values["minutes"]
    found = run("docs/quotas.md", **names, cameras=cameras, minutes=minutes)
    chosen = cameras[found["batch"]].tolist()
    assert chosen.count("night") >= 100
    assert max(chosen.count("north"), chosen.count("south")) <= 300
    assert found["info"].costs.sum() <= 4000
    assert picks("batch.csv", "index") == found["batch"].tolist()


def test_report(names):
    run("docs/report.md", **names, labeled=np.arange(LABELED))
    for page in ("report.html", "round1.html"):
        assert "10,000 rows to label" in Path(page).read_text()
    assert np.load("batch.npy").shape == (500,)
    assert Path("batch.png").stat().st_size > 0


def test_selection(names):
    from sklearn.cluster import KMeans

    weights = np.arange(D)
    functions = {"head": lambda rows: rows @ weights, "weights": weights, "KMeans": KMeans}
    found = run("docs/selection.md", **names, **functions, b=100, k=10)
    expected = ally_fast.select(names["pool"], lambda rows: rows @ weights, 1000, 100)
    np.testing.assert_array_equal(found["batch"], expected)


@pytest.mark.parametrize("names", [FEW], indirect=True)
def test_strategies(names):
    from ally_fast.strategies import BALD, ClusterMargin, LearningLoss

    x, labeled = names["embeddings"][:LABELED], np.arange(LABELED)
    found = run(
        "docs/strategies.md",
        **{**names, "BALD": BALD, "ClusterMargin": ClusterMargin, "LearningLoss": LearningLoss},
        **{"inputs": torch.rand(2000, 64), "labeled": labeled, "x": x, "y": (x[:, 0] > 0) * 1},
        predict_with_dropout=lambda rows, seed: np.full((len(rows), 2), 0.5),
        features=[torch.rand(10, 64), torch.rand(10, 128, 3, 3), torch.rand(10, 256)],
        features_of=lambda rows: [rows, rows.repeat(1, 2), rows.repeat(1, 4)],
        losses=torch.rand(10),
    )
    assert len(set(found["batch"].tolist()) - set(range(LABELED))) == 20
    assert len(picks("batch.csv")) == 1000

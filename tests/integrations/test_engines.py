"""The pages of docs/engines.md: each engine ends with the batch of one process."""

from functools import partial

import numpy as np
import pytest
from documented import run as run_page

import ally_fast

N, B, K = 6000, 1000, 100
pytestmark = pytest.mark.filterwarnings("ignore")


SECOND = partial(np.take, indices=1, axis=1)  # pickles, as a function of a module does
SCORES = {"array": SECOND, "function": lambda rows: SECOND}


@pytest.fixture(params=SCORES)
def check(request, rows, folder, monkeypatch, same):
    """Return what runs the code of some headings, and compares the batch."""

    def run(*headings, names=None, **options):
        monkeypatch.chdir(folder.parent)
        values = {"scores": SCORES[request.param](rows), **(names or {})}
        for heading in headings:
            values = run_page("docs/engines.md", heading, **values)
        if values.get("client") is not (names or {}).get("client"):
            values["client"].close()
        scores = SCORES["array"](rows)
        expected = ally_fast.select(rows, scores, B, K, return_info=True, **options)
        same((values["batch"], values["info"]), expected)

    return run


@pytest.fixture(scope="module")
def dask():
    distributed = pytest.importorskip("dask.distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0
    )
    with cluster, distributed.Client(cluster) as client:
        yield cluster.scheduler_address, client


def test_dask(check, dask):
    check("Other engines", "Dask", names={"address": dask[0]})


def test_dask_reads_the_rows(check, rows, dask):
    labeled = rows[:20]
    headings = ("Where this process should read no rows", "Dask")
    names = {"address": dask[0], "client": dask[1], "labeled": labeled}
    names |= {"open_pool": ally_fast.open_pool, "stages": ally_fast.stages}
    check(*headings, names=names, labeled_embeddings=labeled, radius=0.1)


def test_spark(check, tmp_path):
    sql = pytest.importorskip("pyspark.sql")
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.local.dir", str(tmp_path)).getOrCreate()
    try:
        check("Other engines", "Spark")
    finally:
        session.stop()


def test_daft(check):
    pytest.importorskip("daft")
    check("Other engines", "Daft")


def test_ray_data(check, cluster):
    pytest.importorskip("ray.data")
    check("Other engines", "Ray Data")

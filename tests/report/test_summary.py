"""The numbers told about a selection."""

import dataclasses
import json

import numpy as np
import pytest

import ally_fast
from ally_fast.pools import as_pool
from ally_fast.report import summarize, summary_text


@pytest.fixture
def selection(rng):
    """Return a pool and the record of a selection from it."""
    embeddings = rng.normal(size=(300, 4)).astype(np.float16)
    _, info = ally_fast.select(
        embeddings, rng.random(300), 20, 5, exclude=np.arange(50), return_info=True
    )
    return as_pool(embeddings), info


def test_summary(selection):
    pool, info = selection
    summary = summarize(pool, info)
    json.dumps(summary, allow_nan=False)
    assert summary["rows"] == 300
    assert summary["eligible_rows"] == 250
    assert (summary["dimensions"], summary["dtype"]) == (4, "float16")
    assert (summary["clusters"], summary["picks"]) == (5, 20)
    assert summary["rows_per_second"] == 300 / summary["seconds"]


def test_text(selection):
    pool, info = selection
    seconds = {"train": 0.5, "assign": 0.25, "check": 0.001, "total": 0.751}
    info = dataclasses.replace(info, seconds=seconds, peak_bytes=123_456_789)
    text = summary_text(summarize(pool, info))
    assert "seconds     0.751 (train 0.5, assign 0.25)" in text
    assert "rows/s      399" in text
    assert "peak memory 123 MB" in text


def test_text_of_what_is_not_known(selection):
    pool, info = selection
    info = dataclasses.replace(info, peak_bytes=0, train_rows=0, seconds={"total": 0.0})
    text = summary_text(summarize(pool, info))
    assert "peak memory unknown" in text
    assert "k-means     none" in text
    assert "rows/s      -" in text

"""Results compare by what they hold, and can be copied, pickled and changed."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import ally_fast
from ally_fast.experiments.comparison import Curve
from ally_fast.ops.dual_ascent import DualAscent


def results():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    ones = np.ones(2, np.float32)
    return {
        "SelectionInfo": ally_fast.select(rows, rng.random(60), 9, 3, return_info=True)[1],
        "KMeansResult": ally_fast.kmeans(rows, 3),
        "DualAscent": DualAscent(ones, ones, ones, 1.0, 0, -1),
        "Curve": Curve("ally", (0, 1, 2), np.arange(2), np.ones((3, 2))),
    }


@pytest.fixture(params=results(), ids=str)
def result(request):
    return results()[request.param]


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda result: pickle.loads(pickle.dumps(result)),
    "replace": dataclasses.replace,
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_equal(way, result):
    same = COPIES[way](result)
    assert same is not result
    assert same == result
    assert not same != result


def test_another_number_anywhere_makes_it_another(result):
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        if isinstance(value, np.ndarray):
            changed = [value + 1, value[:1]]
        elif isinstance(value, dict):
            changed = [{**value, "more": 1.0}]
        else:
            changed = ["another"]
        for other in changed:
            assert dataclasses.replace(result, **{field.name: other}) != result, field.name


def test_another_kind_is_never_equal(result):
    assert result != dataclasses.asdict(result)
    assert [other == result for other in results().values()].count(True) <= 1


def test_not_hashable(result):
    with pytest.raises(TypeError, match="unhashable"):
        hash(result)

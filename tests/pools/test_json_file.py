"""Lists in JSON files."""

import json

import numpy as np
import pytest

from ally_fast.pools import read_column


def column(tmp_path, content, key="v", **options):
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    return read_column(f"{tmp_path}/x.json:{key}" if key else tmp_path / "x.json", **options)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([3, -1, 2**63 - 1], np.int64),
        ([0.5, 1.0], np.float64),
        ([0.5, 1, 2**60], np.float64),
        ([True, False], np.bool_),
        ([], np.int64),
    ],
)
def test_lists_come_back(values, dtype, tmp_path):
    read = column(tmp_path, {"v": values, "w": "text"})
    assert read.dtype == dtype
    assert read.tolist() == values
    assert column(tmp_path, {"v": values, "w": "text"}, None).tolist() == values


REFUSED = {
    "text": ("hello", "not JSON, at line 1, column 1: Expecting value"),
    "cut": ('{"v": [1, 2', "not JSON, at line 1, column 12"),
    "nothing": ("", "not JSON, at line 1, column 1"),
    "a list": ([1, 2], "got list, needs an object"),
    "no such list": ({"v": 1, "w": [1]}, "no list 'v'; it has 'w'"),
    "twice": ('{"v": [1], "v": [2]}', "has 'v' twice"),
    "texts": ({"v": ["1", "2"]}, "list 'v' must hold numbers only, or truth values only"),
    "a null": ({"v": [1, None]}, "list 'v' must hold numbers only"),
    "truth values among numbers": ({"v": [1, True]}, "list 'v' must hold numbers only"),
    "lists": ({"v": [[1], [2]]}, "list 'v' must hold numbers only"),
    "beyond int64": ({"v": [2**63]}, "list 'v' holds an integer that is too large"),
    "beyond float64": ({"v": [0.5, 10**400]}, "list 'v' holds an integer that is too large"),
    "rounded": ({"v": [0.5, 2**53 + 1]}, "list 'v' holds an integer that float64 would round"),
    "not finite": ('{"v": [1.5, NaN]}', "holds NaN, needs finite numbers"),
    "deep": ("[" * 100_000, "cannot read JSON: too many nested brackets"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    content, message = REFUSED[case]
    with pytest.raises(ValueError, match=r"x\.json: ") as caught:
        column(tmp_path, content)
    assert message in str(caught.value)


def test_not_utf8(tmp_path):
    (tmp_path / "x.json").write_bytes(b'{"v\xff": [1]}')
    with pytest.raises(ValueError, match=r"x\.json: "):
        read_column(tmp_path / "x.json")


def test_rows(tmp_path):
    assert column(tmp_path, {"v": [1, 2]}, n=2).tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"x\.json: holds 2 rows, needs 3"):
        column(tmp_path, {"v": [1, 2]}, n=3)
    with pytest.raises(ValueError, match=r"x\.json: holds 2 rows, needs at most 1"):
        column(tmp_path, {"v": [1, 2]}, most=1)

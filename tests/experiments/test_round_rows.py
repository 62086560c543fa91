import json

import pytest

from ally_fast.experiments.round_rows import RoundFile, RoundRow, load_rounds


def row(number, **more):
    return RoundRow(
        arm="ally:k=5",
        seed=3,
        round=number,
        labeled=100 + 10 * number,
        epochs=7,
        kept_epoch=2,
        train_seconds=0.125,
        threads=1,
        **{"accuracy": 0.5, "batch": [4, 2], **more},
    )


def test_a_row_comes_back(tmp_path):
    file = RoundFile(tmp_path, "ally:k=5", 3)
    rows = [row(0), row(1, multiplier_quantiles=[0.0, 0.5]), row(2, batch=None)]
    for each in rows:
        file.append(each)
    assert file.read() == rows
    assert [path.name for path in tmp_path.iterdir()] == ["ally,k=5,seed=3.jsonl"]
    assert load_rounds(tmp_path) == rows


def test_numbers_keep_six_digits():
    assert '"accuracy":0.333333,' in row(0, accuracy=1 / 3).to_json()


def test_a_line_cut_short_is_taken_off(tmp_path):
    file = RoundFile(tmp_path, "ally:k=5", 3)
    file.append(row(0))
    whole = file.path.read_bytes()
    file.append(row(1))
    for length in range(len(whole), len(file.path.read_bytes())):
        folder = tmp_path / f"torn {length}"
        folder.mkdir()
        torn = RoundFile(folder, "ally:k=5", 3)
        torn.path.write_bytes(file.path.read_bytes()[:length])
        assert load_rounds(folder) == [row(0)]
        assert torn.read() == [row(0)]
        assert torn.path.read_bytes() == whole


def test_dropping_the_last(tmp_path):
    file = RoundFile(tmp_path, "ally:k=5", 3)
    for number in range(3):
        file.append(row(number))
    file.drop_last()
    assert file.read() == [row(0), row(1)]


def test_rounds_out_of_order_are_refused(tmp_path):
    file = RoundFile(tmp_path, "ally:k=5", 3)
    file.append(row(0))
    file.append(row(2))
    with pytest.raises(ValueError, match=r"seed=3\.jsonl, line 2: round: got 2, needs 1$"):
        file.read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": "random"}, "arm: got 'random', needs 'ally:k=5'"),
        ({"seed": 4}, "seed: got 4, needs 3"),
        ({"arm": 5}, "arm: got 5, needs a string"),
        ({"round": 1.0}, "round: got 1.0, needs an integer"),
        ({"round": True}, "round: got true, needs an integer"),
        ({"labeled": None}, "labeled: got null, needs an integer"),
        ({"accuracy": "high"}, 'accuracy: got "high", needs a finite number'),
        ({"train_seconds": 10**400}, r"train_seconds: got 10{36}\.\.\., needs a finite number"),
        ({"accuracy": None}, "has neither 'accuracy' nor 'squared_error'"),
        ({"batch": 5}, "batch: got 5, needs a list"),
        ({"batch": [4, 2.5]}, r"batch\[1\]: got 2.5, needs an integer"),
        ({"batch": [4, "2"]}, r"batch\[1\]: got \"2\", needs an integer"),
        ({"batch": [[4], 2]}, r"batch\[0\]: got \[4\], needs an integer"),
        (
            {"multiplier_quantiles": [0, None]},
            r"multiplier_quantiles\[1\]: got null, needs a finite number",
        ),
    ],
)
def test_a_row_with_a_wrong_value_is_refused(change, message, tmp_path):
    file = RoundFile(tmp_path, "ally:k=5", 3)
    file.append(row(0))
    line = json.dumps({**json.loads(row(1).to_json()), **change})
    file.path.write_bytes(file.path.read_bytes() + line.encode() + b"\n")
    with pytest.raises(ValueError, match=rf"^\S*seed=3\.jsonl, line 2: {message}$"):
        file.read()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1, 2]", "got list, needs an object"),
        (b"3", "got int, needs an object"),
        (b"null", "got NoneType, needs an object"),
        (b"", "not JSON, at line 1, column 1: Expecting value"),
        (b'{"arm": "ally', "not JSON, at line 1, column 9: Unterminated string"),
        (b'{"arm": "\xff"}', "not JSON: byte 9 is not UTF-8"),
        (b"{}", "has no 'arm'"),
        (b'{"arm": "a", "arm": "b"}', "has 'arm' twice"),
        (b'{"accuracy": NaN}', "holds NaN, needs finite numbers"),
        (b'{"accuracy": -Infinity}', "holds -Infinity, needs finite numbers"),
        (b"[" * 100_000, "cannot read JSON: too many nested brackets"),
    ],
)
def test_a_line_that_is_no_row_is_refused(line, message, tmp_path):
    file = RoundFile(tmp_path, "ally:k=5", 3)
    file.append(row(0))
    file.path.write_bytes(file.path.read_bytes() + line + b"\n")
    for read in (file.read, lambda: load_rounds(tmp_path)):
        with pytest.raises(ValueError, match=rf"^\S*seed=3\.jsonl, line 2: {message}"):
            read()


def test_every_field_may_be_missing_alone(tmp_path):
    whole = json.loads(row(0).to_json())
    for name in ("arm", "seed", "round", "labeled", "epochs", "kept_epoch", "train_seconds"):
        rest = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(ValueError, match=f"^has no '{name}'$"):
            RoundRow.from_json(json.dumps(rest))


def test_names_of_later_versions_are_passed_over():
    line = json.dumps({**json.loads(row(0).to_json()), "colour": "blue"})
    assert RoundRow.from_json(line) == row(0)


def test_whole_numbers_are_numbers():
    line = json.dumps({**json.loads(row(0).to_json()), "accuracy": 1})
    assert RoundRow.from_json(line) == row(0, accuracy=1.0)


def test_a_round_that_is_there_twice_is_refused(tmp_path):
    file = RoundFile(tmp_path, "ally:k=5", 3)
    file.append(row(0))
    (tmp_path / "copy.jsonl").write_bytes(file.path.read_bytes())
    message = r"copy\.jsonl, line 1: ally:k=5, seed 3, round 0 is also in \S*seed=3\.jsonl, line 1$"
    with pytest.raises(ValueError, match=message):
        load_rounds(tmp_path)


def test_the_metric():
    assert row(0).metric == 0.5
    assert row(0, accuracy=None, squared_error=0.25).metric == 0.25


def test_rows_come_in_the_order_asked_for(tmp_path):
    for arm in ("a", "b"):
        for seed in (1, 0):
            each = RoundRow(**{**vars(row(0)), "arm": arm, "seed": seed})
            RoundFile(tmp_path, arm, seed).append(each)
    assert [(r.arm, r.seed) for r in load_rounds(tmp_path, ["b", "a"])] == [
        *(("b", 0), ("b", 1), ("a", 0), ("a", 1)),
    ]
    assert {r.arm for r in load_rounds(tmp_path, ["b"])} == {"b"}

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
        torn = RoundFile(tmp_path, "torn", length)
        torn.path.write_bytes(file.path.read_bytes()[:length])
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
    file.append(row(1))
    with pytest.raises(ValueError, match=r"its rounds are not 0, 1, 2"):
        file.read()


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

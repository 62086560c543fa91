"""Columns of CSV files: read as written, or refused with the line."""

import numpy as np
import pytest

from ally_fast.pools import read_column


def column(tmp_path, text, key="v", **options):
    content = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "x.csv").write_bytes(content)
    return read_column(tmp_path / "x.csv", key, **options)


def refusal(tmp_path, text, key="v", **options):
    """Return what the error says after the file's name."""
    with pytest.raises(ValueError, match=r"x\.csv: ") as caught:
        column(tmp_path, text, key, **options)
    assert len(str(caught.value).removeprefix(str(tmp_path))) <= 250
    return str(caught.value).partition("x.csv: ")[2]


READ = {
    "integers": ("v\n1\n-2\n+3\n007\n", [1, -2, 3, 7]),
    "floats": ("v\n1\n-2.5\n.5\n1.\n1e3\n1E-3\n", [1.0, -2.5, 0.5, 1.0, 1000.0, 0.001]),
    "not finite": ("v\nnan\nNaN\ninf\n-Infinity\n", [np.nan, np.nan, np.inf, -np.inf]),
    "spaces": ("v,w\n 1,x\n2\t,x\n", [1, 2]),
    "quoted": ('v,w\n"1","Smith, 99"\n2,"say ""so"""\n', [1, 2]),
    "no line end": ("v\n1\n2", [1, 2]),
    "carriage returns": ("v,w\r\n1,x\r\n2,y\r\n", [1, 2]),
    "old Mac": ("v,w\r1,x\r2,y\r", [1, 2]),
    "blank lines at the end": ("v\n1\n\r\n\n", [1]),
    "byte order mark": (b"\xef\xbb\xbfv,w\n1,2\n", [1]),
    "other scripts beside": ("名前,v\nスミス,1\n", [1]),
    "a pandas index": (",v\n0,0.5\n", [0.5]),
    "header only": ("v\n", []),
    "largest integers": (f"v\n{2**63 - 1}\n{-(2**63)}\n", [2**63 - 1, -(2**63)]),
    "beyond int64, exact in float64": (f"v\n{2**63}\n{2**70}\n", [2.0**63, 2.0**70]),
    "rounded as it says": (f"v\n{2**53 + 1}.0\n", [2.0**53]),
}


@pytest.mark.parametrize("case", READ)
def test_read(case, tmp_path):
    text, wanted = READ[case]
    values = column(tmp_path, text)
    kinds = {type(value) for value in wanted}
    assert values.dtype == (np.float64 if float in kinds else np.int64)
    np.testing.assert_array_equal(values, np.array(wanted, values.dtype))


REFUSED = {
    "a comma that is not quoted": ("name,v\nSmith, 99,1\n", "line 2 has 3 fields, line 1 has 2"),
    "a short line": ("a,v\n1,2\n3\n", "line 3 has 1 fields, line 1 has 2"),
    "a comma at the end": ("a,v\n1,2,\n", "line 2 has 3 fields, line 1 has 2"),
    "an underscore": ("v\n1_0\n", "line 2: column 'v': '1_0' is not a number"),
    "a NUL": ("v\n1\0\n", "line 2 holds a NUL: not a text file of UTF-8"),
    "wide digits": ("v\n1\n\uff11\uff12\n", "line 3: column 'v': '\uff11\uff12' is not a number"),
    "another script's digits": ("v\n٣\n", "line 2: column 'v': '٣' is not a number"),
    "a control character": ("v\n1\x1f\n", "line 2: column 'v': '1\\x1f' is not a number"),
    "two numbers": ("v\n1 2\n", "line 2: column 'v': '1 2' is not a number"),
    "a decimal comma": ('v,w\n"1,5",0\n', "line 2: column 'v': '1,5' is not a number"),
    "hexadecimal": ("v\n0x10\n", "line 2: column 'v': '0x10' is not a number"),
    "an empty field": ("a,v\n1,\n", "line 2: column 'v': '' is not a number"),
    "a word": ("a,v\n1,2\n1,b\n", "line 3: column 'v': 'b' is not a number"),
    "a truth value": ("v\nTrue\n", "line 2: column 'v': 'True' is not a number"),
    "beyond float64": ("v\n1e999\n", "line 2: column 'v': '1e999' is beyond float64"),
    "rounded beside a float": (
        f"v\n{2**53 + 1}\n0.5\n",
        "line 2: column 'v': '9007199254740993' would be rounded, as not all values are int64",
    ),
    "rounded beyond int64": (
        f"v\n1\n{2**64 - 1}\n",
        "line 3: column 'v': '18446744073709551615' would be rounded, as not all values are int64",
    ),
    "a blank line": ("v\n1\n\n2\n", "line 3 is blank, but more lines follow"),
    "a line of spaces": ("v\n1\n  \n", "line 3: column 'v': '  ' is not a number"),
    "a repeated name": ("v,w,v\n1,2,3\n", "line 1: 2 columns are named 'v'"),
    "no such column": ("a,w\n1,2\n", "no column 'v'; it has 'a', 'w'"),
    "nothing": ("", "is empty, needs names of columns on line 1"),
    "blank lines only": ("\n\n", "line 1 must hold names of columns; it is blank"),
    "a quote left open": ('v\n1\n"2\n3\n', "line 4: unexpected end of data"),
    "text after a quote": ('v\n"1"2\n', "line 2: ',' expected after '\"'"),
    "Latin-1": (b"a,v\nM\xfcller,1\n", "line 2 is not UTF-8: save the file in that encoding"),
    "UTF-16": ("v\n1\n".encode("utf-16"), "line 1 holds a NUL: not a text file of UTF-8"),
    "a long field": (f"a,v\n{'x' * 140_000},1\n", "line 2: field larger than field limit (131072)"),
    "a long line": (f"a,v\n{'1,' * 600_000}\n", "line 2 has 1048576 characters or more"),
    "a long number": (
        f"v\n{'7' * 5000}\n",
        f"line 2: column 'v': '{'7' * 18}...{'7' * 18}' is beyond float64",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    text, message = REFUSED[case]
    assert refusal(tmp_path, text) == message


@pytest.mark.parametrize(
    "first", ["0.5", "7", "-1e3", "nan", "", " ", "NA", "1_0", "\uff11", "50%"]
)
@pytest.mark.parametrize("key", ["asked for", None])
def test_a_first_line_that_can_be_a_row(first, key, tmp_path):
    """One value more than rows, and the first is not eaten as a name; not even if asked for."""
    text = f'"{first}"\n' + "0.25\n" * 3
    for rows in (None, 3, 4):
        message = refusal(tmp_path, text, first if key else None, n=rows)
        assert message.startswith("line 1 must hold names of columns; it begins with ")


def test_a_column_named_by_a_number_beside_names(tmp_path):
    message = refusal(tmp_path, "id,0.5\na,1\n", "0.5")
    assert message.startswith("line 1: '0.5' reads as a value, not as the name of a column")


@pytest.mark.parametrize("lines", [2, 5_000, 20_000])
def test_lines_are_counted_over_blocks_and_line_ends_in_quotes(lines, tmp_path):
    rows = [f'{row},"two\nlines"' if row % 3 == 0 else f"{row},one" for row in range(lines)]
    heights = [1 + (row % 3 == 0) for row in range(lines)]
    text = "v,w\n" + "\n".join(rows)
    assert column(tmp_path, text).tolist() == list(range(lines))
    bad = lines - 1
    line = 2 + sum(heights[:bad])
    text = "v,w\n" + "\n".join([*rows[:bad], "x,one"])
    assert refusal(tmp_path, text) == f"line {line}: column 'v': 'x' is not a number"
    text = "v,w\n" + "\n".join([*rows[:bad], "1"])
    assert refusal(tmp_path, text) == f"line {line} has 1 fields, line 1 has 2"


def test_the_kind_is_that_of_the_whole_column(tmp_path):
    """A float far below turns integers into floats, unless one would be rounded."""
    integers = "\n".join(map(str, range(9_000)))
    values = column(tmp_path, f"v\n{integers}\n0.5\n")
    assert values.dtype == np.float64
    assert values[:9_000].tolist() == list(range(9_000))
    message = refusal(tmp_path, f"v\n{2**60 + 1}\n{integers}\n0.5\n")
    assert message.startswith("line 2: column 'v': '1152921504606846977' would be rounded")
    assert column(tmp_path, f"v\n{2**60 + 1}\n{integers}\n").dtype == np.int64


def test_rows(tmp_path):
    assert column(tmp_path, "v\n1\n2\n", n=2).tolist() == [1, 2]
    assert column(tmp_path, "v\n1\n2\n", most=3).tolist() == [1, 2]
    assert refusal(tmp_path, "v\n1\n2\n", n=3) == "holds 2 rows, needs 3"
    assert refusal(tmp_path, "v\n1\n2\n", n=1) == "holds more than 1 rows, needs 1"
    assert refusal(tmp_path, "v\n1\n2\n", most=1) == "holds more than 1 rows, needs at most 1"


def test_no_more_is_read_than_the_rows_wanted(tmp_path):
    text = "v\n" + "1\n" * 100_000 + "damaged\n"
    assert refusal(tmp_path, text, n=5) == "holds more than 5 rows, needs 5"


def test_empty_fields_where_they_are_allowed(tmp_path):
    values = column(tmp_path, 'a,v\n1,0.5\n2,\n3,""\n', allow_null=True)
    np.testing.assert_array_equal(values, [0.5, np.nan, np.nan])
    message = refusal(tmp_path, f"v,a\n{2**53 + 1},\n,\n", allow_null=True)
    assert message.startswith("line 2: column 'v': '9007199254740993' would be rounded")

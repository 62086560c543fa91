"""Names of columns and keys in messages."""

import pytest

from ally_fast.pools.names import missing, quoted


@pytest.mark.parametrize(
    ("key", "names", "message"),
    [
        ("x", ["a", "b"], "no column 'x'; it has 'a', 'b'"),
        (None, ["a", "b"], "name its column (file:column); it has 'a', 'b'"),
        ("x", [], "no column 'x'; it has none"),
        ("score", ["a", "scores"], "no column 'score'; it has 'scores', 'a'"),
        (
            "f",
            [f"c{i}" for i in range(1000)],
            "no column 'f'; it has 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9', "
            "... and 990 more",
        ),
    ],
)
def test_what_a_file_lacks(key, names, message):
    assert missing(key, names, "column") == message


@pytest.mark.parametrize("length", [1, 40, 200, 10_000])
@pytest.mark.parametrize("count", [1, 10, 5000])
def test_a_message_is_short_whatever_the_names(count, length):
    names = [f"{i:05}".ljust(length, "x") for i in range(count)]
    message = missing("y" * length, names, "column")
    assert len(message) <= 250
    assert quoted(names[0]) in message


def test_a_long_name_keeps_its_ends():
    assert quoted("a" * 40) == repr("a" * 40)
    assert quoted("a" * 50 + "b" * 50) == repr("a" * 18 + "..." + "b" * 18)

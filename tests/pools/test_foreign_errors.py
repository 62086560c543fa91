"""Errors of libraries, with the file's name."""

import pytest

from ally_fast.pools.foreign_errors import foreign_errors

PanicException = type("PanicException", (BaseException,), {})  # as libraries in Rust have it


@pytest.mark.parametrize("error", [TypeError, ZeroDivisionError, RuntimeError, PanicException])
def test_whatever_a_library_raises_becomes_a_line_with_the_file(error):
    with pytest.raises(ValueError, match=r"^x: rows 0 to 1: one two$"):
        with foreign_errors("x", "rows 0 to 1"):
            raise error("one\n  two")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_passes(error):
    with pytest.raises(error), foreign_errors("x", "rows 0 to 1"):
        raise error


def test_errors_of_the_disk_and_of_memory_stay_what_they_are():
    with pytest.raises(OSError, match="Input/output error: 'x'") as caught:
        with foreign_errors("x", "rows 0 to 1"):
            raise OSError(5, "anything")
    assert caught.value.errno == 5
    with pytest.raises(MemoryError, match=r"^x: rows 0 to 1: of 5 bytes$"):
        with foreign_errors("x", "rows 0 to 1"):
            raise MemoryError("of 5 bytes")

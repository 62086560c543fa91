"""Philox4x32-10 against the published vectors and the NumPy reference."""

import numpy as np
import pytest
import reference

from ally_fast import _cpu

KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def words(text):
    return np.array([int(word, 16) for word in text.split()], dtype=np.uint32)


@pytest.mark.parametrize("philox", [_cpu.philox, reference.philox4x32], ids=["native", "reference"])
@pytest.mark.parametrize(
    ("counter", "key", "answer"), KNOWN_ANSWERS, ids=["zeros", "ones", "digits_of_pi"]
)
def test_known_answers(philox, counter, key, answer):
    np.testing.assert_array_equal(philox(words(counter), words(key)), words(answer))


def test_native_is_the_reference(rng):
    counters = rng.integers(0, 2**32, size=(200, 4), dtype=np.uint32)
    key = rng.integers(0, 2**32, size=2, dtype=np.uint32)
    native = np.stack([_cpu.philox(counter, key) for counter in counters])
    np.testing.assert_array_equal(native, reference.philox4x32(counters, key))

"""A wrong answer, in the emulator, among tests that are fine."""

import numpy as np
import pytest
from cuda_arrays import put

pytestmark = pytest.mark.gpu


def test_before(stream):
    np.testing.assert_array_equal(put(np.arange(9), stream).take().to_host(), np.arange(9))


def test_planted(stream, monkeypatch):
    monkeypatch.setenv("ALLY_FAST_EMULATED_FAULT", "wrong")
    np.testing.assert_array_equal(put(np.arange(9), stream).take().to_host(), np.arange(9))


def test_after(stream):
    np.testing.assert_array_equal(put(np.arange(9), stream).take().to_host(), np.arange(9))

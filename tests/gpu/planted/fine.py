"""Nothing is wrong here."""

import numpy as np
import pytest
from cuda_arrays import put

pytestmark = pytest.mark.gpu


def test_fine(stream):
    np.testing.assert_array_equal(put(np.arange(9), stream).take().to_host(), np.arange(9))


def test_fine_as_well(stream):
    np.testing.assert_array_equal(put(np.ones(9), stream).take().to_host(), np.ones(9))

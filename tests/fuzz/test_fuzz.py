"""A fixed number of mutants of every format, and all that were ever found.

``make fuzz`` runs others, for longer.
"""

import sys

import pytest
from fuzz.runner import cases, hunt, replay
from fuzz.targets import TARGETS

MUTANTS = 300  # of each format
SEED = 11
PACKAGES = {"parquet": "pyarrow", "arrow": "pyarrow", "hdf5": "h5py"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as on Linux")
every_target = pytest.mark.parametrize("target", TARGETS)


@pytest.fixture(autouse=True)
def _packages(target):
    package = target.split("-")[0]
    if package in ("parquet", "arrow", "hdf5", "zarr", "safetensors"):
        pytest.importorskip(PACKAGES.get(package, package), reason=f"needs {package}")
    if target == "zarr-3" and int(pytest.importorskip("zarr").__version__.split(".")[0]) < 3:
        pytest.skip("needs zarr 3")


def check(tally):
    """Show what was found: the mutants are kept, to be replayed or to become cases."""
    found = [f"{find.save()}: {find.role}: {find.fault}" for find in tally.finds]
    assert not found, "\n".join(found)


@every_target
def test_mutants_give_the_right_batch_or_one_line(target):
    tally = hunt(target, SEED, MUTANTS)
    check(tally)
    assert tally.accepted + tally.refused == MUTANTS
    assert MUTANTS / 30 < tally.accepted < MUTANTS * 3 / 4


@every_target
def test_what_was_found_once_is_not_found_again(target):
    kept = cases(target)
    tally = replay(target, kept) if kept else None
    if tally:
        check(tally)
        assert tally.accepted + tally.refused == len(kept)

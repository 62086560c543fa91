"""The public names of the package: listed without torch, imported when used."""

import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="needs torch")

from ally_fast import primal_dual

NAMES = [
    "DualHead",
    "DualHeadFit",
    "DualHeadWarning",
    "DualStep",
    "DualVariables",
    "EpochRecord",
    "NonFiniteLossError",
    "PrimalDualTrainer",
    "TrainedModel",
    "embed",
    "rank_correlation",
]


def printed(code):
    """Return what a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_every_public_name_is_listed_and_there():
    assert dir(primal_dual) == sorted(primal_dual.__all__) == NAMES
    for name in NAMES:
        assert getattr(primal_dual, name).__name__ == name


def test_listing_names_imports_no_torch():
    lines = printed(
        "import sys, ally_fast.primal_dual as p; print(*dir(p)); print('torch' in sys.modules)"
    )
    assert lines == [" ".join(NAMES), "False"]


def test_without_torch_a_name_says_what_to_install():
    lines = printed(
        "import sys; sys.modules['torch'] = None\n"
        "import ally_fast.primal_dual as p\n"
        "print(*dir(p))\n"
        "try: p.DualHead\n"
        "except ImportError as error: print(error)"
    )
    assert lines[0] == " ".join(NAMES)
    assert lines[1] == "primal-dual training needs torch: pip install 'ally-fast[torch]'"


def test_a_name_that_is_none():
    with pytest.raises(AttributeError, match="DualHeads"):
        _ = primal_dual.DualHeads

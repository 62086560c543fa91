"""What all tests share: fixtures for settings of the core, random data and the real pools."""

import importlib
import importlib.util
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for cases.py, under any import mode

# Modules built for a purpose take the place of the real ones, before anyone imports these: the CUDA
# module for the host, and that of the CPU with sanitizers.
if stand_ins := {
    "ally_fast._cuda": os.environ.get("ALLY_FAST_EMULATED_CUDA"),
    "ally_fast._cpu": os.environ.get("ALLY_FAST_SANITIZED_CPU"),
}:
    for _name, _file in stand_ins.items():
        if _file:
            _spec = importlib.util.spec_from_file_location(_name, _file)
            sys.modules[_name] = importlib.util.module_from_spec(_spec)
            _spec.loader.exec_module(sys.modules[_name])
from cases import RUNNABLE_ISAS

# Emulated, and no number asked for: each test gets the devices it says it needs.
COUNTS_DEVICES = (
    bool(stand_ins["ally_fast._cuda"]) and "ALLY_FAST_EMULATED_DEVICES" not in os.environ
)

settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=2000)  # --hypothesis-profile=…
settings.load_profile("repeatable")


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # So a shell starts what runs in the background, and children of the tests would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Skip what needs a GPU where there is none; `make emulate` runs it on the host."""
    try:
        cuda = importlib.import_module("ally_fast._cuda")
        reason = None if cuda.is_available() else cuda.status()
    except ImportError:
        reason = "ally_fast is built without CUDA"
    if reason:
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason=f"needs a GPU: {reason}"))
        return
    is_real = not cuda.devices()[0]["name"].startswith("emulated")
    for item in items:
        if item.get_closest_marker("hardware") and not is_real:
            item.add_marker(pytest.mark.skip(reason="needs a GPU that is not emulated"))
        needed = _devices_needed(item)
        if needed > 1 and not COUNTS_DEVICES and cuda.device_count() < needed:
            item.add_marker(pytest.mark.skip(reason=f"needs {needed} GPUs"))


def _devices_needed(item):
    marker = item.get_closest_marker("devices")
    return marker.args[0] if marker else 1


@pytest.fixture(autouse=True)
def _as_many_devices(request, monkeypatch):
    """Emulate one device, or those that are marked: a test that needs a second one must say so."""
    if COUNTS_DEVICES:
        monkeypatch.setenv("ALLY_FAST_EMULATED_DEVICES", str(_devices_needed(request.node)))


def pytest_make_parametrize_id(val, argname):
    """Name bytes by their argument: a file made with the time in it has another id each second."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture
def stream():
    """Return a stream of our own on the first device."""
    from ally_fast import _cuda

    return _cuda.Stream(0)


@pytest.fixture
def rng():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(20240607)


@pytest.fixture(params=RUNNABLE_ISAS, ids=lambda isa: f"isa={isa}")
def isa(request, monkeypatch):
    """Force each instruction set this machine can run, one after the other."""
    monkeypatch.setenv("ALLY_FAST_ISA", request.param)
    return request.param


@pytest.fixture(params=[1, 2, 5], ids=lambda threads: f"threads={threads}")
def threads(request, monkeypatch):
    """Force the number of threads."""
    monkeypatch.setenv("ALLY_FAST_THREADS", str(request.param))
    return request.param


@pytest.fixture(scope="session")
def data_dir():
    """Return the folder of real data, or skip."""
    folder = os.environ.get("ALLY_FAST_DATA")
    if not folder:
        pytest.skip("needs real data: set ALLY_FAST_DATA to its folder")
    if not Path(folder).is_dir():
        pytest.skip(f"needs real data: ALLY_FAST_DATA={folder} is not a folder")
    return Path(folder)


def _load(data_dir, relative, *names):
    path = data_dir / relative
    if not path.is_file():
        pytest.skip(f"needs real data: {path} is absent")
    with np.load(path) as archive:
        return tuple(archive[name] for name in names)


@pytest.fixture(scope="session")
def reviews(data_dir):
    """Return 100,000 film reviews, (n, 128) float16 unit rows."""
    return _load(data_dir, "imdb/imdb_lsa128_100k.npz", "X")[0]


@pytest.fixture(scope="session")
def sentences(data_dir):
    """Return the first 200,000 of a million sentences, (n, 64) float32."""
    quantized, scale = _load(data_dir, "imdb/imdb_sentences_lsa64_1M_int8.npz", "Q", "scale")
    return quantized[:200_000].astype(np.float32) * scale


@pytest.fixture(scope="session")
def connections(data_dir):
    """Return the KDD Cup 1999 pool, (n, 118) float32: a third of its rows are distinct."""
    return _load(data_dir, "kddcup99/kdd10pct_118d.npz", "X")[0]

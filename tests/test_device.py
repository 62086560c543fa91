"""Which device is chosen, and the sentence where it cannot be."""

import sys
import types

import pytest

import ally_fast
from ally_fast.device import choose_devices, cuda_module


class FakeCuda(types.ModuleType):
    """What the CUDA module says of a machine."""

    def __init__(self, *, devices=2, driver="13.0", runtime="13.0", capability=(9, 0), message="?"):
        super().__init__("ally_fast._cuda")
        self._devices = devices
        self._capability = capability
        self.is_available = lambda: devices > 0
        self.device_count = lambda: devices
        self.driver_version = lambda: driver
        self.runtime_version = lambda: runtime
        self.status = lambda: message
        self.compiled_for = lambda: "sm_80"

    def devices(self):
        facts = {"name": "Some GPU", "compute_capability": self._capability}
        return [facts] * self._devices


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes the process see a machine."""

    def see(**facts):
        fake = FakeCuda(**facts)
        monkeypatch.setitem(sys.modules, "ally_fast._cuda", fake)
        monkeypatch.setattr(ally_fast, "_cuda", fake, raising=False)

    return see


@pytest.mark.parametrize(
    ("device", "data", "chosen"),
    [
        ("auto", "cpu", ("cpu",)),
        ("auto", "cuda:1", ("cuda:1",)),
        ("cpu", "cpu", ("cpu",)),
        ("cuda", "cpu", ("cuda:0",)),
        ("cuda", "cuda:1", ("cuda:1",)),
        ("cuda:1", "cpu", ("cuda:1",)),
        ("cuda:1", "cuda:1", ("cuda:1",)),
        ("cuda:0,cuda:1", "cpu", ("cuda:0", "cuda:1")),
        (["cuda:1", "cuda:0"], "cpu", ("cuda:1", "cuda:0")),
    ],
)
def test_the_device_chosen(device, data, chosen, machine):
    machine()
    assert choose_devices(device, data) == chosen


@pytest.mark.parametrize(
    "device", ["tpu", "", "cuda:", "cuda:x", "cuda:0,cuda:0", "cuda:0,cpu", 3, []]
)
def test_names_that_are_none(device, machine):
    machine()
    with pytest.raises(ValueError, match=r"device: got .* needs 'auto', 'cpu', 'cuda'"):
        choose_devices(device)


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "cuda:0,cuda:1"])
def test_embeddings_stay_where_they_are(device, machine):
    machine()
    with pytest.raises(ValueError, match=r"embeddings are on cuda:1"):
        choose_devices(device, "cuda:1")


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"devices": 0, "driver": None, "message": "no driver"}, r"no NVIDIA driver was found"),
        (
            {"devices": 0, "driver": "12.4"},
            r"knows CUDA 12.4, this build needs CUDA 13 \(driver 580",
        ),
        ({"devices": 0, "message": "no device"}, r"no CUDA device can be used \(no device\)"),
        ({"devices": 1}, r"'cuda:1', but there are 1 CUDA devices"),
        ({"capability": (7, 5)}, r"Some GPU has compute capability 7.5.*needs 8.0 or later"),
    ],
    ids=["no driver", "old driver", "no device", "too few", "no code"],
)
def test_one_clear_sentence(facts, sentence, machine):
    machine(**facts)
    with pytest.raises(RuntimeError, match=sentence):
        choose_devices("cuda:1")


def test_info_says_why_there_is_no_gpu(machine, capsys):
    from ally_fast.cli import main

    machine(devices=0, driver=None, message="CUDA driver version is insufficient")
    assert main(["info"]) == 0
    said = capsys.readouterr().out
    assert "driver none: no NVIDIA driver was found; the CPU does all the work\n" in said
    assert "insufficient" not in said


def test_not_built(monkeypatch):
    monkeypatch.setitem(sys.modules, "ally_fast._cuda", None)
    with pytest.raises(RuntimeError, match="built without CUDA"):
        choose_devices("cuda")


def test_cannot_be_loaded(monkeypatch):
    def broken(name):
        raise ImportError("libsomething.so: cannot open shared object file")

    monkeypatch.setattr("ally_fast.device.importlib.import_module", broken)
    with pytest.raises(RuntimeError, match=r"cannot be loaded: libsomething"):
        cuda_module()

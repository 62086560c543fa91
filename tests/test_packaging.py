"""What an installation holds: version, stubs and types."""

import ast
import importlib
import re
from importlib import metadata
from pathlib import Path

import pytest

import ally_fast
from ally_fast import _cpu, _optional, _version

PACKAGE = Path(ally_fast.__file__).parent
ROOT = Path(__file__).parents[1]


def native_module(name):
    """Import a native module, or skip where it is not built."""
    if name == "_cuda":
        return pytest.importorskip("ally_fast._cuda", reason="built without CUDA")
    return importlib.import_module(f"ally_fast.{name}")


def public(names):
    return {name for name in names if not name.startswith("_")}


def parameters(function):
    """Names of a function's parameters, those of keyword only ones after a "*"."""
    args = function.args
    positional = [arg.arg for arg in args.posonlyargs + args.args if arg.arg != "self"]
    return positional + ["*"] * bool(args.kwonlyargs) + [arg.arg for arg in args.kwonlyargs]


def bound_parameters(function):
    """Return the same, read from the signature that pybind11 writes into the docstring."""
    signature = function.__doc__.splitlines()[0]
    return parameters(ast.parse(f"def {signature}: ...").body[0])


def test_version_is_the_same_everywhere():
    assert ally_fast.__version__ == _version.__version__
    assert metadata.version("ally-fast") == _version.__version__
    assert _cpu.build_info()["version"] == _version.__version__
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == _version.__version__


# Packages that parse files, with the first releases above every known hole. numpy: CVE-2021-41495
# and older; scipy (.mat): CVE-2023-25399; torch (checkpoints): CVE-2026-24747 and CVE-2026-4538;
# torchvision: the one made for that torch; pyarrow: CVE-2023-47248, CVE-2026-25087; jinja2:
# CVE-2025-27516; pillow: CVE-2026-112403.
SAFE_SINCE = {
    "jinja2": (3, 1, 6),
    "numpy": (1, 22, 2),
    "pillow": (13,),
    "pyarrow": (23, 0, 1),
    "scipy": (1, 10),
    "torch": (2, 11),
    "torchvision": (0, 26),
}


def numbers(version):
    return tuple(int(part) for part in version.split("."))


@pytest.mark.parametrize("package", SAFE_SINCE)
def test_what_parses_files_has_a_floor_above_every_known_hole(package):
    text = (ROOT / "pyproject.toml").read_text()
    floors = re.findall(rf'"{package}[>=]=([\d.]+)', text)
    assert len(floors) == len(re.findall(rf'"{package} *[^\w\s".-]', text)) > 0
    assert min(map(numbers, floors)) >= SAFE_SINCE[package]


def test_a_package_refused_where_it_is_used_is_not_installed_either():
    for package, least in _optional._SAFE_SINCE.items():
        assert numbers(least) >= SAFE_SINCE[_optional._PYPI_NAMES.get(package, package)]


def test_what_builds_releases_is_pinned_with_hashes():
    """And is what [build-system] asks for."""
    lock = (ROOT / ".ci/build.lock").read_text()
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+).* \\\n    --hash=sha256:", lock, re.M))
    assert len(pinned) == len(re.findall(r"^[\w-]", lock, re.M))
    system = re.search(r"^requires = \[(.+)\]", (ROOT / "pyproject.toml").read_text(), re.M)[1]
    needed = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', system))
    assert all(numbers(pinned[name]) >= numbers(least) for name, least in needed.items())
    for line in (f"{name}>={least}" for name, least in needed.items()):
        assert line in (ROOT / ".ci/build.in").read_text().splitlines()


def test_every_python_that_is_promised_is_tested():
    text = (ROOT / "pyproject.toml").read_text()
    promised = re.findall(r"Python :: (3\.\d+)", text)
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert set(re.findall(r'"(3\.\d+)"', workflow)) == set(promised)
    assert f"versions=({' '.join(promised)})" in (ROOT / ".ci/wheels").read_text()
    build = " ".join(f"cp{version.replace('.', '')}-*" for version in promised)
    assert f'build = "{build}"' in text


@pytest.mark.parametrize("name", ["_cpu", "_cuda"])
def test_stub_describes_the_module(name):
    module = native_module(name)
    body = ast.parse((PACKAGE / f"{name}.pyi").read_text()).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
    values = {node.target.id for node in body if isinstance(node, ast.AnnAssign)}
    assert public(functions) | public(classes) | public(values) == public(vars(module))
    for function in functions.values():
        assert parameters(function) == bound_parameters(getattr(module, function.name))
    for cls in classes.values():
        if cls.name.startswith("_"):
            continue
        methods = {node.name: node for node in cls.body}
        assert public(methods) == public(vars(getattr(module, cls.name)))
        for method in methods.values():
            bound = getattr(getattr(module, cls.name), method.name)
            if not isinstance(bound, property):
                expected = [arg for arg in bound_parameters(bound) if arg != "self"]
                assert parameters(method) == expected, method.name


def test_types_are_shipped():
    assert (PACKAGE / "py.typed").is_file()


def test_cpu_module_reports_what_was_built():
    info = _cpu.build_info()
    assert set(_cpu.isas()) <= set(info["isas"])
    assert info["isas"][-1] == "portable"
    assert "-ffp-contract=off" in info["flags"]
    assert "native" not in info["flags"]


def test_cuda_module_answers():
    cuda = native_module("_cuda")
    devices = cuda.devices()
    assert cuda.is_available() == bool(devices)
    assert cuda.device_count() == len(devices)
    assert int(cuda.runtime_version().split(".")[0]) >= 12
    assert (cuda.status() == "no error") == cuda.is_available()
    for device in devices:
        assert set(device) == {
            "name",
            "total_memory_bytes",
            "compute_capability",
            "multiprocessors",
        }
        assert device["compute_capability"] >= (5, 0)
        assert device["total_memory_bytes"] > 0
        assert device["multiprocessors"] > 0


@pytest.mark.gpu
def test_cuda_module_sees_the_device():
    cuda = native_module("_cuda")
    if not cuda.is_available():
        pytest.skip(f"needs a GPU: {cuda.status()}")
    assert cuda.driver_version() >= "12"


def test_command_is_installed():
    scripts = metadata.entry_points(group="console_scripts", name="ally-fast")
    assert {script.value for script in scripts} == {"ally_fast.cli:main"}

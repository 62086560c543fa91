"""Files import from lower floors only."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ally_fast

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ally_fast"
CSRC = ROOT / "csrc"

# A unit is a folder or a file directly in ally_fast/; it imports itself and lower floors.
FLOORS = {
    "_cpu": -1,  # the native core
    "_cuda": -1,
    "_optional": 0,
    "_settings": 0,
    "_version": 0,
    "checks": 0,
    "device": 0,
    "progress": 0,
    "record": 0,
    "rows": 0,
    "files": 0,
    "json_object": 0,
    "arrow_lists": 0,
    "memory": 0.5,
    "clusters": 0.6,
    "vector_column": 0.3,
    "arrow_arrays": 0.6,
    "ops": 1,
    "arrays": 1,
    "device_arrays": 1.5,
    "pools": 2,
    "primal_dual": 2,
    "cluster": 3,
    "selection": 4,
    "stages": 4.5,
    "generate": 4,
    "strategies": 5,
    "jobs": 5,
    "distributed": 5.5,
    "exports": 5.5,
    "experiments": 6,
    "integrations": 6,
    "report": 6,
    "cli": 7,
    "__main__": 8,
    "__init__": 8,
}
# May use the face of the package, `ally_fast.<name>`, like any user.
USERS_OF_THE_FACE = {"cli", "__main__", "experiments", "integrations"}
OPTIONAL_PACKAGES = {
    "PIL",
    "bokeh",
    "datasets",
    "faiss",
    "fiftyone",
    "h5py",
    "jinja2",
    "matplotlib",
    "ml_dtypes",
    "modAL",
    "pyarrow",
    "ray",
    "scipy",
    "skactiveml",
    "sklearn",
    "small_text",
    "torch",
    "torchvision",
    "ucimlrepo",
    "zarr",
}
FORBIDDEN_BETWEEN = [("selection", "primal_dual"), ("strategies", "report")]

PYTHON_FILES = sorted(PACKAGE.rglob("*.py"))
ORACLES = sorted((ROOT / "tests" / "reference").rglob("*.py"))
NATIVE_FILES = sorted(
    path for path in CSRC.rglob("*") if path.suffix in {".h", ".cpp", ".cu", ".cuh"}
)

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in [*PYTHON_FILES, *ORACLES]
}


def unit_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Yield (absolute dotted module, imported name or None, only for type checkers)."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None, id(node) in typing_only
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield module, alias.name, id(node) in typing_only


def units_imported(path):
    """Yield the units of ally_fast that a file imports; "" for the face itself."""
    for module, name, _ in imports(path):
        if module == "ally_fast":
            yield name if name in FLOORS else ""
        elif module.startswith("ally_fast."):
            yield module.split(".")[1]


def modules_imported(path):
    """Yield the modules that a file imports, also within functions; not those for type checkers."""
    for module, name, typing_only in imports(path):
        if not typing_only:
            yield f"{module}.{name}" if f"{module}.{name}" in MODULES else module


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_imports_go_down(path):
    unit = unit_of(path)
    for imported in units_imported(path):
        if imported == "":
            assert unit in USERS_OF_THE_FACE, "only the top floors use the face of the package"
        elif imported != unit:
            assert FLOORS[imported] < FLOORS[unit], f"{unit} may not import {imported}"
            assert (unit, imported) not in FORBIDDEN_BETWEEN


def test_no_circles_among_imports():
    imported = {module: set(modules_imported(path)) for module, path in MODULES.items()}
    tuple(TopologicalSorter(imported).static_order())  # CycleError names the circle


def test_the_wings_meet_in_one_file():
    strategies = [path for path in PYTHON_FILES if unit_of(path) == "strategies"]
    meet = {path.name for path in strategies if "primal_dual" in units_imported(path)}
    assert meet <= {"multiplier_head.py"}


def test_every_file_has_a_floor():
    assert {unit_of(path) for path in PYTHON_FILES} <= set(FLOORS)


@pytest.mark.parametrize("path", ORACLES, ids=relative)
def test_the_reference_imports_numpy_only(path):
    allowed = {"numpy", *sys.stdlib_module_names}
    for module, _, _ in imports(path):
        assert module.split(".")[0] in allowed or module.startswith("tests.reference")


@pytest.mark.parametrize(
    "path", [p for p in PYTHON_FILES if unit_of(p) == "ops" and p.stem != "__init__"], ids=relative
)
def test_ops_do_not_know_each_other(path):
    for module, _, _ in imports(path):
        assert not module.startswith("ally_fast.ops")


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_optional_packages_enter_by_require(path):
    for module, _, typing_only in imports(path):
        assert typing_only or module.split(".")[0] not in OPTIONAL_PACKAGES


@pytest.mark.parametrize(
    "path", [p for p in [*PYTHON_FILES, *ORACLES] if p.name != "__init__.py"], ids=relative
)
def test_files_stay_readable(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize(
    "path", [p for p in PYTHON_FILES if unit_of(p) == "integrations"], ids=relative
)
def test_adapters_are_small_and_know_each_other_not(path):
    assert len(path.read_text().splitlines()) < 100
    assert set(units_imported(path)) <= {"", "_optional"}


def test_functions_stay_readable():
    lengths = {}
    for path in [*PYTHON_FILES, *ORACLES]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[ast.get_docstring(node) is not None :]
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                lengths[f"{relative(path)}:{node.name}"] = lines
    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}


def test_the_face_only_re_exports():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)
    assert len(ally_fast.__all__) == 9
    assert set(ally_fast.__all__) <= set(dir(ally_fast))
    assert all(hasattr(ally_fast, name) for name in ally_fast.__all__)
    with pytest.raises(AttributeError, match="selct"):
        _ = ally_fast.selct


def modules_after(statement):
    """Return the modules that a fresh process has loaded."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; {statement}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.split()


def test_import_loads_nothing_optional():
    loaded = modules_after("from ally_fast import *; import ally_fast.cli.program")
    assert "ally_fast._cpu" in loaded
    assert not {name.split(".")[0] for name in loaded} & {*OPTIONAL_PACKAGES, "tqdm"}


def test_the_command_answers_ctrl_c_before_it_imports_anything_large():
    loaded = modules_after("import ally_fast.cli")
    assert {name for name in loaded if name.startswith("ally_fast.")} <= {
        *("ally_fast._version", "ally_fast.cli", "ally_fast.cli.process"),
    }
    assert "numpy" not in loaded


# csrc


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def resolve(path, include):
    """Return the file of csrc/ that an include names, or None for one from outside."""
    for folder in (path.parent, CSRC):
        if (found := (folder / include).resolve()).is_file() and CSRC in found.parents:
            return found.relative_to(CSRC)
    return None


@pytest.mark.parametrize(
    "path", [p for p in NATIVE_FILES if p.relative_to(CSRC).parts[0] != "binding"], ids=relative
)
def test_the_core_knows_no_python_and_no_torch(path):
    foreign = re.compile(r"(Python\.h|pybind11|torch|ATen|c10|numpy)", re.IGNORECASE)
    assert not [name for name in includes(path) if foreign.match(name)]


@pytest.mark.parametrize("path", NATIVE_FILES, ids=relative)
def test_native_includes_go_down(path):
    here = path.relative_to(CSRC).parts
    for include in includes(path):
        there = resolve(path, include)
        if there is None:
            continue
        if there.parts[0] == "emulator":  # what stands in for PTX, where the emulator compiles it
            assert here[:2] == ("common", "cuda") or here[0] == "emulator"
        elif here[0] == "common":
            assert there.parts[0] == "common"
        elif here[0] == "ops":
            assert there.parts[0] == "common" or there.parts[:2] == here[:2], (
                "an op includes common/ and its own folder only"
            )
        assert there.parts[0] != "binding" or here[0] == "binding"


@pytest.mark.parametrize(
    "folder", sorted(p for p in (CSRC / "ops").iterdir() if p.is_dir()), ids=lambda p: p.name
)
def test_one_stem_everywhere(folder):
    op = folder.name
    assert (folder / f"{op}.h").is_file()
    assert list(folder.glob(f"{op}_cpu*.cpp"))
    assert (ROOT / "tests" / "ops" / f"test_{op}.py").is_file()


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_no_dataclass_compares_arrays_with_one_operator(path):
    """Their ``==`` has no truth: results compare by content (`Record`), others by identity."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ClassDef):
            continue
        made = [ast.unparse(decorator) for decorator in node.decorator_list]
        fields = [ast.unparse(item.annotation) for item in node.body if hasattr(item, "annotation")]
        arrays = [kind for kind in fields if re.search("Array|Tensor", kind) and "Call" not in kind]
        if arrays and any("dataclass" in decorator for decorator in made):
            assert any("eq=False" in decorator for decorator in made), node.name


def test_static_shared_memory_is_declared_so_that_the_emulator_counts_it():
    allowed = {"common/cuda/shared.h", "emulator/cuda_runtime.h"}
    raw = {
        path.relative_to(CSRC).as_posix()
        for path in CSRC.rglob("*")
        if path.suffix in (".h", ".cu") and re.search(r"^[^/\n]*__shared__", path.read_text(), re.M)
    }
    assert raw == allowed

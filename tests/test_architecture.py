"""Files import from lower floors only."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib import metadata
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


def check_each(files, faults):
    """Assert that `faults` gives nothing for any file; the message has all that it gives."""
    wrong = [f"{path.relative_to(ROOT)}: {fault}" for path in files for fault in faults(path)]
    assert not wrong, "\n".join(wrong)


def in_unit(unit):
    return [path for path in PYTHON_FILES if unit_of(path) == unit]


def lines_after(most):
    """Return a function that gives the lines of a file from one on."""
    return lambda path: path.read_text().splitlines()[most:][:1]


def is_allowed(unit, imported):
    """Whether a unit may import another; "" is the face of the package."""
    if imported == "":
        return unit in USERS_OF_THE_FACE
    is_lower = FLOORS[imported] < FLOORS[unit] and (unit, imported) not in FORBIDDEN_BETWEEN
    return imported == unit or is_lower


def test_imports_go_down():
    def upward(path):
        return [name for name in units_imported(path) if not is_allowed(unit_of(path), name)]

    check_each(PYTHON_FILES, upward)


def test_no_circles_among_imports():
    imported = {module: set(modules_imported(path)) for module, path in MODULES.items()}
    tuple(TopologicalSorter(imported).static_order())  # CycleError names the circle


def test_the_wings_meet_in_one_file():
    meet = {path.name for path in in_unit("strategies") if "primal_dual" in units_imported(path)}
    assert meet <= {"multiplier_head.py"}


def test_every_file_has_a_floor():
    assert {unit_of(path) for path in PYTHON_FILES} <= set(FLOORS)


def test_the_reference_imports_numpy_only():
    allowed = {"numpy", "reference", *sys.stdlib_module_names}

    def foreign(path):
        modules = {module.removeprefix("tests.") for module, _, _ in imports(path)}
        return {module for module in modules if module.split(".")[0] not in allowed}

    check_each(ORACLES, foreign)


def test_ops_do_not_know_each_other():
    def ops(path):
        return [module for module, _, _ in imports(path) if module.startswith("ally_fast.ops")]

    check_each([path for path in in_unit("ops") if path.stem != "__init__"], ops)


def test_optional_packages_enter_by_require():
    def optional(path):
        roots = {
            module.split(".")[0] for module, _, typing_only in imports(path) if not typing_only
        }
        return roots & OPTIONAL_PACKAGES

    check_each(PYTHON_FILES, optional)


def test_files_stay_readable():
    files = [path for path in [*PYTHON_FILES, *ORACLES] if path.name != "__init__.py"]
    check_each(files, lines_after(400))


def test_adapters_are_small_and_know_each_other_not():
    adapters = in_unit("integrations")
    check_each(adapters, lines_after(99))
    check_each(adapters, lambda path: set(units_imported(path)) - {"", "_optional"})


def test_functions_stay_readable():
    def long(path):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[ast.get_docstring(node) is not None :]
                if body and body[-1].end_lineno - body[0].lineno + 1 > 60:
                    yield node.name

    check_each([*PYTHON_FILES, *ORACLES], long)


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
    extras = [line for line in metadata.requires("ally-fast") if "extra" in line]
    names = {re.match(r"[\w-]+", line)[0].replace("-", "_") for line in extras} - {"ally_fast"}
    assert {"torch", "matplotlib", "superkmeans"} <= names
    assert not {name.split(".")[0] for name in loaded} & {*OPTIONAL_PACKAGES, *names, "tqdm"}


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


def test_the_core_knows_no_python_and_no_torch():
    foreign = re.compile(r"(Python\.h|pybind11|torch|ATen|c10|numpy)", re.IGNORECASE)
    core = [path for path in NATIVE_FILES if path.relative_to(CSRC).parts[0] != "binding"]
    check_each(core, lambda path: filter(foreign.match, includes(path)))


def is_downward(here, there):
    """Whether a file of csrc/ may include another; an op: common/ and its own folder only."""
    if there.parts[0] == "emulator":  # what stands in for PTX, where the emulator compiles it
        return here.parts[:2] == ("common", "cuda") or here.parts[0] == "emulator"
    if here.parts[0] == "common":
        return there.parts[0] == "common"
    if here.parts[0] == "ops":
        return there.parts[0] == "common" or there.parts[:2] == here.parts[:2]
    return there.parts[0] != "binding" or here.parts[0] == "binding"


def test_native_includes_go_down():
    def upward(path):
        own = [file for include in includes(path) if (file := resolve(path, include))]
        return [str(file) for file in own if not is_downward(path.relative_to(CSRC), file)]

    check_each(NATIVE_FILES, upward)


def test_one_stem_everywhere():
    def missing(folder):
        header, test = folder / f"{folder.name}.h", ROOT / f"tests/ops/test_{folder.name}.py"
        cpu = list(folder.glob(f"{folder.name}_cpu*.cpp")) or [folder / f"{folder.name}_cpu.cpp"]
        return [path.name for path in (header, test, cpu[0]) if not path.is_file()]

    folders = [path for path in (CSRC / "ops").iterdir() if path.is_dir()]
    check_each(folders, missing)


def test_no_dataclass_compares_arrays_with_one_operator():
    """Their ``==`` has no truth: results compare by content (`Record`), others by identity."""

    def comparing(path):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef):
                continue
            made = " ".join(map(ast.unparse, node.decorator_list))
            fields = [
                ast.unparse(line.annotation) for line in node.body if hasattr(line, "annotation")
            ]
            arrays = re.search("Array|Tensor", " ".join(f for f in fields if "Call" not in f))
            if arrays and "dataclass" in made and "eq=False" not in made:
                yield node.name

    check_each(PYTHON_FILES, comparing)


def test_static_shared_memory_is_declared_so_that_the_emulator_counts_it():
    allowed = {"common/cuda/shared.h", "emulator/cuda_runtime.h"}
    raw = {
        path.relative_to(CSRC).as_posix()
        for path in CSRC.rglob("*")
        if path.suffix in (".h", ".cu") and re.search(r"^[^/\n]*__shared__", path.read_text(), re.M)
    }
    assert raw == allowed

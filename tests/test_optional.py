"""The door for optional packages."""

import re
import sys

import pytest

from ally_fast._optional import require


def test_a_package_that_is_there():
    assert require("json.decoder", "sklearn").JSONDecoder


@pytest.mark.parametrize(
    ("module", "needed_by", "message"),
    [
        (
            "faiss",
            "engine='faiss'",
            r"^engine='faiss' needs faiss-cpu: pip install 'ally-fast\[x\]'",
        ),
        ("sklearn", None, r"^scikit-learn is not installed: pip install 'ally-fast\[x\]'"),
        ("ally_fast_absent", None, r"^ally_fast_absent is not installed"),
    ],
)
def test_a_package_that_is_not(module, needed_by, message, monkeypatch):
    if "absent" not in module:
        monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    with pytest.raises(ImportError, match=message):
        require(module, "x", needed_by)


def test_an_error_inside_a_package_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import a_module_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        require("broken_package", "x")


@pytest.mark.parametrize("version", ["14.0.0", "9.0", "23.0.0", "23.0.1", "23.0.2.dev5", "100.0"])
def test_a_version_that_a_file_can_attack_is_refused(version, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    monkeypatch.setattr(pyarrow, "__version__", version)
    for module in ("pyarrow", "pyarrow.parquet"):
        if version in ("14.0.0", "9.0", "23.0.0"):
            message = (
                rf"^reading x needs pyarrow 23\.0\.1 or later, got {re.escape(version)}: "
                r"pip install -U 'ally-fast\[parquet\]'$"
            )
            with pytest.raises(ImportError, match=message):
                require(module, "parquet", "reading x")
        else:
            assert require(module, "parquet", "reading x") is sys.modules[module]

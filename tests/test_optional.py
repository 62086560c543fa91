"""The door for optional packages."""

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

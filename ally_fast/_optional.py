"""The one way to import packages that are not required."""

from __future__ import annotations

import importlib
import re
from typing import Any

_PYPI_NAMES = {
    "PIL": "pillow",
    "faiss": "faiss-cpu",
    "lance": "pylance",
    "modAL": "modAL-python",
    "skactiveml": "scikit-activeml",
    "sklearn": "scikit-learn",
    "small_text": "small-text",
}
# Older ones have holes that a file can use: pyarrow 14.0.0 runs code that it finds in one.
_SAFE_SINCE = {"PIL": "13.0.0", "pyarrow": "23.0.1"}


def require(module: str, extra: str, needed_by: str | None = None) -> Any:
    """Import an optional module, or say which extra installs it.

    Parameters
    ----------
    module : str
        Dotted name of the module, as in an import statement.
    extra : str
        The extra of ``ally-fast`` that installs it.
    needed_by : str, optional
        What the caller asked for, such as ``"engine='faiss'"``; the message begins with it.

    Returns
    -------
    module
        The imported module (the innermost one of a dotted name).

    Raises
    ------
    ImportError
        If the package is not installed, or its version is not safe. An error inside an installed
        package passes through.
    """
    root = module.partition(".")[0]
    package = _PYPI_NAMES.get(root, root)
    try:
        library = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != root:
            raise
        subject = f"{needed_by} needs {package}" if needed_by else f"{package} is not installed"
        raise ImportError(f"{subject}: pip install 'ally-fast[{extra}]'", name=module) from None
    if (least := _SAFE_SINCE.get(root)) and _is_older(importlib.import_module(root), least):
        raise ImportError(
            f"{needed_by or module} needs {package} {least} or later, got "
            f"{importlib.import_module(root).__version__}: pip install -U 'ally-fast[{extra}]'",
            name=module,
        )
    return library


def _is_older(package: Any, least: str) -> bool:
    actual, needed = (
        [int(part) for part in re.findall(r"\d+", version)[:3]]
        for version in (str(package.__version__), least)
    )
    return actual < needed

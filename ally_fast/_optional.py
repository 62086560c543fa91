"""The one door for packages that are not required."""

from __future__ import annotations

import importlib
from typing import Any

_PYPI_NAMES = {"faiss": "faiss-cpu", "sklearn": "scikit-learn"}


def require(module: str, extra: str, needed_by: str | None = None) -> Any:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module : str
        Dotted name of the module, as in an import statement.
    extra : str
        The extra of ``ally-fast`` that installs it.
    needed_by : str, optional
        What the caller asked for, such as ``"engine='faiss'"``; opens the message.

    Returns
    -------
    module
        The imported module (the innermost one of a dotted name).

    Raises
    ------
    ImportError
        If the package is not installed. An error inside an installed package passes through.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        root = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != root:
            raise
        package = _PYPI_NAMES.get(root, root)
        subject = f"{needed_by} needs {package}" if needed_by else f"{package} is not installed"
        raise ImportError(f"{subject}: pip install 'ally-fast[{extra}]'", name=module) from None

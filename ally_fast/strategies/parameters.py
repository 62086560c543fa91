"""The arguments of a strategy, read and changed as scikit-learn does."""

from __future__ import annotations

import inspect
from typing import Any


class Parameters:
    """Give a class ``get_params`` and ``set_params``, so `sklearn.base.clone` and searches work.

    Its constructor stores every argument unchanged under its name, and ``**options`` as a dict
    ``options``. Values that follow from them are computed where they are used.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments of the constructor by name; `deep` has no effect."""
        arguments: dict[str, Any] = {}
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                arguments.update(getattr(self, name))
            else:
                arguments[name] = getattr(self, name)
        return arguments

    def set_params(self, **arguments: Any) -> Any:
        """Change some arguments of the constructor, checked as it checks them; return self.

        Raises
        ------
        ValueError, TypeError
            If the constructor refuses them; then nothing changes.
        """
        self.__dict__.update(type(self)(**{**self.get_params(), **arguments}).__dict__)
        return self

    def __repr__(self) -> str:
        """Return the call of the constructor as text."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({arguments})"

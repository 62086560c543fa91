"""The arguments that a strategy was made with, told and changed as scikit-learn does."""

from __future__ import annotations

import inspect
from typing import Any


class Parameters:
    """Give a class ``get_params`` and ``set_params``: `sklearn.base.clone` and searches work.

    Its constructor stores every argument as it is, under its name, and ``**options`` as a dict
    ``options``. What is derived from them is computed where it is used.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments by name; `deep` changes nothing."""
        arguments: dict[str, Any] = {}
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                arguments.update(getattr(self, name))
            else:
                arguments[name] = getattr(self, name)
        return arguments

    def set_params(self, **arguments: Any) -> Any:
        """Change some of the constructor's arguments, and check them as it does; return self.

        Raises
        ------
        ValueError, TypeError
            If the constructor refuses them; nothing is changed then.
        """
        self.__dict__.update(type(self)(**{**self.get_params(), **arguments}).__dict__)
        return self

    def __repr__(self) -> str:
        """Return a call of the constructor."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({arguments})"

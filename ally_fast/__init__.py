"""Fast, exact batch selection for active learning (ALLY).

The public names stand in ``__init__.pyi`` and are imported when they are first used, so that
``ally-fast`` answers Ctrl-C from its first moment on.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

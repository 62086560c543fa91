"""Fast, exact batch selection for active learning (ALLY).

The file ``__init__.pyi`` lists the public names. They are imported when they are first used, so
``ally-fast`` answers Ctrl-C from its first moment on.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

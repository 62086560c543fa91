"""From a labeled set to multipliers, and from multipliers to dual scores. Needs torch.

The public names stand in ``__init__.pyi`` and are imported when they are first used, so that this
package can be imported, and says what to install, where torch is absent.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

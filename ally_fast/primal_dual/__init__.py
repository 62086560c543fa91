"""Train multipliers on a labeled set, and predict dual scores from them. Needs torch.

``__init__.pyi`` lists the public names; each is imported at its first use. So you can import this
package without torch, and the first use tells you what to install.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

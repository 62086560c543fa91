"""``python -m ally_fast`` is ``ally-fast``."""

import sys

from ally_fast.cli import main

if __name__ == "__main__":
    sys.exit(main())

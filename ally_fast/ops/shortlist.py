"""Each cluster's best rows, kept while a pool streams by."""

from ally_fast._cpu import Shortlist

__all__ = ["Shortlist"]

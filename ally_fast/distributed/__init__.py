"""Selections on many machines, with Ray: the batch of one process, bit for bit."""

from ally_fast.distributed.ray_select import select

__all__ = ["select"]

"""Selections on many machines with Ray: the same batch as one process gives, bit for bit."""

from ally_fast.distributed.ray_select import pool_read_by_tasks, select

__all__ = ["pool_read_by_tasks", "select"]

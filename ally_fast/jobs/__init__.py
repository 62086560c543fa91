"""Selections that keep their progress in a folder: run a killed one again and it continues."""

from ally_fast.jobs.job_select import select

__all__ = ["select"]

"""Selections in a folder: a run that was killed goes on where it stopped."""

from ally_fast.jobs.job_select import select

__all__ = ["select"]

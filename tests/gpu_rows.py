"""Rows of a GPU machine, made up."""

from benchmarks import verdicts
from benchmarks.rows import Row

HARDWARE = {"gpu": "NVIDIA H200", "cores": 16, "driver": "580", "cuda": "13.0"}
STAMP = {"hardware": HARDWARE, "build": "abc", "command": "a command", "date": "2026-01-01"}


def row(bench_, engine, setting, seconds=None, **fields):
    shape = {"dataset": "mixture", "n": verdicts.N, "d": 128, "k": 1000, "b": 0, "dtype": "float16"}
    made = Row(bench_, engine, setting, **{**shape, **STAMP, **fields})
    if seconds is not None:
        made.seconds, made.other_cores = [seconds], [None]
    return made

"""Benchmarks of ally_fast and its peers: rows in, tables and figures out.

Run everything with ``python -m benchmarks.run``; see ``benchmarks/README.md``.
"""

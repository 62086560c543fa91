"""One file per rival.

Each defines ``run(rows, scores, b, k, *, threads, **options) -> Outcome``: k-means, assignment of
every row, then the batch. Imports happen when the file is loaded, before the clock starts.
"""

"""One file per rival.

Each defines ``run(rows, scores, b, k, *, threads, **options) -> Outcome``: k-means, assignment of
every row, then the batch, exactly b rows unless its file says otherwise. Rows are float32 and
C-contiguous. scikit-learn takes its threads from the environment. Imports happen when the file is
loaded, before the clock starts.
"""

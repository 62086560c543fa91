"""Names of engines and shapes for people."""

from __future__ import annotations

from benchmarks.rows import Row

TIMES = "\N{MULTIPLICATION SIGN}"

ENGINES = {
    ("ally_fast", "default"): "**ally_fast**",
    ("ally_fast", "recipe"): "ally_fast, exactly 10 iterations",
    ("superkmeans", "default"): "SuperKMeans, default (hierarchical above 100 k rows)",
    ("superkmeans", "flat"): "SuperKMeans, flat",
    ("superkmeans", "recipe"): "SuperKMeans, flat, same recipe",
    ("faiss_cpu", "default"): "FAISS, default (25 iterations)",
    ("faiss_cpu", "recipe"): "FAISS, same recipe",
    ("faiss_super", "recipe"): "FAISS `SuperKmeans`, same recipe",
    ("sklearn_minibatch", "default"): "scikit-learn `MiniBatchKMeans`",
    ("sklearn_minibatch", "recipe"): "scikit-learn `MiniBatchKMeans`, same recipe",
    ("published_loop", "default"): "`MiniBatchKMeans` + published loop",
    ("sklearn_kmeans", "default"): "scikit-learn `KMeans`, all rows, 25 iterations",
    ("sklearn_kmeans", "recipe"): "scikit-learn `KMeans`, same recipe",
}

SHORT = {
    ("ally_fast", "default"): "ally_fast",
    ("superkmeans", "default"): "SuperKMeans",
    ("superkmeans", "flat"): "SuperKMeans flat",
    ("faiss_cpu", "default"): "FAISS, 25 it.",
    ("faiss_cpu", "recipe"): "FAISS, 10 it.",
    ("sklearn_minibatch", "default"): "MiniBatchKMeans",
    ("published_loop", "default"): "published loop",
    ("sklearn_kmeans", "default"): "sklearn KMeans",
}

POOLS = {
    "sentences": "sentences",
    "reviews": "reviews",
    "kdd": "KDD",
    "minilm": "MiniLM",
    "unequal": "unequal clusters",
    "mixture128": "mixture",
    "mixture768": "mixture",
    "small": "small mixture",
}


def engine(row: Row) -> str:
    """Name who ran, with the instruction set where it was forced."""
    known = ENGINES.get((row.engine, row.setting))
    return known or f"{row.engine}, {row.setting}"


def count(value: int) -> str:
    """Write 1000000 as "1 M" and 100000 as "100 k"."""
    for size, unit in ((10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return str(value)


def shape(row: Row) -> str:
    """Name the work: pool, rows by dimensions, clusters."""
    return f"{POOLS.get(row.dataset, row.dataset)} {size(row)}, k = {row.k}"


def size(row: Row) -> str:
    """Name rows by dimensions, or rows alone."""
    return f"{count(row.n)} {TIMES} {row.d}" if row.d else count(row.n)


def times(ratio: float) -> str:
    """Write a ratio with the digits it deserves."""
    digits = 0 if ratio >= 20 else 1 if ratio >= 2 else 2
    return f"{ratio:.{digits}f}{TIMES}"

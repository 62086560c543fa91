"""Pools to measure on: four real ones and seeded mixtures.

Real pools are read from the folder in ``ALLY_FAST_DATA``. Mixtures are drawn once and kept
under the user's cache folder (``XDG_CACHE_HOME``, else ``~/.cache``), so that every
measurement, each in its own process, loads the same bytes quickly.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.rows import MissingError

MIXTURE_VERSION = 2
SCORE_SEED = 20240607


@dataclass(frozen=True)
class Pool:
    """Embeddings with one dual score per row.

    Parameters
    ----------
    name : str
        Name of the data set.
    rows : numpy.ndarray of shape (n, d), float32, C-contiguous
        Embeddings, in the form every engine here likes best.
    scores : numpy.ndarray of shape (n,), float32
        Seeded stand-ins for predicted dual variables; about a third of them are zero.
    """

    name: str
    rows: np.ndarray
    scores: np.ndarray


def _data_file(*parts: str) -> Path:
    folder = os.environ.get("ALLY_FAST_DATA")
    if not folder:
        raise MissingError("ALLY_FAST_DATA is not set")
    path = Path(folder, *parts)
    if not path.is_file():
        raise MissingError(f"{path.name} is not in ALLY_FAST_DATA")
    return path


def _sentences() -> np.ndarray:
    with np.load(_data_file("imdb", "imdb_sentences_lsa64_1M_int8.npz")) as file:
        return file["Q"] * file["scale"].astype(np.float32)


def _reviews() -> np.ndarray:
    with np.load(_data_file("imdb", "imdb_lsa128_100k.npz")) as file:
        return file["X"].astype(np.float32)


def _minilm() -> np.ndarray:
    with np.load(_data_file("minilm", "package_summaries_minilm384_120k_int8.npz")) as file:
        return file["Q"] * file["scale"].astype(np.float32)


def _kdd() -> np.ndarray:
    with np.load(_data_file("kddcup99", "kdd10pct_118d.npz")) as file:
        return file["X"].astype(np.float32, copy=False)


def unequal(n: int, d: int, seed: int) -> np.ndarray:
    """Draw 1000 tight, separate clusters of very unequal size: the largest holds a tenth or so."""
    generator = np.random.default_rng([seed, n, d])
    centres = generator.standard_normal((1000, d), dtype=np.float32)
    weights = 1 / (np.arange(1000) + 5.0)
    members = generator.choice(1000, size=n, p=weights / weights.sum())
    spread = generator.uniform(0.02, 0.2, 1000).astype(np.float32)
    noise = generator.standard_normal((n, d), dtype=np.float32)
    return centres[members] + spread[members, None] * noise


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "ally_fast", "benchmarks")


def mixture(n: int, d: int, seed: int) -> np.ndarray:
    """Draw a Gaussian mixture whose clusters overlap as those of text embeddings do.

    Centres and noise share a power-law spectrum (a few strong directions, a long tail), cluster
    sizes follow a power law too, and the noise carries 45 % of the variance: with k = 1000 the
    best clusters leave about half of the variance unexplained and neighbours touch.

    Parameters
    ----------
    n, d : int
        Rows and dimensions.
    seed : int
        Seed of the draw.

    Returns
    -------
    numpy.ndarray of shape (n, d), float32
        Rows scaled to unit norm.
    """
    generator = np.random.default_rng([seed, n, d, MIXTURE_VERSION])
    components = 2500
    spectrum = (np.arange(d) + 3.0) ** -0.45
    spectrum /= np.sqrt(np.mean(spectrum**2))
    centres = generator.standard_normal((components, d)) * spectrum * np.sqrt(0.55)
    weights = (np.arange(components) + 20.0) ** -0.7
    members = generator.choice(components, size=n, p=weights / weights.sum())
    spread = generator.uniform(0.7, 1.3, size=components) * np.sqrt(0.45)
    centres = centres.astype(np.float32)
    rows = np.empty((n, d), dtype=np.float32)
    for first in range(0, n, 65536):
        part = members[first : first + 65536]
        block = generator.standard_normal((len(part), d), dtype=np.float32)
        block *= (spread[part, None] * spectrum).astype(np.float32)
        block += centres[part]
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        rows[first : first + len(part)] = block
    return rows


def _cached_mixture(n: int, d: int, seed: int) -> np.ndarray:
    path = _cache_folder() / f"mixture-v{MIXTURE_VERSION}-{n}x{d}-{seed}.npy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.save(file, mixture(n, d, seed))
        partial.replace(path)
    return np.load(path)


SOURCES: dict[str, Callable[[], np.ndarray]] = {
    "sentences": _sentences,
    "reviews": _reviews,
    "kdd": _kdd,
    "mixture32": lambda: _cached_mixture(1_000_000, 32, 7),
    "mixture256": lambda: _cached_mixture(200_000, 256, 8),
    "mixture1024": lambda: _cached_mixture(100_000, 1024, 9),
    "mixture128": lambda: _cached_mixture(1_000_000, 128, 1),
    "mixture768": lambda: _cached_mixture(200_000, 768, 2),
    "minilm": _minilm,
    "unequal": lambda: unequal(300_000, 128, 5),
    "mixture384": lambda: _cached_mixture(200_000, 384, 4),
    "mixture384m": lambda: _cached_mixture(1_000_000, 384, 6),
    "small": lambda: mixture(20_000, 32, 3),
}


def dual_scores(rows: np.ndarray) -> np.ndarray:
    """Draw one score per row, clipped at zero as a dual variable is and tied to its place.

    Parameters
    ----------
    rows : numpy.ndarray of shape (n, d)
        Embeddings: the score leans on the first dimension.

    Returns
    -------
    numpy.ndarray of shape (n,), float32
        Scores, about a third of them exactly zero.
    """
    generator = np.random.default_rng(SCORE_SEED)
    lean = rows[:, 0] / max(float(rows[:, 0].std()), 1e-12)
    noise = generator.standard_normal(len(rows), dtype=np.float32)
    return np.maximum(noise + np.float32(0.5) * (lean - lean.mean()) + np.float32(0.5), 0.0)


def load(name: str, limit: int | None = None) -> Pool:
    """Load a pool by name, or its first rows only.

    Parameters
    ----------
    name : str
        A key of ``SOURCES``.
    limit : int, optional
        Keep this many rows (quick runs).

    Returns
    -------
    Pool
        Rows and scores.

    Raises
    ------
    MissingError
        When a real pool is not on this machine.
    """
    rows = np.ascontiguousarray(SOURCES[name]()[:limit])
    return Pool(name, rows, dual_scores(rows))

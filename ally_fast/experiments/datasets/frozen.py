"""Pools of frozen embeddings with labels, read from a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ally_fast.experiments.datasets import mnist
from ally_fast.experiments.datasets.dataset import Dataset
from ally_fast.experiments.datasets.embedded import embedded
from ally_fast.experiments.datasets.scaling import scaled
from ally_fast.pools.numpy_file import numpy_array

_COMPONENTS = 64
_GRID = 0.25  # of a grey level


def load_minilm(folder: Path | None) -> Dataset:
    """Return sentence embeddings of package descriptions: 384 features, 12 topics as classes."""
    path = _file(folder, "minilm", "package_summaries_minilm384_120k_int8.npz")
    quantised, scale, labels = (numpy_array(path, name) for name in ("Q", "scale", "label"))
    rows = quantised.astype(np.float32) * scale
    source = "package descriptions, all-MiniLM-L6-v2, 8 bits, 12 topics by keyword"
    return embedded("minilm", rows, labels.astype(np.int64), source)


def load_imdb(folder: Path | None) -> Dataset:
    """Return film reviews: 128 features (TF-IDF and SVD), two opinions as classes."""
    path = _file(folder, "imdb", "imdb_lsa128_100k.npz")
    rows, labels, test = (numpy_array(path, name) for name in ("X", "label", "is_test"))
    source = "IMDB reviews, 128 components of TF-IDF, published split"
    return embedded(
        "imdb", rows.astype(np.float32), labels.astype(np.int64), source, test=test.astype(np.bool_)
    )


def load_kdd(folder: Path | None) -> Dataset:
    """Return network connections: 118 features; the classes are 22 attacks and normal traffic."""
    path = _file(folder, "kddcup99", "kdd10pct_118d.npz")
    rows, labels = numpy_array(path, "X"), numpy_array(path, "y")
    source = "KDD Cup 1999, the tenth, log1p and one-hot"
    return embedded("kdd", rows, labels.astype(np.int64), source)


def load_mnist_pca(folder: Path | None) -> Dataset:
    """Return MNIST as the first 64 principal components of its pool.

    Notes
    -----
    Sums of products of bytes are exact in float64. Components are rounded to a quarter of a grey
    level, so the result does not depend on a library's order of additions.
    """
    images = mnist.load(folder)
    pool = images.inputs.astype(np.float64)
    mean = pool.mean(axis=0)
    covariance = pool.T @ pool / len(pool) - np.outer(mean, mean)
    _, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, : -_COMPONENTS - 1 : -1]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    pool, test = (
        np.round((part - mean) @ axes / _GRID) * _GRID
        for part in (pool, images.test_inputs.astype(np.float64))
    )
    inputs, test_inputs = scaled(pool, test)
    return Dataset(
        "mnist-pca",
        inputs,
        images.targets,
        test_inputs,
        images.test_targets,
        images.classes,
        f"{images.source}, {_COMPONENTS} principal components",
    )


def _file(folder: Path | None, *parts: str) -> str:
    """Return the path of a file that cannot be downloaded."""
    path = Path(*parts) if folder is None else folder.joinpath(*parts)
    if folder is None or not path.is_file():
        raise FileNotFoundError(
            2, "no such file; it cannot be downloaded, so give its folder as --data", str(path)
        )
    return str(path)

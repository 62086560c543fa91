"""The folder of a job: each finished piece of work is a complete file in it."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.result import KMeansResult
from ally_fast.files import whole_file
from ally_fast.jobs.job_record import check_format, difference
from ally_fast.json_object import parse_object
from ally_fast.pools.numpy_file import numpy_array

_RECORD = "job.json"
_TRAINING = "training.json"
_CENTROIDS = "centroids.npy"
_ASSIGNMENTS = "assignments"
_SCORES = "scores"


class JobFolder:
    """A folder with ``job.json``, ``centroids.npy``, and the clusters and scores of each piece.

    Parameters
    ----------
    path : str

    Notes
    -----
    Files appear complete or not at all, so you can kill the process at any moment. A piece is some
    rows of a shard. Its file is named after the shard's content, so a later job finds it even if
    the shards come in another order.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder, and keep other processes out of it during the block.

        Raises
        ------
        OSError
            If the folder cannot be created, or another process is working in it.
        """
        os.makedirs(self.path, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                said = "another process is working on this job"
                raise OSError(errno.EBUSY, said, self.path) from None
            yield
        finally:
            os.close(descriptor)

    def begin(self, record: dict[str, Any]) -> None:
        """Write the job's record, or compare it with the record that is there.

        Raises
        ------
        ValueError
            If the folder holds another job; the message says what differs.
        """
        before = self._json(_RECORD)
        if before is None:
            if foreign := [name for name in os.listdir(self.path) if not name.startswith(".")]:
                raise ValueError(
                    f"{self.path}: holds {foreign[0]!r} but no job; needs a new or empty folder"
                )
            self._write_json(_RECORD, record)
            return
        try:
            changed = difference(before, json.loads(json.dumps(record)))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self._file(_RECORD)}: {error}") from None
        if changed:
            raise ValueError(
                f"{self.path}: holds another job: {changed}; use another folder, or remove this one"
            )

    def check(self) -> None:
        """Raise ValueError if the folder holds no job, or a job of another format."""
        record = self._json(_RECORD)
        if record is None:
            raise ValueError(f"{self.path}: holds no job")
        try:
            check_format(record)
        except ValueError as error:
            raise ValueError(f"{self._file(_RECORD)}: {error}") from None

    def training(self) -> KMeansResult | None:
        """Return the centroids and how they were trained; None if they are not there yet.

        Raises
        ------
        ValueError
            If a file is damaged; the message names it.
        """
        facts = self._json(_TRAINING)
        if facts is None:
            return None
        centroids = np.array(numpy_array(self._file(_CENTROIDS), None, ndim=2))
        if facts.pop("digest", None) != _digest(centroids):
            raise ValueError(
                f"{self._file(_CENTROIDS)}: is not the file that {_TRAINING} describes"
            )
        try:
            return KMeansResult(centroids=centroids, **facts)
        except TypeError as error:
            raise ValueError(f"{self._file(_TRAINING)}: {error}") from None

    def keep_training(self, trained: KMeansResult) -> None:
        """Write the centroids, then the record that says they are complete."""
        with whole_file(self._file(_CENTROIDS), force=True) as file:
            np.save(file, trained.centroids)
        facts = {name: value for name, value in vars(trained).items() if name != "centroids"}
        self._write_json(_TRAINING, {**facts, "digest": _digest(trained.centroids)})

    def assignments(self, piece: str, rows: int, k: int, key: str) -> NDArray[np.int32] | None:
        """Return the clusters (below `k`) of a piece's rows; None if they are not there.

        Raises
        ------
        ValueError
            If the file is damaged; the message names it.
        """
        clusters = self._sealed(self._piece_file(_ASSIGNMENTS, piece, key), rows, np.int32)
        if clusters is not None and rows and (clusters.min() < -1 or clusters.max() >= k):
            raise _damaged(self._piece_file(_ASSIGNMENTS, piece, key))
        return clusters

    def scores(self, piece: str, rows: int, key: str) -> NDArray[np.float64] | None:
        """Return the scores that a function gave a piece's rows, as `assignments` does."""
        return self._sealed(self._piece_file(_SCORES, piece, key), rows, np.float64)

    def keep_assignments(self, piece: str, clusters: NDArray[np.int32], key: str) -> None:
        """Write the clusters of a piece's rows, followed by their hash."""
        self._keep(self._piece_file(_ASSIGNMENTS, piece, key), clusters)

    def keep_scores(self, piece: str, scores: NDArray[np.float64], key: str) -> None:
        """Write the scores of a piece's rows, followed by their hash."""
        self._keep(self._piece_file(_SCORES, piece, key), scores)

    def _piece_file(self, kind: str, piece: str, key: str) -> str:
        """Return the path of a piece's file; subfolders keep each folder small."""
        return os.path.join(self.path, kind, key, piece[:2], f"{piece}.npy")

    @staticmethod
    def _sealed(path: str, rows: int, dtype: Any) -> NDArray[Any] | None:
        if not os.path.exists(path):
            return None
        content = np.array(numpy_array(path, None, ndim=1, n=rows + len(_seal(np.empty(0, dtype)))))
        values = content[:rows]
        if content.dtype != dtype or content[rows:].tobytes() != _seal(values).tobytes():
            raise _damaged(path)
        return values

    @staticmethod
    def _keep(path: str, values: NDArray[Any]) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with whole_file(path, force=True) as file:
            np.save(file, np.concatenate([values, _seal(values)]))

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _json(self, name: str) -> dict[str, Any] | None:
        path = self._file(name)
        if not os.path.exists(path):
            return None
        with open(path, "rb") as file:
            try:
                return parse_object(file.read())
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        text = io.BytesIO(json.dumps(content, allow_nan=False, indent=1).encode() + b"\n")
        with whole_file(self._file(name), force=True) as file:
            file.write(text.getvalue())


def assignments_key(centroids: NDArray[Any], *how: str) -> str:
    """Return a key of what clusters depend on beside rows: centroids, metric, engine, column."""
    digest = blake2b(_digest(centroids).encode(), digest_size=16)
    digest.update(repr(how).encode())
    return digest.hexdigest()


def scores_key(clusters: str, function: str) -> str:
    """Return a key of all that scores depend on: the key of the clusters, and the function."""
    return blake2b(repr((clusters, function)).encode(), digest_size=16).hexdigest()


def _damaged(path: str) -> ValueError:
    return ValueError(f"{path}: is damaged; remove it and run again")


def _seal(values: NDArray[Any]) -> NDArray[Any]:
    """Return a hash of values, in their dtype, to append to them."""
    digest = blake2b(np.ascontiguousarray(values).data, digest_size=16).digest()
    return np.frombuffer(digest, values.dtype)


def _digest(centroids: NDArray[Any]) -> str:
    digest = blake2b(f"{centroids.dtype.str} {centroids.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(centroids).data)
    return digest.hexdigest()

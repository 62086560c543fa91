"""DropQuery: rows whose predicted class changes under dropout, spread over clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.cluster.arguments import METRICS, checked_pool
from ally_fast.cluster.choose_engine import choose_engine
from ally_fast.cluster.fit import MAX_ITER, TOL, TrainingOptions
from ally_fast.cluster.kmeans import train
from ally_fast.cluster.magnitude import LARGEST
from ally_fast.cluster.training import training_size
from ally_fast.ops.assign import assign, packed_points, squared_distances
from ally_fast.ops.shortlist import Shortlist
from ally_fast.pools.finite import nonfinite_error
from ally_fast.pools.pool import Pool
from ally_fast.pools.reading import read_chunks
from ally_fast.strategies.clustered import round_robin
from ally_fast.strategies.contract import Context
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.pieces import (
    check_magnitude,
    class_probabilities,
    host_pool,
    part_of,
    passes,
)
from ally_fast.strategies.request import (
    NO_ROWS,
    Request,
    demand_classification,
    open_request,
)

_BITS = 12  # of the mean squared distance that tell rows apart


class DropQuery(Parameters):
    """Cluster the rows whose prediction changes under dropout; take the nearest to each centroid.

    Parameters
    ----------
    candidates : int
        At least this many times `b` rows are clustered. Candidates are the rows for which most
        passes predict another class than the model does. If they are too few, rows with one pass
        less join them, and so on.
    metric : "euclidean" or "cosine"
        "cosine" compares rows at unit length.

    Notes
    -----
    Needs ``embeddings``, ``probabilities`` and ``mc_probabilities``: a classification task. The
    paper makes three passes of the head, each over embeddings without three quarters of their
    features; `ally_fast.strategies.dropout_passes` does this. The predicted class is the most
    probable one, or the lowest of several.

    Every candidate counts, whatever the size of the pool: k-means trains on at most ``256 b`` of
    them, then each is assigned exactly. Every cluster gives the row nearest to its centroid before
    any gives its second, so there are `b` picks even if a cluster is empty. Squared distances count
    in steps of about 1/4096 of their mean. So the two rows of a cluster of two are equally near,
    however their centroid is rounded. Ties go to the lower index; the answer is the same on any
    machine.

    Time: one pass over the probabilities, O(n (T + 1) C), then k-means and an assignment of the
    candidates. Memory: 3 bytes a row, the training rows and a chunk. It computes on the CPU; rows
    on a GPU are copied to the host. Source: Gupte, Aklilu, Nirschl, Yeung-Levy, "Revisiting active
    learning in the era of vision foundation models", TMLR 2024. The paper clusters the rows for
    which most passes predict another class, however few they are. It also chooses a first batch;
    here that is the task of `TypicalStart`.

    Examples
    --------
    >>> import numpy as np
    >>> from ally_fast.strategies import Context
    >>> rows = np.array([[0.0], [0.125], [0.375], [5.0], [5.25], [5.75]])
    >>> plain = np.tile([0.6, 0.4], (6, 1))
    >>> changed = plain[None, :, ::-1]
    >>> context = Context(embeddings=rows, probabilities=plain, mc_probabilities=changed)
    >>> DropQuery().query(context, b=2)
    array([1, 4])
    """

    name = "DropQuery"

    def __init__(self, *, candidates: int = 25, metric: str = "euclidean") -> None:
        checks.integer(candidates, "candidates", 1)
        checks.choice(metric, "metric", METRICS)
        self.candidates = candidates
        self.metric = metric

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows, the nearest to their centroids first; see `Strategy`."""
        demand_classification(self.name, context)
        needed = ("embeddings", "probabilities", "mc_probabilities")
        request = open_request(self.name, context, b, *needed)
        pool = checked_pool(host_pool(self.name, context))
        if request.b == 0:
            return NO_ROWS.copy()
        changed, count = self._changed(context, request)
        candidates = self._candidates(request, changed, count)
        return self._nearest(pool, request, candidates, context.seed)

    def _changed(self, context: Context, request: Request) -> tuple[NDArray[np.uint16], int]:
        """Return for each row how many passes predict another class, and the number of passes."""
        changed, count = np.zeros(request.n, np.uint16), 0
        for lo, hi, keep in request.chunks():
            part = part_of(context.probabilities, lo, hi)
            plain = class_probabilities(self.name, "probabilities", part, keep, lo)
            number = 0
            for one_pass in passes(context.mc_probabilities, lo, hi):
                values = class_probabilities(self.name, "mc_probabilities", one_pass, keep, lo)
                if values.shape != plain.shape:
                    raise ValueError(
                        f"{self.name}: mc_probabilities: pass {number} has {values.shape[1]} "
                        f"classes, probabilities have {plain.shape[1]}"
                    )
                changed[lo:hi] += values.argmax(axis=1) != plain.argmax(axis=1)
                number += 1
            if number == 0 or (count and number != count):
                raise ValueError(
                    f"{self.name}: mc_probabilities: got {number} passes over rows {lo} to "
                    f"{hi - 1}, needs {count or 'at least 1'}"
                )
            count = number
        return changed, count

    def _candidates(
        self, request: Request, changed: NDArray[np.uint16], count: int
    ) -> NDArray[np.bool_]:
        eligible = request.eligible
        allowed = np.ones(request.n, np.bool_) if eligible is None else eligible
        sizes = np.bincount(changed[allowed], minlength=count + 1)
        least_rows = min(int(self.candidates) * request.b, int(sizes.sum()))
        least = count // 2 + 1
        while sizes[least:].sum() < least_rows:
            least -= 1
        candidates: NDArray[np.bool_] = allowed & (changed >= least)
        return candidates

    def _nearest(
        self, pool: Pool, request: Request, candidates: NDArray[np.bool_], seed: int
    ) -> NDArray[np.int64]:
        b, normalize = request.b, self.metric == "cosine"
        size = training_size("auto", b, int(np.count_nonzero(candidates)))
        options = TrainingOptions(b, size, MAX_ITER, TOL, seed, normalize)
        trained = train(pool, choose_engine("auto"), options, eligible=candidates, progress=False)
        table = packed_points(trained.centroids)
        shortlist, step = Shortlist(b, b, np.ones(b)), _step(trained.inertia / size)
        for lo, hi, rows in read_chunks(pool, request.chunk_rows, wanted=candidates):
            if rows is None:
                continue
            positions = np.flatnonzero(candidates[lo:hi])
            if rows.array.dtype == np.float64 and not normalize:
                chunk = rows.taken(positions).array
                check_magnitude(self.name, "embeddings", chunk, lo + positions, LARGEST)
            seen = rows.seen(normalize, positions)
            clusters, _ = assign(seen, table)
            if clusters.min() < 0:
                raise nonfinite_error(pool, candidates)
            squares = squared_distances(seen, table, clusters)
            shortlist.push(clusters, -np.rint(squares / step), indices=lo + positions)
        clusters, scores, indices = shortlist.entries()
        return indices[round_robin(clusters, -scores, indices)[:b]]


def _step(mean: float) -> float:
    """Return a power of two near `mean` times 2**-12; 1 if `mean` is 0."""
    return float(np.ldexp(1.0, np.frexp(mean)[1] - _BITS)) if mean else 1.0

"""Discriminative active learning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.cluster.arguments import checked_points, checked_pool
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.pools import as_pool
from ally_fast.pools.pool import Pool, as_float, is_wide
from ally_fast.strategies.contract import Context
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.pieces import network_rows, torch_device
from ally_fast.strategies.request import NO_ROWS, Request, open_request
from ally_fast.strategies.scored import BestRows


class DAL(Parameters):
    """Take the rows that a classifier of labeled against unlabeled rows is surest are unlabeled.

    The batch comes from several mini-queries; the picks of each count as labeled in the next ones.

    Parameters
    ----------
    mini_queries : int
        Number of parts of the batch, of ``b / mini_queries`` rows each.
    ratio : int
        Unlabeled training rows for each labeled one, drawn from the pool at random.
    width, epochs : int
        Hidden features of the classifier; the most passes over its training rows.
    lr, accuracy : float
        Learning rate of Adam; training accuracy at which training stops.

    Notes
    -----
    Needs ``embeddings``, ``labeled_embeddings`` (at least one) and torch. The query itself trains a
    classifier: that is the method. O(n d width) time for each mini-query; memory is O(b), one
    chunk, the training rows, and 1 byte a row. Both classes weigh the same, and features are
    standardised. Every row of the pool is a candidate in every mini-query. Ties go to the lower
    index. The answer is reproducible by seed with the same torch, device and number of threads.
    Source: Gissin, Shalev-Shwartz, "Discriminative active learning", 2019.
    """

    name = "DAL"

    def __init__(
        self,
        *,
        mini_queries: int = 10,
        ratio: int = 10,
        width: int = 256,
        epochs: int = 100,
        lr: float = 1e-3,
        accuracy: float = 0.98,
    ) -> None:
        checks.integer(mini_queries, "mini_queries", 1)
        checks.integer(ratio, "ratio", 1)
        checks.integer(width, "width", 1)
        checks.integer(epochs, "epochs", 1)
        checks.number(lr, "lr")
        checks.number(accuracy, "accuracy")
        self.mini_queries = mini_queries
        self.ratio = ratio
        self.width = width
        self.epochs = epochs
        self.lr = lr
        self.accuracy = accuracy

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows by mini-query, the surest first; see `Strategy`."""
        request = open_request(self.name, context, b, "embeddings", "labeled_embeddings")
        pool = checked_pool(as_pool(context.embeddings))
        labeled = checked_points(context.labeled_embeddings, "labeled_embeddings", pool.d, False)
        if not len(labeled):
            raise ValueError("DAL: labeled_embeddings: got no rows, needs at least one")
        free = np.ones(request.n, np.bool_) if request.eligible is None else request.eligible.copy()
        labeled = network_rows(self.name, "labeled_embeddings", labeled, 0, is_wide(pool))
        picks = NO_ROWS.copy()
        count = min(int(self.mini_queries), request.b)
        for part in range(count):
            size = request.b // count + (part < request.b % count)
            batch = self._mini_query(context, request, pool, labeled, free, part, size)
            free[batch] = False
            picks = np.append(picks, batch)
            order = np.sort(batch)
            labeled = np.concatenate([labeled, as_float(pool.gather(order))])
        return picks

    def _mini_query(
        self,
        context: Context,
        request: Request,
        pool: Pool,
        labeled: NDArray[np.floating],
        free: NDArray[np.bool_],
        part: int,
        size: int,
    ) -> NDArray[np.int64]:
        from ally_fast.strategies.discriminator import Discriminator

        draw, weights = np.random.SeedSequence([context.seed, part]).generate_state(2, np.uint64)
        rows = min(int(self.ratio) * len(labeled), int(np.count_nonzero(free)))
        sample = np.sort(sample_rows(request.n, rows, int(draw), free))
        discriminator = Discriminator(
            int(weights),
            width=int(self.width),
            epochs=int(self.epochs),
            lr=float(self.lr),
            accuracy=float(self.accuracy),
            device=torch_device(context, pool),
        ).fit(labeled, self._rows(pool, as_float(pool.gather(sample)), sample))
        best = BestRows(size)
        for lo, hi, _ in request.chunks(pool):
            keep = free[lo:hi]
            if not keep.any():
                continue
            rows_read = as_float(pool.read(lo, hi))
            rows_read[~keep] = 0.0
            best.push(discriminator.score(self._rows(pool, rows_read, lo)), keep, lo)
        return best.indices()

    def _rows(
        self, pool: Pool, rows: NDArray[np.floating], where: int | NDArray[np.int64]
    ) -> NDArray[np.floating]:
        return network_rows(self.name, "embeddings", rows, where, is_wide(pool))

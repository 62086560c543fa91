"""One row a round: a line of JSON, written as soon as the round is over."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RoundRow:
    """A model trained on the labeled set of a round, and the batch chosen with it.

    Attributes
    ----------
    arm, seed, round
        Which run, and which of its rounds, from 0.
    labeled : int
        Labeled rows the model had, its validation split included.
    accuracy, cross_entropy : float or None
        On the test set; of classification.
    squared_error, absolute_error : float or None
        Means on the test set, of standardised targets; of regression.
    epochs, kept_epoch : int
        Trained, and of the model kept.
    train_seconds, pool_seconds, query_seconds : float
        To train; to run the model over the pool; to choose (the dual head included).
    active_share, mean_multiplier, max_multiplier : float or None
        Of the multipliers that belong to the model kept; of constrained training.
    multiplier_quantiles : list of float or None
        Their 0, 10, ..., 100 % quantiles.
    head_rank_correlation, head_error_share : float or None
        The dual head on rows held out: Spearman's correlation; its squared error over that of the
        mean (below 1 is better than the mean).
    pool_rank_correlation : float or None
        Spearman's correlation of the scores predicted for the pool with the losses the model makes
        there (which only an experiment knows).
    batch_loss, pool_loss : float or None
        Mean loss of the model on the batch, before it is labeled, and on 2000 random pool rows.
    batch_error : float or None
        Share of the batch that the model gets wrong; of classification.
    batch_known : float or None
        Share of the batch that are copies of labeled rows, or of one another (clones).
    batch_classes : int or None
        Classes in the batch.
    threads : int
    batch : list of int or None
        Pool rows chosen, in the strategy's order; None after the last round.
    """

    arm: str
    seed: int
    round: int
    labeled: int
    accuracy: float | None = None
    cross_entropy: float | None = None
    squared_error: float | None = None
    absolute_error: float | None = None
    epochs: int
    kept_epoch: int
    train_seconds: float
    pool_seconds: float | None = None
    query_seconds: float | None = None
    active_share: float | None = None
    mean_multiplier: float | None = None
    max_multiplier: float | None = None
    multiplier_quantiles: list[float] | None = None
    head_rank_correlation: float | None = None
    head_error_share: float | None = None
    pool_rank_correlation: float | None = None
    batch_loss: float | None = None
    pool_loss: float | None = None
    batch_error: float | None = None
    batch_known: float | None = None
    batch_classes: int | None = None
    threads: int
    batch: list[int] | None = None

    @property
    def metric(self) -> float:
        """Accuracy, or mean squared error."""
        value = self.squared_error if self.accuracy is None else self.accuracy
        assert value is not None
        return value

    def to_json(self) -> str:
        """Write the row as a line; what does not apply is left out."""
        given = {name: _short(value) for name, value in asdict(self).items() if value is not None}
        return json.dumps(given, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> RoundRow:
        """Read a row back."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in json.loads(line).items() if name in known})


def _short(value: Any) -> Any:
    """Round what is measured to six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [_short(x) for x in value]
    return value


class RoundFile:
    """The rows of one run, arm and seed, in a file that only ever grows.

    Parameters
    ----------
    folder : path
    arm : str
    seed : int
    """

    def __init__(self, folder: Path, arm: str, seed: int) -> None:
        self.path = folder / f"{arm.replace(':', ',')},seed={seed}.jsonl"

    def read(self) -> list[RoundRow]:
        """Return the rows; a line that a kill cut short is taken off the file."""
        if not self.path.is_file():
            return []
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)
        try:
            rows = [RoundRow.from_json(line) for line in content[:whole].decode().splitlines()]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.path}: has a line that is no row of an experiment") from error
        if [row.round for row in rows] != list(range(len(rows))):
            raise ValueError(f"{self.path}: its rounds are not 0, 1, 2, ...")
        return rows

    def append(self, row: RoundRow) -> None:
        """Write a row; it is on the disk when this returns."""
        with self.path.open("ab") as file:
            file.write(row.to_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def drop_last(self) -> None:
        """Take the last row off."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        os.truncate(self.path, sum(map(len, lines[:-1])))


def load_rounds(folder: str | Path, arms: Sequence[str] | None = None) -> list[RoundRow]:
    """Return the rows of all runs in a folder, by arm (in the order asked for), seed and round.

    Parameters
    ----------
    folder : path
        The ``rows`` folder of an experiment.
    arms : sequence of str, optional
        Names of arms; all, in the order of their names, if None.
    """
    rows = [
        RoundRow.from_json(line)
        for path in sorted(Path(folder).glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    order = sorted({row.arm for row in rows}) if arms is None else list(arms)
    kept = [row for row in rows if row.arm in order]
    return sorted(kept, key=lambda row: (order.index(row.arm), row.seed, row.round))

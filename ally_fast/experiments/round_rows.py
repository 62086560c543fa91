"""One row for each round: a line of JSON, written as soon as the round ends."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from ally_fast.json_object import parse_object


@dataclass(frozen=True, kw_only=True)
class RoundRow:
    """The results of a round: of its trained model, and of the batch chosen with it.

    Attributes
    ----------
    arm, seed, round
        The run, and the number of the round, from 0.
    labeled : int
        Number of labeled rows, including the validation split.
    accuracy, macro_recall, cross_entropy : float or None
        Results on the test set, for classification. Macro recall is the mean recall over the
        classes.
    squared_error, absolute_error : float or None
        Mean errors on the test set, for regression, in units of the standardised targets.
    epochs, kept_epoch : int
        Number of epochs trained; the epoch whose model was kept.
    train_seconds, pool_seconds, query_seconds : float
        Time to train; to run the model over the pool; to choose, including the dual head.
    active_share, mean_multiplier, max_multiplier : float or None
        Statistics of the kept model's multipliers, for constrained training.
    multiplier_quantiles : list of float or None
        Their 0, 10, ..., 100 % quantiles.
    head_rank_correlation, head_error_share : float or None
        The dual head on held-out rows: Spearman's rank correlation; its squared error divided by
        the error of the mean (below 1 is better than the mean).
    pool_rank_correlation : float or None
        Spearman's rank correlation between the predicted scores of the pool and the model's losses
        there, which only an experiment knows.
    batch_loss, pool_loss : float or None
        Mean loss of the model on the batch, before it is labeled; and on 2000 random pool rows.
    batch_error : float or None
        Share of the batch that the model gets wrong, for classification.
    batch_known : float or None
        Share of the batch that copies labeled rows or other rows of the batch (clones).
    batch_classes : int or None
        Number of classes in the batch.
    threads : int
        Number of torch threads.
    batch : list of int or None
        The chosen pool rows, in the strategy's order; None after the last round.
    """

    arm: str
    seed: int
    round: int
    labeled: int
    accuracy: float | None = None
    macro_recall: float | None = None
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
        """The accuracy, or the mean squared error for regression."""
        value = self.squared_error if self.accuracy is None else self.accuracy
        assert value is not None
        return value

    def to_json(self) -> str:
        """Return the row as a line of JSON, without the values that do not apply."""
        values = {name: _short(value) for name, value in asdict(self).items() if value is not None}
        return json.dumps(values, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: bytes | str) -> RoundRow:
        """Return the row of a line of JSON; unknown names are ignored.

        Raises
        ------
        ValueError
            If the line is not an object, a name is missing, or a value has the wrong type.
        """
        items, hints = parse_object(line), get_type_hints(cls)
        missing = [item.name for item in fields(cls) if item.default is MISSING]
        if missing := [name for name in missing if name not in items]:
            raise ValueError(f"has no {missing[0]!r}")
        row = cls(
            **{name: _checked(name, items[name], hints[name]) for name in hints if name in items}
        )
        if row.accuracy is None and row.squared_error is None:
            raise ValueError("has neither 'accuracy' nor 'squared_error'")
        return row


_KINDS: dict[Any, tuple[Any, str]] = {
    str: (str, "a string"),
    int: (int, "an integer"),
    float: ((int, float), "a finite number"),
}


def _checked(name: str, value: Any, hint: Any) -> Any:
    """Return a value if it has the type of a field's annotation; else raise ValueError."""
    if type(None) in get_args(hint):  # kind | None
        kind = get_args(hint)[0]
        return None if value is None else _checked(name, value, kind)
    if get_origin(hint) is list:
        if not isinstance(value, list):
            raise ValueError(f"{name}: got {_told(value)}, needs a list")
        (kind,) = get_args(hint)
        return [_checked(f"{name}[{i}]", part, kind) for i, part in enumerate(value)]
    types, needed = _KINDS[hint]
    if not isinstance(value, types) or isinstance(value, bool):
        raise ValueError(f"{name}: got {_told(value)}, needs {needed}")
    if hint is not float:
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name}: got {_told(value)}, needs {needed}")
    return number


def _told(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _short(value: Any) -> Any:
    """Round measured values to six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [_short(x) for x in value]
    return value


class RoundFile:
    """The rows of one run (an arm and a seed), in a file that only grows.

    Parameters
    ----------
    folder : path
    arm : str
    seed : int
    """

    def __init__(self, folder: Path, arm: str, seed: int) -> None:
        self._arm, self._seed = arm, seed
        self.path = folder / f"{arm.replace(':', ',')},seed={seed}.jsonl"

    def read(self) -> list[RoundRow]:
        """Return the rows; remove a last line that an interruption cut short.

        Raises
        ------
        ValueError
            If a line is not a row, or not the row of this run and round. The message names file and
            line.
        """
        if not self.path.is_file():
            return []
        rows, whole = _read(self.path)
        if whole < self.path.stat().st_size:
            os.truncate(self.path, whole)
        for number, row in enumerate(rows):
            expected = {"arm": self._arm, "seed": self._seed, "round": number}
            for name, value in expected.items():
                if getattr(row, name) != value:
                    raise self.error(number, f"{name}: got {getattr(row, name)!r}, needs {value!r}")
        return rows

    def error(self, number: int, message: str) -> ValueError:
        """Return an error that names the line of a round."""
        return ValueError(f"{self.path}, line {number + 1}: {message}")

    def append(self, row: RoundRow) -> None:
        """Append a row; it is on the disk when this returns."""
        with self.path.open("ab") as file:
            file.write(row.to_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def drop_last(self) -> None:
        """Remove the last row."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        os.truncate(self.path, sum(map(len, lines[:-1])))


def load_rounds(folder: str | Path, arms: Sequence[str] | None = None) -> list[RoundRow]:
    """Return the rows of all runs in a folder, ordered by arm, seed and round.

    A last line that an interruption cut short is ignored.

    Parameters
    ----------
    folder : path
        The ``rows`` folder of an experiment.
    arms : sequence of str, optional
        Names of arms, in the order to return; by default all, in alphabetical order.

    Raises
    ------
    ValueError
        If a line is not a row, or two lines have the same run and round. The message names file and
        line.
    """
    by_key: dict[tuple[str, int, int], tuple[RoundRow, str]] = {}
    for path in sorted(Path(folder).glob("*.jsonl")):
        for number, row in enumerate(_read(path)[0], 1):
            place = f"{path}, line {number}"
            key = (row.arm, row.seed, row.round)
            if key in by_key:
                raise ValueError(
                    f"{place}: {row.arm}, seed {row.seed}, round {row.round} is also in "
                    f"{by_key[key][1]}"
                )
            by_key[key] = row, place
    rows = [row for row, _ in by_key.values()]
    order = sorted({row.arm for row in rows}) if arms is None else list(arms)
    kept = [row for row in rows if row.arm in order]
    return sorted(kept, key=lambda row: (order.index(row.arm), row.seed, row.round))


def _read(path: Path) -> tuple[list[RoundRow], int]:
    """Return the rows of the complete lines, and their size in bytes."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    rows = []
    for number, line in enumerate(content[:whole].split(b"\n")[:-1], 1):
        try:
            rows.append(RoundRow.from_json(line))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return rows, whole

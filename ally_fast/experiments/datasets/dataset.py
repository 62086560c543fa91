"""A pool with its targets, and a test set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks


def check_finite(values: NDArray[Any], name: str) -> None:
    """Raise ValueError if a value is NaN or infinite; the message names the first such row."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise ValueError(f"{name}[{row}] holds NaN or infinite values")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A learning task. The experiment knows its targets; the strategies do not.

    Attributes
    ----------
    name : str
    inputs, test_inputs : ndarray, shape (n, ...)
        Images of bytes (uint8), flat or (n, channels, height, width); or float32 features, (n, d).
    targets, test_targets : ndarray, shape (n,)
        Classes, int64; or values, float32.
    classes : int or None
        Number of classes; None for regression.
    source : str
        Where the data came from, and how they were split and scaled.

    Raises
    ------
    ValueError
        If lengths or shapes disagree, there are no rows, a value is not finite, or a target is not
        a class.
    """

    name: str
    inputs: NDArray[Any]
    targets: NDArray[Any]
    test_inputs: NDArray[Any]
    test_targets: NDArray[Any]
    classes: int | None
    source: str

    def __post_init__(self) -> None:
        """Check that inputs and targets belong together."""
        for part in ("", "test_"):
            inputs, targets = getattr(self, f"{part}inputs"), getattr(self, f"{part}targets")
            if not len(inputs) or targets.shape != (len(inputs),):
                raise ValueError(
                    f"{self.name}: {part}targets: got shape {targets.shape}, needs one for each "
                    f"row of {part}inputs, {inputs.shape}, and at least one row"
                )
            check_finite(inputs, f"{self.name}: {part}inputs")
            check_finite(targets, f"{self.name}: {part}targets")
            if self.classes is None:
                continue
            if targets.dtype.kind not in "iu":
                raise ValueError(
                    f"{self.name}: {part}targets: got {targets.dtype}, needs integers as classes"
                )
            if not 0 <= targets.min() <= targets.max() < self.classes:
                raise ValueError(
                    f"{self.name}: {part}targets: got {targets.min()} to {targets.max()}, needs "
                    f"[0, {self.classes})"
                )
        if self.inputs.shape[1:] != self.test_inputs.shape[1:]:
            raise ValueError(
                f"{self.name}: test_inputs: got rows of shape {self.test_inputs.shape[1:]}, needs "
                f"{self.inputs.shape[1:]} as those of inputs"
            )

    @property
    def task(self) -> str:
        """Return "classification" or "regression"."""
        return "regression" if self.classes is None else "classification"

    def cloned(self, times: int) -> Dataset:
        """Repeat each pool row `times` times; the copies of row i start at ``i * times``."""
        checks.integer(times, "times", 1)
        return replace(
            self,
            name=f"{self.name} x {times}",
            inputs=np.repeat(self.inputs, times, axis=0),
            targets=np.repeat(self.targets, times),
            source=f"{self.source}; each pool row {times} times",
        )

    def sample(self, rows: int, seed: int) -> Dataset:
        """Return a random part of the pool, in the order of the pool."""
        checks.integer(rows, "rows", 1)
        if rows > len(self.inputs):
            raise ValueError(f"pool_rows: got {rows}, but {self.name} has {len(self.inputs)}")
        generator = np.random.Generator(np.random.Philox(key=seed))
        indices = np.sort(generator.choice(len(self.inputs), rows, replace=False))
        return replace(
            self,
            inputs=self.inputs[indices],
            targets=self.targets[indices],
            source=f"{self.source}; {rows} random pool rows (seed {seed})",
        )

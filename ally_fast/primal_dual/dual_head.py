"""Predict multipliers from embeddings: dual scores for samples without a label."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.arrays import as_array, decoded, to_family
from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.devices import checked_device
from ally_fast.primal_dual.digests import digest
from ally_fast.primal_dual.random_streams import (
    SHUFFLE,
    SPLIT,
    batches,
    own_torch_state,
    permutation,
    seed_torch,
)
from ally_fast.primal_dual.ranks import rank_correlation
from ally_fast.primal_dual.scaling import Scaling

_HIDDEN = (64, 32, 16)
_LEAST_ROWS = 4
_SCORED_AT_A_TIME = 1 << 16


class DualHeadWarning(UserWarning):
    """The scores of a dual head carry little information."""


@dataclass(frozen=True)
class DualHeadFit:
    """How well a head predicts the multipliers of rows it was not trained on.

    Attributes
    ----------
    error, error_of_mean : float
        Mean squared error on the held-out rows, of the head and of the training rows' mean. Both
        are in units of the transformed multipliers.
    rank_correlation : float
        Spearman's rank correlation on the held-out rows; 0 if the head or the multipliers are
        constant there.
    epochs : int
        The epoch whose weights were kept; 0 if there was nothing to learn.
    trained_rows, held_out_rows : int
        Numbers of rows.
    """

    error: float
    error_of_mean: float
    rank_correlation: float
    epochs: int
    trained_rows: int
    held_out_rows: int


class DualHead:
    """A regression from embeddings to multipliers: an MLP with layers d-64-32-16-1.

    Parameters
    ----------
    transform : {"standardize", "log1p"}
        The targets are the multipliers, or ``log(1 + multipliers / their mean)``. Both are
        standardized.
    lr : float
        Learning rate of Adam.
    max_epochs, batch_size : int
        Most epochs; rows of a minibatch.
    held_out : float
        Share of rows, in (0, 1), held out to decide when to stop.
    patience : int
        Stop when the error on the held-out rows has not fallen for this many epochs.
    refit : bool
        Afterwards, train a new network on all rows, for the number of epochs that was best.
        `fit_report` still describes the first network.
    device : str or torch.device
        Where the head trains and predicts.
    seed : int
        Seed of initial weights, split and shuffles.

    Notes
    -----
    Source: ALLY, eq. (1) and Appendix D: mean squared error, frozen embeddings. Embeddings and
    targets are standardized, so multiplying all multipliers by a number multiplies all scores by
    it. The output is linear and clamped at 0 only by `score`. torch's random state does not change.

    Examples
    --------
    >>> import numpy as np
    >>> from ally_fast.primal_dual import DualHead
    >>> embeddings = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    >>> head = DualHead(max_epochs=30).fit(embeddings, np.maximum(0, embeddings[:, 0]))
    >>> scores = head.score(embeddings)
    >>> scores.shape, bool(scores[embeddings[:, 0] > 1].min() > scores[embeddings[:, 0] < -1].max())
    ((200,), True)
    """

    def __init__(
        self,
        *,
        transform: str = "standardize",
        lr: float = 0.005,
        max_epochs: int = 200,
        batch_size: int = 64,
        held_out: float = 0.2,
        patience: int = 20,
        refit: bool = False,
        device: Any = "cpu",
        seed: int = 0,
    ) -> None:
        self._transform = checks.choice(transform, "transform", ("standardize", "log1p"))
        self._lr = checks.number(lr, "lr")
        if self._lr <= 0:
            raise ValueError(f"lr: got {lr}, needs more than 0")
        self._max_epochs = checks.integer(max_epochs, "max_epochs", 1)
        self._batch_size = checks.integer(batch_size, "batch_size", 1)
        self._held_out = checks.number(held_out, "held_out")
        if not 0 < self._held_out < 1:
            raise ValueError(f"held_out: got {held_out}, needs a share in (0, 1)")
        self._patience = checks.integer(patience, "patience", 1)
        self._refit = bool(refit)
        self._device = checked_device(device)
        self._seed = checks.seed(seed)
        self._network: torch.nn.Module | None = None
        self._inputs = self._targets = Scaling.unfitted()
        self._fit: DualHeadFit | None = None

    @property
    def device(self) -> torch.device:
        """The device of the head."""
        return self._device

    @property
    def fit_report(self) -> DualHeadFit:
        """How well the head predicts held-out multipliers."""
        self._check_fitted()
        assert self._fit is not None
        return self._fit

    @property
    def fingerprint(self) -> str:
        """A hash of everything that determines the scores: weights and scaling."""
        self._check_fitted()
        weights = None if self._network is None else dict(self._network.state_dict())
        return f"DualHead {digest([weights, vars(self._inputs), vars(self._targets)])}"

    def __call__(self, embeddings: Any) -> Any:
        """Return `score` of embeddings, so that you can pass a head to `ally_fast.select`."""
        return self.score(embeddings)

    def fit(self, embeddings: Any, multipliers: Any) -> DualHead:
        """Learn to predict the multipliers of labeled samples, and return the head.

        Parameters
        ----------
        embeddings : array of shape (n, d)
            Any array or tensor on the host or on the head's device.
        multipliers : array of shape (n,)
            At least 0.

        Returns
        -------
        DualHead
            The head itself.

        Warns
        -----
        DualHeadWarning
            If all multipliers are equal; if they are all zero, every score will be 0. Also if the
            fit is not better than the mean, on the held-out rows, by more than one standard error
            of the difference. The warning gives the rank correlation on these rows.

        Raises
        ------
        ValueError
            If shapes disagree, there are fewer than four rows, a value is not finite, or a
            multiplier is negative.
        """
        rows, targets = _host(embeddings, "embeddings", 2), _host(multipliers, "multipliers", 1)
        self._check_rows(rows, targets)
        n = len(rows)
        order = permutation(n, self._seed, SPLIT)
        count = min(max(2, round(self._held_out * n)), n - 2)
        held_out, trained = order[:count], order[count:]
        self._inputs = Scaling.of(rows, "standardize")
        self._targets = Scaling.of(targets, self._transform)
        if self._targets.constant:
            self._network, value = None, float(targets[0])
            self._fit = DualHeadFit(0.0, 0.0, 0.0, 0, len(trained), count)
            what = (
                "zero: every score will be 0"
                if value == 0
                else f"{value:.6g}: every score will be the same"
            )
            warnings.warn(f"DualHead: all multipliers are {what}", DualHeadWarning, stacklevel=2)
            return self
        x = torch.from_numpy(self._inputs.apply(rows)).to(self._device)
        y = torch.from_numpy(self._targets.apply(targets)).to(self._device)
        with own_torch_state(self._device):
            self._network = self._new_network(rows.shape[1])
            epoch, error = self._train(self._network, x, y, trained, held_out)
        gain = self._gain(x[held_out], y[held_out], y[trained].mean())
        error_of_mean = error + float(gain.mean())
        correlation = rank_correlation(self.score(rows[held_out]), targets[held_out])
        self._fit = DualHeadFit(error, error_of_mean, correlation, epoch, len(trained), count)
        if gain.mean() <= gain.std() / len(gain) ** 0.5:
            warnings.warn(
                f"DualHead: on the {count} held-out rows the head predicts no better than the mean "
                f"of the multipliers (rank correlation {correlation:.2f}): its scores say little",
                DualHeadWarning,
                stacklevel=2,
            )
        if self._refit:
            with own_torch_state(self._device):
                self._network = self._new_network(rows.shape[1])
                optimizer = torch.optim.Adam(self._network.parameters(), self._lr)
                for number in range(1, epoch + 1):
                    self._train_epoch(self._network, optimizer, x, y, order, number)
        return self

    def score(self, embeddings: Any) -> Any:
        """Return the predicted multipliers, clamped at 0.

        Parameters
        ----------
        embeddings : array of shape (m, d)
            Any array, memory map or tensor on the host; read in chunks.

        Returns
        -------
        array of float32, shape (m,)
            The same kind of array as `embeddings`.

        Raises
        ------
        RuntimeError
            If `fit` was not called.
        ValueError
            If the embeddings have another width than those of `fit`, or are not finite.
        """
        self._check_fitted()
        view = as_array(embeddings, "embeddings", ndim=2)
        d = self._inputs.width
        if view.array.shape[1] != d:
            raise ValueError(
                f"embeddings: got {view.array.shape[1]} columns, needs {d}, as fit got"
            )
        scores = np.empty(len(view.array), np.float32)
        for begin in range(0, len(scores), _SCORED_AT_A_TIME):
            chunk = slice(begin, begin + _SCORED_AT_A_TIME)
            rows = np.asarray(decoded(view.array[chunk], view.bf16))
            _check_finite(rows, "embeddings", begin)
            with torch.no_grad():
                # Standardised in float64: a large common offset would take the digits of float32.
                scaled = self._inputs.apply(rows.astype(np.float64))
                predicted = self._predict_scaled(torch.from_numpy(scaled).to(self._device))
                scores[chunk] = predicted.clamp(min=0).cpu().numpy()
        return to_family(scores, view.family)

    def predict(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return the predicted multipliers without the clamp at 0; differentiable.

        Parameters
        ----------
        embeddings : Tensor of shape (m, d)
            On the head's device.

        Returns
        -------
        Tensor of shape (m,)
        """
        self._check_fitted()
        return self._predict_scaled(self._inputs.apply_to_tensor(embeddings.to(torch.float32)))

    def _predict_scaled(self, scaled: torch.Tensor) -> torch.Tensor:
        if self._network is None:
            return self._targets.revert(0 * scaled.sum(1))
        return self._targets.revert(self._network(scaled)[:, 0])

    def _gain(self, x: torch.Tensor, y: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Return how much lower each row's squared error is than the error of the mean."""
        assert self._network is not None
        with torch.no_grad():
            return torch.square(y - mean) - torch.square(y - self._network(x)[:, 0])

    def _train(
        self,
        network: torch.nn.Module,
        x: torch.Tensor,
        y: torch.Tensor,
        trained: NDArray[np.int64],
        held_out: NDArray[np.int64],
    ) -> tuple[int, float]:
        """Return the epoch whose weights are kept, and its error on the held-out rows."""
        optimizer = torch.optim.Adam(network.parameters(), self._lr)
        best, error, weights = 0, float("inf"), network.state_dict()
        for epoch in range(1, self._max_epochs + 1):
            self._train_epoch(network, optimizer, x, y, trained, epoch)
            with torch.no_grad():
                now = float(torch.square(network(x[held_out])[:, 0] - y[held_out]).mean())
            if now < error:
                best, error = epoch, now
                weights = {name: value.clone() for name, value in network.state_dict().items()}
            if epoch - best >= self._patience:
                break
        network.load_state_dict(weights)
        return best, error

    def _new_network(self, d: int) -> torch.nn.Module:
        seed_torch(self._seed, 0, self._device)
        return _mlp(d).to(self._device)

    def _train_epoch(
        self,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        x: torch.Tensor,
        y: torch.Tensor,
        trained: NDArray[np.int64],
        epoch: int,
    ) -> None:
        """Go once through the training rows in minibatches."""
        order = trained[permutation(len(trained), self._seed, SHUFFLE, epoch)]
        for rows in batches(order, self._batch_size):
            optimizer.zero_grad()
            loss = torch.square(network(x[rows])[:, 0] - y[rows]).mean()
            torch.autograd.backward(loss)
            optimizer.step()

    def _check_fitted(self) -> None:
        if self._inputs.width == 0:
            raise RuntimeError("DualHead: call fit(embeddings, multipliers) first")

    @staticmethod
    def _check_rows(rows: NDArray[Any], targets: NDArray[Any]) -> None:
        if len(rows) != len(targets):
            raise ValueError(
                f"multipliers: got {len(targets)}, needs one for each of {len(rows)} rows"
            )
        if len(rows) < _LEAST_ROWS or rows.shape[1] == 0:
            raise ValueError(
                f"embeddings: got shape {rows.shape}, needs at least {_LEAST_ROWS} rows and 1 "
                "column"
            )
        _check_finite(rows, "embeddings", 0)
        _check_finite(targets, "multipliers", 0)
        if len(negative := np.flatnonzero(targets < 0)):
            i = int(negative[0])
            raise ValueError(f"multipliers[{i}]: got {targets[i]}, needs at least 0")


def _mlp(d: int) -> torch.nn.Module:
    layers: list[torch.nn.Module] = []
    for width in _HIDDEN:
        layers += [torch.nn.Linear(d, width), torch.nn.ReLU()]
        d = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(d, 1))


def _host(x: Any, name: str, ndim: int) -> NDArray[np.float64]:
    view = as_array(x.cpu() if isinstance(x, torch.Tensor) else x, name, ndim=ndim)
    return view.numbers().astype(np.float64)


def _check_finite(values: NDArray[Any], name: str, begin: int) -> None:
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        wrong = np.flatnonzero(~finite)
        raise ValueError(
            f"{name}: {len(wrong)} rows are not finite; the first is {begin + int(wrong[0])}"
        )

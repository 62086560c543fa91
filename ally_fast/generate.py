"""New samples with high predicted multipliers, by gradient ascent on inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.arrays import as_array
from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.devices import device_of_model
from ally_fast.primal_dual.dual_head import DualHead
from ally_fast.primal_dual.embedding_model import EmbeddingModel
from ally_fast.primal_dual.random_streams import own_torch_state
from ally_fast.progress import Progress
from ally_fast.record import Record

_HALVINGS = 12

__all__ = ["Generation", "generate"]


@dataclass(frozen=True, eq=False)
class Generation(Record):
    """All frames of inputs whose predicted multipliers rise.

    Attributes
    ----------
    frames : ndarray of float32, shape (steps + 1, m, ...)
        The first frame holds the inputs.
    multipliers : ndarray of float32, shape (steps + 1, m)
        The head's prediction for each frame, before its clamp at 0. It never falls along a column.
    """

    frames: NDArray[np.float32]
    multipliers: NDArray[np.float32]


def generate(
    model: torch.nn.Module,
    head: DualHead,
    inputs: Any,
    *,
    steps: int = 50,
    lr: float = 0.02,
    bounds: tuple[float, float] | None = None,
    embedding_layer: str | None = None,
    batch_size: int = 256,
    progress: bool = False,
) -> Generation:
    """Raise the predicted multiplier of inputs step by step, and keep every frame.

    A step follows the gradient of ``head.predict(backbone(x))`` with respect to x, and has the
    length `lr`. If the prediction would not rise, the step is halved; if that does not help, the
    row stays where it is for this step. So the predicted multiplier of a row never falls.

    Parameters
    ----------
    model : nn.Module
        Returns (outputs, embeddings), or has the `embedding_layer`. It runs in evaluation mode.
    head : DualHead
        Fitted on the model's embeddings.
    inputs : array or tensor of floats, shape (m, ...)
        Where to start, in the units that the model takes.
    steps : int
        Number of steps.
    lr : float
        Length of a step: the root mean square of the changes to a row's numbers.
    bounds : (low, high), optional
        Range in which inputs are kept, as for pixels.
    embedding_layer : str, optional
        The submodule whose output is the embedding.
    batch_size : int
        Number of rows at a time; rows do not influence one another.
    progress : bool
        Show progress on standard error.

    Returns
    -------
    Generation

    Raises
    ------
    TypeError
        If inputs are not floats: integers have no gradient.
    ValueError
        Before any work, if an argument cannot be used, if an input is not finite or out of bounds,
        or if the head was fitted on multipliers that are all equal, so that no direction leads up.
        Later, if a prediction is not finite; the message names the row.

    Notes
    -----
    Source: ALLY, section 5.4; ascent on inputs after Goodfellow, Shlens, Szegedy, ICLR 2015. Cost:
    a forward and a backward pass of the model for each step, and a forward pass for each halving;
    memory for ``steps + 1`` frames. Nothing is random. The model, its gradients and its modes stay
    as they were.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from ally_fast.generate import generate
    >>> from ally_fast.primal_dual import DualHead, embed
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> inputs = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    >>> embeddings = embed(model, inputs, embedding_layer="1")
    >>> head = DualHead(max_epochs=30).fit(embeddings, np.maximum(0, inputs[:, 0]))
    >>> generation = generate(model, head, inputs[:3], steps=5, embedding_layer="1")
    >>> generation.frames.shape, bool((np.diff(generation.multipliers, axis=0) >= 0).all())
    ((6, 3, 2), True)
    """
    checks.integer(steps, "steps", 1)
    checks.integer(batch_size, "batch_size", 1)
    if checks.number(lr, "lr") <= 0:
        raise ValueError(f"lr: got {lr}, needs more than 0")
    start = _start(inputs, bounds)
    if head.fit_report.epochs == 0:
        raise ValueError(
            "head: the multipliers it was fitted on are all equal, so no direction leads up"
        )
    climber = _Climber(EmbeddingModel(model, embedding_layer), head, lr, bounds)
    device = device_of_model(model)
    frames = np.empty((steps + 1, *start.shape), np.float32)
    multipliers = np.empty((steps + 1, len(start)), np.float32)
    rounds = -(-len(start) // batch_size) * steps
    with (
        Progress(progress, rounds, "generate", unit="steps") as line,
        own_torch_state(device),
        climber.model.evaluating(),
        torch.enable_grad(),
    ):
        for lo in range(0, len(start), batch_size):
            rows = slice(lo, lo + batch_size)
            climber.begin(torch.from_numpy(start[rows]).to(device), lo)
            for step in range(steps + 1):
                if step:
                    climber.step()
                    line.advance(1)
                frames[step, rows] = climber.x.cpu().numpy()
                multipliers[step, rows] = climber.height.cpu().numpy()
    return Generation(frames, multipliers)


class _Climber:
    """Some rows, their predictions, and the share of a full step that each row tries next."""

    def __init__(
        self,
        model: EmbeddingModel,
        head: DualHead,
        lr: float,
        bounds: tuple[float, float] | None,
    ) -> None:
        self.model = model
        self._head, self._lr, self._bounds = head, lr, bounds

    def begin(self, x: torch.Tensor, first: int) -> None:
        """Start with rows whose first is row `first` of the inputs."""
        self.x, self._first = x, first
        self.height = self._predicted(x).detach()
        self._share = torch.ones_like(self.height)

    def step(self) -> None:
        """Take the longest of the tried steps that leads up, row by row."""
        direction = self._direction()
        share = torch.clamp(2 * self._share, max=1)
        waiting = torch.ones_like(share, dtype=torch.bool)
        for _ in range(_HALVINGS):
            rows = waiting.nonzero()[:, 0]
            tried = self.x[rows] + direction[rows] * _as_column(share[rows], direction)
            if self._bounds is not None:
                tried = tried.clamp(*self._bounds)
            with torch.no_grad():
                height = self._predicted(tried, rows)
            up = height > self.height[rows]
            risen = rows[up]
            self.x = self.x.index_copy(0, risen, tried[up])
            self.height = self.height.index_copy(0, risen, height[up])
            self._share[risen] = share[risen]
            waiting[risen] = False
            if not bool(waiting.any()):
                return
            share[waiting] /= 2
        self._share[waiting] = 1.0  # stuck: if not for good, the next step starts afresh

    def _direction(self) -> torch.Tensor:
        """Return the full step along the gradient; 0 where the gradient is 0."""
        x = self.x.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(self._predicted(x).sum(), x)
        if self._bounds is not None:
            low, high = self._bounds
            slope = slope.masked_fill(((x <= low) & (slope < 0)) | ((x >= high) & (slope > 0)), 0)
        # By the largest number first: squares of small gradients would vanish.
        slope = slope / _as_column(slope.flatten(1).abs().amax(1), slope)
        size = _as_column(slope.flatten(1).square().mean(1).sqrt(), slope)
        return torch.nan_to_num(self._lr * slope / size).detach()

    def _predicted(self, x: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        embeddings = self.model(x)[1]
        height = self._head.predict(embeddings.to(self._head.device)).to(x.device)
        wrong = ~torch.isfinite(height.detach())
        if bool(wrong.any()):
            place = int(wrong.nonzero()[0, 0])
            row = self._first + (place if rows is None else int(rows[place]))
            raise ValueError(f"inputs[{row}]: its predicted multiplier is not finite")
        return height


def _start(inputs: Any, bounds: tuple[float, float] | None) -> NDArray[np.float32]:
    """Return the inputs as float32, checked."""
    array = as_array(inputs, "inputs").numbers()
    if array.dtype.kind != "f":
        raise TypeError(f"inputs: got {array.dtype}, needs floats, in the model's units")
    if array.ndim < 2 or not len(array):
        raise ValueError(f"inputs: got shape {array.shape}, needs (m, ...) with a row at least")
    start = np.array(array, np.float32, order="C")
    if not np.isfinite(start).all():
        row = int(np.argwhere(~np.isfinite(start))[0, 0])
        raise ValueError(f"inputs[{row}] holds NaN or infinite values")
    if bounds is not None:
        low, high = (checks.number(bound, "bounds") for bound in bounds)
        if not low < high:
            raise ValueError(f"bounds: got {bounds}, needs low < high")
        outside = (start < np.float32(low)) | (start > np.float32(high))
        if outside.any():
            row = int(np.argwhere(outside)[0, 0])
            raise ValueError(f"inputs[{row}] is out of bounds, [{low}, {high}]")
    return start


def _as_column(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return one value for each row, in a shape that multiplies rows."""
    return values.reshape(-1, *[1] * (like.dim() - 1))

"""The classifier of labeled against unlabeled rows for discriminative active learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require

if TYPE_CHECKING:
    import torch
else:
    torch = require("torch", "torch", "DAL")

_BATCH_ROWS = 128


class Discriminator:
    """A small MLP, ``d - width - width - 1``, that tells unlabeled rows from labeled ones.

    Parameters
    ----------
    seed : int
        Seed of the weights and of the order of training rows; no other random state is used.
    width, epochs : int
        Features of the hidden layers; the most passes over the training rows.
    lr, accuracy : float
        Learning rate of Adam; training accuracy at which training stops.
    device : str
        A torch device.
    """

    def __init__(
        self, seed: int, *, width: int, epochs: int, lr: float, accuracy: float, device: str
    ) -> None:
        self._generator = torch.Generator().manual_seed(seed % (1 << 63))
        self._width, self._epochs, self._lr, self._accuracy = width, epochs, lr, accuracy
        self._device = torch.device(device)

    def fit(self, labeled: NDArray[np.floating], unlabeled: NDArray[np.floating]) -> Discriminator:
        """Train; both classes weigh the same in total, however many rows they have."""
        rows = np.concatenate([labeled, unlabeled])
        self._mean = rows.mean(axis=0, dtype=np.float64)
        deviation = rows.std(axis=0, dtype=np.float64)
        self._scale = np.where(deviation > 0, deviation, 1.0)
        inputs = self._standardised(rows).float()
        targets = torch.zeros(len(rows), device=self._device)
        targets[len(labeled) :] = 1.0
        weights = torch.full_like(targets, len(rows) / (2 * len(labeled)))
        weights[len(labeled) :] = len(rows) / (2 * len(unlabeled))
        network = self._new_network(rows.shape[1])
        optimizer = torch.optim.Adam(network.parameters(), lr=self._lr)
        loss_of = torch.nn.functional.binary_cross_entropy_with_logits
        for _ in range(self._epochs):
            order = torch.randperm(len(rows), generator=self._generator).to(self._device)
            right = 0
            for ids in order.split(_BATCH_ROWS):
                logits = network(inputs[ids]).squeeze(1)
                right += int(((logits.detach() > 0) == (targets[ids] > 0)).sum())
                optimizer.zero_grad()
                loss_of(logits, targets[ids], weights[ids]).backward()
                optimizer.step()
            if right >= self._accuracy * len(rows):
                break
        self._judge = network.double()
        return self

    def score(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return each row's logit of being unlabeled.

        In float64: the last bits depend on how many rows are scored at once, and in float32 that
        would decide between rows that are nearly alike.
        """
        with torch.no_grad():
            logits = self._judge(self._standardised(rows)).squeeze(1)
        scores: NDArray[np.float64] = logits.cpu().numpy()
        return scores

    def _standardised(self, rows: NDArray[np.floating]) -> torch.Tensor:
        return torch.from_numpy((rows - self._mean) / self._scale).to(self._device)

    def _new_network(self, d: int) -> torch.nn.Module:
        layers: list[Any] = []
        for inputs, outputs in ((d, self._width), (self._width, self._width), (self._width, 1)):
            # Made without weights: drawing them would use the global random state.
            linear = torch.nn.utils.skip_init(torch.nn.Linear, inputs, outputs)
            torch.nn.init.kaiming_uniform_(
                linear.weight, nonlinearity="relu", generator=self._generator
            )
            torch.nn.init.zeros_(linear.bias)
            layers += [linear, torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1]).to(self._device)

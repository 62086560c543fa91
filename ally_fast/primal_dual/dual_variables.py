"""One multiplier for each labeled sample."""

from __future__ import annotations

from typing import Any, NamedTuple

from ally_fast import checks
from ally_fast.primal_dual import losses as loss_functions
from ally_fast.primal_dual import torch_ops
from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.cuda_step import raise_report
from ally_fast.primal_dual.devices import checked_device
from ally_fast.primal_dual.losses import Loss
from ally_fast.primal_dual.nonfinite import NonFiniteLossError
from ally_fast.primal_dual.rates import checked_rate


class DualStep(NamedTuple):
    """The result of a step on a minibatch.

    Attributes
    ----------
    lagrangian : torch.Tensor of float32, shape ()
        Differentiable.
    losses, slacks : torch.Tensor of float32, shape (m,)
        ``l_i`` and ``l'_i - epsilon_i``, without gradients.
    """

    lagrangian: torch.Tensor
    losses: torch.Tensor
    slacks: torch.Tensor


class DualVariables:
    """The multipliers of a labeled set, and the Lagrangian that they define.

    To use them in your own training loop, change three lines of it::

        duals = DualVariables(len(labeled), epsilon=0.2, lr=0.05)
        ...
        loss = duals.lagrangian(model(inputs), targets, ids)    # instead of a loss
        ...
        duals.multipliers                                       # when training is done

    Parameters
    ----------
    n : int
        Number of samples in the labeled set. `ids` below are positions in it, in ``[0, n)``.
    epsilon : float or array of shape (n,)
        The bound on the dual loss of each sample.
    lr : float
        The dual learning rate, ``eta_d``, at least 0.
    loss, dual_loss : {"cross_entropy", "squared_error"} or callable
        The objective ``l``, and the loss ``l'`` that `epsilon` bounds (if None, the objective). A
        callable takes outputs and targets and returns a tensor of shape (m,).
    device : str or torch.device
        The device of the multipliers and of the model's outputs.
    warm_start : array of shape (m,), optional
        Initial multipliers of the first m samples, ``m <= n``, for a labeled set that grew at its
        end. All others start at 0.

    Raises
    ------
    ImportError
        If torch is not installed.
    ValueError
        If `epsilon` has neither one value nor n, `warm_start` has more than n values, or an
        argument is not finite or out of range.

    Notes
    -----
    Source: ALLY, Algorithm 1 and (D-CERM). If both losses are the same named loss, a step is one
    pass over the outputs (`docs/dual_ascent.md`). torch computes other losses, and all losses of
    float64 outputs. On a GPU no step waits: `check` and `state_dict` raise the errors of a step.
    """

    def __init__(
        self,
        n: int,
        epsilon: Any,
        lr: float,
        *,
        loss: Loss = "cross_entropy",
        dual_loss: Loss | None = None,
        device: Any = "cpu",
        warm_start: Any = None,
    ) -> None:
        self.lr = lr
        self._loss = loss_functions.check_loss(loss, "loss")
        self._dual_loss = (
            self._loss if dual_loss is None else loss_functions.check_loss(dual_loss, "dual_loss")
        )
        n, device = checks.integer(n, "n", 1), checked_device(device)
        self._multipliers = torch.zeros(n, dtype=torch.float32, device=device)
        if warm_start is not None:
            first = _checked_multipliers(warm_start, "warm_start")
            if len(first) > n:
                raise ValueError(f"warm_start: got {len(first)} multipliers, needs at most {n}")
            self._multipliers[: len(first)] = first
        self._report = torch.zeros(5, dtype=torch.int64, device=device)
        self._epsilon = self._checked_epsilon(epsilon)

    @property
    def multipliers(self) -> torch.Tensor:
        """The multipliers, float32, shape (n,): a view that later steps change."""
        return self._multipliers.detach()

    @property
    def epsilon(self) -> torch.Tensor:
        """The bounds, float32, shape () or (n,)."""
        return self._epsilon

    @property
    def lr(self) -> float:
        """The dual learning rate, at least 0; you may set it, for example by a schedule."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = checked_rate(value, "lr")

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._multipliers)

    def lagrangian(
        self, outputs: Any, targets: Any, ids: Any, *, update: bool = True
    ) -> torch.Tensor:
        """Return the Lagrangian of a minibatch, and update its multipliers by one ascent step.

        With ``before = multipliers[ids]``, it is equivalent to::

            value = mean(l(outputs, targets) + before * (l'(outputs, targets) - epsilon[ids]))
            multipliers[ids] = maximum(0, before + lr * (l'(outputs, targets) - epsilon[ids]))

        Parameters
        ----------
        outputs : torch.Tensor
            Shape (m, C) for cross-entropy; (m, ...) or (m,) for squared error; for a callable, any
            shape that it takes. On the device of the multipliers.
        targets : torch.Tensor
            Integer classes, (m,), for cross-entropy; as many values as outputs for squared error.
        ids : torch.Tensor or sequence of int, shape (m,)
            Positions of the samples in the labeled set; distinct.
        update : bool
            Whether to update the multipliers. Algorithm 1 does not in its primal steps.

        Returns
        -------
        torch.Tensor of float32, shape ()
            Differentiable in `outputs`; the multipliers are constants.

        Raises
        ------
        NonFiniteLossError
            If a loss or slack is not finite. The error names the samples; their multipliers have
            not changed.
        ValueError
            If ids repeat or are out of range, a target is not a class, or shapes disagree.
        """
        return self.step(outputs, targets, ids, update=update).lagrangian

    def step(self, outputs: Any, targets: Any, ids: Any, *, update: bool = True) -> DualStep:
        """Do what `lagrangian` does; return the losses and slacks too."""
        lr = self._lr if update else 0.0
        return self._step(outputs, targets, ids, self._loss, self._dual_loss, lr)

    def step_of_losses(
        self,
        losses: torch.Tensor,
        ids: Any,
        dual_losses: torch.Tensor | None = None,
        *,
        update: bool = True,
    ) -> DualStep:
        """Do what `step` does, from the losses of the minibatch, (m,), instead of its outputs."""
        lr = self._lr if update else 0.0
        return self._step_of_losses(losses, losses if dual_losses is None else dual_losses, ids, lr)

    def slacks(self, outputs: Any, targets: Any, ids: Any) -> torch.Tensor:
        """Return the slacks ``l' - epsilon`` of samples, float32, (m,): Algorithm 1, line 9."""
        with torch.no_grad():
            return self._step(outputs, targets, ids, self._dual_loss, self._dual_loss, 0.0).slacks

    def ascend(self, slacks: torch.Tensor, ids: Any = None) -> None:
        """Update multipliers from known slacks: Algorithm 1, line 11.

        Equivalent to ``multipliers[ids] = maximum(0, multipliers[ids] + lr * slacks)``.

        Parameters
        ----------
        slacks : torch.Tensor, shape (m,)
        ids : torch.Tensor or sequence of int, shape (m,), optional
            Distinct samples; by default all.

        Raises
        ------
        NonFiniteLossError
            If a slack or a new multiplier is not finite. Then nothing changes.
        ValueError
            If shapes disagree, or ids repeat or are out of range.
        """
        device = self._multipliers.device
        slacks = torch.as_tensor(slacks, dtype=torch.float32, device=device).detach()
        ids = torch.arange(len(self), device=device) if ids is None else self._checked_ids(ids)
        if slacks.shape != ids.shape:
            raise ValueError(
                f"slacks: got shape {tuple(slacks.shape)}, needs one for each sample, "
                f"{tuple(ids.shape)}"
            )
        if len(ids) and not (0 <= int(ids.min()) and int(ids.max()) < len(self)):
            low, high = int(ids.min()), int(ids.max())
            raise ValueError(f"ids: got {low} to {high}, needs samples in [0, {len(self)})")
        if len(torch.unique(ids)) < len(ids):
            raise ValueError("ids: a sample is given more than once")
        moved = self._multipliers[ids].double() + self._lr * slacks.double()
        new = moved.clamp(min=0).float()
        wrong = ~(torch.isfinite(slacks) & torch.isfinite(new))
        if bool(wrong.any()):
            raise NonFiniteLossError("the slack is not finite", ids[wrong].tolist())
        self._multipliers[ids] = new

    def check(self) -> None:
        """Wait for the GPU and raise the first error since the last call; do nothing on the CPU.

        Raises
        ------
        NonFiniteLossError, ValueError
            The errors that `lagrangian` raises at once on the CPU.
        """
        if self._multipliers.is_cuda:
            raise_report(self._report)

    def to(self, device: Any) -> DualVariables:
        """Move the multipliers and bounds to a device, and return this object."""
        device = checked_device(device)
        self._multipliers = self._multipliers.to(device)
        self._report = self._report.to(device)
        if self._epsilon.dim():
            self._epsilon = self._epsilon.to(device)
        return self

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the multipliers and epsilon, and the dual learning rate."""
        self.check()
        return {
            "multipliers": self._multipliers.clone(),
            "epsilon": self._epsilon.clone(),
            "lr": self._lr,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a state that `state_dict` returned for the same number of samples.

        Raises
        ------
        ValueError
            If `state` lacks an entry, or its multipliers have another length, are negative or are
            not finite. Use `warm_start` for the multipliers of fewer samples.
        """
        for name in ("multipliers", "epsilon", "lr"):
            if name not in state:
                raise ValueError(f"state: has no {name!r}, needs what state_dict() returned")
        new = _checked_multipliers(state["multipliers"], "multipliers")
        if new.shape != self._multipliers.shape:
            raise ValueError(
                f"multipliers: got shape {tuple(new.shape)}, needs {tuple(self._multipliers.shape)}"
                "; for those of fewer samples use DualVariables(..., warm_start=multipliers)"
            )
        epsilon = self._checked_epsilon(state["epsilon"])
        self.lr = state["lr"]
        self._epsilon = epsilon
        self._multipliers.copy_(new)

    def _step(
        self, outputs: Any, targets: Any, ids: Any, loss: Loss, dual_loss: Loss, lr: float
    ) -> DualStep:
        fused = (torch.float32, torch.bfloat16, torch.float16)
        if loss != dual_loss or callable(loss) or getattr(outputs, "dtype", None) not in fused:
            m = len(ids)
            losses = loss_functions.per_sample(loss, outputs, targets, "loss", m)
            dual_losses = (
                losses
                if dual_loss == loss
                else loss_functions.per_sample(dual_loss, outputs, targets, "dual_loss", m)
            )
            return self._step_of_losses(losses, dual_losses, ids, lr)
        self._check_device(outputs, "outputs")
        outputs, targets = loss_functions.arrange(loss, outputs, targets)
        results = torch_ops.dual_ascent(
            outputs if outputs.stride(1) == 1 else outputs.contiguous(),
            targets.contiguous(),
            self._checked_ids(ids),
            self._multipliers,
            self._report,
            self._epsilon,
            lr,
            loss,
        )
        return DualStep(results[0], results[1], results[2])

    def _step_of_losses(
        self, losses: torch.Tensor, dual_losses: torch.Tensor, ids: Any, lr: float
    ) -> DualStep:
        for name, tensor in (("loss", losses), ("dual_loss", dual_losses)):
            self._check_device(tensor, name)
        single = losses.to(torch.float32).contiguous()
        lagrangian, slacks, _ = torch_ops.dual_ascent_losses(
            single,
            dual_losses.to(torch.float32).contiguous(),
            self._checked_ids(ids),
            self._multipliers,
            self._report,
            self._epsilon,
            lr,
        )
        return DualStep(lagrangian, single.detach(), slacks)

    def _checked_ids(self, ids: Any) -> torch.Tensor:
        tensor = torch.as_tensor(ids, device=self._multipliers.device)
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            raise TypeError(f"ids: got {tensor.dtype}, needs integers")
        checked: torch.Tensor = tensor.to(torch.int64).contiguous()
        return checked

    def _check_device(self, tensor: Any, name: str) -> None:
        if tensor.device != self._multipliers.device:
            raise ValueError(
                f"{name}: on {tensor.device}, but the multipliers are on "
                f"{self._multipliers.device}; set it with DualVariables(..., device=...)"
            )

    def _checked_epsilon(self, epsilon: Any) -> torch.Tensor:
        """Return one number as a tensor on the CPU; n numbers on the device of the multipliers."""
        try:
            tensor: torch.Tensor = torch.as_tensor(epsilon)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"epsilon: got {epsilon!r}, needs numbers") from error
        if tensor.dtype == torch.bool or tensor.is_complex():
            raise TypeError(f"epsilon: got {tensor.dtype}, needs real numbers")
        n = len(self)
        if tensor.dim() > 1 or (tensor.dim() == 1 and tensor.shape[0] != n):
            raise ValueError(
                f"epsilon: got shape {tuple(tensor.shape)}, needs one number or one for each of "
                f"the {n} samples, ({n},)"
            )
        tensor = tensor.detach().to(torch.float32)
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError("epsilon: all numbers must be finite")
        where = self._multipliers.device if tensor.dim() else "cpu"
        return tensor.to(where, copy=True).contiguous()


def _checked_multipliers(values: Any, name: str) -> torch.Tensor:
    try:
        tensor: torch.Tensor = torch.as_tensor(values).detach().to(torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name}: got {type(values).__name__}, needs multipliers") from error
    if tensor.dim() != 1:
        raise ValueError(
            f"{name}: got shape {tuple(tensor.shape)}, needs one for each sample, (m,)"
        )
    if not bool((torch.isfinite(tensor) & (tensor >= 0)).all()):
        raise ValueError(f"{name}: all must be finite and at least 0")
    return tensor

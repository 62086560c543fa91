"""Ray tasks: retried where a machine fails, and errors as the function raised them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ally_fast._optional import require

_RETRIES = 4  # of a task whose process died, or that could not read


class Tasks:
    """Functions run on a cluster.

    Parameters
    ----------
    address : str or None
        Of the cluster: "auto" finds the one that this machine belongs to, "local" starts one here,
        as does None if Ray has not been started.

    Raises
    ------
    ImportError
        If Ray is not installed.
    RuntimeError
        If there is no such cluster.
    """

    def __init__(self, address: str | None) -> None:
        self._ray = require("ray", "ray", "a selection on many machines")
        self._started = False
        if not self._ray.is_initialized():
            try:
                # Logs of tasks are the cluster's; what a user needs to know is raised here.
                self._ray.init(
                    address=None if address == "local" else address,
                    log_to_driver=False,
                    logging_level="ERROR",
                    include_dashboard=False if address in (None, "local") else None,
                )
            except (ConnectionError, ValueError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise RuntimeError(
                    f"address: found no Ray cluster at {address!r} ({reason}); start one with "
                    "'ray start --head', or use address='local'"
                ) from None
            self._started = True

    def close(self) -> None:
        """Leave the cluster, if it was joined here."""
        if self._started:
            self._ray.shutdown()

    @property
    def cpus(self) -> int:
        """The CPUs of the cluster."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @property
    def gpus(self) -> int:
        """The GPUs of the cluster."""
        return int(self._ray.cluster_resources().get("GPU", 0))

    def put(self, value: Any) -> Any:
        """Send a value to the cluster, once for all tasks that take it."""
        return self._ray.put(value)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run one task, and wait for it."""
        reference = self._remote(function, 0).remote(*arguments)
        with self._cancelled([reference]):
            return self._result(reference)

    def map(
        self,
        function: Callable[..., Any],
        calls: Iterable[tuple[Any, ...]],
        *,
        gpus: int = 0,
        at_once: int,
    ) -> Iterator[Any]:
        """Yield the results of many tasks, as they come; at most so many are under way."""
        remote = self._remote(function, gpus)
        left = iter(calls)
        running: list[Any] = []
        with self._cancelled(running):
            while True:
                while len(running) < at_once and (call := next(left, None)) is not None:
                    running.append(remote.remote(*call))
                if not running:
                    return
                (ready, *_), running[:] = self._ray.wait(running)
                yield self._result(ready)

    def _remote(self, function: Callable[..., Any], gpus: int) -> Any:
        options = {
            "num_cpus": 1,
            "num_gpus": gpus,
            "max_retries": _RETRIES,
            "retry_exceptions": [OSError],
        }
        return self._ray.remote(**options)(_with_one_thread(function))

    def _result(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.WorkerCrashedError as error:
            raise RuntimeError(
                f"a worker process died {_RETRIES + 1} times at the same task: {error}"
            ) from None

    @contextmanager
    def _cancelled(self, references: list[Any]) -> Iterator[None]:
        """Cancel what is under way if the block ends early."""
        try:
            yield
        except BaseException:
            for reference in references:
                self._ray.cancel(reference, force=True)
            raise


def _with_one_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that computes on the one CPU that its task has."""

    def run(*arguments: Any) -> Any:
        os.environ["ALLY_FAST_THREADS"] = "1"
        return function(*arguments)

    return run

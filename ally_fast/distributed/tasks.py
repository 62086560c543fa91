"""Ray tasks: retried when a machine fails; errors are those that the function raised."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ally_fast import _settings
from ally_fast._optional import require

_RETRIES = 4  # of a task whose process died, or that could not read
_FAN_IN = 8  # parts that one task merges
_SETTLING_SECONDS = 1.0  # that cancelled tasks have to end by themselves


class Tasks:
    """Run functions on a cluster.

    Parameters
    ----------
    address : str or None
        Address of the cluster. "auto" finds the cluster that this machine belongs to. "local"
        starts one here, as does None. Ignored if Ray is already running in this process.
    use_gpus : bool
        Whether tasks may use the cluster's GPUs.

    Raises
    ------
    ImportError
        If Ray is not installed.
    RuntimeError
        If there is no such cluster.
    """

    def __init__(self, address: str | None, *, use_gpus: bool = True) -> None:
        self._ray = require("ray", "ray", "a selection on many machines")
        self._started, self._use_gpus = False, use_gpus
        self._run_id = uuid.uuid4().hex
        self._running: set[Any] = set()
        if not self._ray.is_initialized():
            try:
                # The cluster keeps the logs of tasks; what a user needs to know is raised here.
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
        """Leave the cluster, if this object joined it."""
        if self._started:
            self._ray.shutdown()

    @property
    def cpus(self) -> int:
        """The CPUs of the cluster."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @property
    def gpus(self) -> int:
        """The GPUs of the cluster that tasks may use."""
        return int(self._ray.cluster_resources().get("GPU", 0)) if self._use_gpus else 0

    def put(self, value: Any) -> Sent:
        """Send a value to the cluster once; each worker unpacks it once for all its tasks."""
        return Sent(self._run_id, self._ray.put(value))

    def check(self, value: Any, name: str) -> None:
        """Raise TypeError that names the argument if its value cannot be sent."""
        try:
            self._ray.cloudpickle.dumps(value)
        except Exception as error:  # a pickler can raise anything
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
            raise TypeError(f"{name}: cannot be sent to workers ({reason})") from None

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run one task, and wait for it."""
        reference = self._remote(_run).remote(function, *arguments)
        self._running.add(reference)
        try:
            with self._cancelled([reference]):
                return self._result(reference)
        finally:
            self._running.discard(reference)

    def cancel_runs(self) -> None:
        """End the tasks that `run` waits for, in any thread."""
        self._cancel(list(self._running))

    def map(
        self,
        function: Callable[..., Any],
        calls: Iterable[tuple[Any, ...]],
        *,
        gpus: int = 0,
        at_once: int,
    ) -> Iterator[Any]:
        """Yield the results of many tasks as they finish; at most `at_once` run at a time."""
        remote = self._remote(_run, gpus)
        left = iter(calls)
        running: list[Any] = []
        with self._cancelled(running):
            while True:
                while len(running) < at_once and (call := next(left, None)) is not None:
                    running.append(remote.remote(function, *call))
                if not running:
                    return
                (ready, *_), running[:] = self._ray.wait(running)
                yield self._result(ready)

    def merged(
        self,
        function: Callable[..., Any],
        calls: Iterable[tuple[Any, ...]],
        merge: Callable[..., Any],
        *,
        gpus: int = 0,
        at_once: int,
        done: Callable[[Any], None],
    ) -> Any:
        """Return the results of many tasks, merged in a tree by further tasks.

        Intermediate results stay on the machines that made them. `function` returns its result and
        a small value; `done` is called here with each small value.
        """
        remote, unite = self._remote(_run, gpus, 2), self._remote(_unite, 0, 2)
        merger, left = self.put(merge), iter(calls)
        running: dict[Any, Any] = {}  # small value -> result
        ready: list[Any] = []
        with self._cancelled(running):
            while True:
                while len(running) < at_once and (call := next(left, None)) is not None:
                    result, small = remote.remote(function, *call)
                    running[small] = result
                if len(ready) >= _FAN_IN or (not running and len(ready) > 1):
                    result, small = unite.remote(merger, *ready[:_FAN_IN])
                    running[small] = result
                    del ready[:_FAN_IN]
                if not running:
                    return self._result(ready[0])
                (first, *_), _ = self._ray.wait(list(running))
                if (value := self._result(first)) is not None:
                    done(value)
                ready.append(running.pop(first))

    def _remote(self, function: Callable[..., Any], gpus: int = 0, returns: int = 1) -> Any:
        options = {
            "num_cpus": 1,
            "num_gpus": gpus,
            "num_returns": returns,
            "max_retries": _RETRIES,
            "retry_exceptions": [OSError],
        }
        return self._ray.remote(**options)(function)

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            cause = error
            while isinstance(cause, errors.RayTaskError):  # from a task that this one waited for
                cause = cause.cause
            raise cause from None
        except errors.WorkerCrashedError as error:
            raise RuntimeError(
                f"a worker process died {_RETRIES + 1} times at the same task: {error}"
            ) from None
        except errors.RayError as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise RuntimeError(f"the Ray cluster failed: {reason}") from None

    @contextmanager
    def _cancelled(self, references: Iterable[Any]) -> Iterator[None]:
        """Cancel running tasks if the block ends early."""
        try:
            yield
        except BaseException:
            self._cancel(list(references))
            raise

    def _cancel(self, references: list[Any]) -> None:
        """End running tasks; if `close` stops the cluster at once, they end with it."""
        # Ray 2.60 may abort this process when it kills a worker whose task is just ending. So
        # tasks are first asked to end, and only those that do not react are killed.
        if self._started or not references:
            return
        for reference in references:
            self._ray.cancel(reference)
        number = len(references)
        _, deaf = self._ray.wait(references, num_returns=number, timeout=_SETTLING_SECONDS)
        for reference in deaf:
            self._ray.cancel(reference, force=True)


@dataclass(frozen=True)
class Sent:
    """A value in the cluster's store.

    Attributes
    ----------
    run : str
        Identifies the selection that the value belongs to.
    reference : ObjectRef
    """

    run: str
    reference: Any


class _Held:
    """The unpacked values of one selection at a time."""

    def __init__(self) -> None:
        self._run = ""
        self._values: dict[Any, Any] = {}

    def value(self, argument: Any) -> Any:
        """Return the value behind a `Sent`; anything else as it is."""
        if not isinstance(argument, Sent):
            return argument
        if argument.run != self._run:
            self._run = argument.run
            self._values.clear()
        if argument.reference not in self._values:
            self._values[argument.reference] = require("ray", "ray").get(argument.reference)
        return self._values[argument.reference]


_held = _Held()  # of a worker process, which runs one task at a time


def _run(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function on the task's one CPU."""
    with _settings.using_threads(1):
        return function(*(_held.value(argument) for argument in arguments))


def _unite(merge: Sent, *parts: Any) -> tuple[Any, None]:
    return _run(_held.value(merge), *parts), None

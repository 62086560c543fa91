"""All runs of an experiment: each arm with each seed, in one process or several."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ally_fast import _settings
from ally_fast.experiments.arm import Arm
from ally_fast.experiments.protocol import NETWORK, Protocol
from ally_fast.experiments.round_rows import RoundFile, RoundRow
from ally_fast.files import whole_file
from ally_fast.json_object import parse_object
from ally_fast.progress import Progress

if TYPE_CHECKING:
    from ally_fast.experiments.heads import Head

_HEADER = "experiment.json"
_ROWS = "rows"


@dataclass(frozen=True)
class Plan:
    """The runs of an experiment, and the folder for their rows.

    Attributes
    ----------
    protocol : Protocol
    arms : tuple of Arm
    seeds : int
        Run the seeds 0 to ``seeds - 1``.
    rounds : int
        Number of batches to choose; one more model is trained.
    output : path
        A folder for ``experiment.json`` and ``rows``, which has a file for each run.
    data_folder : str or None
        See `ally_fast.experiments.datasets.load_dataset`.
    jobs : int
        Number of processes, which share the runs.
    threads : int or None
        Threads of each process; None divides all cores among the processes.
    """

    protocol: Protocol
    arms: tuple[Arm, ...]
    seeds: int
    rounds: int
    output: Path
    data_folder: str | None = None
    jobs: int = 1
    threads: int | None = None

    @property
    def rows_folder(self) -> Path:
        """The folder of the rows."""
        return self.output / _ROWS

    @property
    def threads_each(self) -> int:
        """Number of threads of each process."""
        return self.threads or max(1, _settings.threads() // self.jobs)


def run_all(plan: Plan, command: str, *, progress: bool = False) -> None:
    """Run the missing rounds of a plan; write each row as soon as it is known.

    Raises
    ------
    ValueError
        Before any work: if the folder holds another experiment, its files are not those of an
        experiment (the message names file and line), or the experiment cannot run to its end.
    """
    from ally_fast.experiments.loop import check, done
    from ally_fast.experiments.start import typical_start

    _prepared.cache_clear()  # the file may have changed since
    typical_start.cache_clear()
    dataset = _dataset(plan, 0)
    check(dataset, plan.protocol, plan.arms, plan.rounds)
    header = _header(plan, command, dataset)
    runs = [(arm, seed) for seed in range(plan.seeds) for arm in plan.arms]
    there = 0
    for arm, seed in runs:
        own, file = _dataset(plan, seed), RoundFile(plan.rows_folder, arm.name, seed)
        check(own, plan.protocol, (arm,), plan.rounds)
        rows, _ = done(own, plan.protocol, arm, seed, file)
        there += min(len(rows), plan.rounds + 1)
    _set_threads(plan.threads_each)
    head = _head(plan, header, dataset, progress)
    plan.rows_folder.mkdir(parents=True, exist_ok=True)
    with whole_file(str(plan.output / _HEADER), force=True) as stream:
        stream.write((json.dumps(header, indent=1) + "\n").encode())
    with Progress(progress, len(runs) * (plan.rounds + 1), "rounds", unit="rounds") as line:
        line.advance(there)

        def tell(row: RoundRow) -> None:
            line.advance(1, f"{row.arm}, seed {row.seed}, {row.labeled} labels: {row.metric:.4g}")

        if plan.jobs == 1:
            for arm, seed in runs:
                _run(plan, head, arm, seed, tell)
        else:
            _run_in_processes(plan, head, runs, tell)


def _head(plan: Plan, header: dict[str, Any], dataset: Any, progress: bool) -> Head | None:
    """Return the head that the header names; if it names none, choose one and add it."""
    from ally_fast.experiments.heads import Head
    from ally_fast.experiments.tuning import steps, tuned

    kind = plan.protocol.head
    if kind == NETWORK:
        return None
    if "head" not in header:
        with Progress(progress, steps(plan.protocol), "tuning", unit="penalties") as line:
            choice = tuned(dataset, plan.protocol, plan.rounds, line.advance)
        header["head"] = {"penalty": choice.head.penalty, "chosen_by": asdict(choice)}
    return Head(kind, header["head"]["penalty"])


def _run(
    plan: Plan, head: Head | None, arm: Arm, seed: int, tell: Callable[[RoundRow], None]
) -> None:
    from ally_fast.experiments.loop import run

    dataset = _dataset(plan, seed)
    file = RoundFile(plan.rows_folder, arm.name, seed)
    for row in run(dataset, plan.protocol, arm, seed, plan.rounds, file, head):
        tell(row)


def _run_in_processes(
    plan: Plan,
    head: Head | None,
    runs: list[tuple[Arm, int]],
    tell: Callable[[RoundRow], None],
) -> None:
    # Not forked: a process that has run threads, or a GPU, cannot be.
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        queue = manager.Queue()
        workers = ProcessPoolExecutor(plan.jobs, context, _set_threads, (plan.threads_each,))
        with workers:
            futures = [
                workers.submit(_run_there, plan, head, arm, seed, queue) for arm, seed in runs
            ]
            try:
                waiting: set[Future[None]] = set(futures)
                while waiting:
                    ended, waiting = wait(waiting, 0.2, FIRST_EXCEPTION)
                    while not queue.empty():
                        tell(queue.get())
                    for future in ended:
                        future.result()
            except BaseException:
                workers.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
                raise


def _run_there(plan: Plan, head: Head | None, arm: Arm, seed: int, queue: Any) -> None:
    _run(plan, head, arm, seed, queue.put)


def _set_threads(threads: int) -> None:
    from ally_fast.primal_dual._torch import torch

    os.environ["ALLY_FAST_THREADS"] = str(threads)
    torch.set_num_threads(threads)
    if "threadpoolctl" in sys.modules or find_spec("threadpoolctl"):  # comes with scikit-learn
        import_module("threadpoolctl").threadpool_limits(threads)


def _dataset(plan: Plan, seed: int) -> Any:
    """Return the data of a seed, which all seeds share unless the split depends on the seed."""
    return _prepared(plan.protocol, plan.data_folder, seed if plan.protocol.split_by_seed else 0)


@lru_cache(maxsize=1)
def _prepared(protocol: Protocol, folder: str | None, seed: int) -> Any:
    from ally_fast.experiments.loop import prepare

    return prepare(protocol, folder, seed)


def _header(plan: Plan, command: str, dataset: Any) -> dict[str, Any]:
    """Return the header of the experiment; check that existing rows belong to it."""
    from ally_fast.experiments.stamp import stamp
    from ally_fast.primal_dual.digests import digest

    path = plan.output / _HEADER
    mine, commands, head = plan.protocol.to_dict(), [command], {}
    arrays = (dataset.inputs, dataset.targets, dataset.test_inputs, dataset.test_targets)
    digest_of_data = digest(arrays)
    if path.is_file():
        there = _read_header(path)
        commands = list(dict.fromkeys([*there["commands"], command]))
        theirs = there["protocol"]
        for name in {**mine, **theirs}:
            if theirs.get(name) != mine.get(name):
                raise ValueError(
                    f"output: {plan.output} holds an experiment with {name}={theirs.get(name)!r}, "
                    f"but this one has {mine.get(name)!r}; needs another folder"
                )
        if "head" in there:
            head = {"head": there["head"]}
        if there.get("data_digest", digest_of_data) != digest_of_data:
            raise ValueError(
                f"output: {plan.output} holds an experiment on other data than {dataset.source}; "
                "needs another folder"
            )
    elif any(plan.rows_folder.glob("*.jsonl")):
        raise ValueError(
            f"output: {plan.rows_folder} holds rows, but {path}, which names their experiment, is "
            "missing; needs another folder"
        )
    return {
        "commands": commands,
        "protocol": mine,
        "data": dataset.source,
        "data_digest": digest_of_data,
        **head,
        **stamp(),
        "threads": plan.threads_each,
        "jobs": plan.jobs,
    }


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header = parse_object(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    commands = header.get("commands")
    if not isinstance(header.get("protocol"), dict):
        raise ValueError(f"{path}: needs 'protocol', an object with the settings of an experiment")
    if not isinstance(commands, list) or not all(isinstance(text, str) for text in commands):
        raise ValueError(f"{path}: needs 'commands', a list of strings")
    head = header.get("head", {"penalty": 1.0})
    penalty = head.get("penalty") if isinstance(head, dict) else None
    if not isinstance(penalty, float) or not 0 < penalty < math.inf:
        raise ValueError(f"{path}: head: needs 'penalty', a number above 0")
    return header

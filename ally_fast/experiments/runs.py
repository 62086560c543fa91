"""All runs of an experiment: each arm with each seed, one process or several."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ally_fast import _settings
from ally_fast.experiments.arm import Arm
from ally_fast.experiments.protocol import Protocol
from ally_fast.experiments.round_rows import RoundFile, RoundRow
from ally_fast.files import whole_file
from ally_fast.json_object import parse_object
from ally_fast.progress import Progress

_HEADER = "experiment.json"
_ROWS = "rows"


@dataclass(frozen=True)
class Plan:
    """What is to be run, and where its rows go.

    Attributes
    ----------
    protocol : Protocol
    arms : tuple of Arm
    seeds : int
        Seeds 0 to ``seeds - 1``.
    rounds : int
        Batches chosen; one model more is trained.
    output : path
        A folder: ``experiment.json``, and ``rows`` with a file a run.
    data_folder : str or None
        See `ally_fast.experiments.datasets.load_dataset`.
    jobs : int
        Processes; runs are shared out among them.
    threads : int or None
        Of each process; the cores there are, divided among the processes, if None.
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
        """Where the rows are."""
        return self.output / _ROWS

    @property
    def threads_each(self) -> int:
        """Threads of a process."""
        return self.threads or max(1, _settings.threads() // self.jobs)


def run_all(plan: Plan, command: str, *, progress: bool = False) -> None:
    """Run what is not there yet; rows are written as they come.

    Raises
    ------
    ValueError
        Before any work: if the folder holds another experiment, or what is no experiment (the
        message names file and line), or this one cannot be carried out.
    """
    from ally_fast.experiments.loop import check, done

    _dataset.cache_clear()  # the file may have changed since
    dataset = _dataset(plan.protocol, plan.data_folder)
    check(dataset, plan.protocol, plan.arms, plan.rounds)
    header = _header(plan, command, dataset)
    runs = [(arm, seed) for seed in range(plan.seeds) for arm in plan.arms]
    there = 0
    for arm, seed in runs:
        file = RoundFile(plan.rows_folder, arm.name, seed)
        rows, _ = done(dataset, plan.protocol, seed, file)
        there += min(len(rows), plan.rounds + 1)
    plan.rows_folder.mkdir(parents=True, exist_ok=True)
    with whole_file(str(plan.output / _HEADER), force=True) as stream:
        stream.write((json.dumps(header, indent=1) + "\n").encode())
    with Progress(progress, len(runs) * (plan.rounds + 1), "rounds", unit="rounds") as line:
        line.advance(there)

        def tell(row: RoundRow) -> None:
            line.advance(1, f"{row.arm}, seed {row.seed}, {row.labeled} labels: {row.metric:.4g}")

        if plan.jobs == 1:
            _set_threads(plan.threads_each)
            for arm, seed in runs:
                _run(plan, arm, seed, tell)
        else:
            _run_in_processes(plan, runs, tell)


def _run(plan: Plan, arm: Arm, seed: int, tell: Callable[[RoundRow], None]) -> None:
    from ally_fast.experiments.loop import run

    dataset = _dataset(plan.protocol, plan.data_folder)
    file = RoundFile(plan.rows_folder, arm.name, seed)
    for row in run(dataset, plan.protocol, arm, seed, plan.rounds, file):
        tell(row)


def _run_in_processes(
    plan: Plan, runs: list[tuple[Arm, int]], tell: Callable[[RoundRow], None]
) -> None:
    # Not forked: a process that has run threads, or a GPU, cannot be.
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        told = manager.Queue()
        workers = ProcessPoolExecutor(plan.jobs, context, _set_threads, (plan.threads_each,))
        with workers:
            futures = [workers.submit(_run_there, plan, arm, seed, told) for arm, seed in runs]
            try:
                waiting: set[Future[None]] = set(futures)
                while waiting:
                    ended, waiting = wait(waiting, 0.2, FIRST_EXCEPTION)
                    while not told.empty():
                        tell(told.get())
                    for future in ended:
                        future.result()
            except BaseException:
                workers.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
                raise


def _run_there(plan: Plan, arm: Arm, seed: int, told: Any) -> None:
    _run(plan, arm, seed, told.put)


def _set_threads(threads: int) -> None:
    from ally_fast.experiments._torch import torch

    os.environ["ALLY_FAST_THREADS"] = str(threads)
    torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def _dataset(protocol: Protocol, folder: str | None) -> Any:
    from ally_fast.experiments.loop import prepare

    return prepare(protocol, folder)


def _header(plan: Plan, command: str, dataset: Any) -> dict[str, Any]:
    """Return what the rows are of, after a check that the rows there are of the same."""
    from ally_fast.experiments.stamp import stamp
    from ally_fast.primal_dual.digests import digest

    path = plan.output / _HEADER
    mine, commands = plan.protocol.to_dict(), [command]
    arrays = (dataset.inputs, dataset.targets, dataset.test_inputs, dataset.test_targets)
    digest_of_data = digest(arrays)
    if path.is_file():
        there = _read_header(path)
        commands = list(dict.fromkeys([*there["commands"], command]))
        for name, value in mine.items():
            if there["protocol"].get(name) != value:
                raise ValueError(
                    f"output: {plan.output} holds an experiment with "
                    f"{name}={there['protocol'].get(name)!r}, this one has {value!r}; needs "
                    "another folder"
                )
        if there.get("data_digest", digest_of_data) != digest_of_data:
            raise ValueError(
                f"output: {plan.output} holds an experiment on other data than {dataset.source}; "
                "needs another folder"
            )
    elif any(plan.rows_folder.glob("*.jsonl")):
        raise ValueError(
            f"output: {plan.rows_folder} holds rows, but no {path} says of which experiment; needs "
            "another folder"
        )
    return {
        "commands": commands,
        "protocol": mine,
        "data": dataset.source,
        "data_digest": digest_of_data,
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
    return header

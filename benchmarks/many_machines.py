"""What a cluster would take, from one core's rates: ``python -m benchmarks.many_machines``.

An estimate, and a simulation of slow and lost machines; nothing here was run on more than one
machine. With ``--rows`` the rates are those of measured rows, else those below.
"""

from __future__ import annotations

import argparse
import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import machine

PAGE = machine.ROOT / "docs" / "scale.md"
MARKS = ("<!-- many machines -->", "<!-- /many machines -->")
TRIALS = 50
SLOW_NODES, SLOW_SPEED = 0.05, 0.5  # so many work at this speed
SPREAD = 0.1  # standard deviation of the logarithm of nodes' and of tasks' speed
NOTICED = 30.0  # seconds until a lost node is


@dataclass(frozen=True)
class Rates:
    """Seconds of one machine, by stage, for the shape of ``bench_ray``.

    Attributes
    ----------
    assign : float
        Rows that one core reads and assigns in a second.
    sample, train, batch : float
        Seconds; they hardly depend on the number of rows.
    task, submit : float
        Seconds that a task costs beside its work, on its core and where it is submitted.
    cores : int
        Of a node (assumed).
    network, storage : float
        Bytes a second: into and out of a node, and from storage to it (assumed).
    """

    assign: float = 5.4e6
    sample: float = 0.6
    train: float = 0.8
    batch: float = 0.1
    task: float = 0.005
    submit: float = 0.0008
    cores: int = 16
    network: float = 1.25e9
    storage: float = 1e9


@dataclass(frozen=True)
class Case:
    """A pool on a cluster."""

    rows: int
    nodes: int
    width: int = 64  # bytes of a row: 32 of float16

    def tasks(self, rates: Rates) -> int:
        """Return into how many portions `ally_fast.distributed` cuts it."""
        cores = self.nodes * rates.cores
        scores = 8 * self.rows * 2 * cores >> 32  # of tasks under way: 4 GiB
        return max(4 * cores, self.rows * self.width >> 30, scores)

    def task_seconds(self, rates: Rates) -> float:
        """Return the time of a portion on a core: computing, or waiting for storage."""
        rows = self.rows / self.tasks(rates)
        return (
            max(rows / rates.assign, rows * self.width * rates.cores / rates.storage) + rates.task
        )

    def ideal(self, rates: Rates) -> float:
        """Return the time of all portions if nothing is slow and nothing is lost."""
        return self.task_seconds(rates) * self.tasks(rates) / (self.nodes * rates.cores)


def simulate(case: Case, rates: Rates, rng: np.random.Generator, *, lost: bool) -> float:
    """Return the seconds of an assignment: cores take the next portion when they are free.

    With `lost` a node goes in the middle of the ideal time; what ran on it runs again, after all.
    """
    speeds = np.exp(rng.normal(0, SPREAD, case.nodes))
    speeds[rng.random(case.nodes) < SLOW_NODES] *= SLOW_SPEED
    each = case.task_seconds(rates) * np.exp(rng.normal(0, SPREAD, 2 * case.tasks(rates)))
    gone = case.ideal(rates) / 2 if lost else np.inf
    free = [(0.0, node) for node in range(case.nodes) for _ in range(rates.cores)]
    heapq.heapify(free)
    waiting = [0.0] * case.tasks(rates)  # when each portion may begin
    end, begun = 0.0, 0
    while begun < len(waiting):
        now, node = heapq.heappop(free)
        if node == 0 and now >= gone:
            continue
        start = max(now, waiting[begun])
        done = start + each[begun % len(each)] / speeds[node]
        begun += 1
        if node == 0 and done > gone:
            waiting.append(gone + NOTICED)
            continue
        end = max(end, done)
        heapq.heappush(free, (done, node))
    return end


def table(rates: Rates, trials: int = TRIALS) -> str:
    """Return the estimate as a table."""
    lines = [
        "| rows | nodes | bytes a node | sample | train | scores sent | tasks, submitted "
        "| assign: alike, simulated (95 %), one node lost | batch | in all | held where called |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rows in (10**9, 10**10):
        for nodes in (1, 10, 100):
            lines.append(_line(Case(rows, nodes), rates, trials))
    return "\n".join(lines)


def _line(case: Case, rates: Rates, trials: int) -> str:
    rng = np.random.default_rng(case.nodes)
    usual = [simulate(case, rates, rng, lost=False) for _ in range(trials)]
    sent = 8 * case.rows / rates.network
    lost = "all lost"
    if case.nodes > 1:
        found = [simulate(case, rates, rng, lost=True) for _ in range(trials)]
        lost = _seconds(float(np.median(found)))
    middle, high = np.median(usual), np.quantile(usual, 0.95)
    # All at the same time, so the slowest counts.
    submitted = rates.submit * case.tasks(rates)
    whole = rates.sample + rates.train + max(sent, submitted, float(middle)) + rates.batch
    cells = [
        f"10^{len(str(case.rows)) - 1}",
        str(case.nodes),
        f"{case.rows * case.width / case.nodes / 1e9:.3g} GB",
        _seconds(rates.sample),
        _seconds(rates.train),
        _seconds(sent),
        f"{case.tasks(rates)}, {_seconds(submitted)}",
        f"{_seconds(case.ideal(rates))}, {_seconds(middle)} ({_seconds(high)}), {lost}",
        _seconds(rates.batch),
        _seconds(whole),
        f"{8 * case.rows / 1e9:.3g} GB of scores",
    ]
    return f"| {' | '.join(cells)} |"


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"


def measured(path: Path) -> Rates:
    """Return the rates of the largest pool among rows of ``bench_ray``."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [row for row in rows if row["bench"] == "ray" and row["status"] == "ok"]
    n = max(row["n"] for row in rows)
    by_way = {row["setting"]: row["stages"] for row in rows if row["n"] == n}
    one, ray = by_way["process1"], by_way["ray1"]
    tasks = next(row["extra"]["tasks"] for row in rows if row["setting"] == "ray1")
    return Rates(
        assign=n / one["assign"],
        sample=ray["sample"],
        train=ray["train"],
        batch=ray["batch"],
        task=max(0.0, ray["assign"] - one["assign"]) / tasks,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table, or write it into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_machines")
    parser.add_argument("--rows", type=Path, help="ray.jsonl of a machine")
    parser.add_argument("--write", action="store_true", help="into docs/scale.md")
    args = parser.parse_args(argv)
    rates = measured(args.rows) if args.rows else Rates()
    text = f"{rates}\n\n{table(rates)}"
    if not args.write:
        print(text)
        return
    before, rest = PAGE.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{table(rates)}\n\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()

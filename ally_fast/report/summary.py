"""A selection in a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ally_fast.pools import RowSource
from ally_fast.selection.info import SelectionInfo


def summarize(
    pool: RowSource, info: SelectionInfo, seconds: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return the summary of a selection, ready for JSON.

    Parameters
    ----------
    pool : RowSource
        The pool of the selection.
    info : SelectionInfo
        The info that `select` returned with the indices.
    seconds : mapping of str to float, optional
        Wall time by stage, with "total"; by default only the time of `select`.

    Returns
    -------
    dict
        Counts, total ``seconds`` and ``rows_per_second``, ``stage_seconds``,
        ``peak_memory_bytes`` of the process (None if the system does not report it), and what ran.
    """
    stages = dict(info.seconds if seconds is None else seconds)
    total = stages["total"]
    return {
        "rows": pool.n,
        "dimensions": pool.d,
        "dtype": pool.dtype_name,
        "eligible_rows": info.eligible_rows,
        "skipped_rows": info.skipped_rows,
        "clusters": len(info.centroids),
        "empty_clusters": int((info.cluster_sizes == 0).sum()),
        "picks": len(info.scores),
        "seconds": total,
        "rows_per_second": pool.n / total if total else None,
        "stage_seconds": stages,
        "peak_memory_bytes": info.peak_bytes or None,
        "train_rows": info.train_rows,
        "iterations": info.n_iter,
        "inertia": info.inertia,
        "engine": info.engine,
        "device": info.device,
        "isa": info.isa,
        "seed": info.seed,
    }


def summary_text(summary: dict[str, Any]) -> str:
    """Return the summary as aligned lines of text.

    Parameters
    ----------
    summary : dict
        From `summarize`. The summary of a strategy without clusters lacks the facts about clusters.
    """
    rate = summary["rows_per_second"]
    stages = ", ".join(
        f"{stage} {seconds:.3g}"
        for stage, seconds in _long_stages(summary["stage_seconds"]).items()
    )
    skipped = f", {summary['skipped_rows']:,} skipped" if summary["skipped_rows"] else ""
    lines = {
        "rows": f"{summary['rows']:,} ({summary['eligible_rows']:,} eligible{skipped})",
        "dimensions": f"{summary['dimensions']:,} ({summary['dtype']})",
        "picks": f"{summary['picks']:,}",
        "seconds": f"{summary['seconds']:.3g}" + (f" ({stages})" if stages else ""),
        "rows/s": "-" if rate is None else _short(rate),
    }
    if "strategy" in summary:  # one without clusters
        lines["strategy"] = summary["strategy"]
    else:
        training = f"{summary['train_rows']:,} rows, {summary['iterations']} iterations"
        memory = summary["peak_memory_bytes"]
        lines |= {
            "clusters": f"{summary['clusters']:,} ({summary['empty_clusters']:,} empty)",
            "k-means": training if summary["train_rows"] else "none: centroids were given",
            "peak memory": "unknown" if memory is None else f"{_short(memory)}B",
            "ran on": f"{summary['engine']}, {summary['device']}, {summary['isa']}",
        }
    return "\n".join(f"{name:<12}{value}" for name, value in lines.items())


def _long_stages(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the stages that took at least a hundredth of the total, and "other" for the rest."""
    total = seconds["total"]
    long = {
        stage: duration
        for stage, duration in seconds.items()
        if stage != "total" and duration >= 0.01 * total > 0
    }
    rest = total - sum(long.values())
    return {**long, "other": rest} if long and rest >= 0.01 * total else long


def _short(value: float) -> str:
    """Return a number with three significant digits and k, M or G.

    Examples
    --------
    >>> _short(1_234_567), _short(999.6), _short(12)
    ('1.23 M', '1.00 k', '12')
    """
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= 0.9995 * factor:
            digits = max(0, 2 - len(str(int(value / factor * 1.0005))) + 1)
            return f"{value / factor:.{digits}f}{suffix}"
    return f"{value:.3g}"

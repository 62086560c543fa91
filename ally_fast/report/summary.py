"""What a selection did, in a few numbers."""

from __future__ import annotations

from typing import Any

from ally_fast.pools import RowSource
from ally_fast.progress import short_number
from ally_fast.selection.info import SelectionInfo


def summarize(pool: RowSource, info: SelectionInfo) -> dict[str, Any]:
    """Return the summary of a selection, ready for JSON.

    Parameters
    ----------
    pool : RowSource
        The pool selected from.
    info : SelectionInfo
        What `select` returned beside the indices.

    Returns
    -------
    dict
        Counts, ``seconds`` and ``rows_per_second`` of the whole call, ``stage_seconds``,
        ``peak_memory_bytes`` of the process (None where the system does not tell), what ran.
    """
    seconds = info.seconds["total"]
    return {
        "rows": pool.n,
        "dimensions": pool.d,
        "dtype": pool.dtype_name,
        "eligible_rows": info.eligible_rows,
        "skipped_rows": info.skipped_rows,
        "clusters": len(info.centroids),
        "empty_clusters": int((info.cluster_sizes == 0).sum()),
        "picks": len(info.scores),
        "seconds": seconds,
        "rows_per_second": pool.n / seconds if seconds else None,
        "stage_seconds": dict(info.seconds),
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
        From `summarize`.
    """
    rate, memory = summary["rows_per_second"], summary["peak_memory_bytes"]
    stages = ", ".join(
        f"{stage} {seconds:.3g}"
        for stage, seconds in summary["stage_seconds"].items()
        if stage != "total" and seconds >= 0.01 * summary["seconds"]
    )
    training = f"{summary['train_rows']:,} rows, {summary['iterations']} iterations"
    skipped = f", {summary['skipped_rows']:,} skipped" if summary["skipped_rows"] else ""
    lines = {
        "rows": f"{summary['rows']:,} ({summary['eligible_rows']:,} eligible{skipped})",
        "dimensions": f"{summary['dimensions']:,} ({summary['dtype']})",
        "clusters": f"{summary['clusters']:,} ({summary['empty_clusters']:,} empty)",
        "picks": f"{summary['picks']:,}",
        "k-means": training if summary["train_rows"] else "none: centroids were given",
        "seconds": f"{summary['seconds']:.3g}" + (f" ({stages})" if stages else ""),
        "rows/s": "-" if rate is None else short_number(rate),
        "peak memory": "unknown" if memory is None else f"{short_number(memory)}B",
        "ran on": f"{summary['engine']}, {summary['device']}, {summary['isa']}",
    }
    return "\n".join(f"{name:<12}{value}" for name, value in lines.items())

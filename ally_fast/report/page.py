"""A page that explains a batch: one file of HTML that needs nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import resources
from typing import IO, Any

from ally_fast import _settings
from ally_fast._optional import require
from ally_fast.cluster.arguments import checked_threads
from ally_fast.files import check_output, whole_file
from ally_fast.report import facts
from ally_fast.report.charts import charts
from ally_fast.report.colours import BATCH, POOL
from ally_fast.report.comparison import compare
from ally_fast.report.evidence import Evidence, gather_evidence
from ally_fast.report.summary import summarize
from ally_fast.selection.info import SelectionInfo

REPORT_EXTENSIONS = (".html",)
_PACKAGES = ("bokeh", "jinja2")


def write_report(
    file: str | os.PathLike[str] | IO[bytes],
    pool: Any,
    dual_scores: Any,
    indices: Any,
    info: SelectionInfo,
    *,
    force: bool = False,
    **options: Any,
) -> None:
    """Write a page that shows what was chosen from a pool, and why.

    It holds: a map of the pool with the picks, and rows that were excluded; the scores of both;
    picks by size of cluster; how much of the pool lies near a pick, and how alike the picks are,
    beside a random batch and the best rows by score alone; groups and costs; the first 500 picks
    with pictures and texts from the columns kept; what was asked, what ran, how long it took.

    Parameters
    ----------
    file : path or binary file
        ``.html``, which appears whole or not at all; or a file that is open for writing.
    pool, dual_scores
        As given to `select`. A function is called for the rows that are read: the page then lacks
        the best rows by score, and says so.
    indices : array of int64, shape (b,)
        The batch.
    info : SelectionInfo
        What `select` returned beside it; columns that it kept are in the table of picks.
    force : bool
        Replace a file that exists.
    **options
        What else `select` was given, by keyword: exclusions, radius, groups, costs, metric. With
        ``b``, where there are fewer picks than were asked for.

    Raises
    ------
    ImportError
        If Bokeh is not installed (extra ``report``).
    OSError
        If the file cannot be written.
    ValueError, TypeError
        As `select` does.

    Notes
    -----
    The page opens no connection: Bokeh's script (1.3 MB) is in it. All texts are escaped. At most
    20,000 rows and 5,000 picks are drawn and compared, fewer where they take more than 128 MiB; the
    page says how many. These are read once; all rows are, where bad ones are to be skipped. Beside
    the rows: 1 byte a row where some are excluded.
    """
    require_report("write_report")
    opened: AbstractContextManager[IO[bytes]]
    if isinstance(file, str | os.PathLike):
        path = os.fspath(file)
        check_output(path, REPORT_EXTENSIONS, force=force)
        opened = whole_file(path, force=force)
    else:
        opened = nullcontext(file)
    with _settings.using_threads(checked_threads(options.get("threads"))):
        evidence = gather_evidence(pool, dual_scores, indices, info, options, compare=True)
        content = page(evidence, options, summarize(evidence.pool, info))
    with opened as out:
        out.write(content)


def require_report(needed_by: str) -> None:
    """Raise ImportError if a package is missing that pages need."""
    for package in _PACKAGES:
        require(package, "report", needed_by)


def page(
    evidence: Evidence,
    options: Mapping[str, Any],
    summary: Mapping[str, Any],
    command: str | None = None,
) -> bytes:
    """Return the page of what was gathered; see `write_report`.

    Parameters
    ----------
    evidence : Evidence
    options : mapping
        Of `select`, by keyword.
    summary : mapping
        From `summarize`.
    command : str, optional
        What was typed, without secrets.
    """
    comparison = compare(evidence)
    names, rows = facts.pick_table(evidence)
    groups, more_groups = facts.groups(evidence)
    total = summary["stage_seconds"]["total"]
    stages = [
        (stage, seconds, seconds / total if total else 0.0)
        for stage, seconds in summary["stage_seconds"].items()
        if stage != "total"
    ]
    drawings = charts(evidence, comparison)
    text: str = _template().render(
        evidence=evidence,
        comparison=comparison,
        tiles=[
            (name, *value.partition(" | ")[::2])
            for name, value in facts.tiles(evidence, comparison)
        ],
        groups=groups,
        more_groups=more_groups,
        asked=facts.asked(evidence, options),
        ran=facts.ran(evidence, summary, command),
        stages=stages,
        total=total,
        names=names,
        rows=rows,
        charts=drawings,
        chart_json=_script_text([chart.json for chart in drawings.values()]),
        bokeh=_bokeh_script(),
        batch_colour=BATCH,
        pool_colour=POOL,
        hidden=1 - float(evidence.plane.explained.sum()),
    )
    return text.encode("utf-8", "replace")


def _template() -> Any:
    jinja = require("jinja2", "report", "a report")
    source = resources.files("ally_fast.report").joinpath("page.html").read_text("utf-8")
    environment = jinja.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja.StrictUndefined
    )
    return environment.from_string(source)


def _script_text(content: Any) -> str:
    """Return JSON that cannot end the element it stands in."""
    return json.dumps(content).replace("<", "\\u003c").replace("&", "\\u0026")


def _bokeh_script() -> str:
    resource = require("bokeh.resources", "report").Resources(
        mode="inline", components=["bokeh"], log_level="warn"
    )
    return "\n".join(resource.js_raw).replace("</script", "<\\/script")

"""A page that explains a batch: one self-contained HTML file."""

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
    """Write a page that shows which rows were chosen from a pool, and why.

    The page shows a map of the pool with the picks and the excluded rows, the scores of pool and
    picks, and the picks by size of cluster. It compares the batch with a random batch and with the
    best rows by score alone: how much of the pool lies near a pick, and how alike the picks are. It
    lists groups and costs, the first 500 picks with pictures and texts from the kept columns, the
    arguments, what ran, and how long it took.

    Parameters
    ----------
    file : path or binary file
        A path that ends in ``.html``, where the file appears whole or not at all; or a file that is
        open for writing.
    pool, dual_scores
        As you passed them to `select`. If `dual_scores` is a function, it is called only for the
        rows that are read. The page then lacks the best rows by score, and says so.
    indices : array of int64, shape (b,)
        The batch.
    info : SelectionInfo
        The info that `select` returned with it. Its kept columns are in the table of picks.
    force : bool
        Overwrite an existing file.
    **options
        All other arguments of `select`, by keyword: exclusions, radius, groups, costs, metric. Pass
        ``b`` if there are fewer picks than you requested.

    Raises
    ------
    ImportError
        If Bokeh is not installed (extra ``report``).
    OSError
        If the file cannot be written.
    ValueError, TypeError
        As `select` raises them.

    Notes
    -----
    The page opens no connection: it contains Bokeh's script (1.3 MB). All texts are escaped. At
    most 20,000 rows and 5,000 picks are drawn and compared, or fewer if they would take more than
    128 MiB; the page says how many. These rows are read once. If bad rows are skipped, all rows are
    read. Memory besides these rows: 1 byte for each pool row if some are excluded.
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
    """Raise ImportError if a package that pages need is missing."""
    for package in _PACKAGES:
        require(package, "report", needed_by)


def page(
    evidence: Evidence,
    options: Mapping[str, Any],
    summary: Mapping[str, Any],
    command: str | None = None,
) -> bytes:
    """Return the page for the evidence of a batch; see `write_report`.

    Parameters
    ----------
    evidence : Evidence
    options : mapping
        Arguments of `select`, by keyword.
    summary : mapping
        From `summarize`.
    command : str, optional
        The command line, without secrets.
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
    """Return JSON that cannot end the element around it."""
    return json.dumps(content).replace("<", "\\u003c").replace("&", "\\u0026")


def _bokeh_script() -> str:
    resource = require("bokeh.resources", "report").Resources(
        mode="inline", components=["bokeh"], log_level="warn"
    )
    return "\n".join(resource.js_raw).replace("</script", "<\\/script")

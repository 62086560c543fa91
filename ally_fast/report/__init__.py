"""What a selection did: summary, table, picture."""

from ally_fast.report.batch_figure import FIGURE_EXTENSIONS, draw_batch, save_figure
from ally_fast.report.batch_table import BATCH_EXTENSIONS, batch_columns, check_keep, write_batch
from ally_fast.report.generation_figure import draw_generation
from ally_fast.report.summary import summarize, summary_text

__all__ = [
    "BATCH_EXTENSIONS",
    "FIGURE_EXTENSIONS",
    "batch_columns",
    "check_keep",
    "draw_batch",
    "draw_generation",
    "save_figure",
    "summarize",
    "summary_text",
    "write_batch",
]

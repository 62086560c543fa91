"""Show what a selection did: a summary, pictures and a page."""

from ally_fast.report.batch_figure import FIGURE_EXTENSIONS, draw_batch, save_figure
from ally_fast.report.generation_figure import draw_generation
from ally_fast.report.page import REPORT_EXTENSIONS, write_report
from ally_fast.report.summary import summarize, summary_text

__all__ = [
    "FIGURE_EXTENSIONS",
    "REPORT_EXTENSIONS",
    "draw_batch",
    "draw_generation",
    "save_figure",
    "summarize",
    "summary_text",
    "write_report",
]

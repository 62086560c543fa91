"""What a selection did: summary, pictures."""

from ally_fast.report.batch_figure import FIGURE_EXTENSIONS, draw_batch, save_figure
from ally_fast.report.generation_figure import draw_generation
from ally_fast.report.summary import summarize, summary_text

__all__ = [
    "FIGURE_EXTENSIONS",
    "draw_batch",
    "draw_generation",
    "save_figure",
    "summarize",
    "summary_text",
]

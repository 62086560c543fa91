"""Write a batch to a file: a table, or a format that a labeling tool imports."""

from ally_fast.exports.formats import EXTENSIONS, FORMATS, Format, choose_format
from ally_fast.exports.kept_column import KeptColumn
from ally_fast.exports.table import BatchTable, Wanted, batch_table

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "BatchTable",
    "Format",
    "KeptColumn",
    "Wanted",
    "batch_table",
    "choose_format",
]

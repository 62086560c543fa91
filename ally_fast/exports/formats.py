"""The formats of output, and how one is chosen."""

from __future__ import annotations

import errno
import os

from ally_fast import checks
from ally_fast.exports.csv_table import CSV
from ally_fast.exports.cvat import CVAT
from ally_fast.exports.fiftyone import FIFTYONE
from ally_fast.exports.format import Format
from ally_fast.exports.json_batch import JSON
from ally_fast.exports.json_lines import JSON_LINES
from ally_fast.exports.label_studio import LABEL_STUDIO
from ally_fast.exports.lines import LINES
from ally_fast.exports.npy_indices import NPY
from ally_fast.exports.parquet_table import PARQUET
from ally_fast.exports.prodigy import PRODIGY

# An extension alone means the first format here that has it.
_ALL = (CSV, NPY, PARQUET, JSON, JSON_LINES, LINES, LABEL_STUDIO, CVAT, FIFTYONE, PRODIGY)
FORMATS = {form.name: form for form in _ALL}
EXTENSIONS = tuple(dict.fromkeys(extension for form in _ALL for extension in form.extensions))

__all__ = ["EXTENSIONS", "FORMATS", "Format", "choose_format"]


def choose_format(path: str, name: str | None = None) -> Format:
    """Return the format called `name`; without a name, the one that the file's extension means.

    Raises
    ------
    ValueError
        If no format has that name.
    OSError
        If the extension does not fit; the message names the file.
    """
    if name is not None:
        checks.choice(name, "format", tuple(FORMATS))
        return FORMATS[name]
    extension = os.path.splitext(path)[1].lower()
    form = next((form for form in _ALL if extension in form.extensions), None)
    if form is None:
        needed = f"the extension must be one of {', '.join(EXTENSIONS)}"
        raise OSError(errno.EINVAL, needed, path)
    return form

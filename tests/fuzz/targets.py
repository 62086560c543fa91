"""What is fuzzed: how a valid file of each format is written, and how others read it."""

import csv
import io
import json
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.mutate import mutated, mutated_member, zipped
from reader_forms import ARROW, FORMS, Form, arrow_table, write_npy

N, D, K, B = 40, 4, 5, 12
VECTORS = {
    "embeddings": "--embeddings",
    "labeled_embeddings": "--labeled",
    "centroids": "--centroids",
}
NUMBERS = {"dual_scores": "--scores", "exclude": "--exclude", "allocation": "--allocation"}
TEXTS = {"groups": "--groups"}
OPTIONS = {**VECTORS, **NUMBERS, **TEXTS}
KEY = "values"


def pieces():
    """Return a value of every role."""
    rng = np.random.default_rng(5)
    return {
        "embeddings": rng.normal(size=(N, D)).astype(np.float32),
        "labeled_embeddings": rng.normal(size=(3, D)),
        "centroids": rng.normal(size=(K, D)).astype(np.float32),
        "dual_scores": rng.normal(size=N),
        "exclude": rng.choice(N, 9, replace=False),
        "allocation": rng.integers(1, 9, size=K),
        "groups": np.array([f"group-{number}" for number in rng.integers(8, size=N)]),
    }


# Writers: rows of vectors, or values beside rows


def write_npz(path, array, columns):
    members = {}
    for name, values in {"emb": array, **columns}.items():
        made = io.BytesIO()
        np.save(made, values)
        members[f"{name}.npy"] = made.getvalue()
    path.write_bytes(zipped(members))


def write_parquet(**options):
    def write(path, array, columns):
        from pyarrow import parquet

        parquet.write_table(arrow_table(array, columns), path, row_group_size=16, **options)

    return write


def write_csv(path, array, columns):
    (values,) = columns.values()
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("order", KEY))
        lines.writerows(enumerate(values.tolist()))


def write_json(path, array, columns):
    (values,) = columns.values()
    path.write_text(json.dumps({KEY: values.tolist(), "more": {"b": [1]}}))


def write_json_lines(path, array, columns):
    (values,) = columns.values()
    lines = [json.dumps({"order": i, KEY: value}) for i, value in enumerate(values.tolist())]
    path.write_text("\n".join(lines) + "\n")


def write_lines(path, array, columns):
    (values,) = columns.values()
    path.write_text("".join(f"{value}\n" for value in values.tolist()))


class UnjudgedError(Exception):
    """The reference reader refuses what may well be taken."""


# Reference readers: as a few plain lines of Python read them


def read_npy(path, key):
    return np.load(path)


def read_npz(path, key):
    with path.open("rb") as file, np.load(file) as archive:  # which else stays open if damaged
        return archive[key]


def read_parquet(path, key):
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return _from_arrow(file.read([key]), key)


def read_arrow(path, key):
    from pyarrow import ipc

    content = path.read_bytes()
    opened = ipc.open_file if content.startswith(b"ARROW1") else ipc.open_stream
    with opened(content) as reader:
        places = [place for place, name in enumerate(reader.schema.names) if name == key]
    options = ipc.IpcReadOptions(included_fields=places)  # others may be damaged
    with opened(content, options=options) as reader:
        table = reader.read_all()
    table.validate(full=True)
    return _from_arrow(table, key)


def _from_arrow(table, key):
    from pyarrow import types

    (place,) = (place for place, name in enumerate(table.column_names) if name == key)
    column = table.column(place)
    rows = column.to_pylist()
    kind = getattr(column.type, "value_type", column.type)
    if not types.is_list(column.type) and not types.is_fixed_size_list(column.type):
        return np.array(rows)
    dtype = kind.to_pandas_dtype()
    lengths = Counter(len(row) for row in rows if row)
    width = lengths.most_common(1)[0][0]
    array = np.full((len(rows), width), np.nan, dtype if np.dtype(dtype).kind == "f" else float)
    for place, row in enumerate(rows):
        if row is not None and len(row) == width:
            array[place] = [np.nan if value is None else value for value in row]
    return array if np.isnan(array).any() else array.astype(dtype)


def read_safetensors(path, key):
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)[key]
    except SafetensorError as error:
        if "unknown variant" in str(error):  # of a tensor beside it: the list grows
            raise UnjudgedError from error
        raise


def read_hdf5(path, key):
    import h5py

    with h5py.File(path, "r") as file:
        data = file[f"group/{key}"]
        if data.is_virtual or data.external:
            raise ValueError("values in other files")
        return data.asstr()[:] if data.dtype.kind == "O" else data[:]


def read_zarr(path, key):
    import zarr

    return np.asarray(zarr.open_array(str(path / key), mode="r")[:])  # the group says nothing


def read_csv(path, key):
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *lines = csv.reader(file)
    return _numbers([line[header.index(key)] for line in lines if line])


def _numbers(texts):
    """Return what Python reads: integers if all look so, then floats; texts of groups."""
    if any("group" in text for text in texts):
        return np.array(texts)
    whole = not any(set(text) & set(".einfEINF") for text in texts)
    return np.array([int(text) if whole else float(text or "nan") for text in texts])


def read_json(path, key):
    return np.array(json.loads(path.read_bytes())[key])


def read_json_lines(path, key):
    lines = path.read_bytes().decode("utf-8-sig").split("\n")
    return np.array([json.loads(line)[key] for line in lines if line.strip()])


def read_integers(path, key):
    return _numbers(read_lines(path, key))


def read_lines(path, key):
    texts = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    while texts and not texts[-1]:
        texts.pop()
    return np.array(texts)


@dataclass(frozen=True)
class Target:
    """A format.

    Attributes
    ----------
    forms : tuple of Form
        Ways to write it, taken in turn.
    read : callable
        The reference reader: takes a path and a key.
    roles : tuple of str
        What its files are given for.
    is_archive : bool
        Whether checksums protect what is inside.
    memory_bytes : int
        What reading a mutant may take.
    """

    forms: tuple[Form, ...]
    read: Any
    roles: tuple[str, ...] = field(default=tuple(OPTIONS))
    is_archive: bool = False
    memory_bytes: int = 512 << 20

    def path(self):
        """Return the file that a mutant is written to, in the working directory."""
        return Path(f"mutant{self.forms[0].extension}")

    def key(self, role):
        """Return the name of the values within the file, None where a file is one array."""
        form = self.forms[0]
        return form.key if form.key is None or role in VECTORS else KEY

    def source(self, role):
        """Return what the command is given."""
        key = self.key(role)
        return f"{self.path()}:{self.forms[0].prefix}{key}" if key else str(self.path())

    def valid(self, number, role, path):
        """Write a valid file, or folder, and return its content."""
        form, values = self.forms[number % len(self.forms)], pieces()[role]
        if role in VECTORS or form.write is write_npy:
            rows, columns = values, {"order": np.arange(len(values))}
        else:
            rows, columns = pieces()["embeddings"][: len(values)], {KEY: values}
        form.write(path, rows, columns)
        return files_of(path)

    def mutant(self, seed, number, folder):
        """Return the role and the files of a mutant: the same for the same numbers.

        `folder` is empty, for files in between.
        """
        rng = np.random.default_rng((seed, number))
        role = self.roles[number % len(self.roles)]
        files = self.valid(number // len(self.roles), role, folder / self.path())
        names = [name for name in sorted(files) if self._matters(name, role)]
        name = names[int(rng.integers(len(names)))]
        change = mutated_member if self.is_archive and rng.random() < 0.5 else mutated
        return role, {**files, name: change(files[name], rng)}

    def _matters(self, name, role):
        """Tell whether a file of a folder says anything of the values."""
        return "/" not in name or name.startswith(f"{self.key(role)}/")


def files_of(path):
    """Return the content of a file under the name ".", of a folder by path."""
    if path.is_dir():
        found = [file for file in path.rglob("*") if file.is_file()]
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in sorted(found)}
    return {".": path.read_bytes()}


def put_files(files, path):
    """Write them."""
    for name, content in files.items():
        file = path / name if name != "." else path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def pack(files):
    """Return the bytes of a case."""
    return files["."] if set(files) == {"."} else zipped(files)


def unpack(content, target):
    """Return the files of a case."""
    if target.forms[0].extension != ".zarr":
        return {".": content}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _column_form(extension, write, key=KEY):
    return Form(extension, write, key)


NUMERIC = (*VECTORS, *NUMBERS)
COLUMNS = (*NUMBERS, *TEXTS)
CHUNKED = 1 << 30  # a chunk, which is decoded as a whole, may have 64 MiB in a file of some KiB
PACKED = {"compression": "zstd", "use_dictionary": False, "data_page_version": "2.0"}
DELTA = {
    "use_dictionary": False,
    "compression": "none",
    "use_byte_stream_split": ["emb.list.element"],
}
TARGETS = {
    "npy": Target((FORMS["npy"],), read_npy, NUMERIC),
    "npz": Target((Form(".npz", write_npz),), read_npz, NUMERIC, is_archive=True),
    "parquet": Target(
        (
            FORMS["parquet list"],
            FORMS["parquet fixed"],
            Form(".parquet", write_parquet(), **ARROW),
            Form(".parquet", write_parquet(**PACKED), **ARROW),
            Form(".parquet", write_parquet(**DELTA), **ARROW),
        ),
        read_parquet,
    ),
    "arrow-file": Target(
        tuple(
            FORMS[name] for name in ("arrow file", "arrow file fixed", "arrow file of one batch")
        ),
        read_arrow,
    ),
    "arrow-file-lz4": Target((FORMS["arrow file lz4"],), read_arrow),
    "arrow-stream": Target((FORMS["arrow stream"], FORMS["arrow stream zstd"]), read_arrow),
    "safetensors": Target((FORMS["safetensors"],), read_safetensors, NUMERIC),
    "hdf5": Target((FORMS["hdf5"],), read_hdf5, memory_bytes=CHUNKED),
    "hdf5-gzip": Target((FORMS["hdf5 gzip"],), read_hdf5, memory_bytes=CHUNKED),
    "zarr-2": Target((FORMS["zarr 2"],), read_zarr, memory_bytes=CHUNKED),
    "zarr-3": Target(
        tuple(
            FORMS[name]
            for name in ("zarr 3", "zarr 3 blosc", "zarr 3 sharded", "zarr 3 sharded blosc")
        ),
        read_zarr,
        memory_bytes=CHUNKED,
    ),
    "csv": Target((_column_form(".csv", write_csv),), read_csv, COLUMNS),
    "json": Target((_column_form(".json", write_json),), read_json, COLUMNS),
    "jsonl": Target((_column_form(".jsonl", write_json_lines),), read_json_lines, COLUMNS),
    "txt": Target((_column_form(".txt", write_lines, None),), read_integers, ("exclude",)),
    "txt-texts": Target((_column_form(".txt", write_lines, None),), read_lines, ("groups",)),
}

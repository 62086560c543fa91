"""Every way to store the same rows: what the tests of readers run over."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

GROUP = 7  # rows of a row group, record batch or chunk


def is_bfloat16(array):
    return array.dtype.name == "bfloat16"


def arrow_lists(arrow, array, fixed=False):
    """Return rows as lists; None, or a list of another length, where `array` is a list of rows."""
    if isinstance(array, list):
        return arrow.array(array, arrow.list_(arrow.float32(), 3 if fixed else -1))
    element = arrow.array(np.ascontiguousarray(array).ravel())
    rows = arrow.FixedSizeListArray.from_arrays(element, array.shape[1])
    return rows if fixed else rows.cast(arrow.list_(element.type))


def arrow_table(array, columns, fixed=False):
    arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    return arrow.table({"emb": arrow_lists(arrow, array, fixed), **columns})


def write_npy(path, array, columns):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy: bfloat16 is of no dtype that it knows
        np.save(path, array)


def write_npz(path, array, columns):
    np.savez_compressed(path, emb=array, **columns)


def write_parquet(fixed):
    def write(path, array, columns):
        parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
        parquet.write_table(
            arrow_table(array, columns, fixed),
            path,
            row_group_size=GROUP,
            write_page_checksum=True,
        )

    return write


def write_arrow(kind, compression=None, fixed=False, group=GROUP):
    def write(path, array, columns):
        ipc = pytest.importorskip("pyarrow.ipc", reason="needs pyarrow")
        table = arrow_table(array, columns, fixed)
        options = ipc.IpcWriteOptions(compression=compression)
        with getattr(ipc, f"new_{kind}")(str(path), table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=group)

    return write


def write_safetensors(path, array, columns):
    package = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    columns = {name: np.ascontiguousarray(values) for name, values in columns.items()}
    package.save_file({"emb": np.ascontiguousarray(array), **columns}, path)


def write_hdf5(**options):
    def write(path, array, columns):
        h5py = pytest.importorskip("h5py", reason="needs h5py")
        # The latest form has checksums of all that is no value.
        with h5py.File(path, "w", libver="latest" if options else None) as file:
            for name, values in {"emb": array, **columns}.items():
                values = np.asarray(values)
                if values.dtype.kind == "U":
                    values = values.astype(h5py.string_dtype())
                rows = min(GROUP, len(values))  # more are refused
                more = {}
                if options and rows:
                    more = {**options, "chunks": (rows, *values.shape[1:])}
                if values.dtype.kind == "O":  # texts have no checksums
                    more.pop("fletcher32", None)
                file.create_dataset(f"group/{name}", data=values, **more)

    return write


def write_zarr(zarr_format, shards=False, blosc=False):
    def write(path, array, columns):
        zarr = pytest.importorskip("zarr", reason="needs zarr")
        if zarr_format == 3 and int(zarr.__version__.split(".")[0]) < 3:
            pytest.skip("needs zarr 3")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zarr: some types are of no specification yet
            group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
            for name, values in {"emb": array, **columns}.items():
                values = np.asarray(values)
                # Chunks do not divide the rows, and split them where there are several values.
                inner = (GROUP, *[2] * (values.ndim - 1))
                outer = (3 * GROUP, *[4] * (values.ndim - 1)) if shards else None
                kind = str if values.dtype.kind == "U" else values.dtype
                packed = {"compressors": zarr.codecs.BloscCodec()} if blosc else {}
                made = group.create_array(
                    name, shape=values.shape, chunks=inner, shards=outer, dtype=kind, **packed
                )
                if len(values):
                    made[:] = values if kind is not str else values.astype(object)

    return write


def write_lance(fixed):
    def write(path, array, columns):
        lance = pytest.importorskip("lance", reason="needs pylance")
        table = arrow_table(array, columns, fixed)
        lance.write_dataset(table, path, max_rows_per_file=3 * GROUP)  # which it rounds up to 24

    return write


@dataclass(frozen=True)
class Form:
    """A way to store rows.

    Attributes
    ----------
    extension : str
    write : callable
        Takes a path, rows, and columns by name.
    key : str or None
        Of the vectors.
    prefix : str
        Before the names of columns.
    dtypes : tuple of str
    holds_nulls, holds_ragged, holds_columns, holds_texts : bool
    """

    extension: str
    write: Any
    key: str | None = "emb"
    prefix: str = ""
    dtypes: tuple[str, ...] = ("float16", "float32", "float64", "int8", "int64")
    holds_nulls: bool = False
    holds_ragged: bool = False
    holds_columns: bool = True
    holds_texts: bool = True

    def source(self, path):
        return f"{path}:{self.prefix}{self.key}" if self.key else str(path)


ARROW = {"holds_nulls": True, "holds_ragged": True}
BFLOAT = ("float16", "float32", "float64", "int8", "int64", "bfloat16")
FORMS = {
    "npy": Form(".npy", write_npy, None, dtypes=BFLOAT, holds_columns=False),
    "npz": Form(".npz", write_npz),
    "parquet list": Form(".parquet", write_parquet(False), **ARROW),
    "parquet fixed": Form(".parquet", write_parquet(True), holds_nulls=True),
    "arrow file": Form(".arrow", write_arrow("file"), **ARROW),
    "arrow file fixed": Form(".arrow", write_arrow("file", fixed=True), holds_nulls=True),
    "arrow file lz4": Form(".feather", write_arrow("file", "lz4"), **ARROW),
    "arrow file of one batch": Form(".ipc", write_arrow("file", group=None), **ARROW),
    "arrow stream": Form(".arrow", write_arrow("stream"), **ARROW),
    "arrow stream zstd": Form(".arrow", write_arrow("stream", "zstd"), **ARROW),
    "safetensors": Form(".safetensors", write_safetensors, dtypes=BFLOAT, holds_texts=False),
    "hdf5": Form(".h5", write_hdf5(), prefix="group/"),
    "hdf5 gzip": Form(".hdf5", write_hdf5(compression="gzip", fletcher32=True), prefix="group/"),
    "zarr 2": Form(".zarr", write_zarr(2)),
    "zarr 3": Form(".zarr", write_zarr(3)),
    "zarr 3 blosc": Form(".zarr", write_zarr(3, blosc=True)),
    "zarr 3 sharded blosc": Form(".zarr", write_zarr(3, shards=True, blosc=True)),
    "lance list": Form(".lance", write_lance(False), **ARROW),
    "lance fixed": Form(".lance", write_lance(True), holds_nulls=True),
    "zarr 3 sharded": Form(".zarr", write_zarr(3, shards=True)),
}

"""The shard that reads each file format."""

from __future__ import annotations

from ally_fast.pools.arrow_shard import ArrowShard
from ally_fast.pools.csv_shard import CsvShard
from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.hdf5_shard import Hdf5Shard
from ally_fast.pools.json_lines_shard import JsonLinesShard
from ally_fast.pools.json_shard import JsonShard
from ally_fast.pools.lance_shard import LanceShard
from ally_fast.pools.lines_shard import LinesShard
from ally_fast.pools.location import Location
from ally_fast.pools.numpy_shard import NumpyShard
from ally_fast.pools.parquet_shard import ParquetShard
from ally_fast.pools.safetensors_shard import SafetensorsShard
from ally_fast.pools.zarr_shard import ZarrShard

VECTOR_FORMATS: dict[str, type[FileShard]] = {
    ".npy": NumpyShard,
    ".npz": NumpyShard,
    ".parquet": ParquetShard,
    ".pq": ParquetShard,
    ".arrow": ArrowShard,
    ".feather": ArrowShard,
    ".ipc": ArrowShard,
    ".safetensors": SafetensorsShard,
    ".h5": Hdf5Shard,
    ".hdf5": Hdf5Shard,
    ".hdf": Hdf5Shard,
    ".zarr": ZarrShard,
    ".lance": LanceShard,
}
COLUMN_FORMATS: dict[str, type[FileShard]] = {
    ".csv": CsvShard,
    ".json": JsonShard,
    ".jsonl": JsonLinesShard,
    ".txt": LinesShard,
}
FORMATS = {**VECTOR_FORMATS, **COLUMN_FORMATS}
# How to convert files of formats that are not read.
_CONVERSIONS = {
    ".gz": "unpack it",
    ".bz2": "unpack it",
    ".xz": "unpack it",
    ".zst": "unpack it",
    ".zip": "unpack it",
    ".tar": "unpack it, and save its vectors as .npy or .parquet",
    ".pkl": "load it where you trust it, and save the array with numpy.save",
    ".pickle": "load it where you trust it, and save the array with numpy.save",
    ".pt": "load it with torch.load(weights_only=True), and save it with numpy.save",
    ".pth": "load it with torch.load(weights_only=True), and save it with numpy.save",
    ".bin": "view it with numpy.memmap, and pass that array",
    ".mat": "load it with scipy.io.loadmat, and save the array with numpy.save",
    ".tsv": "save it with commas, as .csv",
    ".xlsx": "save it as .csv",
    ".tfrecord": "decode it, and save its vectors as .npy or .parquet",
    ".orc": "read it with pyarrow.orc, and write it with pyarrow.parquet",
    ".avro": "write it as .parquet, for example with Spark or polars",
}


def open_shard(location: Location) -> FileShard:
    """Return the shard that reads a file.

    Raises
    ------
    ValueError
        If no shard reads it; the message says how to convert the file.
    """
    form = FORMATS.get(location.extension)
    if form is None:
        hint = _CONVERSIONS.get(location.extension, f"needs one of {', '.join(FORMATS)}")
        kind = f"{location.extension} files are" if location.extension else "such a file is"
        raise ValueError(f"{location.name}: {kind} not read; {hint}")
    return form(location)

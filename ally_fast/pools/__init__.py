"""Where rows come from: arrays, memory maps, Parquet files, arrays on a GPU."""

from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.device_pool import DevicePool
from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.open_pool import as_pool, open_pool, read_column, split_source
from ally_fast.pools.parquet_pool import ParquetPool
from ally_fast.pools.pool import Pool, RowSource
from ally_fast.rows import Rows

__all__ = [
    "ArrayPool",
    "DevicePool",
    "HostPool",
    "ParquetPool",
    "Pool",
    "RowSource",
    "Rows",
    "as_pool",
    "open_pool",
    "read_column",
    "split_source",
]

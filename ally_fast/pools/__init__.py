"""Sources of rows: arrays, files, folders of shards, tables, arrays on a GPU."""

from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.by_id import ById
from ally_fast.pools.device_pool import DevicePool
from ally_fast.pools.fingerprint import Fingerprint
from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.ids import Ids
from ally_fast.pools.open_pool import as_pool, open_column, open_pool, read_column
from ally_fast.pools.parquet_pool import ParquetPool
from ally_fast.pools.pool import Pool, RowSource
from ally_fast.pools.sharded_pool import ShardedPool
from ally_fast.rows import Rows

__all__ = [
    "ArrayPool",
    "ById",
    "DevicePool",
    "Fingerprint",
    "HostPool",
    "Ids",
    "ParquetPool",
    "Pool",
    "RowSource",
    "Rows",
    "ShardedPool",
    "as_pool",
    "open_column",
    "open_pool",
    "read_column",
]

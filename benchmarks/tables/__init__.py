"""Tables drawn from the rows of one machine, by name: `TABLES` of CPUs, `GPU_TABLES` of one GPU."""

from functools import partial

from benchmarks.tables import gpu, operations, runs, selections
from benchmarks.tables.markdown import gates_table

TABLES = {
    "machine": selections.machine,
    "gates": gates_table,
    "select": selections.select_table,
    "brief": selections.brief_table,
    "shapes": selections.shapes_table,
    "stages": selections.stages_table,
    "assign": operations.assign_table,
    "occupancy": operations.occupancy_table,
    "ops": operations.ops_table,
    "dual_ascent": operations.dual_ascent_table,
    "interrupt": runs.interrupt_table,
    "training": selections.training_table,
    "pools": runs.pools_table,
    "ray": runs.ray_table,
    "strategies": runs.strategies_table,
}
GPU_TABLES = {
    "gpu-machine": gpu.by_gpu(gpu.machine),
    "gpu-gates": gpu.by_gpu(partial(gates_table, gpu=True), without_rows=True),
    "gpu-ceilings": gpu.by_gpu(gpu.ceilings_table),
    "gpu-assign": gpu.by_gpu(gpu.assign_table),
    "gpu-select": gpu.by_gpu(gpu.select_table),
    "gpu-ops": gpu.by_gpu(gpu.ops_table),
    "gpu-missing": gpu.by_gpu(gpu.missing_table),
}

"""Tables of single operations: assign, the primal-dual step, the others."""

from __future__ import annotations

from benchmarks import bench_occupancy, bench_ops, labels
from benchmarks.labels import times
from benchmarks.rows import Row, one, select
from benchmarks.tables.markdown import NOTHING, milliseconds, per_cent, seconds, table
from benchmarks.tables.selections import shape_rows


def assign_table(rows: list[Row]) -> str:
    """Draw the assign operation: every instruction set certified and not, then the peers."""
    body = []
    for shape in shape_rows(rows, "assign"):
        for row in select(rows, bench="assign", shape=shape.shape):
            if not row.ok or row.setting.endswith("uncertified"):
                continue
            plain = one(rows, bench="assign", shape=row.shape, setting=f"{row.isa} uncertified")
            ours = row.engine == "ally_fast"
            beside = [NOTHING, NOTHING]
            if ours and plain:
                ratio = row.seconds_median / plain.seconds_median
                beside = [seconds(plain.seconds_median), times(ratio)]
            uncertain = row.extra.get("uncertain")
            body.append(
                [
                    labels.shape(row),
                    f"ally_fast {row.isa}" if ours else row.engine,
                    seconds(row.seconds_median),
                    *beside,
                    per_cent(None if uncertain is None else uncertain / row.n, 2),
                    f"{2e-9 * row.n * row.d * row.k / row.seconds_median:.0f}",
                ]
            )
    head = ["pool", "engine", "seconds", "uncertified", "ratio", "rows settled", "GFLOP/s"]
    return table(head, body, left=2) if body else ""


def occupancy_table(rows: list[Row]) -> str:
    """Draw how busy assignment keeps the tile unit, by dimensions and clusters."""
    body = []
    certified = select(
        rows, bench="occupancy", engine="ally_fast", setting=bench_occupancy.CERTIFIED, ok=True
    )
    for ours in sorted(certified, key=lambda row: (row.d, row.k)):
        same = select(rows, bench="occupancy", shape=ours.shape, ok=True)
        plain = one(same, setting=bench_occupancy.UNCERTIFIED)
        products = one(same, setting=bench_occupancy.PRODUCTS)
        if not plain or not products:
            continue
        body.append(
            [
                labels.shape(ours),
                milliseconds(ours.seconds_median),
                times(ours.seconds_median / plain.seconds_median),
                milliseconds(products.seconds_median),
                per_cent(products.seconds_median / ours.seconds_median, 0),
            ]
        )
    head = ["pool", "certified, ms", "over uncertified", "products alone, ms", "of the pass"]
    return table(head, body) if body else ""


def ops_table(rows: list[Row]) -> str:
    """Draw the other native operations beside what others offer for the same job."""
    body = []
    for row in select(rows, bench="ops", engine="ally_fast"):
        if not row.ok or row.setting not in bench_ops.BUILDERS:  # an operation that is gone
            continue
        same = select(rows, bench="ops", setting=row.setting, shape=row.shape, ok=True)
        name = f"`{row.setting}`, {labels.size(row)}, k = {labels.count(row.k)}"
        for peer in [other for other in same if other is not row] or [None]:
            theirs = [NOTHING] * 3
            if peer:
                ratio = times(peer.seconds_median / row.seconds_median)
                theirs = [peer.engine, seconds(peer.seconds_median), ratio]
            body.append([name, seconds(row.seconds_median), *theirs])
    head = ["operation", "seconds", "peer", "its seconds", "ratio"]
    return table(head, body) if body else ""


def dual_ascent_table(rows: list[Row]) -> str:
    """Draw the primal-dual step: ours, eager torch and `torch.compile`, with their errors."""
    body = []
    for ours in select(rows, bench="dual_ascent", engine="ally_fast", ok=True):
        same = select(rows, bench="dual_ascent", setting=ours.setting, n=ours.n, d=ours.d)
        same = select(same, dtype=ours.dtype)
        others = [one(same, engine=engine) for engine in ("torch_eager", "torch_compile")]
        ratios = [
            f"{milliseconds(row.seconds_median)} · "
            f"{times(row.seconds_median / ours.seconds_median)}"
            if row
            else NOTHING
            for row in others
        ]
        errors = [
            f"{row.extra['loss_error']:.0e}, {row.extra['gradient_error']:.0e}" if row else NOTHING
            for row in (ours, others[0])
        ]
        rate = 2e-9 * ours.itemsize * ours.n * ours.d / ours.seconds_median
        name = f"{ours.setting.replace('_', ' ')}, {labels.size(ours)}"
        taken = milliseconds(ours.seconds_median)
        body.append([name, ours.dtype, taken, *ratios, f"{rate:.1f}", *errors])
    head = ["work", "outputs", "ally_fast, ms", "eager torch", "`torch.compile`", "GB/s"]
    errors = ["errors: loss, gradient", "eager torch's"]
    return table([*head, *errors], body, left=2) if body else ""

"""Draw tables and the figure from rows: ``python -m benchmarks.report [FOLDER ...]``.

Text between ``<!-- benchmark:NAME -->`` and ``<!-- /benchmark:NAME -->`` is replaced, in README.md
by the brief table of one machine, in docs/performance.md by those of all; NAME is a key of
``tables.TABLES``. No figure in those tables is typed by hand. Rows of GPU machines lie in files of
their own and have tables of their own, ``tables.GPU_TABLES``.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from benchmarks import machine, rows
from benchmarks.pages import redraw
from benchmarks.pages import replaced as replaced_tables
from benchmarks.rows import GPU_FILE, Row
from benchmarks.tables import GPU_TABLES, TABLES

README = "README.md"
PAGE = "docs/performance.md"
FIGURE = "docs/figures/select_cpu.png"


def main(argv: list[str] | None = None) -> int:
    """Redraw pages and figure, or with ``--check`` say whether the pages are up to date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="default: every device's results")
    parser.add_argument("--root", type=Path, default=machine.ROOT, help="where the pages are")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    parser.add_argument("--print", action="store_true", help="write the tables to the terminal")
    args = parser.parse_args(argv)
    devices = _devices(args.folders or _result_folders())
    if not devices:
        print("no rows to draw from", file=sys.stderr)
        return 1
    if args.print:
        for name in [*TABLES, *GPU_TABLES]:
            if any(is_gpu(device) == (name in GPU_TABLES) for device in devices):
                print(f"## {name}\n\n{block(name, devices)}\n")
        return 0
    shown = headline(devices)
    pages = {README: shown, PAGE: devices}
    stale = False
    for page, drawn in pages.items():
        draw = partial(replaced, devices=drawn)
        stale |= redraw(args.root / page, draw, args.check, "benchmarks.report")
    if args.check:
        return int(stale)
    for device in shown:
        if not is_gpu(device):
            draw_figure(device, args.root / FIGURE)
    return 0


def _result_folders() -> list[Path]:
    base = machine.ROOT / "benchmarks" / "results"
    files = [*base.glob("*/select.jsonl"), *base.glob(f"*/{GPU_FILE}")]
    return sorted({path.parent for path in files})


def _devices(folders: list[Path]) -> list[list[Row]]:
    found = [rows.load(folder) for folder in folders]
    return [device for device in found if any(row.ok for row in device)]


def headline(devices: list[list[Row]]) -> list[list[Row]]:
    """Keep the CPU and the GPU machine where `select` was measured last, or most was."""

    def latest(device: list[Row]) -> tuple[str, int]:
        dates = [row.date for row in device if row.bench in ("select", "gpu_select")]
        return max(dates, default=""), len(device)

    return list({is_gpu(device): device for device in sorted(devices, key=latest)}.values())


def is_gpu(device: list[Row]) -> bool:
    """Whether rows are those of a GPU machine."""
    return any(row.on_gpu for row in device)


def block(name: str, devices: list[list[Row]]) -> str:
    """Draw one table for every machine, each under its name when there are several.

    Parameters
    ----------
    name : str
        A key of ``tables.TABLES`` or of ``tables.GPU_TABLES``; the latter are drawn without rows
        too.
    devices : list of list of Row
        Rows by machine.
    """
    gpu = name in GPU_TABLES
    draw = (GPU_TABLES if gpu else TABLES)[name]
    devices = [device for device in devices if is_gpu(device) == gpu] or ([[]] if gpu else [])
    parts = []
    for device in devices:
        drawn = draw(device)
        if not drawn:
            continue  # nothing of the kind was measured there
        if len(devices) > 1 and not name.endswith("machine"):
            drawn = f"On {_machine_name(device, devices)}:\n\n{drawn}"
        parts.append(drawn)
    return "\n\n".join(parts)


def _machine_name(device: list[Row], devices: list[list[Row]]) -> str:
    """Name a machine by its processor, with the model where others call themselves the same."""
    key = "gpu" if is_gpu(device) else "cpu"
    name = str(device[0].hardware[key])
    if sum(other[0].hardware[key] == name for other in devices) == 1:
        return name
    return f"{name}, model {str(device[0].hardware['family']).split('/')[1]}"


def replaced(text: str, devices: list[list[Row]]) -> str:
    """Replace what stands between markers; a name no table has raises ``KeyError``."""
    return replaced_tables(text, "benchmark", partial(block, devices=devices))


def draw_figure(device: list[Row], path: Path) -> None:
    """Draw the figure of one machine."""
    try:
        from benchmarks import figure
    except ModuleNotFoundError as error:
        print(f"no figure: {error.name} is not installed", file=sys.stderr)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.draw(device, path)
    print(f"drew {path.name}")


if __name__ == "__main__":
    raise SystemExit(main())

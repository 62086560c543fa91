"""What each CUDA kernel takes of a multiprocessor, from what ptxas said while compiling.

python -m benchmarks.kernels            write docs/kernels.md
python -m benchmarks.kernels --check    fail if a kernel spills registers, or the page is stale
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "kernels.md"
_ENTRY = re.compile(r"Compiling entry function '(?P<name>\w+)' for 'sm_(?P<arch>\w+)'")
_STACK = re.compile(
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads"
)
_USED = re.compile(r"Used (?P<registers>\d+) registers(?:.*?(?P<shared>\d+) bytes smem)?")


@dataclass(frozen=True, order=True)
class Kernel:
    """One kernel for one architecture; bytes apart from registers, which are a thread's."""

    file: str
    name: str
    arch: str
    registers: int
    shared: int
    stack: int
    spilled: int


def kernels(folder: Path) -> list[Kernel]:
    """Return the kernels that the logs in a build folder speak of."""
    found = []
    for log in sorted(folder.rglob("*.cu.o.log")):
        file = log.relative_to(folder).as_posix().removesuffix(".o.log")
        entry: dict[str, str] = {}
        for line in log.read_text().splitlines():
            if match := _ENTRY.search(line):
                entry = match.groupdict()
            elif match := _STACK.search(line):
                entry |= match.groupdict()
            elif (match := _USED.search(line)) and "name" in entry:
                used = match.groupdict("0")
                found.append(
                    Kernel(
                        file=file,
                        name=entry["name"],
                        arch=entry["arch"],
                        registers=int(used["registers"]),
                        shared=int(used["shared"]),
                        stack=int(entry["stack"]),
                        spilled=int(entry["stores"]) + int(entry["loads"]),
                    )
                )
                entry = {}
    return found


def readable(names: list[str]) -> list[str]:
    """Return mangled names as a reader knows them, without namespaces and parameters."""
    done = subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    )
    short = []
    for name in done.stdout.splitlines():
        plain = name.replace("(anonymous namespace)::", "").replace("ally_fast::", "")
        plain = re.sub(r"\(DType\)(\d)", lambda m: _DTYPES[int(m[1])], plain)
        short.append(_without_parameters(re.sub(r"^void ", "", plain)))
    return short


def _without_parameters(name: str) -> str:
    """Cut the name at the first parenthesis outside of angle brackets."""
    depth = 0
    for at, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            return name[:at]
    return name


_DTYPES = ("float16", "bfloat16", "float32", "float64")


def page(found: list[Kernel], compiler: str) -> str:
    """Return the table, a row for each kernel, the largest figures over the architectures."""
    rows: dict[tuple[str, str], list[Kernel]] = {}
    for kernel, name in zip(found, readable([k.name for k in found]), strict=True):
        rows.setdefault((kernel.file, name), []).append(kernel)
    lines = [
        "# CUDA kernels",
        "",
        f"This page says what each CUDA kernel takes of a multiprocessor, by `{compiler}`.",
        "`python -m benchmarks.kernels` writes it, and fails if a kernel spills registers. Figures",
        "are the largest over the architectures, without dynamic shared memory. They are the",
        "compiler's: no kernel has run on a GPU yet.",
        "",
        "| kernel | architectures | registers | static shared bytes | stack bytes |",
        "|---|---|---:|---:|---:|",
    ]
    for (_, name), group in sorted(rows.items()):
        lines.append(
            f"| `{name}` | {', '.join(sorted({k.arch for k in group}, key=_number))} "
            f"| {max(k.registers for k in group)} | {max(k.shared for k in group)} "
            f"| {max(k.stack for k in group)} |"
        )
    return "\n".join(lines) + "\n"


def _number(arch: str) -> tuple[int, str]:
    return int(re.sub(r"\D", "", arch)), arch


def _compiler() -> str:
    done = subprocess.run(["nvcc", "--version"], capture_output=True, text=True, check=True)
    release = re.search(r"release ([\d.]+)", done.stdout)
    return f"nvcc {release[1] if release else '?'}"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    found = kernels(ROOT / "build/ninja")
    if not found:
        print("kernels: nothing was compiled for CUDA; first: ALLY_FAST_CUDA=1 setup.py build_ext")
        return 1
    spills = [kernel for kernel in found if kernel.spilled]
    for kernel in spills:
        print(
            f"kernels: {readable([kernel.name])[0]} spills {kernel.spilled} bytes on {kernel.arch}"
        )
    compiler = _compiler()
    text = page(found, compiler)
    if not arguments.check:
        PAGE.write_text(text)
    elif f"`{compiler}`" in PAGE.read_text() and PAGE.read_text() != text:
        print(f"kernels: {PAGE.relative_to(ROOT)} is stale: python -m benchmarks.kernels")
        return 1
    print(f"kernels: {len(found)} compiled, {len(spills)} spill")
    return 1 if spills else 0


if __name__ == "__main__":
    sys.exit(main())

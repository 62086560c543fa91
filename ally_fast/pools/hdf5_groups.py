"""Groups of an HDF5 file from an untrusted source."""

from __future__ import annotations

from collections.abc import Iterator

from ally_fast.pools.hdf5_bytes import Hdf5Bytes

_TABLE, _CONTINUATION = 0x11, 0x10  # kinds of messages in the header of an object
_MOST_MESSAGES = 1 << 16
_NO_MORE = 1  # ends a heap's free list


def check_groups(file: Hdf5Bytes) -> None:
    """Raise ValueError if damaged groups could make the library loop or exhaust memory.

    Groups of the older form, the default, have trees and heaps of names. The library follows the
    links between tree nodes, and trusts the sizes of the heaps. If they are damaged, it loops
    without end or takes unbounded memory. The newer form has checksums.

    Notes
    -----
    HDF5 File Format Specification 3.0, III.A "B-trees", III.B and III.C "Symbol Table", III.D
    "Local Heaps", IV.A "Object Headers". The time grows with the number of groups and names.
    """
    entries = [] if file.root is None else [file.root]
    trees: set[int] = set()
    heaps: set[int] = set()
    while entries:
        _, header, kind, _, *cached = file.unpack("AAIIAA", entries.pop())
        tables = [tuple(cached)] if kind == 1 else []
        if header != file.nowhere:  # a link has no header
            tables += _tables(file, header)
        for tree, heap in tables:
            if heap not in heaps:
                _check_heap(file, heap)
                heaps.add(heap)
            if tree not in trees:
                entries += _entries(file, tree)
                trees.add(tree)


def _tables(file: Hdf5Bytes, header: int) -> Iterator[tuple[int, int]]:
    """Yield the tree and the heap that the header of an object names, if it is a group."""
    version, _, _, _, size = file.unpack("BBHII", header)
    blocks, messages = [(header + 16, size)], 0
    while blocks and version == 1:
        place, size = blocks.pop()
        end = place + size
        while place + 8 <= end:
            kind, length = file.unpack("HH", place)
            if kind == _TABLE:
                yield file.unpack("AA", place + 8)
            if kind == _CONTINUATION:
                blocks.append(file.unpack("AL", place + 8))
            place, messages = place + 8 + length, messages + 1
            if messages > _MOST_MESSAGES:
                raise ValueError(f"damaged: the header at byte {header} never ends")


def _entries(file: Hdf5Bytes, tree: int) -> Iterator[int]:
    """Yield the addresses of the entries of a group; ValueError if its tree is not a tree."""
    nodes, level = [tree], None
    while level != 0:
        children: list[int] = []
        expected = 0 if level is None else level - 1
        for node, right in zip(nodes, [*nodes[1:], file.nowhere], strict=True):
            signature, kind, depth, count, _, after = file.unpack("4sBBHAA", node)
            if level is None:
                expected = depth
            if (signature, kind, depth, after) != (b"TREE", 0, expected, right):
                raise ValueError(f"damaged: byte {node} holds no node of a group's tree")
            values = file.unpack("LA" * count, node + file.size_of("4sBBHAA"))
            children += values[1::2]
        nodes, level = children, expected
    if len(set(nodes)) != len(nodes):
        raise ValueError(f"damaged: the tree at byte {tree} has a leaf twice")
    for node in nodes:
        signature, _, count = file.unpack("4sHH", node)
        if signature != b"SNOD":
            raise ValueError(f"damaged: byte {node} holds no names of a group")
        size = file.size_of("AAII16s")
        yield from range(node + 8, node + 8 + count * size, size)


def _check_heap(file: Hdf5Bytes, heap: int) -> None:
    signature, _, size, free, data = file.unpack("4sILLA", heap)
    if signature != b"HEAP" or data + size > file.end:
        raise ValueError(f"damaged: byte {heap} holds no heap of names")
    seen: set[int] = set()
    while free not in (_NO_MORE, file.nowhere):
        if free in seen or free >= size:
            raise ValueError(f"damaged: the free list of the heap at byte {heap} never ends")
        seen.add(free)
        free, _ = file.unpack("LL", data + free)

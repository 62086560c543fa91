"""Mutants of a valid file: bytes changed at random, and where formats keep lengths and places."""

import io
import re
import struct
import zipfile

import numpy as np

HEAD, TAIL = 160, 320  # where headers and footers are
TEXT = np.frombuffer(b"0123456789-+.,e\n\r\"'{}[]() LnNf_", np.uint8)
LENGTHS = (0, 1, 2, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, -1)
VARINTS = (
    b"\0",
    b"\1",
    b"\x7f",
    b"\xfe\xff\xff\xff\x0f",
    b"\xff" * 9 + b"\1",
    b"\x80\x80\x80\x80\x01",
)
NUMERALS = (b"0", b"1", b"-1", b"2147483648", b"9223372036854775807", b"1e9", b"1.5", b"null", b"")


def mutated(content, rng):
    """Return one to three changes of some bytes, made one after the other."""
    for _ in range(1 if rng.random() < 0.7 else int(rng.integers(2, 4))):
        if content:
            content = _KINDS[int(rng.integers(len(_KINDS)))](content, rng)
    return content


def mutated_member(content, rng):
    """Return a ZIP archive in which one file is changed, and the checksum is right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = sorted(members)[int(rng.integers(len(members)))]
    members[chosen] = mutated(members[chosen], rng)
    return zipped(members)


def zipped(members):
    """Return a ZIP archive; its bytes depend on nothing else, the time say."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _place(content, rng):
    """Return a place: anywhere, near the beginning or near the end."""
    size, where = len(content), rng.random()
    if where < 0.4:
        return int(rng.integers(size))
    if where < 0.7:
        return int(rng.integers(min(size, HEAD)))
    return size - 1 - int(rng.integers(min(size, TAIL)))


def _noise(rng):
    return bytes(rng.integers(256, size=int(rng.integers(1, 9)), dtype=np.uint8))


def _text(rng):
    return bytes(rng.choice(TEXT, int(rng.integers(1, 9))))


def _over(content, place, new):
    return content[:place] + new + content[place + len(new) :]


def _flip(content, rng):
    place = _place(content, rng)
    return _over(content, place, bytes([content[place] ^ (1 << int(rng.integers(8)))]))


def _overwrite(content, rng):
    new = _noise(rng) if rng.random() < 0.5 else _text(rng)
    return _over(content, _place(content, rng), new)


def _one_character(content, rng):
    return _over(content, _place(content, rng), _text(rng)[:1])


def _insert(content, rng):
    place = _place(content, rng)
    new = _noise(rng) if rng.random() < 0.5 else _text(rng)[:1]
    return content[:place] + new + content[place:]


def _delete(content, rng):
    place = _place(content, rng)
    return content[:place] + content[place + int(rng.integers(1, 9)) :]


def _cut(content, rng):
    return content[: _place(content, rng)]


def _append(content, rng):
    return content + (_text(rng) if rng.random() < 0.5 else _noise(rng))


def _block(content, rng):
    """Repeat a block, or swap two: pages, record batches, lines."""
    size = min(len(content), int(rng.choice([1, 4, 8, 16, 64, 256])))
    first, second = sorted(_place(content, rng) // 8 * 8 for _ in range(2))
    if rng.random() < 0.3:
        return content[:first] + content[first : first + size] + content[first:]
    if rng.random() < 0.5:
        return _over(content, second, content[first : first + size])[: len(content)]
    size = min(size, second - first)
    one, other = content[first : first + size], content[second : second + size]
    return _over(_over(content, first, other), second, one) if len(other) == size else content


def _length(content, rng):
    """Put an integer that is no good length where one may stand."""
    size, form = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))[int(rng.integers(4))]
    value = LENGTHS[int(rng.integers(len(LENGTHS)))] % (1 << 8 * size)
    place = _place(content, rng)
    if rng.random() < 0.7:
        place = place // size * size  # most formats align them
    order = "<" if rng.random() < 0.9 else ">"
    return _over(content, place, struct.pack(order + form, value))[: len(content)]


def _step(content, rng):
    """Change a byte by a little: a count or a place that is wrong by one."""
    place = _place(content, rng)
    step = int(rng.choice([-8, -2, -1, 1, 2, 8]))
    return _over(content, place, bytes([(content[place] + step) % 256]))


def _varint(content, rng):
    """Put an integer of variable length, as Thrift has them, over a byte or over as many."""
    place, new = _place(content, rng), VARINTS[int(rng.integers(len(VARINTS)))]
    kept = place + (1 if rng.random() < 0.5 else len(new))
    return content[:place] + new + content[kept:]


def _numeral(content, rng):
    """Change a number that is written in digits, often to one as long."""
    found = list(re.finditer(rb"\d+", content))
    if not found:
        return content
    run = found[int(rng.integers(len(found)))]
    if rng.random() < 0.5:
        new = bytes(rng.choice(TEXT[:10], run.end() - run.start()))
    else:
        new = NUMERALS[int(rng.integers(len(NUMERALS)))]
    return content[: run.start()] + new + content[run.end() :]


_KINDS = (
    _flip,
    _overwrite,
    _one_character,
    _insert,
    _delete,
    _cut,
    _append,
    _block,
    _length,
    _length,
    _step,
    _varint,
    _numeral,
)

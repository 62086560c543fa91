"""Output appears whole or not at all."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import ally_fast
from ally_fast.files import check_output, whole_file, whole_files


def write(path, content, *, force=False, before_the_end=lambda: None):
    with whole_file(str(path), force=force) as file:
        file.write(content)
        before_the_end()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_its_mode_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "out.csv", b"text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [None, b"old"])
def test_nothing_is_left_of_an_interrupted_write(error, old, tmp_path):
    path = tmp_path / "out.csv"
    if old:
        path.write_bytes(old)

    def interrupt():
        raise error

    with pytest.raises(error):
        write(path, b"half", force=True, before_the_end=interrupt)
    assert names(tmp_path) == (["out.csv"] if old else [])
    assert not old or path.read_bytes() == old


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    def fill():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: .*out\.csv'"):
        write(tmp_path / "out.csv", b"half", before_the_end=fill)
    assert names(tmp_path) == []


def test_force_replaces(tmp_path):
    (tmp_path / "out.csv").write_bytes(b"old")
    write(tmp_path / "out.csv", b"new", force=True)
    assert (tmp_path / "out.csv").read_bytes() == b"new"


@pytest.fixture(params=["hard links", "no hard links"])
def file_system(request, monkeypatch):
    """Try file systems with hard links, and without."""

    def no_link(source, target):
        raise PermissionError("not on this file system")

    if request.param == "no hard links":
        monkeypatch.setattr(os, "link", no_link)


@pytest.mark.usefixtures("file_system")
def test_the_file_appears_when_complete(tmp_path):
    seen = []
    path = tmp_path / "out.csv"
    write(path, b"text", before_the_end=lambda: seen.append(path.exists()))
    assert seen == [False]
    assert names(tmp_path) == ["out.csv"]
    assert path.read_bytes() == b"text"


@pytest.mark.usefixtures("file_system")
def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "out.csv"
    with pytest.raises(FileExistsError, match="--force"):
        write(path, b"mine", before_the_end=lambda: path.write_bytes(b"theirs"))
    assert names(tmp_path) == ["out.csv"]
    assert path.read_bytes() == b"theirs"


def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    write(tmp_path / "link.csv", b"text")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "target.csv").read_bytes() == b"text"


def test_check_output(tmp_path):
    path = str(tmp_path / "out.csv")
    check_output(path, [".csv"])
    with pytest.raises(OSError, match=r"must be one of \.npy, \.json"):
        check_output(path, [".npy", ".json"])
    with pytest.raises(FileNotFoundError, match="no such folder"):
        check_output(str(tmp_path / "absent" / "out.csv"), [".csv"])
    (tmp_path / "out.csv").touch()
    with pytest.raises(FileExistsError, match="--force"):
        check_output(path, [".csv"])
    check_output(path, [".csv"], force=True)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        check_output(str(tmp_path / "folder.csv"), [".csv"], force=True)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_force_keeps_the_mode(mode, tmp_path):
    path = tmp_path / "out.csv"
    path.touch()
    path.chmod(mode)
    partial = []

    def look():
        partial.append(stat.S_IMODE(next(tmp_path.glob(".*.part")).stat().st_mode))

    write(path, b"new", force=True, before_the_end=look)
    assert partial == [mode]  # nobody reads it meanwhile either
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_force_keeps_the_owner(tmp_path):
    path = tmp_path / "out.csv"
    path.touch()
    os.chown(path, 1234, 5678)
    write(path, b"new", force=True)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 5678)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("link", [True, False])
def test_what_is_no_regular_file_is_refused_and_kept(force, link, tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    path = tmp_path / "link.csv" if link else pipe
    if link:
        path.symlink_to(pipe)
    for refuse in (
        lambda: check_output(str(path), [".csv"], force=force),
        lambda: write(path, b"text", force=force),
    ):
        with pytest.raises(OSError, match=r"is not a regular file .*: .*\.csv'"):
            refuse()
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout"])
def test_devices_are_refused(device):
    with pytest.raises(OSError, match="the extension must be one of"):
        check_output(device, [".csv"], force=True)


# Several


def write_all(paths, *, force=False, before_the_end=lambda: None):
    with whole_files(force=force) as create:
        for path in paths:
            with create(str(path)) as file:
                file.write(b"new")
        before_the_end()


@pytest.mark.usefixtures("file_system")
def test_files_appear_together(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.png"]
    seen = []
    write_all(paths, before_the_end=lambda: seen.extend(path.exists() for path in paths))
    assert seen == [False, False]
    assert names(tmp_path) == ["a.csv", "b.png"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), SystemExit()])
def test_if_the_last_cannot_be_written_there_is_none(error, tmp_path):
    def fill():
        raise error

    with pytest.raises(type(error)):
        write_all([tmp_path / "a.csv", tmp_path / "b.png"], before_the_end=fill)
    assert names(tmp_path) == []


@pytest.mark.usefixtures("file_system")
def test_if_the_last_cannot_be_named_the_others_are_withdrawn(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.png"]
    with pytest.raises(FileExistsError, match="--force"):
        write_all(paths, before_the_end=lambda: paths[1].write_bytes(b"theirs"))
    assert names(tmp_path) == ["b.png"]
    assert paths[1].read_bytes() == b"theirs"


def test_what_was_there_before_is_never_withdrawn(tmp_path, monkeypatch):
    paths = [tmp_path / "a.csv", tmp_path / "b.png"]
    paths[0].write_bytes(b"old")
    replace = os.replace

    def replace_one(source, target):
        if target == str(paths[1]):
            raise PermissionError(errno.EACCES, "Permission denied", source, target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_one)
    with pytest.raises(PermissionError, match=r"Permission denied: '[^']*b\.png'$"):
        write_all(paths, force=True)
    assert names(tmp_path) == ["a.csv"]
    assert paths[0].read_bytes() == b"new"


# Files that a killed process left

KILLED = """
import os, signal, sys
from ally_fast.files import whole_file
with whole_file(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    sys.stdin.read()
"""


def begin(path):
    """Start a process that writes half a file and waits."""
    environment = {**os.environ, "PYTHONPATH": str(Path(ally_fast.__file__).parents[1])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], env=environment, **pipes)
    assert process.stdout.readline() == b"begun\n"
    return process


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "out.csv"
    with begin(path) as process:
        process.kill()
    assert len(names(tmp_path)) == 1
    write(path, b"text")
    assert names(tmp_path) == ["out.csv"]


def test_what_a_process_is_writing_is_left_alone(tmp_path):
    path = tmp_path / "out.csv"
    with begin(path) as process:
        write(path, b"first")
        assert len(names(tmp_path)) == 2
        process.kill()
    assert path.read_bytes() == b"first"


def test_only_partial_files_of_the_same_name_are_removed(tmp_path):
    others = [
        ".out.csv.part",
        ".out.csv.0123.part",
        ".out.csv.0123456x.part",
        ".b.csv.01234567.part",
    ]
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / ".out.csv.01234567.part").touch()
    write(tmp_path / "out.csv", b"text")
    assert names(tmp_path) == sorted([*others, "out.csv"])


def test_the_longest_names_can_be_written(tmp_path):
    name = "é" * 125 + ".csv"
    write(tmp_path / name, b"text")
    assert names(tmp_path) == [name]

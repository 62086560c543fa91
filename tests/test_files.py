"""Output appears whole or not at all."""

import errno
import os
import stat

import pytest

from ally_fast.files import check_output, whole_file


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
    with pytest.raises(ValueError, match=r"must be one of \.npy, \.json"):
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

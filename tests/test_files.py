"""Files that are written whole or not at all."""

import errno
import os
import sys
from pathlib import Path

import pytest

from awsrn_keras.errors import InputError
from awsrn_keras.files import check_folder, remove_unfinished, replacing


@pytest.mark.parametrize(
    "name", ["n" * 251 + ".png", "\N{SNOWMAN}" * 83 + ".webp", os.fsdecode(b"\xff" * 250) + ".tif"]
)
def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path, name):
    with replacing(tmp_path / name) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == os.path.splitext(name)[1]
        assert len(os.fsencode(temporary.name)) < 100
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "new"


def test_writers_that_choose_by_the_end_of_the_name_find_it(tmp_path):
    with replacing(tmp_path / "epoch_000001_step_000020.weights.h5") as temporary:
        assert temporary.name.endswith(".weights.h5")
        temporary.touch()


def test_two_files_of_one_ending_are_written_at_a_time(tmp_path):
    names = ["a_long_name_that_ends_alike.png", "b_long_name_that_ends_alike.png"]
    with replacing(tmp_path / names[0]) as first, replacing(tmp_path / names[1]) as second:
        first.write_text("a")
        second.write_text("b")
    assert [(tmp_path / name).read_text() for name in names] == ["a", "b"]


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path):
    path, other = tmp_path / "bank[1].bank", tmp_path / "other.bank"
    left = []
    for unfinished in (path, other):
        writing = replacing(unfinished)
        left.append(writing.__enter__())
        left[-1].touch()
    remove_unfinished(path)
    assert list(tmp_path.iterdir()) == [left[1]]


def test_a_folder_of_another_system_s_links_is_put_in_place_and_swept_as_a_file_is(tmp_path):
    path = tmp_path / "root"
    writing = replacing(path)
    (writing.__enter__() / "killed").mkdir(parents=True)
    remove_unfinished(path)
    assert not list(tmp_path.iterdir())
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "lib").symlink_to("/nowhere/lib")
    assert (path / "lib").readlink() == Path("/nowhere/lib")
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_and_not_its_temporary_name(tmp_path):
    path = tmp_path / "result.png"
    path.write_text("old")
    with pytest.raises(OSError, match=r"result\.png") as raised, replacing(path) as temporary:
        (temporary.mkdir(), temporary.write_text("a folder is no file"))
    assert (raised.value.errno, raised.value.filename) == (errno.EISDIR, str(path))
    assert [file.name for file in tmp_path.iterdir()] == ["result.png"]
    assert path.read_text() == "old"


def test_a_folder_that_takes_no_files_is_refused(tmp_path):
    check_folder(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "file/deep", "link", "link/deep"):
        with pytest.raises(InputError, match=r"(file|link): is no folder"):
            check_folder(tmp_path / name)
    with pytest.raises(InputError, match="/proc: cannot be written to"):
        check_folder("/proc/new")


def test_on_windows_nothing_is_opened_that_it_cannot_open(tmp_path, monkeypatch):
    opened = os.open

    def as_windows(path, flags, *mode, **options):
        removing = "dir_fd" in options
        if flags & (os.O_WRONLY | os.O_RDWR) == 0 and not removing:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, flags, *mode, **options)

    def written(name: str) -> Path:
        with replacing(tmp_path / name) as temporary:
            temporary.mkdir()
            (temporary / "file").write_text(name)
        return tmp_path / name / "file"

    monkeypatch.setattr(os, "open", as_windows)
    with pytest.raises(PermissionError):
        written("folder")
    monkeypatch.setattr(sys, "platform", "win32")
    assert written("folder").read_text() == "folder"
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("file")
    assert (tmp_path / "file").read_text() == "file"

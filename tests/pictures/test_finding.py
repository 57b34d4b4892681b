"""Which files of a folder are pictures."""

import os
import sys

import pytest
from PIL import features

from awsrn_keras.errors import InputError
from awsrn_keras.pictures import describe_skipped, survey


def place(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder):
    return [str(path.relative_to(folder)) for path in survey(folder).images]


def test_hidden_files_and_those_of_systems_are_no_pictures(tmp_path):
    place(tmp_path, "a.png", "b/c.jpg", "._a.png", ".part-7.a.png", ".ipynb_checkpoints/a.png")
    place(tmp_path, "@eaDir/a.png/SYNO_M.jpg", "__MACOSX/a.png", "$RECYCLE.BIN/x.png")
    assert found(tmp_path) == ["a.png", "b/c.jpg"]
    assert not survey(tmp_path).skipped
    assert found(tmp_path / ".ipynb_checkpoints") == ["a.png"]  # asked for by name


def test_other_files_are_counted_by_suffix(tmp_path):
    place(tmp_path, "a.png", "b.ICO", "deep/c.ico", "deep/d.mov", "README")
    skipped = survey(tmp_path).skipped
    assert skipped == {".ico": 2, ".mov": 1, "no suffix": 1}
    assert describe_skipped(skipped) == "4 files skipped: .ico, .mov, no suffix"


def test_linked_folders_are_entered_once_and_loops_end(tmp_path):
    place(tmp_path / "elsewhere", "x.png", "deep/y.png")
    place(tmp_path / "in", "z/a.png")
    (tmp_path / "in" / "again").symlink_to("z")  # sorts before z, which counts all the same
    (tmp_path / "in" / "z" / "loop").symlink_to("..")
    (tmp_path / "in" / "other").symlink_to("../elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to("../in")
    assert found(tmp_path / "in") == ["other/deep/y.png", "other/x.png", "z/a.png"]


def test_links_to_pictures_are_pictures_even_where_they_lead_nowhere(tmp_path):
    place(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to("a.png")
    (tmp_path / "c.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "d.png")
    assert found(tmp_path) == ["a.png", "b.png", "c.png"]
    assert describe_skipped(survey(tmp_path).skipped) == "1 file skipped: pipe or device"


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    place(tmp_path, "a.png", "secret/b.png")
    scandir = os.scandir

    def for_others(path):  # root may read everything
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", for_others)
    with pytest.raises(InputError, match="secret: cannot be read"):
        survey(tmp_path)


def test_formats_that_this_machine_lacks_are_skipped_with_the_cure(tmp_path, monkeypatch):
    place(tmp_path, "a.png", "b.heic", "c.heif", "d.avif")
    assert found(tmp_path) == ["a.png", "b.heic", "c.heif", "d.avif"]

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(features, "check", lambda name: False)

    assert found(tmp_path) == ["a.png"]
    text = describe_skipped(survey(tmp_path).skipped)
    assert text.startswith("3 files skipped: .avif, .heic, .heif (AVIF needs Pillow 11.3")
    assert text.endswith("HEIC needs pillow-heif: pip install pillow-heif)")
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"no image in it .*3 files skipped.*pillow-heif"):
        survey(tmp_path)

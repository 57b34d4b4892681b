"""Which files are upscaled and where the results go."""

from pathlib import Path

import pytest

from awsrn_keras.errors import InputError
from awsrn_keras.upscaling.jobs import plan


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory with `in/a.PNG`, `in/deep/b.jpg`, `c.tif` and `notes`."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.PNG", "in/deep/b.jpg", "c.tif", "notes"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def targets(inputs, output, format=None):
    return [(str(job.source), str(job.target), job.format) for job in plan(inputs, output, format)]


def test_a_folder_keeps_its_names_and_folders(folder):
    assert targets(["in"], "out") == [
        ("in/a.PNG", "out/a.PNG", "png"),
        ("in/deep/b.jpg", "out/deep/b.jpg", "jpeg"),
    ]


def test_one_file_goes_to_a_file_or_into_a_folder(folder):
    assert targets(["c.tif"], "x.webp") == [("c.tif", "x.webp", "webp")]
    assert targets(["c.tif"], "new") == [("c.tif", "new/c.tif", "tiff")]
    (folder / "v1.5").mkdir()
    assert targets(["c.tif"], "v1.5") == [("c.tif", "v1.5/c.tif", "tiff")]
    assert targets(["c.tif"], "x.png", "jpeg") == [("c.tif", "x.png", "jpeg")]
    with pytest.raises(InputError, match=r"x\.gif: cannot tell a picture format"):
        plan(["c.tif"], "x.gif")


def test_several_inputs_globs_and_repeats(folder):
    expected = [("in/deep/b.jpg", "out/b.jpg", "jpeg"), ("c.tif", "out/c.tif", "tiff")]
    assert targets(["in/*/*.j*", "c.tif", "c.tif", "./c.tif"], "out") == expected
    with pytest.raises(InputError, match=r"\*\.webp: no such file or folder"):
        plan(["*.webp"], "out")
    with pytest.raises(InputError, match="missing: no such file or folder"):
        plan(["c.tif", "missing"], "out")


def test_a_format_changes_the_suffix_only_where_it_must(folder):
    assert targets(["in", "c.tif"], "out", "jpeg") == [
        ("in/a.PNG", "out/a.jpg", "jpeg"),
        ("in/deep/b.jpg", "out/deep/b.jpg", "jpeg"),
        ("c.tif", "out/c.jpg", "jpeg"),
    ]
    assert targets(["notes"], "out") == [("notes", "out/notes.png", "png")]


def test_inputs_are_never_results(folder):
    with pytest.raises(InputError, match=r"a\.PNG: is an input"):
        plan(["in"], "in")
    with pytest.raises(InputError, match=r"c\.tif: is an input"):
        plan(["c.tif"], "c.tif")
    (folder / "link").symlink_to("in")
    with pytest.raises(InputError, match="is an input"):
        plan(["in"], "link")


def test_two_inputs_never_share_a_result(folder):
    (folder / "a.PNG").touch()
    with pytest.raises(InputError, match=r"in/a\.PNG and a\.PNG would both become out/a\.PNG"):
        plan(["in", "a.PNG"], "out")
    (folder / "c.jpg").touch()
    with pytest.raises(InputError, match=r"c\.jpg and c\.tif would both become out/c\.png"):
        plan(["c.*"], "out", "png")


def test_results_inside_the_input_folder_are_no_inputs(folder):
    (folder / "in" / "out").mkdir()
    (folder / "in" / "out" / "a.PNG").touch()
    assert [source for source, *_ in targets(["in"], "in/out")] == ["in/a.PNG", "in/deep/b.jpg"]
    assert Path("in/out/a.PNG").exists()

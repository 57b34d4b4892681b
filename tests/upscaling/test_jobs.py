"""Which files are upscaled and where the results go."""

import os
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
    jobs, _ = plan(inputs, output, format)
    return [(str(job.source), str(job.target), job.format) for job in jobs]


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
    assert targets(["c.tif"], "v2.5") == [("c.tif", "v2.5/c.tif", "tiff")]
    assert targets(["c.tif"], "x.png/") == [("c.tif", "x.png/c.tif", "tiff")]
    assert targets(["c.tif"], "x.JPG", "jpeg") == [("c.tif", "x.JPG", "jpeg")]
    with pytest.raises(InputError, match=r"x\.png: --format jpeg contradicts this name"):
        plan(["c.tif"], "x.png", "jpeg")
    for name in ("x.ico", "x.mp4", "x.svg"):
        with pytest.raises(InputError, match=rf"{name}: unknown .* choose one of \.png, \.jpg"):
            plan(["c.tif"], name)
    for inputs in (["c.tif", "in/a.PNG"], ["in"], ["*.tif", "in/*.PNG"]):
        with pytest.raises(InputError, match=r"x\.png: is a file; name a folder"):
            plan(inputs, "x.png")


def test_several_inputs_globs_and_repeats(folder):
    expected = [("in/deep/b.jpg", "out/b.jpg", "jpeg"), ("c.tif", "out/c.tif", "tiff")]
    assert targets(["in/*/*.j*", "c.tif", "c.tif", "./c.tif"], "out") == expected
    with pytest.raises(InputError, match=r"\*\.webp: no such file or folder"):
        plan(["*.webp"], "out")
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(InputError, match=r"pipe\.png: is neither a file nor a folder"):
        plan(["pipe.png"], "out")
    with pytest.raises(InputError, match="missing: no such file or folder"):
        plan(["c.tif", "missing"], "out")


def test_a_format_changes_the_suffix_only_where_it_must(folder):
    assert targets(["in", "c.tif"], "out", "jpeg") == [
        ("in/a.PNG", "out/a.jpg", "jpeg"),
        ("in/deep/b.jpg", "out/deep/b.jpg", "jpeg"),
        ("c.tif", "out/c.jpg", "jpeg"),
    ]
    assert targets(["notes"], "out") == [("notes", "out/notes.png", "png")]
    (folder / "notes.v1").touch()
    assert targets(["notes.v1"], "out") == [("notes.v1", "out/notes.v1.png", "png")]
    with pytest.raises(InputError, match="'ico': choose one of png, jpeg"):
        plan(["in"], "out", "ico")


def test_a_suffix_is_added_to_names_and_keeps_results_from_being_inputs(folder):
    def results(*arguments):
        return [str(job.target) for job in plan(*arguments, suffix="_x2").jobs]

    assert results(["in", "notes"], "out") == [
        "out/a_x2.PNG",
        "out/deep/b_x2.jpg",
        "out/notes_x2.png",
    ]
    assert results(["in"], "in", "jpeg") == ["in/a_x2.jpg", "in/deep/b_x2.jpg"]
    (folder / "in" / "a_x2.PNG").touch()
    assert results(["in"], "in") == ["in/a_x2.PNG", "in/deep/b_x2.jpg"]
    assert results(["in"], "in", "jpeg") == ["in/a_x2.jpg", "in/deep/b_x2.jpg"]
    assert results(["in"], "out") == ["out/a_x2.PNG", "out/a_x2_x2.PNG", "out/deep/b_x2.jpg"]
    with pytest.raises(InputError, match=r"x\.png: is a file; '_x2' is added"):
        plan(["c.tif"], "x.png", suffix="_x2")


def test_videos_stay_in_their_container_or_go_into_matroska(folder):
    for name in ("in/film.MOV", "in/tv.ts", "clip.mp4"):
        (folder / name).touch()
    assert targets(["in/film.MOV", "in/tv.ts", "clip.mp4", "c.tif"], "out", "png") == [
        ("in/film.MOV", "out/film.MOV", "video"),
        ("in/tv.ts", "out/tv.mkv", "video"),
        ("clip.mp4", "out/clip.mp4", "video"),
        ("c.tif", "out/c.png", "png"),
    ]
    assert targets(["clip.mp4"], "x.mkv") == [("clip.mp4", "x.mkv", "video")]
    assert len(plan(["in"], "out").jobs) == 4
    with pytest.raises(InputError, match=r"x\.avi: videos are written as one of \.mp4"):
        plan(["clip.mp4"], "x.avi")


def test_what_is_left_out_is_counted(folder):
    for name in ("in/film.srt", "in/deep/x.ico", "in/deep/y.ICO", "in/._a.PNG"):
        (folder / name).touch()
    assert plan(["in", "c.tif"], "out").skipped == {".ico": 2, ".srt": 1}


def test_the_folder_for_results_is_tried_before_any_work(folder):
    for output in ("notes", "notes/deep", "c.tif/x.png"):
        with pytest.raises(InputError, match=r"(notes|c\.tif): is no folder"):
            plan(["in/a.PNG"], output)
    with pytest.raises(InputError, match="/proc: cannot be written to"):
        plan(["in"], "/proc/nobody")
    assert not (folder / "out").exists()


def test_inputs_are_never_results(folder):
    with pytest.raises(InputError, match=r"a\.PNG: is an input"):
        plan(["in"], "in")
    with pytest.raises(InputError, match=r"c\.tif: is an input"):
        plan(["c.tif"], "c.tif")
    (folder / "link").symlink_to("in")
    with pytest.raises(InputError, match="is an input"):
        plan(["in"], "link")


def test_two_inputs_never_share_a_result(folder, monkeypatch):
    (folder / "a.PNG").touch()
    with pytest.raises(InputError, match=r"in/a\.PNG and a\.PNG would both become out/a\.PNG"):
        plan(["in", "a.PNG"], "out")
    (folder / "other").mkdir()
    (folder / "other" / "C.TIF").touch()
    assert len(plan(["c.tif", "other"], "out").jobs) == 2
    with monkeypatch.context() as patch:
        patch.setattr("sys.platform", "darwin")  # names differ by more than case there
        with pytest.raises(InputError, match=r"c\.tif and other/C\.TIF would both become"):
            plan(["c.tif", "other"], "out")
    (folder / "c.jpg").touch()
    with pytest.raises(InputError, match=r"c\.jpg and c\.tif would both become out/c\.png"):
        plan(["c.*"], "out", "png")


def test_results_inside_the_input_folder_are_no_inputs(folder):
    (folder / "in" / "out").mkdir()
    (folder / "in" / "out" / "a.PNG").touch()
    assert [source for source, *_ in targets(["in"], "in/out")] == ["in/a.PNG", "in/deep/b.jpg"]
    assert Path("in/out/a.PNG").exists()
    (folder / "only" / "out").mkdir(parents=True)
    (folder / "only" / "out" / "a.PNG").touch()
    with pytest.raises(InputError, match="results of earlier runs"):
        plan(["only"], "only/out")


def test_links_are_pictures_of_their_own_and_linked_folders_are_entered_once(folder):
    (folder / "in" / "link.jpg").symlink_to("deep/b.jpg")
    (folder / "in" / "again").symlink_to("deep")
    (folder / "in" / "up").symlink_to("..")  # leads to c.tif, and back here
    assert [source for source, *_ in targets(["in"], "out")] == [
        "in/a.PNG",
        "in/deep/b.jpg",
        "in/link.jpg",
        "in/up/c.tif",
    ]


def test_videos_in_folders_are_left_out_where_they_are_not_wanted(folder):
    (folder / "in" / "film.mp4").touch()
    jobs, skipped = plan(["in"], "out", videos=False)
    assert [job.source.name for job in jobs] == ["a.PNG", "b.jpg"]
    assert skipped == {".mp4": 1}
    assert len(plan(["in"], "out").jobs) == 3

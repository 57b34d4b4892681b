"""`awsrn upscale` on whole folders: one file never ends the others, and names are what they are."""

import io
import os
import re
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

COMMAND = [sys.executable, "-m", "awsrn_keras", "upscale", "--engine", "litert"]


def upscale(*arguments, **options):
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def noise(height=12, width=16, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def encoded(format, **options):
    content = io.BytesIO()
    noise().save(content, format, **options)
    return content.getvalue()


def jpeg_with_large_exif():
    """EXIF of 100 kB in two segments, as cameras with large maker's notes write it."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = bytes(100_000)
    exif, jpeg = exif.tobytes().removeprefix(b"Exif\0\0"), encoded("JPEG")
    segments = b""
    for start in range(0, len(exif), 65000):
        part = b"Exif\0\0" + exif[start : start + 65000]
        segments += b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part
    return jpeg[:2] + segments + jpeg[2:]


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def one_line_each(result, folder):
    """The names in the lines on stderr, each of which must be about one file of the folder."""
    lines = result.stderr.splitlines()
    pattern = re.compile(rf"error: (?:{re.escape(str(folder))}|out)/(.+?\.\w+): ")
    matches = [pattern.match(line) for line in lines]
    assert all(matches), result.stderr
    return [match[1] for match in matches]


ODD = {  # what is in a file that cannot be upscaled, whatever its suffix
    "empty": b"",
    "text": b"This is no picture.\n" * 30,
    "cut": encoded("PNG")[:300],
    "ico": encoded("ICO"),
    "zeros": bytes(3000),
    "float_tiff": None,
    "appledouble": b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(4000),
}


def test_two_hundred_odd_files_among_good_ones(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "folder.png").mkdir(parents=True)
    floats = io.BytesIO()
    Image.fromarray(np.ones((5, 7), np.float32)).save(floats, "TIFF")
    contents = list((ODD | {"float_tiff": floats.getvalue()}).values())
    bad = []
    for i in range(196):
        bad.append(f"bad_{i}{('.png', '.jpg', '.webp', '.tif', '.bmp')[i % 5]}")
        (folder / bad[-1]).write_bytes(contents[i % len(contents)])
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "missing.png").symlink_to("nowhere.png")
    (folder / "too_long_a_name").mkdir()
    too_long = "n" * 251 + ".jpg"  # as a .jpeg it fits no more
    (folder / too_long).write_bytes(encoded("JPEG"))
    bad += ["loop.png", "missing.png"]
    good = {
        "folder.png/in.png": encoded("PNG"),
        "wrong_suffix.png": encoded("JPEG"),
        "large_exif.jpg": jpeg_with_large_exif(),
        "n" * 251 + ".png": encoded("PNG"),
        "\N{SNOWMAN}" * 80 + ".png": encoded("PNG"),
        os.fsdecode(b"caf\xe9.png"): encoded("PNG"),
        "last.tif": encoded("TIFF"),
    }
    for name, content in good.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "pipe.png")
    for name in ("._a.png", ".hidden.jpg", ".part-9.a.png", ".ipynb_checkpoints/a.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(contents[1])
    (folder / "@eaDir").mkdir()
    (folder / "@eaDir" / "thumbnail.jpg").write_bytes(encoded("JPEG"))
    for name in ("film.srt", "a.ico", "b.ico", "README"):
        (folder / name).write_bytes(b"no picture")

    result = upscale(folder, "-o", out, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})

    assert result.returncode == 1
    assert sorted(one_line_each(result, folder)) == sorted(bad)
    assert written(out) == sorted([*good, too_long])
    for name in good:
        with Image.open(out / name) as image:
            assert image.size == (32, 24)
    assert re.search(r"large_exif\.jpg  .*\n  note: .*EXIF", result.stdout)
    lines = result.stdout.splitlines()
    assert lines[-2] == "5 files skipped: .ico, .srt, no suffix, pipe or device"
    assert lines[-1] == f"{len(good) + 1} of {len(good) + 1 + len(bad)} pictures upscaled"


def test_a_name_too_long_for_its_result_is_known_before_any_work(tmp_path):
    (tmp_path / "in").mkdir()
    noise().save(tmp_path / "in" / ("n" * 250 + ".png"))
    noise().save(tmp_path / "in" / "z.png")

    result = upscale("in", "-o", "out", "--format", "jpeg", "--suffix", "_x2", cwd=tmp_path)

    assert result.returncode == 1
    assert result.stderr == f"error: out/{'n' * 250}_x2.jpg: File name too long.\n"
    assert written(tmp_path / "out") == ["z_x2.jpg"]


@pytest.mark.parametrize("encoding", ["utf-8:strict", "cp1252", "ascii"])
def test_names_that_cannot_be_printed_end_nothing(tmp_path, encoding):
    names = [os.fsdecode(b"caf\xe9.png"), "\N{CJK UNIFIED IDEOGRAPH-65E5}.png", "z.png"]
    (tmp_path / "in").mkdir()
    for name in names:
        noise().save(tmp_path / "in" / name)
    (tmp_path / "in" / os.fsdecode(b"bad\xff.png")).write_bytes(b"")

    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    result = upscale("in", "-o", "out", cwd=tmp_path, env=environment)

    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: in/bad\\udcff.png: ")
    assert result.stderr.count("\n") == 1
    assert "in/caf\\udce9.png -> out/caf\\udce9.png" in result.stdout
    assert written(tmp_path / "out") == sorted(names)


def test_a_closed_pipe_ends_quietly(tmp_path):
    (tmp_path / "in").mkdir()
    for seed in range(4):
        noise(300, 400, seed).save(tmp_path / "in" / f"{seed}.png")
    awsrn = f"env -u PYTHONUNBUFFERED {sys.executable} -m awsrn_keras"
    for command, reader in (
        ("upscale in -o out --engine litert", "head -1"),
        ("presets", "true"),
        ("upscale --help", "true"),
        ("upscale in -o other --engine litert 2>&1", "true"),
    ):
        script = f"({awsrn} {command}; echo $? >&3) | {reader}"
        bash = f"exec 3>status; {script}"
        result = subprocess.run(
            ["bash", "-c", bash], capture_output=True, text=True, cwd=tmp_path, timeout=300
        )
        assert (tmp_path / "status").read_text() == "141\n", command
        assert result.stderr == "", command
    assert len(written(tmp_path / "out")) < 4


@pytest.fixture
def pictures(tmp_path):
    """The working directory with three pictures in `in`."""
    (tmp_path / "in").mkdir()
    for seed in range(3):
        noise(seed=seed).save(tmp_path / "in" / f"p{seed}.jpg")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "-o", "afile"], "afile: is no folder"),
        (["in/p0.jpg", "-o", "afile/deep/x.png"], "afile: is no folder"),
        (["in", "-o", "two.png"], "two.png: is a file; name a folder"),
        (["in/p0.jpg", "in/p1.jpg", "-o", "two.png"], "two.png: is a file; name a folder"),
        (
            ["in/p0.jpg", "-o", "a.png", "--format", "jpeg"],
            "--format jpeg contradicts this",
        ),
        (["in/p0.jpg", "-o", "h.ico"], "'.ico': choose one of .png, .jpg, "),
        (["in", "-o", "out", "--format", "ico"], "'ico': choose one of png, jpeg, webp, tiff, "),
        (["in", "-o", "out", "--suffix", "a/b"], "'a/b' cannot be added"),
        (["in", "-o", "/proc/nobody/out"], "/proc: cannot be written to"),
        (["in", "in/p0.jpg", "-o", "out", "--format", "png"], None),
        (["in/p0.jpg", "other/p0.jpg", "-o", "out"], "would both become out/p0.jpg"),
    ],
)
def test_what_cannot_work_is_found_before_the_first_picture(pictures, arguments, message):
    (pictures / "afile").write_text("mine")
    (pictures / "other").mkdir()
    noise().save(pictures / "other" / "p0.jpg")
    before = written(pictures)

    result = upscale(*arguments, cwd=pictures)

    if message is None:  # named twice, but one picture
        assert result.returncode == 0
        return
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""  # no engine was started
    assert written(pictures) == before


def test_a_size_that_the_format_cannot_hold_is_told_before_the_first_picture(pictures):
    Image.new("L", (9000, 2)).save(pictures / "in" / "wide.png")

    result = upscale("in", "-o", "out", "--format", "webp", cwd=pictures)

    assert result.returncode == 1
    assert "out/wide.webp: 18000 x 4 pixels are more than webp can hold" in result.stderr
    assert written(pictures / "out") == ["p0.webp", "p1.webp", "p2.webp"]
    both = subprocess.run(
        [*COMMAND, "in", "-o", "again", "--format", "webp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=pictures,
    ).stdout
    assert both.index("wide.webp: 18000") < both.index("in/p0.jpg -> ")


def test_a_trailing_slash_or_an_unknown_suffix_is_a_folder(pictures):
    assert upscale("in/p0.jpg", "-o", "results_1.5", cwd=pictures).returncode == 0
    assert upscale("in/p0.jpg", "-o", "a.png/", "--format", "png", cwd=pictures).returncode == 0
    assert written(pictures / "results_1.5") == ["p0.jpg"]
    assert written(pictures / "a.png") == ["p0.png"]


def test_two_links_to_one_picture_give_two_results(pictures):
    (pictures / "in" / "alias.jpg").symlink_to("p0.jpg")
    assert upscale("in", "-o", "out", cwd=pictures).returncode == 0
    assert written(pictures / "out") == ["alias.jpg", "p0.jpg", "p1.jpg", "p2.jpg"]
    same = [(pictures / "out" / name).read_bytes() for name in ("alias.jpg", "p0.jpg", "p1.jpg")]
    assert same[0] == same[1] != same[2]


@pytest.mark.parametrize("out", ["out", "in/out", "in"])
def test_an_interrupted_folder_is_resumed(pictures, out):
    suffix = ["--suffix", "_x2"]
    assert upscale("in", "-o", out, *suffix, cwd=pictures).returncode == 0
    results = [pictures / out / f"p{seed}_x2.jpg" for seed in range(3)]
    first, second, third = (path.read_bytes() for path in results)
    results[1].unlink()
    results[2].write_bytes(b"kept as it is")

    result = upscale("in", "-o", out, *suffix, "--skip-existing", cwd=pictures)

    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1] == "1 of 3 pictures upscaled, 2 were there already"
    assert results[0].read_bytes() == first
    assert results[1].read_bytes() == second
    assert results[2].read_bytes() == b"kept as it is"
    assert not list(pictures.rglob("*_x2_x2*"))
    results[2].write_bytes(third)

    refused = upscale("in", "-o", out, *suffix, cwd=pictures)
    assert refused.returncode == 1
    assert refused.stderr.count("is there already; --overwrite replaces it") == 3


def test_the_first_image_of_several_is_taken_with_a_note(tmp_path):
    frames = [noise(seed=seed) for seed in range(3)]
    for name in ("a.tif", "a.avif"):  # others stay animated
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])

    result = upscale(tmp_path, "-o", tmp_path / "out", "--suffix", "_of_three")

    assert result.returncode == 0, result.stderr
    assert result.stdout.count("note: the first of 3 images in the file") == 2

"""What the documentation says: every command is taken by its program, most are run, all links lead
somewhere, and the pages build.

Commands run in the order of the text, in a folder with the pictures that they name, and in
one process, so that TensorFlow is loaded once. Lengths are cut down; what a command does
stays as it is written.
"""

import contextlib
import importlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

import awsrn_keras

# tensorflow-model-optimization compares versions in an old way when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:distutils Version classes")

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
INSTRUCTIONS = [*PAGES, ROOT / "CONTRIBUTING.md"]
# Ours that need what no test machine has, or take hours, and have tests of their own.
PARSED_ONLY = {
    "training/publish_preset.py": "replaces a preset; tests/training/test_publish_preset.py",
    "export/quantize_aware.py": "minutes of calibration; tests/export/test_quantize_aware.py",
    "export/serve_client.py": "needs a server; tests/export/test_serve_client.py",
    "export/gpu_parity.py": "needs a driver; tests/export/test_gpu_parity.py",
    "export/benchmark.py": "needs phones; tests/export/test_benchmark.py",
    "export/to_web.py": "fetches a package; tests/web",
    "benchmarks/recipe.py": "most of an hour; tests/test_benchmarks.py",
    "benchmarks/training_step.py": "minutes of timing; tests/test_benchmarks.py",
    "benchmarks/upscale.py": "minutes of timing; tests/test_benchmarks.py",
}
SHORT = {
    name: options.split()
    for name, options in {
        "training/fit.py": "--epochs=1 --steps-per-epoch=2 --batch-size=16 --patch-size=16 "
        "--val my/photographs",
        "export/to_tflite.py": "--height=48 --width=64 --precision float32",
        "export/to_saved_model.py": "--tile=32",
    }.items()
}
LONG = {"--minutes", "--recipe", "--height", "--width"}  # options that SHORT replaces


def code(page):
    """The lines of a page's code blocks for a shell, those over several lines joined."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    for language, block in blocks:
        if language in ("", "sh", "bash"):
            yield from block.replace("\\\n", " ").splitlines()


def commands(page):
    """The words of a page's commands of ours."""
    for line in code(page):
        line = re.sub(r"^(\w+=\S+ )+", "", line)  # variables of the environment
        if line.startswith("python "):
            yield shlex.split(line, comments=True)[1:]
        elif line.startswith("awsrn "):
            yield ["-m", "awsrn_keras", *shlex.split(line, comments=True)[1:]]


def program(words):
    """The module of a command line, its name in our tables, and its arguments."""
    if words[:2] == ["-m", "awsrn_keras"]:
        return importlib.import_module("awsrn_keras.__main__"), "awsrn", words[2:]
    name = words[0].removesuffix(".py").replace("/", ".")
    return importlib.import_module(name), words[0], words[1:]


ALL = [(page, words) for page in PAGES for words in commands(page)]


def test_there_are_commands_to_check():
    assert len(ALL) > 25
    assert {page.name for page, _ in ALL} > {"README.md", "training.md", "export.md"}


@pytest.mark.parametrize(
    ("page", "words"), ALL, ids=[f"{page.name}: {' '.join(words)}" for page, words in ALL]
)
def test_every_command_is_one_that_its_program_takes(page, words):
    module, _, arguments = program(words)
    if "..." not in arguments:
        module.parser().parse_args(arguments)


def test_make_knows_its_targets_and_pip_what_to_install():
    makefile = (ROOT / "Makefile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line.partition(" # ")[0] for page in INSTRUCTIONS for line in code(page)]
    targets = {word for line in lines if line.startswith("make ") for word in line.split()[1:]}
    packages = {
        word
        for line in lines
        if line.startswith("pip install ")
        for word in shlex.split(line.partition("&&")[0])[2:]
    }
    assert targets > {"train", "test", "lint"}
    for target in targets:
        assert re.search(f"^{target}:.*  # ", makefile, re.MULTILINE), target
    assert packages > {"-r", "requirements.txt", ".[litert]"}
    for package in packages:
        assert not package.startswith(project["name"]), "it is on no index"
        if extras := re.fullmatch(r"\.\[(.*)\]", package):
            assert set(extras[1].split(",")) <= set(project["optional-dependencies"]), package


@pytest.fixture(scope="module")
def trained() -> set[tuple[str, ...]]:
    """The trainings that have run. Pages share some, and nothing on a page needs their results."""
    return set()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with the programs, the pictures and the run that the documentation names."""
    from training.fit import main

    folder = tmp_path_factory.mktemp("docs")
    for program_folder in ("training", "export", "docs"):
        (folder / program_folder).symlink_to(ROOT / program_folder)
    photograph = Image.fromarray(data.astronaut()[:64, 100:196])
    names = "holiday.jpg photo.jpg photos/1.png Set5/2.png Set14/3.png kodak24/4.png"
    for name in (*names.split(), "my/photographs/5.png", "my/test_pictures/6.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        photograph.save(folder / name)
    with contextlib.chdir(folder):
        short = [*SHORT["training/fit.py"], "--data", "my/photographs"]
        main([*short, "--run-dir", "runs/awsrn_sd_x2_20260101_120000"])
    return folder


@pytest.fixture
def place(prepared, tmp_path, monkeypatch):
    """The current folder: a copy of the prepared one."""
    folder = shutil.copytree(prepared, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, place, trained, capsys):
    for words in commands(page):
        module, name, arguments = program(words)
        if name in PARSED_ONLY or "..." in arguments:
            continue
        arguments = shortened(name, arguments)
        if name == "training/fit.py":
            if tuple(arguments) in trained:
                continue
            trained.add(tuple(arguments))
        run = getattr(module, "run" if name == "awsrn" else "main")
        assert not run(arguments), words
    printed = capsys.readouterr()
    assert "error" not in printed.err


def shortened(name, arguments):
    """The same command with little to do, and folders for data that would be downloaded."""
    if "--resume" in arguments:  # a prepared run has its own options
        return arguments
    kept, skip = [], False
    for word in arguments:
        if skip:
            skip = False
        elif name in SHORT and word in LONG:
            skip = True
        else:
            kept.append("my/photographs" if word == "div2k" else word)
    return kept + SHORT.get(name, [])


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_examples_of_a_page_run_one_after_the_other(page, place):
    names = {"awsrn": awsrn_keras}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        lines = [line for line in block.splitlines() if ".pt" not in line]  # not ours to give
        exec("\n".join(lines), names)


def test_links_between_pages_lead_somewhere():
    links = 0
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
            links += 1
            assert (page.parent / target).exists(), f"{page.name}: {target}"
    assert links > 10


@pytest.mark.slow
def test_the_site_builds_with_every_public_name(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", tmp_path / "site"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    text = (tmp_path / "site/api/index.html").read_text()
    for name in set(awsrn_keras.__all__) - {"VARIANTS"}:
        assert f".{name}" in text, name

"""What the documentation says: every command is taken by its program, most are run, all links lead
somewhere, figures of presets are those of their cards, and the pages build.

Commands run in the order of the text, in a folder with the pictures that they name, and in
one process, so that TensorFlow is loaded once. Lengths are cut down; what a command does
stays as it is written.
"""

import contextlib
import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from clips import make_clip
from PIL import Image
from skimage import data
from tflite_files import write_file

import awsrn_keras

# tensorflow-model-optimization compares versions in an old way when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:distutils Version classes")

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
INSTRUCTIONS = [*PAGES, ROOT / "CONTRIBUTING.md"]
# Ours that need what no test machine has, or take hours, and have tests of their own.
PARSED_ONLY = {
    "awsrn import-pytorch": "needs the authors' file; tests/network/test_checkpoints.py",
    "training/publish_preset.py": "replaces a preset; tests/training/test_publish_preset.py",
    "export/quantize_aware.py": "minutes of calibration; tests/export/test_quantize_aware.py",
    "export/serve_client.py": "needs a server; tests/export/test_serving_guide.py",
    "export/gpu_parity.py": "needs a driver; tests/export/test_gpu_parity.py",
    "export/arm_parity.py": "fetches an Arm's Python; tests/export/test_arm_parity.py",
    "export/benchmark.py": "needs phones; tests/export/test_benchmark.py",
    "export/to_web.py": "fetches a package; tests/web",
    "export/ship_presets.py": "replaces files of the package, which other tests compare with it",
    "benchmarks/recipe.py": "most of an hour; tests/test_benchmarks.py",
    "benchmarks/nano_front.py": "most of an hour; tests/test_benchmarks.py",
    "benchmarks/rivals.py": "minutes of timing; tests/test_rivals.py",
    "benchmarks/training_step.py": "minutes of timing; tests/test_benchmarks.py",
    "benchmarks/cluster.py": "minutes of timing; tests/test_benchmarks.py",
    "benchmarks/video.py": "minutes of timing; tests/test_benchmarks.py",
    "benchmarks/upscale.py": "minutes of timing; tests/test_benchmarks.py",
    "docs/figures.py": "writes the pictures of these pages, which somebody has to look at",
}
# Its commands are records of runs that took hours; what they do is done on train.md, too.
LAB = ROOT / "docs/lab"
# Blocks of other programs, by a word in them.
NOT_OURS = {
    "docker run": "no Docker here; its paths and ports: tests/export/test_serving_guide.py",
    "tensorflow_model_server": "on no package registry",
    "--enable_batching": "an option for that server; the file: tests/export/test_serving.py",
    "curl": "run by tests/export/test_serving_guide.py",
    "ssl.config": "run by tests/export/test_serving_guide.py",
    "caddy": "a server open to the network",
    "adb reverse": "needs a phone",
    "import vapoursynth": "a program of its own, with a plugin",
    "import cv2": "no requirement",
    "onnxruntime-web": "for browsers",
    "pnnx": "no requirement",
    "ray start": "several machines; two nodes on one: tests/upscaling/test_cluster.py",
    "kubectl": "no Kubernetes here; the manifest is read below",
    "FROM rayproject": "no Docker here",
    "srun": "needs a Slurm cluster",
    "kind: Job": "needs a Kubernetes cluster",
    "JaxTrainer": "needs a Ray cluster with GPUs",
}
INSTALLS = ("make", "pip install", "pytest", "apt")  # not run, but read below
PHOTO_PRESETS = {f"awsrn_{size}_x{scale}_photo" for size in ("nano", "sd") for scale in (2, 4)}
SHORT = {
    name: options.split()
    for name, options in {
        "training/fit.py": "--epochs=1 --steps-per-epoch=2 --batch-size=16 --patch-size=16 "
        "--val my/photographs",
        "export/to_tflite.py": "--height=48 --width=64 --precision float32",
        "export/to_saved_model.py": "--tile=32",
    }.items()
}
# Options that SHORT replaces, and hosts that are not there.
LONG = {"--minutes", "--recipe", "--height", "--width", "--batch-size", "--hosts", "--host-index"}


def blocks(page):
    """Language and text of a page's code blocks."""
    return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def code(page):
    """A page's lines for a shell, in blocks or within the text, those over several lines joined."""
    text = page.read_text()
    for language, block in blocks(page):
        text = text.replace(block, "")
        if language in ("", "sh", "bash"):
            yield from block.replace("\\\n", " ").splitlines()
    for line in re.findall(r"`((?:python|awsrn|make|pip install) [^`]+)`", text):
        yield " ".join(line.split())


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
        module = importlib.import_module("awsrn_keras.__main__")
        return module, f"awsrn {words[2]}", words[2:]
    name = words[0].removesuffix(".py").replace("/", ".")
    return importlib.import_module(name), words[0], words[1:]


ALL = [(page, words) for page in PAGES for words in commands(page)]


def test_there_are_commands_to_check():
    assert len(ALL) > 60
    assert {page.name for page, _ in ALL} > {"README.md", "train.md", "export.md", "experiments.md"}
    assert all(any(word in text for _, text in all_blocks()) for word in NOT_OURS)


def all_blocks():
    return [block for page in INSTRUCTIONS for block in blocks(page)]


def test_no_block_hides_a_command():
    for page in INSTRUCTIONS:
        for language, block in blocks(page):
            if language in ("python", "kotlin", "swift", "cpp", "javascript"):
                continue
            assert language == "", f"{page.name}: a block of {language!r}"
            if any(word in block for word in NOT_OURS):
                continue
            for line in block.replace("\\\n", " ").splitlines():
                command = re.sub(r"^(\w+=\S+ )+", "", line)
                assert command.startswith(("python ", "awsrn ", *INSTALLS)), f"{page.name}: {line}"
        assert not re.search(r"^ {4,}(python|awsrn|pip|make) ", page.read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "words"), ALL, ids=[f"{page.name}: {' '.join(words)}" for page, words in ALL]
)
def test_every_command_is_one_that_its_program_takes(page, words):
    module, _, arguments = program(words)
    if hasattr(module, "parser"):
        module.parser().parse_args(arguments)
    else:
        assert not arguments


def test_every_option_in_the_text_is_one_of_a_program(monkeypatch):
    hooks = importlib.import_module("docs.hooks")
    monkeypatch.setenv("COLUMNS", "92")
    known = set(re.findall(r"--[\w-]+", " ".join(text for _, text in hooks.helps())))
    known |= set(re.findall(r"--[\w-]+", " ".join(text for _, text in all_blocks())))  # servers'
    named = 0
    for page in PAGES:
        for option in re.findall(r"`(--[a-z-]+)(?!\w)[^`]*`", page.read_text()):
            named += 1
            assert option in known, f"{page.name}: {option}"
    assert named > 30


def test_make_knows_its_targets_and_pip_what_to_install():
    makefile = (ROOT / "Makefile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line.partition(" # ")[0] for page in INSTRUCTIONS for line in code(page)]
    targets = {
        word
        for line in lines
        if line.startswith("make ")
        for word in line.split()[1:]
        if "=" not in word
    }
    packages = {
        word
        for line in lines
        if line.startswith("pip install ")
        for word in shlex.split(line.partition("&&")[0])[2:]
    }
    assert targets > {"train", "test", "lint"}
    for target in targets:
        assert re.search(f"^{target}:.*  # ", makefile, re.MULTILINE), target
    assert packages > {"-r", "requirements.txt", ".[litert]", ".[heif]"}
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
    """A folder with the programs, the pictures, the run and the export that the pages name."""
    from export import to_onnx
    from training.fit import main

    folder = tmp_path_factory.mktemp("docs")
    for program_folder in ("training", "export", "docs"):
        (folder / program_folder).symlink_to(ROOT / program_folder)
    photograph = Image.fromarray(data.astronaut()[:128, 100:292])
    names = "holiday.jpg photo.jpg photos/1.png Set5/2.png Set14/3.png kodak24/4.png"
    for name in (*names.split(), "my/photographs/5.png", "my/test_pictures/6.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        photograph.save(folder / name)
    photograph.save(folder / "loop.gif", save_all=True, append_images=[photograph.rotate(9)])
    (folder / "clips").mkdir()
    for name in ("clip.mp4", "clips/1.mp4"):
        make_clip(folder / name, [0, 3750], (64, 36))
    write_file(folder / "float16.tflite", (96, 112))
    with contextlib.chdir(folder):
        short = [*SHORT["training/fit.py"], "--data", "my/photographs"]
        main([*short, "--run-dir", "runs/awsrn_sd_x2_20260101_120000"])
        to_onnx.main([])
    return folder


@pytest.fixture
def place(prepared, tmp_path, monkeypatch):
    """The current folder: a copy of the prepared one."""
    folder = shutil.copytree(prepared, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    return folder


RUN = dict.fromkeys(page for page, _ in ALL if page.parent != LAB)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, place, trained, capsys):
    for words in commands(page):
        module, name, arguments = program(words)
        if name in PARSED_ONLY or waits_for_a_preset(words) or is_elsewhere(words):
            continue
        arguments = shortened(name, arguments)
        if name == "training/fit.py" and "-o" not in arguments:
            if tuple(arguments) in trained:
                continue
            trained.add(tuple(arguments))
        run = module.run if name.startswith("awsrn ") else module.main
        assert not run(arguments), words
    printed = capsys.readouterr()
    assert "error" not in printed.err


def waits_for_a_preset(words):
    """Whether a command names a preset for photographs that is not there yet."""
    return bool((PHOTO_PRESETS - awsrn_keras.presets().keys()) & set(words))


def is_elsewhere(words):
    """Whether a command needs a bucket or a cluster; tests/upscaling has them."""
    return "auto" in words or any(word.startswith("s3://") for word in words)


def test_the_job_for_kubernetes_is_a_command_of_ours():
    job = yaml.safe_load((ROOT / "docs/kuberay.yaml").read_text())
    module, _, arguments = program(
        ["-m", "awsrn_keras", *shlex.split(job["spec"]["entrypoint"])[1:]]
    )
    assert module.parser().parse_args(arguments).cluster == "auto"


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


IN_PYTHON = dict.fromkeys(page for page in PAGES for name, _ in blocks(page) if name == "python")


@pytest.mark.slow
@pytest.mark.parametrize("page", IN_PYTHON, ids=lambda page: page.name)
def test_the_python_examples_of_a_page_run_one_after_the_other(page, place):
    names = {"awsrn": awsrn_keras}
    for language, block in blocks(page):
        if language == "python" and not any(word in block for word in NOT_OURS):
            exec(block, names)


@pytest.mark.slow
def test_the_cells_of_the_notebook_run_one_after_the_other(place):
    cells = json.loads((ROOT / "docs/first_steps.ipynb").read_text())["cells"]
    assert all(not cell.get("outputs") for cell in cells), "clear the outputs before you commit"
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    long = '"--minutes", "2"'
    assert long in text
    names = {}
    exec(text.replace(long, ", ".join(map(repr, SHORT["training/fit.py"]))), names)
    shown = names["results"]
    assert len({image.shape for image in shown.values()}) == 1
    assert len({image.tobytes() for image in shown.values()}) == len(shown) == 4
    assert names["upscaled"].shape == (1, *names["photograph"].shape)


@pytest.mark.parametrize("name", awsrn_keras.presets())
def test_the_figures_of_a_preset_are_those_of_its_card(name):
    card = awsrn_keras.presets()[name]
    figures = [card["params"]]
    for image_set in ("Set5", "Set14"):
        figures += [card["psnr"][image_set], card["ssim"][image_set]]
        figures.append(card["psnr_paper"].get(image_set))
    figures += [card[key]["kodak24"] for key in ("psnr", "ssim", "psnr_bicubic")]
    if name in PHOTO_PRESETS:
        degraded = [card["psnr"]["kodak24"], *card["psnr_degraded"].values()]
        assert_row(ROOT / "docs/upscale.md", name, degraded)
    else:
        assert_row(ROOT / "docs/results.md", name, figures)
    if f"| `{name}` |" in (ROOT / "README.md").read_text():
        scores = [card["psnr"][image_set] for image_set in ("Set5", "Set14")]
        assert_row(ROOT / "README.md", name, [card["params"], *scores])


def assert_row(page, name, figures):
    """The table of a page shows these figures of a preset first, to the digits that it has."""
    row = re.search(rf"^\| `{name}` \| (.*) \|$", page.read_text(), re.MULTILINE)[1]
    for shown, figure in zip(re.split(r" [|/] ", row), figures, strict=False):
        if figure is None:
            assert shown == "-", row
        else:
            digits = len(shown.partition(".")[2])
            assert float(shown.replace(",", "")) == pytest.approx(figure, abs=0.51 * 10**-digits)


def test_no_page_is_longer_than_a_guide_needs():
    for page in PAGES:
        most = 130 if page.name == "README.md" else 200
        assert len(page.read_text().splitlines()) <= most or page.parent.name == "lab", page


def test_links_between_pages_lead_somewhere():
    links = 0
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", page.read_text()):
            links += 1
            linked = page.parent / target if target else page
            assert linked.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)", linked.read_text(), re.MULTILINE)
                slugs = {
                    re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings
                }
                assert anchor[1:] in slugs, f"{page.name}: {target}{anchor}"
    assert links > 40


@pytest.mark.slow
def test_the_site_builds_with_every_public_name_and_every_command(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", tmp_path / "site"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    text = (tmp_path / "site/api/index.html").read_text()
    for name in set(awsrn_keras.__all__) - {"VARIANTS"}:
        assert f".{name}" in text, name
    text = (tmp_path / "site/command_line/index.html").read_text()
    for command in ("awsrn upscale", "python training/fit.py", "python export/to_web.py"):
        assert f"usage: {command}" in text
    assert "--self-ensemble" in text

"""Who may import whom: the contracts in pyproject.toml, and no module that nobody uses."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
# Started as `python -m`, in a process of their own.
PROGRAMS = {
    "awsrn_keras.__main__",
    "export.measure.compiled_run",
    "export.measure.litert_benchmark",
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_rooms_keep_their_contracts():
    result = lint_imports(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("network/variants.py", "from . import model", "No circles BROKEN"),
        ("pictures/resize.py", "from ..network import variants", "rooms below it BROKEN"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(tmp_path, file, line, contract):
    for folder in ("awsrn_keras", "training", "export"):
        for path in (ROOT / folder).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    with (tmp_path / "awsrn_keras" / file).open("a") as module:
        module.write(f"\n{line}\n")

    result = lint_imports(tmp_path)

    assert result.returncode == 1
    assert contract in result.stdout


def test_no_module_is_left_that_nobody_imports():
    graph = grimp.build_graph("awsrn_keras", "training", "export", cache_dir=None)
    unused = {
        module
        for module in graph.modules
        if not graph.find_modules_that_directly_import(module)
        and not graph.find_children(module)
        and module not in PROGRAMS
        and module.count(".") > 1  # training.fit and export.report are commands
    }

    # What `awsrn_keras.__getattr__` imports by name.
    import awsrn_keras

    unused -= {f"awsrn_keras.{home}" for home in awsrn_keras._HOME.values()}
    assert unused == set()

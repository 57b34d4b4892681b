"""A hook of mkdocs: the page command_line.md gets the help of every command from its parser."""

import argparse
import contextlib
import importlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    if page.file.src_uri != "command_line.md":
        return markdown
    os.environ["COLUMNS"] = "92"  # where argparse breaks its lines
    sections = (f"## {command}\n\n```text\n{text}```\n" for command, text in helps())
    return "\n".join([markdown, *sections])


def helps() -> Iterator[tuple[str, str]]:
    """Every command, those of `awsrn` first, and what it prints with --help."""
    sys.path.insert(0, str(ROOT))
    awsrn = importlib.import_module("awsrn_keras.__main__")
    for name in awsrn.COMMANDS:
        yield f"awsrn {name}", help_of(awsrn.parser(), name)
    for path in [*sorted(ROOT.glob("training/*.py")), *sorted(ROOT.glob("export/*.py"))]:
        module = importlib.import_module(f"{path.parent.name}.{path.stem}")
        if hasattr(module, "parser"):
            parser = module.parser()
            parser.prog = f"python {path.parent.name}/{path.name}"
            yield parser.prog, help_of(parser)


def help_of(parser: argparse.ArgumentParser, *command: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
        parser.parse_args([*command, "--help"])
    return text.getvalue()

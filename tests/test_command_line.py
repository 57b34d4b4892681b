"""What all commands share: libraries' messages held back, and the line that names the device."""

import os
import subprocess
import sys
import threading
import time

import pytest

from awsrn_keras.command_line import (
    MODEL_HELP,
    above_zero,
    add_model,
    command_parser,
    has_gpu,
    messages_kept_back,
)
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import load_model


def fail_with(error, message):
    with messages_kept_back():
        os.write(2, message)
        raise error


def test_messages_come_out_only_if_something_fails(capfd):
    with messages_kept_back() as messages:
        os.write(2, b"chatter\n")
        assert messages() == "chatter\n"
    for error, message in ((InputError, b"said better by the error\n"), (OSError, b"the reason\n")):
        with pytest.raises(error):
            fail_with(error, message)
    assert capfd.readouterr().err == "the reason\n"


def test_threads_that_hold_messages_leave_stderr_as_it_was(capfd):
    before = os.fstat(2)

    def hold(number):
        for step in range(20):
            with messages_kept_back() as messages:
                os.write(2, b"%d" % number)
                time.sleep(0.001 * ((number + step) % 3))
                assert messages() == str(number)  # of no other thread

    failures = []
    threading.excepthook, hook = (
        lambda error: failures.append(error.exc_value),
        threading.excepthook,
    )
    try:
        threads = [threading.Thread(target=hold, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.excepthook = hook

    assert failures == []
    assert os.path.samestat(os.fstat(2), before)
    os.write(2, b"still heard")
    assert capfd.readouterr().err == "still heard"


@pytest.mark.slow
def test_who_has_a_gpu_learns_why_the_processor_computes(tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    code = "from awsrn_keras.command_line import start_backend; print(start_backend())"
    result = {}
    for name, path in (("with", f"{tmp_path}{os.pathsep}{os.environ['PATH']}"), ("without", None)):
        environment = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
        environment |= {"PATH": path} if path else {}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
        assert done.stdout.startswith("Computing on CPU"), done.stderr
        result[name] = done.stderr
    assert "has a GPU that tensorflow does not use" in result["with"]
    assert "GPU will not be used" in result["with"] or "CUDA" in result["with"]
    if not has_gpu():
        assert result["without"] == ""


def test_a_command_s_help_is_its_docstring_and_model_has_a_default_unless_it_must_be_given():
    parser = command_parser("Does this.\n\n    and   that")
    add_model(parser)
    assert "Does this.\n\n    and   that\n" in parser.format_help()
    assert parser.parse_args([]).model == "awsrn_sd_x2"
    assert parser.parse_args(["run"]).model == "run"

    required = command_parser(None)
    add_model(required, default=None)
    with pytest.raises(SystemExit):
        required.parse_args([])


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "many", ""])
def test_an_option_above_zero_refuses_others_in_one_line(text, capsys):
    parser = command_parser("")
    parser.add_argument("--runs", type=above_zero(float))
    assert parser.parse_args(["--runs", "0.5"]).runs == 0.5
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args([f"--runs={text}"])
    assert f"argument --runs: {text}: give a number above 0" in capsys.readouterr().err


def test_the_help_names_the_kinds_of_files_that_load_model_does():
    _, kinds = MODEL_HELP.split("run folder, ")
    with pytest.raises(InputError) as error:
        load_model("none.keras")
    assert str(error.value).endswith(f"or a {kinds} file.")

"""The command that builds the browser page: what it refuses, and where LiteRT.js comes from."""

import re
import shutil
import socket
from pathlib import Path

import pytest
from optional import missing

from awsrn_keras import presets
from awsrn_keras.errors import InputError
from export import to_web
from export.web import litert_js
from export.web.server import page_server, read_headers

SOURCE = Path(to_web.__file__).parent / "web" / "page"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "awsrn_xl_x2"], "There is no preset 'awsrn_xl_x2'"),
        (["--tile", "44"], "--tile 44: awsrn_sd_x2 needs more than 44 pixels"),
        (["--serve", "--port", "70000"], r"--port 70000: give 0 \(any that is free\) to 65535"),
        (["--port", "-1"], "--port -1: give 0"),
    ],
)
def test_wrong_options_are_refused_before_any_work(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        to_web.main([*options, "-o", str(tmp_path / "page")])
    assert list(tmp_path.iterdir()) == []


def test_awsrn_nano_is_offered_first():
    offered = to_web.parser().parse_args([]).preset
    assert offered[0] == "awsrn_nano_x2"
    variants = ("awsrn_nano", "awsrn_sd")
    assert set(offered) == {n for n, card in presets().items() if card["variant"] in variants}


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")

    with pytest.raises(InputError, match="holds something else than this page"):
        to_web.main(["-o", str(tmp_path)])

    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_a_port_in_use_is_one_line(tmp_path):
    (tmp_path / "_headers").write_text((SOURCE / "_headers").read_text())
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"localhost:{port}: Address already in use"):
            page_server(tmp_path, "localhost", port)


def test_page_and_headers_state_the_same_policy():
    headers = read_headers(SOURCE / "_headers")
    page = (SOURCE / "index.html").read_text()
    (policy,) = re.findall(r'"Content-Security-Policy"\s+content="([^"]*)"', page)
    # Browsers take the last one from headers only.
    assert f"{policy}; frame-ancestors 'none'" == headers["Content-Security-Policy"]
    assert "http" not in policy


def test_page_refers_to_no_other_host():
    for file in SOURCE.iterdir():
        addresses = set(re.findall(r"https?://[^\s\"'`<>)]+", file.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, file.name


def test_a_package_that_was_tampered_with_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path))
    archive = tmp_path / f"litertjs-core-{litert_js.VERSION}.tgz"
    archive.write_bytes(b"other bytes")

    with pytest.raises(InputError, match=r"core-.*: not the released package .*: remove it"):
        litert_js.put_litert_js(tmp_path / "litert")


def test_without_npm_the_cure_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InputError, match="npm is not installed"):
        litert_js.put_litert_js(tmp_path / "litert")

    assert not (tmp_path / "cache").exists()


def test_without_a_network_the_package_is_named(tmp_path, monkeypatch):
    if shutil.which("npm") is None:
        missing("no npm: make system")
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")

    with pytest.raises(InputError, match=r"npm could not fetch @litertjs/core@2\.5\.3: ."):
        litert_js.put_litert_js(tmp_path / "litert")

"""What the built folder holds, and how it is served."""

import http.client
import re
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from PIL import Image

from awsrn_keras import AWSRN
from awsrn_keras.data import load_pairs
from export import to_web
from export.tflite.flatbuffer import read_metadata
from export.web.models import probe_picture, put_model

pytestmark = pytest.mark.slow


def test_manifest_says_what_the_files_say(site):
    models = site.models()

    assert [model["file"] for model in models] == [
        "models/awsrn_sd_x2_float16.tflite",
        "models/awsrn_sd_x2_int8.tflite",
        "models/awsrn_s_x3_float16.tflite",
        "models/awsrn_s_x3_int8.tflite",
        "models/awsrn_nano_x4_float16.tflite",
        "models/awsrn_nano_x4_int8.tflite",
    ]
    for model in models:
        facts = read_metadata((site.folder / model["file"]).read_bytes())
        for key in ("variant", "scale", "precision", "receptive_field", "license"):
            assert model[key] == facts[key]
        assert (model["network"], model["purpose"]) == (facts["variant"], "")
        assert [model["tile"]] * 2 == facts["size"]
        assert model["bytes"] == (site.folder / model["file"]).stat().st_size


def test_a_preset_for_photographs_is_a_network_of_its_own(tmp_path):
    (tmp_path / "models").mkdir()
    model, bank = AWSRN("awsrn_nano", 2), load_pairs("sample", 2, "train")

    entry = put_model(model, tmp_path, "float16", 32, bank, "awsrn_nano_x2_photo")

    assert entry["file"] == "models/awsrn_nano_x2_photo_float16.tflite"
    assert (entry["variant"], entry["network"]) == ("awsrn_nano", "awsrn_nano_photo")
    assert entry["purpose"] == "for photographs with JPEG and noise"


def test_probe_holds_pixels_of_the_result(site):
    for model in site.models():
        result = site.network(file=model["file"])(probe_picture(model["tile"]))[0]
        probe = np.array(model["probe"])
        assert probe.shape == (8, 8, 3)
        assert probe.std() > 30
        # Pixel (5, 2) of 8 x 8 is in the middle of the sixth eighth and the third.
        y, x = (int((i + 0.5) * len(result) / 8) for i in (5, 2))
        np.testing.assert_allclose(probe[5, 2], result[y, x], atol=0.01)


def test_litert_js_is_complete_with_its_licence(site):
    litert = site.folder / "litert"
    script = (litert / "index.js").read_text()
    assert re.findall(r'^import .* from "(.*)";', script, re.MULTILINE) == ["./wasm-utils.js"]
    assert len(list((litert / "wasm").glob("*.wasm"))) == 4
    assert "Apache License" in (litert / "LICENSE.txt").read_text()
    assert "Copyright 2025 Google LLC" in (litert / "NOTICE.txt").read_text()


def test_every_file_comes_with_the_headers_and_its_type(site):
    host = site.url.removeprefix("http://").rstrip("/")
    types = {
        "index.html": "text/html",
        "main.js": "text/javascript",
        "litert/wasm/litert_wasm_internal.wasm": "application/wasm",
        "missing": "text/html;charset=utf-8",
    }
    for path, kind in types.items():
        connection = http.client.HTTPConnection(host)
        connection.request("HEAD", f"/{path}")
        response = connection.getresponse()
        connection.close()
        assert response.status == (404 if path == "missing" else 200)
        assert response.headers["Content-Type"] == kind
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_building_again_replaces_the_page_and_serve_leaves_it(tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    (page / "models.json").write_text("{}")
    (page / "old.js").write_text("")
    options = ["--precision", "float16", "--tile", "32", "-o", str(page)]

    to_web.main(["--preset", "awsrn_s_x2", *options])

    assert not (page / "old.js").exists()
    with Image.open(page / "example.png") as example:
        assert example.size == (225, 150)
    manifest = (page / "models.json").read_bytes()
    command = [sys.executable, to_web.__file__, "--serve", "--port", "0", "-o", str(page)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        try:
            address = server.stdout.readline().split()[0].decode()
            with urllib.request.urlopen(address + "/models.json") as response:
                assert response.read() == manifest
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 130
        finally:
            server.kill()  # else a server that goes on is waited for without end

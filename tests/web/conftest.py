"""The built page, served, in a real Chromium; WebGPU runs in software (SwiftShader)."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from optional import missing, optional
from PIL import Image

from export.web.server import page_server

from .page_driver import Site

TILE = 48
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
]


@pytest.fixture(scope="package")
def folder(tmp_path_factory) -> Path:
    from export.to_web import main

    if shutil.which("npm") is None:
        missing("no npm, which fetches LiteRT.js: make system")
    folder = tmp_path_factory.mktemp("web") / "page"
    presets = ["--preset", "awsrn_sd_x2", "awsrn_s_x3", "awsrn_nano_x4"]
    main([*presets, "--precision", "float16", "int8", "--tile", str(TILE), "-o", str(folder)])
    return folder


@pytest.fixture(scope="package")
def site(folder):
    with page_server(folder, "localhost", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site(folder, f"http://localhost:{server.server_port}/")
        server.shutdown()
        thread.join()


@pytest.fixture(scope="package")
def chromium():
    """The browser; without it tests are skipped, in CI they fail."""
    sync_playwright = optional("playwright.sync_api").sync_playwright
    executable = shutil.which("chromium")
    if executable is None:
        missing("no chromium: make system")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


class Pages:
    """Opens the page in contexts of its own, and notes what goes wrong in any of them.

    No page may log an error or ask another host for anything.
    """

    def __init__(self, chromium, site: Site):
        self._chromium, self._site = chromium, site
        self._contexts = []
        self.faults = []

    def open(self, init_script="", routes=(), url=None, **options):
        url = url or self._site.url
        context = self._chromium.new_context(**options)
        self._contexts.append(context)
        context.set_default_timeout(60_000)
        context.on("request", lambda request: self._watch(request, url))
        context.on("console", self._log)
        context.on("weberror", lambda error: self.faults.append(f"exception: {error.error}"))
        page = context.new_page()
        page.faults = self.faults
        if init_script:
            page.add_init_script(init_script)
        for pattern, handler in routes:
            context.route(pattern, handler)
        page.goto(url)
        page.locator("#device:not(:empty)").wait_for(state="attached")
        return page

    def close(self):
        for context in self._contexts:
            context.close()

    def _watch(self, request, url):
        if not request.url.startswith((url, f"blob:{url}")):
            self.faults.append(f"request to {request.url}")

    def _log(self, message):
        if message.type == "error":
            self.faults.append(f"console: {message.text}")


@pytest.fixture
def new_page(chromium, site):
    """Opens a page as `new_page(init_script=..., routes=..., url=...)`; see `Pages`."""
    pages = Pages(chromium, site)
    yield pages.open
    pages.close()
    assert pages.faults == []


@pytest.fixture(scope="module")
def pages_of_module(chromium, site):
    pages = Pages(chromium, site)
    yield pages
    pages.close()


@pytest.fixture(scope="module")
def page_of_module(pages_of_module):
    return pages_of_module.open()


@pytest.fixture
def page(page_of_module, pages_of_module):
    """The page that the tests of a module share, for those that need nothing special."""
    yield page_of_module
    faults, pages_of_module.faults[:] = list(pages_of_module.faults), []
    assert faults == []


@pytest.fixture
def picture(tmp_path):
    """Writes a smooth picture of height x width with some noise; its path and pixels."""

    def picture(height, width, suffix=".png", mode="RGB", **options):
        random = np.random.default_rng(height)
        y, x, c = np.indices((height, width, 3))
        waves = 128 + 90 * np.sin(x / 3 + c) * np.cos(y / (4 + c))
        pixels = np.clip(waves + random.normal(0, 12, waves.shape), 0, 255).astype("uint8")
        path = tmp_path / f"picture_{height}x{width}{suffix}"
        Image.fromarray(pixels).convert(mode).save(path, **options)
        return path, pixels

    return picture

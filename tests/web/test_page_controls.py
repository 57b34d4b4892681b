"""The page by keyboard, its layouts, its promises about the network, the benchmark tab."""

import contextlib
import functools
import re
import threading
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from optional import optional

from .page_driver import download, expected, transfer_of, upscale, worker_of

playwright = optional("playwright.sync_api")
expect = playwright.expect
pytestmark = pytest.mark.slow


def test_slider_divides_the_picture_by_keyboard(page, picture):
    upscale(page, picture(48, 60)[0], "wasm")
    slider = page.get_by_role("slider")
    before, after = page.locator(".stage img"), page.locator(".stage canvas")
    width = after.bounding_box()["width"]

    def insets(layer):
        style = layer.evaluate("element => element.style.clipPath")
        return [float(number) for number in re.findall(r"[\d.]+", style)]

    def share_of_original():
        return insets(after)[-1] / width

    slider.focus()
    assert share_of_original() == pytest.approx(0.5, abs=0.01)
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert share_of_original() == pytest.approx(0.6, abs=0.01)
    assert slider.get_attribute("aria-valuetext") == "60 % original"
    page.keyboard.press("Home")
    assert share_of_original() == 0
    assert insets(before)[1] == pytest.approx(width, abs=1)


def test_divider_follows_the_pointer(page, picture):
    viewport = page.viewport_size
    upscale(page, picture(48, 60)[0], "wasm")
    page.get_by_label("Zoom").select_option("4")
    divider = page.locator(".divider").bounding_box()
    view = page.locator(".scroller").bounding_box()
    x, y = divider["x"] + divider["width"] / 2, divider["y"] + divider["height"] / 2

    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(view["x"] + view["width"], y, steps=4)
    page.mouse.up()
    page.mouse.move(x, y)

    assert page.get_by_role("slider").input_value() == "100"
    assert page.locator(".stage").bounding_box()["width"] == 4 * 120
    page.set_viewport_size({"width": 400, "height": 700})
    page.get_by_label("Zoom").select_option("2")
    page.get_by_label("Zoom").select_option("4")
    stage, view = (page.locator(name).bounding_box() for name in (".stage", ".scroller"))
    middle = [box["x"] + box["width"] / 2 for box in (stage, view)]
    assert stage["width"] > view["width"] + 50
    assert middle[0] == pytest.approx(middle[1], abs=2)  # enlarged about the middle
    page.set_viewport_size(viewport)


def test_pictures_can_be_dropped(page, picture):
    dropped = {"dataTransfer": transfer_of(page, picture(30, 44)[0])}

    page.locator("#drop").dispatch_event("drop", dropped)

    page.get_by_role("status").filter(has_text=".png: 44 × 30 pixels.").wait_for()
    expect(page.get_by_role("button", name="Upscale")).to_be_enabled()
    page.get_by_role("tab", name="Benchmark").click()
    dropped = {"dataTransfer": transfer_of(page, picture(31, 45)[0])}
    page.locator("#benchmark").dispatch_event("drop", dropped)
    page.wait_for_timeout(500)  # for what must not happen
    page.get_by_role("tab", name="Upscale").click()
    assert page.get_by_role("status").inner_text().endswith(".png: 44 × 30 pixels.")


def test_a_picture_that_opens_too_late_is_not_the_one_upscaled(page, picture):
    page.get_by_label("Choose a picture").set_input_files(picture(48, 60)[0])
    page.get_by_role("status").filter(has_text="60 × 48 pixels.").wait_for()
    page.get_by_label("Compute on").select_option("wasm")

    page.evaluate(
        """dataTransfer => {
            document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
            document.getElementById("start").click();
        }""",
        transfer_of(page, picture(30, 44)[0]),
    )

    page.get_by_role("status").filter(has_text="Done: 120 × 96 pixels").wait_for()
    assert download(page).filename == "picture_48x60_x2.png"


def test_everything_works_by_keyboard_alone(new_page):
    page = new_page()

    def tab_to(name):
        for _ in range(25):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            if focused.count() and name in (focused.inner_text() or ""):
                return
        pytest.fail(f"{name} cannot be reached")

    tab_to("Upscale")  # the tab
    page.keyboard.press("ArrowRight")
    page.get_by_role("heading", name="How fast is this device?").wait_for()
    page.keyboard.press("ArrowLeft")
    tab_to("Example")
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="225 × 150").wait_for()
    page.get_by_label("Compute on").select_option("wasm")
    tab_to("Upscale")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Cancel").wait_for()
    page.keyboard.press("Enter")  # the focus has moved to Cancel
    page.get_by_role("status").filter(has_text="Cancelled.").wait_for()


def test_layout_fits_phones_and_desktops_in_both_schemes(new_page, picture):
    page = new_page()
    page.get_by_label("Choose a picture").set_input_files(picture(60, 90)[0])
    page.get_by_role("status").filter(has_text="90 × 60").wait_for()
    for width, height in ((390, 844), (1440, 900)):
        page.set_viewport_size({"width": width, "height": height})
        papers = set()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") == width
            papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            controls = page.locator(".controls").bounding_box()
            stage = page.locator(".frame").bounding_box()
            beside = stage["x"] >= controls["x"] + controls["width"]
            assert beside if width > 1000 else stage["y"] >= controls["y"] + controls["height"]
        assert len(papers) == 2


@contextlib.contextmanager
def served(handler):
    """The address of a server for as long as the block lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def other_host():
    """The address of a host that lets every page read it, and the paths that were asked for."""
    asked = []

    class Open(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, *_):
            pass

    with served(Open) as url:
        yield url, asked


def test_no_other_host_can_be_asked(new_page, site, picture, other_host):
    other, asked = other_host
    requested = []
    page = new_page()
    page.context.on("request", lambda request: requested.append(request.url))

    upscale(page, picture(48, 60)[0], "wasm")

    # Those of the worker are seen, too; new_page checks where each of them went.
    assert {url.rsplit(".", 1)[-1] for url in requested} >= {"js", "tflite", "wasm"}
    check_policy(page, other)
    assert asked == []
    assert page.evaluate("crossOriginIsolated")


def check_policy(page, other):
    """Neither the page nor its worker can ask the host `other`."""
    for place, context in (("page", page), ("worker", worker_of(page))):
        with pytest.raises(playwright.Error, match="Failed to fetch"):
            context.evaluate("url => fetch(url)", f"{other}{place}")
    assert any("Content Security Policy" in fault for fault in page.faults)
    page.faults.clear()  # the browser reports what it just refused


def plain_handler(folder):
    """Serves the page as most hosts do, without the headers of `_headers`."""

    class Plain(SimpleHTTPRequestHandler):
        def log_request(self, *_):
            pass

    return functools.partial(Plain, directory=str(folder))


def test_without_the_policy_another_host_could_be_asked(new_page, site, picture, other_host):
    """Else the test above would prove nothing."""
    other, asked = other_host
    with served(plain_handler(site.folder)) as url:
        page = new_page(url=url, bypass_csp=True)
        upscale(page, picture(48, 60)[0], "wasm")
        for place, context in (("page", page), ("worker", worker_of(page))):
            fetch = "async url => (await fetch(url)).status"
            assert context.evaluate(fetch, f"{other}{place}") == 200
        page.context.close()
    assert asked == ["/page", "/worker"]
    page.faults.clear()  # those two requests


def test_works_on_hosts_that_send_no_headers(new_page, site, picture, other_host):
    path, pixels = picture(48, 60)
    other, asked = other_host

    with served(plain_handler(site.folder)) as url:
        page = new_page(url=url)
        upscale(page, path, "wasm")
        facts = page.locator("#facts").inner_text()
        result = np.asarray(download(page).convert("RGB")).astype(int)
        check_policy(page, other)
        page.context.close()
    assert asked == []

    assert "CPU" in facts
    assert "threads" not in facts
    assert np.abs(result - expected(site, pixels)[0]).max() <= 1


def test_without_room_for_threads_there_is_one(new_page, picture):
    page = new_page(routes=[("**/*threaded*", lambda route: route.abort())])

    message = upscale(page, picture(48, 60)[0], "wasm")

    assert message.startswith("Done")
    assert "threads" not in page.locator("#facts").inner_text()
    page.faults.clear()  # the browser reports the file that was withheld


def test_benchmark_gives_a_table_to_copy(new_page, site):
    def only_two(route):
        manifest = route.fetch().json()
        route.fulfill(json={**manifest, "models": manifest["models"][:2]})

    def quickly(route):
        script = route.fetch().text()
        assert script.count("const SECONDS = 3;") == 1
        script = script.replace("const SECONDS = 3;", "const SECONDS = 0.3;")
        route.fulfill(body=script, content_type="text/javascript", headers=site.headers())

    page = new_page(
        routes=[("**/models.json", only_two), ("**/benchmark_tab.js", quickly)],
        permissions=["clipboard-read", "clipboard-write"],
    )
    page.get_by_role("tab", name="Benchmark").click()

    page.get_by_role("button", name="Start").click()

    page.get_by_role("status").filter(has_text="3 measurements.").wait_for()
    rows = [row.inner_text().split("\t") for row in page.locator("tbody tr").all()]
    assert page.get_by_role("rowheader").count() == len(rows)
    names = ["awsrn_sd ×2, float16", "awsrn_sd ×2, float16", "awsrn_sd ×2, int8"]
    assert [row[0] for row in rows] == names
    assert [row[1].split(",")[0] for row in rows] == ["WebGPU", "CPU", "CPU"]
    for row in rows:
        median, slow = (float(cell.removesuffix(" ms")) for cell in row[3:5])
        assert 0 < median <= slow
        assert row[5] == "48 × 48"
    page.get_by_role("button", name="Copy the table").click()
    page.get_by_role("status").filter(has_text="clipboard").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "LiteRT.js 2.5.3" in copied
    assert copied.count("| awsrn_sd ×2, float16 |") == 2

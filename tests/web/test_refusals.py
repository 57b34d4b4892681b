"""Files that the page cannot use: one clear message, and the page goes on."""

import pytest
from optional import optional
from PIL import Image

expect = optional("playwright.sync_api").expect
pytestmark = pytest.mark.slow


def offer(page, path):
    page.get_by_label("Choose a picture").set_input_files(path)


def test_what_is_no_picture_is_refused(new_page, picture, tmp_path):
    Image.new("1", (26000, 20000)).save(tmp_path / "huge.png")
    refused = {
        "empty.jpg": (b"", "empty.jpg is empty (0 bytes)."),
        "notes.txt": (b"hello", "notes.txt is not a photograph. Choose a JPEG,"),
        "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a photograph"),
        "renamed.png": (b"hello" * 99, "renamed.png is damaged, or this browser cannot read"),
        "huge.png": (None, "26000 × 20000 pixels are too many"),  # its header says so
    }
    page = new_page()
    for name, (content, message) in refused.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)

        offer(page, path)

        page.get_by_role("status").filter(has_text=message).wait_for()
        expect(page.get_by_role("button", name="Upscale")).to_be_disabled()
    offer(page, picture(30, 40)[0])
    page.get_by_role("status").filter(has_text="40 × 30 pixels.").wait_for()
    expect(page.get_by_role("button", name="Upscale")).to_be_enabled()


def test_pixels_damaged_behind_a_good_header_are_refused(new_page, picture):
    path, _ = picture(60, 80)
    content = bytearray(path.read_bytes())
    content[100:] = bytes(len(content) - 100)
    path.write_bytes(content)
    page = new_page()

    offer(page, path)
    # A browser notices at once, or when the pixels are asked for: then by this click, which a
    # disabled button ignores.
    upscale = page.get_by_role("button", name="Upscale", disabled=False)
    damaged = page.get_by_role("status").filter(has_text="damaged")
    upscale.or_(damaged).first.wait_for()
    page.get_by_role("button", name="Upscale").evaluate("button => button.click()")

    damaged.wait_for()


def test_the_limit_follows_the_memory_of_the_device(new_page, picture):
    path, _ = picture(1100, 1000)
    little = "Object.defineProperty(Navigator.prototype, 'deviceMemory', { get: () => 0.25 })"
    page = new_page(little)

    # 2^28 bytes / 4 / 12: 5.6 megapixels; x2 makes 4.4 of 1.1, x3 makes 9.9.
    offer(page, path)
    page.get_by_role("status").filter(has_text="1000 × 1100 pixels.").wait_for()
    page.get_by_label("Scale", exact=True).select_option("3")
    page.get_by_role("button", name="Upscale").click()

    message = page.get_by_role("status").filter(has_text="too many")
    message.wait_for()
    assert "pictures of up to 0.6 megapixels" in message.inner_text()
    expect(page.get_by_role("button", name="Upscale")).to_be_enabled()

"""Upscaling in the browser: the pixels, the files, the controls."""

import numpy as np
import pytest
from optional import optional
from PIL import Image

from awsrn_keras.pictures.alpha import constant_around, fill_transparent

from .page_driver import download, expected, upscale, worker_of

expect = optional("playwright.sync_api").expect
pytestmark = pytest.mark.slow


def largest_difference(image, wanted):
    if isinstance(image, Image.Image):
        image = image.convert("RGB")
    return np.abs(np.asarray(image).astype(int) - wanted.astype(int)).max()


@pytest.mark.parametrize(
    ("accelerator", "precision"), [("webgpu", "float16"), ("wasm", "float16"), ("wasm", "int8")]
)
def test_tiles_give_the_pixels_of_litert_on_the_whole_picture(
    page, site, picture, accelerator, precision
):
    # 2 x 2 windows of 48 pixels, and on the processor 4 x 7.
    path, pixels = picture(49, 50) if accelerator == "webgpu" else picture(57, 70)

    message = upscale(page, path, accelerator, precision=precision)

    height, width = pixels.shape[:2]
    assert message.startswith(f"Done: {2 * width} × {2 * height} pixels in ")
    assert ("WebGPU" if accelerator == "webgpu" else "CPU, ") in page.locator("#facts").inner_text()
    result = download(page)
    assert result.filename == f"{path.stem}_x2.png"
    wanted, _ = expected(site, pixels, precision=precision)
    assert largest_difference(result, wanted) <= 1
    if precision == "float16":  # a rounding may fall otherwise here and there, no seam
        assert np.mean(np.asarray(result.convert("RGB")) != wanted) < 1e-3
    bicubic = Image.fromarray(pixels).resize(result.size, Image.Resampling.BICUBIC)
    assert largest_difference(bicubic, wanted) > 20  # else the check above proves little


def test_another_network_and_scale_can_be_chosen(page, site, picture):
    path, pixels = picture(52, 64)

    upscale(page, path, "wasm", scale="3")

    assert page.get_by_label("Network").input_value() == "awsrn_s"
    result = download(page)
    assert result.size == (192, 156)
    assert largest_difference(result, expected(site, pixels, scale=3)[0]) <= 1


def test_awsrn_nano_upscales(page, site, picture):
    path, pixels = picture(52, 64)

    upscale(page, path, "wasm", scale="4", precision="int8")

    assert page.get_by_label("Network").input_value() == "awsrn_nano"
    wanted, _ = expected(site, pixels, scale=4, precision="int8")
    assert wanted.std() > 30
    assert largest_difference(download(page), wanted) <= 1


def test_networks_for_photographs_are_offered_beside_the_others(new_page, picture):
    def with_photo(route):
        manifest = route.fetch().json()
        purpose = "for photographs with JPEG and noise"
        photo = {**manifest["models"][0], "network": "awsrn_sd_photo", "purpose": purpose}
        route.fulfill(json={**manifest, "models": [*manifest["models"], photo]})

    page = new_page(routes=[("**/models.json", with_photo)])
    network = page.get_by_label("Network")
    assert network.locator("option").all_inner_texts() == [
        "awsrn_sd",
        "awsrn_sd, for photographs with JPEG and noise",
    ]
    network.select_option("awsrn_sd_photo")

    upscale(page, picture(48, 50)[0], "wasm")

    name = "awsrn_sd ×2, for photographs with JPEG and noise, float16"
    assert name in page.locator("#facts").inner_text()


def test_a_picture_smaller_than_a_window_is_mirrored(page, site, picture):
    path, pixels = picture(20, 60)

    upscale(page, path, "wasm")

    mirrored = np.pad(pixels, [(0, 28), (0, 0), (0, 0)], mode="symmetric")
    wanted = expected(site, mirrored)[0][:40]
    assert largest_difference(download(page), wanted) <= 1


def test_alpha_is_upscaled_and_hidden_colours_do_not_bleed(page, site, picture):
    _, pixels = picture(51, 60)
    path, _ = picture(51, 60)
    alpha = np.full((51, 60), 255, "uint8")
    alpha[:, 33:] = 0
    hidden = np.where(alpha[..., None] > 0, pixels, np.uint8(0))
    assert (fill_transparent(hidden, alpha > 0) != hidden).any()
    Image.fromarray(np.dstack([hidden, alpha])).save(path)

    upscale(page, path, "wasm")

    result = np.asarray(download(page))
    colours, wanted_alpha = expected(site, hidden, alpha)
    assert largest_difference(result[..., 3], wanted_alpha) <= 1
    opaque = (result[..., 3] == 255) & (wanted_alpha == 255)
    assert 0.4 < opaque.mean() < 0.6
    assert largest_difference(result[opaque][:, :3], colours[opaque]) <= 1


def test_alpha_stays_exact_where_it_is_constant(page, site, picture):
    path, pixels = picture(62, 64)
    alpha = np.full((62, 64), 131, "uint8")
    alpha[:4, :5] = 7
    Image.fromarray(np.dstack([pixels, alpha])).save(path)
    model = site.model(scale=2, precision="float16")
    same = constant_around(alpha, model["receptive_field"]).repeat(2, axis=0).repeat(2, axis=1)
    assert 0.2 < same.mean() < 1
    network = site.network(scale=2, precision="float16")
    by_network = network(np.dstack([alpha] * 3)[None])[0].mean(axis=2)
    assert (np.rint(by_network[same]) != 131).any()  # else there is nothing to keep

    upscale(page, path, "wasm")

    result = np.asarray(download(page))[..., 3]
    assert (result[same] == 131).all()
    assert largest_difference(result, expected(site, pixels, alpha)[1]) <= 1
    assert result.min() < 20


def test_exif_orientation_is_followed(page, site, picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn to the right
    path, _ = picture(50, 66, ".jpg", quality=95, exif=exif)

    upscale(page, path, "wasm")

    result = download(page)
    assert result.size == (100, 132)
    with Image.open(path) as image:
        upright = np.rot90(np.asarray(image), -1)
    # JPEG decoders differ by a level or two, which the network sharpens.
    assert (
        np.abs(np.asarray(result.convert("RGB")) - expected(site, upright)[0].astype(int)).mean()
        < 1
    )


def test_cancel_stops_the_worker_and_the_page_goes_on(new_page, picture):
    large, _ = picture(400, 500)
    small, _ = picture(48, 60)
    page = new_page()
    page.get_by_label("Choose a picture").set_input_files(large)
    page.get_by_label("Compute on").select_option("wasm")
    page.get_by_role("button", name="Upscale").click()
    page.get_by_text(" of 10146 tiles").wait_for()  # some are done
    worker = worker_of(page)

    with worker.expect_event("close"):
        page.get_by_role("button", name="Cancel").click()

    assert page.get_by_role("status").inner_text() == "Cancelled."
    expect(page.get_by_role("button", name="Download PNG")).to_be_disabled()
    assert upscale(page, small, "wasm").startswith("Done: 120 × 96 pixels")


def test_a_wrong_graphics_processor_is_found_out(new_page, site, picture):
    path, pixels = picture(48, 55)

    def spoil(route):
        manifest = route.fetch().json()
        for model in manifest["models"]:
            model["probe"][3][5][1] = (model["probe"][3][5][1] + 60) % 256
        route.fulfill(json=manifest)

    page = new_page(routes=[("**/models.json", spoil)])

    message = upscale(page, path, "auto")

    assert "computes the model wrongly. It was computed on the CPU instead." in message
    assert largest_difference(download(page), expected(site, pixels)[0]) <= 1


def test_browsers_without_jspi_run_floating_point_on_webgpu(new_page, site, picture):
    path, pixels = picture(48, 50)

    def older(route):
        script = "delete WebAssembly.Suspending;\n" + route.fetch().text()
        route.fulfill(body=script, content_type="text/javascript", headers=site.headers())

    page = new_page(routes=[("**/worker.js", older)])

    upscale(page, path, "webgpu")

    assert "WebGPU" in page.locator("#facts").inner_text()
    assert largest_difference(download(page), expected(site, pixels)[0]) <= 1


def test_8_bit_models_are_computed_on_the_processor(page, site, picture):
    path, pixels = picture(48, 50)

    message = upscale(page, path, "webgpu", precision="int8")
    assert message == "8-bit models run on the CPU only: choose it, or automatic."

    upscale(page, path, "auto", precision="int8")
    assert "CPU, " in page.locator("#facts").inner_text()
    wanted, _ = expected(site, pixels, precision="int8")
    assert largest_difference(download(page), wanted) <= 1


def test_without_webgpu_the_processor_computes(new_page, site, picture):
    path, pixels = picture(48, 55)
    hide = "Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined })"
    page = new_page(hide)
    expect(page.locator("#accelerator [value=webgpu]")).to_be_disabled()

    upscale(page, path, "auto")

    assert "CPU" in page.locator("#facts").inner_text()
    assert largest_difference(download(page), expected(site, pixels)[0]) <= 1

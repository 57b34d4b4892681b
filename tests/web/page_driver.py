"""What tests do with the page, and what its results should be."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from awsrn_keras.upscaling.litert_model import LiteRTModel
from awsrn_keras.upscaling.upscale import upscale_with
from export.web.server import read_headers


class Site(NamedTuple):
    """A served folder of the page."""

    folder: Path
    url: str

    def models(self) -> list[dict]:
        return json.loads((self.folder / "models.json").read_text())["models"]

    def headers(self) -> dict[str, str]:
        return read_headers(self.folder / "_headers")

    def model(self, **wanted) -> dict:
        """What models.json says of the model with the wanted scale and precision."""
        (entry,) = (m for m in self.models() if wanted.items() <= m.items())
        return entry

    def network(self, **wanted) -> LiteRTModel:
        """The same model, run by LiteRT on the processor."""
        return LiteRTModel(self.folder / self.model(**wanted)["file"])


class WholePicture:
    """LiteRT on the processor, given the whole picture at once; an `Engine`."""

    dtype, window_pixels = np.dtype("float32"), 2**30

    def __init__(self, network: LiteRTModel, scale: int, margin: int):
        self.network, self.scale, self.margin = network, scale, margin

    def __call__(self, window: np.ndarray) -> np.ndarray:
        return self.network(window[None])[0].astype("float32")


def expected(site: Site, pixels: np.ndarray, alpha=None, scale=2, precision="float16") -> tuple:
    """Pixels and alpha that the page should give."""
    wanted = {"scale": scale, "precision": precision}
    margin = site.model(**wanted)["receptive_field"]
    return upscale_with(WholePicture(site.network(**wanted), scale, margin), pixels, alpha)


def upscale(page, path, accelerator, scale="2", precision="float16"):
    """Choose a file and a model and wait for the end; the message."""
    page.get_by_label("Choose a picture").set_input_files(path)
    page.get_by_label("Compute on").select_option(accelerator)
    for label, value in (("scale", scale), ("precision", precision)):
        page.get_by_label(label.capitalize(), exact=True).select_option(value)
    page.get_by_role("button", name="Upscale").click()
    page.get_by_role("button", name="Cancel").wait_for(state="hidden")
    return page.get_by_role("status").inner_text()


def transfer_of(page, path):
    """What a drag of the file `path` carries."""
    return page.evaluate_handle(
        """([bytes, name]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
            return transfer;
        }""",
        [list(path.read_bytes()), path.name],
    )


def worker_of(page):
    """The page's own worker, beside which LiteRT.js starts some for its threads."""
    (worker,) = (worker for worker in page.workers if worker.url.startswith("blob:"))
    return worker


def download(page) -> Image.Image:
    """The PNG that the page offers."""
    with page.expect_download() as event:
        page.get_by_role("button", name="Download PNG").click()
    image = Image.open(event.value.path())
    assert image.format == "PNG"
    image.load()
    image.filename = event.value.suggested_filename
    return image

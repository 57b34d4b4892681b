"""Make the pictures of the documentation from photographs inside the scikit-image wheel.

    python docs/figures.py

Each photograph is shrunk by MATLAB's bicubic, for photo.png also saved as a JPEG, and enlarged
again by bicubic and by presets, beside the original. Look at what it writes: docs/photo.png and
docs/contact_sheet.png.
"""

from pathlib import Path
from typing import NamedTuple

import skimage.data
from PIL import Image, ImageDraw, ImageFont

import awsrn_keras as awsrn
from awsrn_keras.data.degradations import degraded_image
from awsrn_keras.files import replacing
from awsrn_keras.pictures import read_rgb
from awsrn_keras.scoring.score import bicubic

SIDE = 204  # of a crop, pixels of the original


class Sheet(NamedTuple):
    """One picture file.

    Attributes:
        scale: Of the presets.
        condition: What the shrunk photographs go through, see `degraded_image`.
        presets: The columns between bicubic and the original.
        crops: For each photograph where its crop begins (top, left), pixels of the original.
    """

    scale: int
    condition: str
    presets: tuple[str, ...]
    crops: dict[str, tuple[int, int]]


SHEETS = {
    "photo.png": Sheet(
        2,
        "jpeg60",
        ("awsrn_sd_x2", "awsrn_sd_x2_photo"),
        {"chelsea.png": (60, 120), "coffee.png": (150, 250)},
    ),
    "contact_sheet.png": Sheet(
        4,
        "clean",
        ("awsrn_sd_x4",),
        {
            "page.png": (0, 60),  # text: only 191 rows
            "astronaut.png": (0, 130),  # hair
            "brick.png": (40, 40),
            "coffee.png": (150, 250),
        },
    ),
}


def main() -> None:
    for name, shown in SHEETS.items():
        rows = [compared(photograph, shown) for photograph in shown.crops]
        with replacing(Path(__file__).with_name(name)) as temporary:
            sheet(rows).save(temporary, optimize=True)


def compared(name: str, shown: Sheet) -> dict:
    """The crop in each version of a photograph, with the PSNR of the whole picture."""
    scale, (top, left) = shown.scale, shown.crops[name]
    photograph = read_rgb(Path(skimage.data.data_dir) / name)
    height, width = (side // scale * scale for side in photograph.shape[:2])
    hr = photograph[:height, :width]
    lr = degraded_image(awsrn.imresize(hr, 1 / scale), hr, shown.condition)
    results = {f"bicubic x{scale}": bicubic(lr, scale)}
    results |= {preset: awsrn.upscale(lr, preset) for preset in shown.presets}
    results["original"] = hr
    return {
        label: (
            image[top : top + SIDE, left : left + SIDE],
            "" if label == "original" else f"{awsrn.psnr_y(image, hr, scale):.2f} dB",
        )
        for label, image in results.items()
    }


def sheet(rows) -> Image.Image:
    """The crops side by side at 1.5 times their size, each with its name and PSNR above."""
    side, header, gap = SIDE * 3 // 2, 22, 6
    columns = len(rows[0])
    size = (columns * (side + gap) - gap, len(rows) * (side + header))
    page = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for i, row in enumerate(rows):
        for j, (label, (crop, score)) in enumerate(row.items()):
            x, y = j * (side + gap), i * (side + header)
            draw.text((x + 2, y + 3), f"{label}  {score}", fill="black", font=font)
            enlarged = (crop.shape[1] * 3 // 2, crop.shape[0] * 3 // 2)
            shown = Image.fromarray(crop).resize(enlarged, Image.Resampling.NEAREST)
            page.paste(shown, (x, y + header))
    return page


if __name__ == "__main__":
    main()

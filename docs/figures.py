"""Make the pictures of the documentation from photographs inside the scikit-image wheel.

    python docs/figures.py

Each photograph is shrunk by MATLAB's bicubic, then enlarged again: bicubic, awsrn_sd, and
the original beside them. Look at what it writes: docs/before_after.png, docs/contact_sheet.png.
"""

from pathlib import Path

import skimage.data
from PIL import Image, ImageDraw, ImageFont

import awsrn_keras as awsrn
from awsrn_keras.files import replacing
from awsrn_keras.pictures import read_rgb
from awsrn_keras.scoring.score import bicubic

SIDE = 204  # of a crop, pixels of the original

# Of each picture file: scale, and for each photograph where its crop begins (top, left).
SHEETS = {
    "before_after.png": (3, {"chelsea.png": (60, 120), "motorcycle_left.png": (130, 380)}),
    "contact_sheet.png": (
        4,
        {
            "page.png": (0, 60),  # text: only 191 rows
            "astronaut.png": (0, 130),  # hair
            "brick.png": (40, 40),
            "coffee.png": (150, 250),
        },
    ),
}


def main() -> None:
    for name, (scale, crops) in SHEETS.items():
        rows = [compared(photograph, *corner, scale) for photograph, corner in crops.items()]
        with replacing(Path(__file__).with_name(name)) as temporary:
            sheet(rows).save(temporary, optimize=True)


def compared(name: str, top: int, left: int, scale: int) -> dict:
    """The crop in each version of a photograph, with the PSNR of the whole picture."""
    photograph = read_rgb(Path(skimage.data.data_dir) / name)
    height, width = (side // scale * scale for side in photograph.shape[:2])
    hr = photograph[:height, :width]
    lr = awsrn.imresize(hr, 1 / scale)
    results = {
        f"bicubic x{scale}": bicubic(lr, scale),
        "awsrn_sd": awsrn.upscale(lr, f"awsrn_sd_x{scale}"),
        "original": hr,
    }
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

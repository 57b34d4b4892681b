"""Make the pictures of the README from photographs inside the scikit-image wheel.

    python docs/figures.py

Each photograph is shrunk by MATLAB's bicubic, then enlarged again: bicubic, awsrn_sd, and
the original beside them. Look at what it writes: docs/before_after.png.
"""

from pathlib import Path

import skimage
from PIL import Image, ImageDraw, ImageFont

import awsrn_keras as awsrn
from awsrn_keras.files import replacing
from awsrn_keras.pictures import read_rgb
from awsrn_keras.scoring import bicubic

SCALE = 3
SIDE = 204  # of a crop, pixels of the original
CROPS = {"chelsea.png": (60, 120), "motorcycle_left.png": (130, 380)}  # top, left
OUTPUT = Path(__file__).with_name("before_after.png")


def main() -> None:
    rows = []
    for name, (top, left) in CROPS.items():
        photograph = read_rgb(Path(skimage.data_dir) / name)
        height, width = (side // SCALE * SCALE for side in photograph.shape[:2])
        hr = photograph[:height, :width]
        lr = awsrn.imresize(hr, 1 / SCALE)
        results = {
            "bicubic": bicubic(lr, SCALE),
            "awsrn_sd": awsrn.upscale(lr, f"awsrn_sd_x{SCALE}"),
            "original": hr,
        }
        rows.append(
            {
                label: (
                    image[top : top + SIDE, left : left + SIDE],
                    "" if label == "original" else f"{awsrn.psnr_y(image, hr, SCALE):.2f} dB",
                )
                for label, image in results.items()
            }
        )
    with replacing(OUTPUT) as temporary:
        sheet(rows).save(temporary, optimize=True)


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
            page.paste(Image.fromarray(crop).resize((side, side), Image.NEAREST), (x, y + header))
    return page


if __name__ == "__main__":
    main()

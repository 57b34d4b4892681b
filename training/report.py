"""What `fit.py` says at the end: scores beside bicubic's, preview.png, where the model lies."""

import numpy as np

from awsrn_keras.data import PairBank
from awsrn_keras.metrics import psnr_y, ssim_y
from awsrn_keras.model import AWSRN
from awsrn_keras.resize import imresize
from awsrn_keras.upscale import upscale

from .plots import plot_preview
from .run_folder import RunFolder

PREVIEW_ROWS = 4


def report(model: AWSRN, validation: PairBank, folder: RunFolder) -> None:
    """Score whole validation images (PSNR in dB and SSIM on Y) and draw the preview."""
    rows, scores = [], []
    for i in range(len(validation)):
        lr, hr = validation.pair(i)
        bicubic, sr = imresize(lr, size=hr.shape[:2]), upscale(lr, model)
        scores.append(
            [f(image, hr, model.scale) for image in (sr, bicubic) for f in (psnr_y, ssim_y)]
        )
        if len(rows) < PREVIEW_ROWS:
            rows.append((validation.names[i], bicubic, sr, hr))
    plot_preview(rows, model.scale, folder.preview_file)

    psnr, ssim, bicubic_psnr, bicubic_ssim = np.mean(scores, axis=0)
    print(f"\n{len(scores)} validation images      PSNR on Y   SSIM on Y")
    print(f"  {model.name:<20} {psnr:8.2f} dB   {ssim:.4f}")
    print(f"  {'bicubic':<20} {bicubic_psnr:8.2f} dB   {bicubic_ssim:.4f}")
    print(f"Best epoch's model: {folder.model_file}   curves.png and preview.png beside it")

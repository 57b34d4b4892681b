"""What `fit.py` says at the end: scores beside bicubic's, preview.png, where the model lies."""

from pathlib import Path

from awsrn_keras.data import PairBank
from awsrn_keras.network.model import AWSRN
from awsrn_keras.scoring.score import bicubic, score_bank
from awsrn_keras.upscaling.keras_engine import KerasEngine
from awsrn_keras.upscaling.upscale import upscale

from .advice import on_bicubic
from .plots import plot_preview
from .run_folder import RunFolder

PREVIEW_ROWS = 4


def report(model: AWSRN, validation: PairBank, folder: RunFolder) -> None:
    """Score whole validation images (PSNR in dB and SSIM on Y) and draw the preview."""
    engine, scale = KerasEngine(model), model.scale
    methods = {
        model.name: lambda lr: upscale(lr, engine),
        "bicubic": lambda lr: bicubic(lr, scale),
    }
    print(f"\n{len(validation)} validation images      PSNR on Y   SSIM on Y")
    psnrs = []
    for name, upscaler in methods.items():
        mean = score_bank(upscaler, validation)
        print(f"  {name:<20} {mean.psnr:8.2f} dB   {mean.ssim:.4f}")
        psnrs.append(mean.psnr)
    if advice := on_bicubic(*psnrs):
        print(f"{model.name} is {advice}")

    rows = []
    for i in range(min(PREVIEW_ROWS, len(validation))):
        lr, hr = validation.pair(i)
        name = Path(validation.names[i]).name
        rows.append((name, bicubic(lr, scale), upscale(lr, engine), hr))
    plot_preview(rows, scale, folder.preview_file)
    print(f"Best epoch's model: {folder.model_file}   curves.png and preview.png beside it")

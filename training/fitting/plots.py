"""Pictures from which a person can judge a run or a model: curves, preview, PSNR against JPEG."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from awsrn_keras.data.degradations import condition_value
from awsrn_keras.files import replacing
from awsrn_keras.scoring.metrics import psnr_y
from awsrn_keras.scoring.score import mean_score
from awsrn_keras.scoring.scoreboard import SetScores


def plot_curves(history: list[dict], bicubic_psnr: float, loss_name: str) -> plt.Figure:
    """Draw the loss, validation PSNR (dB, Y, with bicubic's for comparison) and learning rate."""
    steps = [row["steps"] for row in history]
    figure, (loss, psnr, rate) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    loss.plot(steps, [row["loss"] for row in history], marker=".")
    loss.set(title="Training loss", ylabel=f"{loss_name} (RGB, 0..255)")
    psnr.plot(steps, [row["val_psnr"] for row in history], marker=".", label="this run")
    psnr.axhline(bicubic_psnr, color="gray", linestyle="--", label=f"bicubic {bicubic_psnr:.2f} dB")
    psnr.set(title="Validation (central crops)", ylabel="PSNR on Y (dB)")
    psnr.legend(loc="lower right")
    rate.plot(steps, [row["learning_rate"] for row in history], marker=".")
    rate.set(title="Learning rate", yscale="log")
    for axes in (loss, psnr, rate):
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    return figure


def plot_preview(rows: list[tuple], scale: int, path: Path, side: int = 128) -> None:
    """Draw bicubic | SR | HR crops with their PSNR, one row per image.

    Args:
        rows: `(name, bicubic, sr, hr)` each, uint8 images `(height, width, 3)` of one size.
        scale: Magnification: pixels ignored at the border when measuring.
        path: PNG file to write.
        side: Side of the crop shown, HR pixels: the one with most detail in each image.
    """
    figure, grid = plt.subplots(
        len(rows), 3, figsize=(10.5, 3.7 * len(rows)), layout="constrained", squeeze=False
    )
    for axes, (name, bicubic, sr, hr) in zip(grid, rows, strict=True):
        window = _most_detailed(hr, side)
        for axis, kind, image in zip(
            axes, ("bicubic", "AWSRN", "HR"), (bicubic, sr, hr), strict=True
        ):
            axis.imshow(image[window], interpolation="nearest")
            score = "" if kind == "HR" else f"  {psnr_y(image, hr, scale):.2f} dB"
            axis.set_title(f"{name}: {kind}{score}", fontsize=9)
            axis.axis("off")
    save_figure(figure, path)


def _most_detailed(image: np.ndarray, side: int) -> tuple[slice, slice]:
    """Slices of the square of a coarse grid with the largest variance of its gradient."""
    side = min(side, *image.shape[:2])
    luma = image.mean(axis=-1)
    detail = np.abs(np.diff(luma, axis=0))[:, :-1] + np.abs(np.diff(luma, axis=1))[:-1]
    corners = [
        (top, left)
        for top in range(0, image.shape[0] - side + 1, side // 2)
        for left in range(0, image.shape[1] - side + 1, side // 2)
    ]
    top, left = max(corners, key=lambda c: detail[c[0] : c[0] + side, c[1] : c[1] + side].mean())
    return slice(top, top + side), slice(left, left + side)


def save_figure(figure: plt.Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def plot_jpeg(results: list[SetScores], conditions: list[str], path: Path) -> None:
    """Draw the mean PSNR of each method against JPEG quality, clean pictures at the right end.

    Args:
        results: One for each set and condition, all conditions of a set side by side.
        conditions: Of `degraded_image`; those that are not JPEG are left out.
    """
    kinds = map(condition_value, conditions)
    qualities = [{"clean": 101, "jpeg": value}.get(kind, 0) for kind, value in kinds]
    kept = sorted(filter(qualities.__getitem__, range(len(conditions))), key=qualities.__getitem__)
    sets = [results[i : i + len(conditions)] for i in range(0, len(results), len(conditions))]
    figure, axes = plt.subplots(
        1, len(sets), figsize=(1 + 5 * len(sets), 4), layout="constrained", squeeze=False
    )
    for axis, scores in zip(axes[0], sets, strict=True):
        for method in scores[0].methods:
            values = [mean_score(scores[i].methods[method]).psnr for i in kept]
            axis.plot([conditions[i] for i in kept], values, marker="o", label=method)
        axis.set(title=scores[0].name.split()[0], ylabel="PSNR on Y (dB)")
        axis.grid(alpha=0.3)
        axis.legend()
    save_figure(figure, path)

"""What `fit.py` tells its user about validation, each in one line."""

from .config import Config


def on_validation(config: Config) -> str:
    """What a run is validated on, and the cure where that is none of the user's pictures."""
    line = f"validating on images of {', '.join(config.validation_data)}"
    if config.val is not None:
        return line
    if set(config.validation_data) <= set(config.data):
        return f"{line}, held out from training"
    return f"{line}, none of them yours: give --val DIR with pictures like those in --data"


def on_bicubic(psnr: float, bicubic_psnr: float) -> str | None:
    """How far a model is below bicubic, both in dB, and what to do; None if it is above."""
    if psnr > bicubic_psnr:
        return None
    return (
        f"{bicubic_psnr - psnr:.2f} dB below bicubic on the validation images: train longer "
        "(--minutes), start from a preset (--init) or choose another --learning-rate"
    )

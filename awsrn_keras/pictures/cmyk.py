"""CMYK as sRGB."""

import contextlib
import io

import numpy as np
from PIL import Image, ImageCms

from .picture import to_eight_bits


def cmyk_to_srgb(inks: np.ndarray, icc: bytes) -> tuple[np.ndarray, bytes]:
    """RGB `(height, width, 3)` of ink amounts, and its profile, by the file's profile if it can.

    Args:
        inks: uint8 or uint16 `(height, width, 4)`: cyan, magenta, yellow, black; 0 is no ink.
        icc: The file's profile; without one that fits, white minus the inks, and no profile.

    Returns:
        Pixels in the dtype of `inks`; uint8 where there is a profile.
    """
    top = np.iinfo(inks.dtype).max
    if icc[16:20] == b"CMYK":
        with contextlib.suppress(ImageCms.PyCMSError):  # a broken profile is as good as none
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
            eight = to_eight_bits(inks)
            image = Image.frombytes("CMYK", eight.shape[1::-1], eight.tobytes())
            transform = ImageCms.buildTransform(source, srgb, "CMYK", "RGB")
            return np.array(transform.apply(image)), srgb.tobytes()
    light = (top - inks).astype(np.uint32)
    colours = (light[..., :3] * light[..., 3:] + top // 2) // top
    return colours.astype(inks.dtype), b""

"""Writing TIFF files of 8 or 16 bits, with all metadata byte for byte."""

import io
from pathlib import Path

import numpy as np

from .exif import descriptive_tags
from .picture import Picture
from .tiff_tags import BYTE, UNDEFINED, Folder, Value, folder_bytes, header, read_first_folder

_XMP, _ICC = 700, 34675
CLASSIC_BYTES = 2**32 - 2**25  # beyond, offsets need a BigTIFF


def write_tiff(path: Path, pixels: np.ndarray, picture: Picture) -> None:
    """Write uint8 or uint16 `(height, width)` or `(height, width, channels)`, 2 to 4, and what
    `picture` says of it.

    Deflated; a BigTIFF where it might pass 4 GiB. The byte order is that of the EXIF, whose
    tags keep their bytes.
    """
    import tifffile  # takes a moment that other pictures need not wait

    tags = descriptive_tags(io.BytesIO(picture.exif)) if picture.exif else Folder()
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    most = pixels.nbytes + len(picture.exif) + len(picture.icc) + len(picture.xmp)
    tifffile.imwrite(
        path,
        pixels,
        bigtiff=most > CLASSIC_BYTES,
        byteorder=tags.layout.order,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        predictor=True,
        resolution=picture.dpi,
        resolutionunit="inch" if picture.dpi else None,
        software=False,
        metadata=None,
    )
    if picture.icc:
        tags[_ICC] = Value(UNDEFINED, picture.icc)
    if picture.xmp:
        tags[_XMP] = Value(BYTE, picture.xmp)
    with open(path, "r+b") as file:  # tifffile would keep no EXIF folder and no text but ASCII
        folder = read_first_folder(file)
        folder.update(tags)
        end = file.seek(0, 2) + 1 & ~1
        file.seek(end)
        file.write(folder_bytes(folder, folder.layout, end))
        file.seek(0)
        file.write(header(folder.layout, end))

"""PSNR (dB) and SSIM on luma that the paper reports, to print beside measured ones.

Source: Wang, Li and Shi (2019), arXiv:1904.02358: networks trained on DIV2K, no
self-ensemble. The paper prints the PSNR of awsrn_sd on Set14 x3 as 32.21, a slip for 30.21.
"""

from .score import Score

_SETS = ("Set5", "Set14", "B100", "Urban100", "Manga109")
_PSNR = {
    ("awsrn_s", 2): (37.75, 33.31, 32.00, 31.39, 37.90),
    ("awsrn_sd", 2): (37.86, 33.41, 32.07, 31.67, 38.20),
    ("awsrn_m", 2): (38.04, 33.66, 32.21, 32.23, 38.66),
    ("awsrn", 2): (38.11, 33.78, 32.26, 32.49, 38.87),
    ("awsrn_s", 3): (34.02, 30.09, 28.92, 27.57, 32.82),
    ("awsrn_sd", 3): (34.18, 30.21, 28.99, 27.80, 33.13),
    ("awsrn_m", 3): (34.42, 30.32, 29.13, 28.26, 33.64),
    ("awsrn", 3): (34.52, 30.38, 29.16, 28.42, 33.85),
    ("awsrn_s", 4): (31.77, 28.35, 27.41, 25.56, 29.74),
    ("awsrn_sd", 4): (31.98, 28.46, 27.48, 25.74, 30.09),
    ("awsrn_m", 4): (32.21, 28.65, 27.60, 26.15, 30.56),
    ("awsrn", 4): (32.27, 28.69, 27.64, 26.29, 30.72),
    ("awsrn", 8): (26.97, 24.99, 24.80, 22.45, 24.60),
}
_SSIM = {
    ("awsrn_s", 2): (0.9596, 0.9151, 0.8974, 0.9207, 0.9755),
    ("awsrn_sd", 2): (0.9600, 0.9161, 0.8984, 0.9237, 0.9762),
    ("awsrn_m", 2): (0.9605, 0.9181, 0.9000, 0.9294, 0.9772),
    ("awsrn", 2): (0.9608, 0.9189, 0.9006, 0.9316, 0.9776),
    ("awsrn_s", 3): (0.9240, 0.8376, 0.8009, 0.8391, 0.9393),
    ("awsrn_sd", 3): (0.9273, 0.8398, 0.8027, 0.8444, 0.9416),
    ("awsrn_m", 3): (0.9275, 0.8419, 0.8059, 0.8545, 0.9450),
    ("awsrn", 3): (0.9281, 0.8426, 0.8069, 0.8580, 0.9463),
    ("awsrn_s", 4): (0.8893, 0.7761, 0.7304, 0.7678, 0.8982),
    ("awsrn_sd", 4): (0.8921, 0.7786, 0.7368, 0.7746, 0.9024),
    ("awsrn_m", 4): (0.8954, 0.7832, 0.7368, 0.7884, 0.9093),
    ("awsrn", 4): (0.8960, 0.7843, 0.7385, 0.7930, 0.9109),
    ("awsrn", 8): (0.7747, 0.6414, 0.5967, 0.6174, 0.7782),
}


def published(variant: str, scale: int, image_set: str) -> Score | None:
    """The paper's score of a network on a set, or None where it has none.

    Args:
        variant, scale: The network.
        image_set: Name of the set, in any case; BSD100 and BSDS100 are B100.
    """
    name = image_set.lower().replace("bsds", "b").replace("bsd", "b")
    columns = [column.lower() for column in _SETS]
    if (variant, scale) not in _PSNR or name not in columns:
        return None
    column = columns.index(name)
    return Score(_PSNR[variant, scale][column], _SSIM[variant, scale][column])

"""DIV2K as tensorflow-datasets downloads and prepares it, LR images from the same builder."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import InputError
from ..progress import with_progress
from .bank import Pair, PairBank, cached_bank
from .pairs import match_sizes

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# The records carry no file names; the paper validates on five images too, 0801-0805.
_SPLITS = {"train": "train", "validation": "validation[:5]"}


def load_div2k(
    scale: int,
    split: Literal["train", "validation"],
    cache_dir: str | os.PathLike | None = None,
) -> PairBank:
    """DIV2K's 800 training images, or the first five of its validation images.

    The first call downloads about 4 to 5 GB into `$TFDS_DATA_DIR`, else
    `~/tensorflow_datasets`; the decoded pixels take 9 to 11 GB more in the cache folder.

    Raises:
        InputError: tensorflow-datasets is not installed, or DIV2K cannot be downloaded.
    """
    builder = _prepared_builder(scale)
    return cached_bank(
        f"div2k_{split}_x{scale}",
        [str(builder.data_path)],
        sorted(Path(builder.data_path).iterdir()),
        lambda: _pairs(builder, scale, split),
        scale,
        cache_dir,
    )


def _prepared_builder(scale: int) -> tfds.core.DatasetBuilder:
    try:
        import keras
        import tensorflow as tf
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            "DIV2K comes through tensorflow-datasets: pip install tensorflow-datasets, "
            "or give a folder of images."
        ) from error
    if keras.config.backend() != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # they are for the backend that computes
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    folder = os.environ.get("TFDS_DATA_DIR")  # tensorflow-datasets reads it at import only
    builder = tfds.builder(f"div2k/bicubic_x{scale}", data_dir=folder)
    try:
        if not builder.is_prepared():
            _check_network(builder.builder_config.download_urls["train_hr_url"])
            with contextlib.redirect_stdout(sys.stderr):
                builder.download_and_prepare()
    except (OSError, tf.errors.OpError, tfds.download.DownloadError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"DIV2K cannot be downloaded to {builder.data_path} ({reason}): make room there or "
            "set TFDS_DATA_DIR; or download DIV2K elsewhere and give its folder."
        ) from error
    return builder


def _check_network(url: str) -> None:
    """Fail at once: tensorflow-datasets would try again and again, for minutes."""
    if not url.startswith("http"):
        return
    import requests

    try:
        requests.head(url, timeout=30)
    except requests.ConnectionError as error:
        raise InputError(
            f"{url} cannot be reached: connect to the network, or download DIV2K elsewhere "
            "and give its folder."
        ) from error


def _pairs(builder: tfds.core.DatasetBuilder, scale: int, split: str) -> Iterator[Pair]:
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(split=_SPLITS[split], shuffle_files=False)
    examples = with_progress(tfds.as_numpy(dataset), len(dataset), "Decoding DIV2K")
    for number, example in enumerate(examples, 1):
        name = f"DIV2K {split} image {number}"
        yield name, *match_sizes(example["lr"], example["hr"], scale, name)

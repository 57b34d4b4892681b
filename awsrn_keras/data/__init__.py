"""Training data: image sources, a bank of decoded pixels, a `tf.data` pipeline of crops.

Nothing here imports TensorFlow before a function that needs it is called.
"""

from .bank import PairBank, cached_bank
from .pipeline import CropReader, crop_dataset
from .sources import held_out, load_pairs

__all__ = ["CropReader", "PairBank", "cached_bank", "crop_dataset", "held_out", "load_pairs"]

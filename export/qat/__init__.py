"""Quantisation-aware training: the fused graph in tf_keras, its 8-bit ranges, its training."""

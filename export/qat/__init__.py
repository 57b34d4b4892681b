"""Quantisation-aware training: the fused graph rounded to 8 bits, its ranges, its training."""

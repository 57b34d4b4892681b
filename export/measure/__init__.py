"""Exported files on processors, GPUs and phones: the same pixels, and how fast."""

"""Scores on sets of pictures, beside those published."""

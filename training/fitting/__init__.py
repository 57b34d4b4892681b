"""One run of `fit.py`."""

"""One run of `train_release.py`."""

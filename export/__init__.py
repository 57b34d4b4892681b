"""Commands that turn a trained network into files for phones, browsers and servers."""

PRECISIONS = ("float32", "float16", "dynamic_range", "int8", "int16x8")
CALIBRATED = ("int8", "int16x8")

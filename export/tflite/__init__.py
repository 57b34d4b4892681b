"""From a network to a verified .tflite file."""

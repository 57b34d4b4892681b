"""From a network to a SavedModel that TensorFlow Serving takes, and questions to it."""

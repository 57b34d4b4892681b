"""Commands that turn a trained network into files for phones, browsers and servers."""

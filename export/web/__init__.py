"""The page that upscales in a browser: what it is built from and served by."""

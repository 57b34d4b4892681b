"""From pictures to larger pictures: engines, windows without seams, files."""

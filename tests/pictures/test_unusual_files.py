"""Valid but unusual files, 60 of the 2,000 that `make fuzz` tries: no wrong pixel, no traceback."""

import io

import numpy as np
import pytest
from fuzz_pictures import read_unusual
from PIL import Image
from unusual_pictures import tiff_samples, unusual_file

FILES = range(60)


@pytest.mark.parametrize("number", FILES)
def test_an_unusual_file_is_read_as_meant_or_refused(number, tmp_path):
    outcome = read_unusual(number, tmp_path)
    refused = unusual_file(number).pixels is None
    assert outcome == ("refused" if refused else "taken")


def test_files_are_repeatable_and_of_all_kinds():
    files = [unusual_file(number) for number in FILES]
    assert [file.content for file in files] == [unusual_file(n).content for n in FILES]
    assert {file.suffix for file in files} == {".png", ".tif", ".jpg"}
    assert sum(file.alpha is not None for file in files) > 10
    assert sum(file.pixels is None for file in files) > 0
    assert {file.pixels.dtype.name for file in files if file.pixels is not None} == {
        "uint8",
        "uint16",
    }


def test_readers_of_others_take_the_files_too():
    for number in FILES:
        file = unusual_file(number)
        if file.suffix == ".tif" and file.pixels is not None:
            np.testing.assert_array_equal(tiff_samples(file.content), file.raw)
        elif file.suffix == ".jpg":
            with Image.open(io.BytesIO(file.content)) as image:
                assert image.size == file.raw.shape[1::-1]

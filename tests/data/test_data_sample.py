"""The photographs inside the scikit-image and scikit-learn wheels."""

from pathlib import Path

import pytest

import awsrn_keras.data.sources as sources
from awsrn_keras.data import load_pairs
from awsrn_keras.errors import InputError


@pytest.mark.parametrize("scale", [2, 8])
def test_nine_photographs_part_held_out_and_no_cache(tmp_path, monkeypatch, scale):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    train, validation = (load_pairs("sample", scale, split) for split in ("train", "validation"))

    names = [{Path(name).stem for name in bank.names} for bank in (train, validation)]
    assert [len(names[0]), len(names[1])] == [7, 2]
    assert not names[0] & names[1]
    assert {"motorcycle_left", "motorcycle_right"} <= names[0]  # a stereo pair
    assert sum(min(train.lr_size(i)) >= 48 for i in range(7)) == 7  # each holds a patch
    assert min(image.std() for image in map(validation.hr, range(2))) > 20
    assert not (tmp_path / "cache").exists()


def test_the_sample_without_its_packages_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)

    with pytest.raises(InputError, match="pip install scikit-image scikit-learn"):
        load_pairs("sample", 2)

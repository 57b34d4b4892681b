"""DIV2K through tensorflow-datasets: its real builder, on miniature archives."""

import socket
import zipfile

import numpy as np
import pytest
from PIL import Image

from awsrn_keras.data import load_pairs
from awsrn_keras.errors import InputError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # tensorflow-datasets' own
]

TRAIN, VALIDATION = range(1, 4), range(801, 808)


def hr_image(number, scale):
    """Sizes differ from image to image; the scale does not divide them."""
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (9 * scale + 1, (10 + number % 5) * scale, 3), dtype=np.uint8)


def save_archive(path, images):
    with zipfile.ZipFile(path, "w") as archive:
        for name, pixels in images.items():
            with archive.open(name, "w") as file:
                Image.fromarray(pixels).save(file, "png")
    return str(path)


@pytest.fixture
def builder_class(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    return tfds.builder_cls("div2k")


@pytest.fixture(params=[2, 8])
def scale(request, builder_class, tmp_path, monkeypatch):
    """Points the addresses of one scale's builder at archives laid out as the real ones."""
    scale = request.param
    lr_folder = f"LR_bicubic/X{scale}" if scale < 8 else "LR_x8"
    urls = {}
    for split, numbers in (("train", TRAIN), ("valid", VALIDATION)):
        hrs = {number: hr_image(number, scale) for number in numbers}
        urls[f"{split}_hr_url"] = save_archive(
            tmp_path / f"{split}_hr.zip",
            {f"DIV2K_{split}_HR/{number:04}.png": hr for number, hr in hrs.items()},
        )
        urls[f"{split}_lr_url"] = save_archive(
            tmp_path / f"{split}_lr.zip",
            {  # every scale-th pixel, the size rounded up as MATLAB does
                f"DIV2K_{split}_{lr_folder}/{number:04}x{scale}.png": hr[::scale, ::scale]
                for number, hr in hrs.items()
            },
        )
    config = builder_class.builder_configs[f"bicubic_x{scale}"]
    monkeypatch.setattr(config, "download_urls", urls)
    return scale


def test_both_splits_hold_the_images_of_the_archives(scale, capsys):
    train = load_pairs("div2k", scale, "train")
    validation = load_pairs("div2k", scale, "validation")

    assert [len(train), len(validation)] == [3, 5]
    for bank, numbers in ((train, TRAIN), (validation, VALIDATION)):
        originals = {hr_image(n, scale)[: 9 * scale].tobytes(): n for n in numbers}
        found = {originals[bank.hr(i).tobytes()] for i in range(len(bank))}
        assert len(found) == len(bank)
        for i in range(len(bank)):
            np.testing.assert_array_equal(bank.lr(i), bank.hr(i)[::scale, ::scale])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("scale", [2], indirect=True)
def test_a_second_run_needs_neither_network_nor_decoding(scale, tmp_path, monkeypatch):
    first = load_pairs("div2k", scale, "validation")
    for archive in tmp_path.glob("*.zip"):
        archive.unlink()
    monkeypatch.setattr("awsrn_keras.data.div2k._pairs", None)  # would fail if called

    second = load_pairs("div2k", scale, "validation")

    assert first.path == second.path
    assert first.names == second.names


@pytest.mark.parametrize("scale", [2], indirect=True)
def test_an_archive_that_cannot_be_fetched_is_one_line(scale, tmp_path):
    (tmp_path / "train_lr.zip").unlink()

    with pytest.raises(InputError, match="DIV2K cannot be downloaded to ") as error:
        load_pairs("div2k", scale)

    assert "\n" not in str(error.value)


def test_no_network_is_one_line_at_once(builder_class, monkeypatch):
    def unreachable(*arguments, **keywords):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(InputError, match=r"https://.*zip cannot be reached: connect .*DIV2K"):
        load_pairs("div2k", 4)

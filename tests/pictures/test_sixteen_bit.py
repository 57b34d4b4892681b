"""16-bit picture files, to the last bit, against the readers and writers of other libraries."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from awsrn_keras.errors import InputError
from awsrn_keras.pictures import Picture, read_picture, read_rgb, write_picture

SIXTEEN = np.random.default_rng(3).integers(0, 65536, (7, 10, 4)).astype("uint16")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_png_reads_and_writes_every_bit(tmp_path, channels):
    import tensorflow as tf

    values = np.ascontiguousarray(SIXTEEN[..., :channels])
    path, copy = tmp_path / "a.png", tmp_path / "b.png"
    path.write_bytes(tf.io.encode_png(values).numpy())

    picture = read_picture(path)
    write_picture(picture, copy)

    parts = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(np.dstack(parts), values)
    decoded = tf.io.decode_png(copy.read_bytes(), dtype=tf.uint16).numpy()
    np.testing.assert_array_equal(decoded, values)
    Image.open(copy).verify()


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_sixteen_bit_tiff_reads_and_writes_every_bit(tmp_path, channels, byteorder, compression):
    values = SIXTEEN[..., :channels].squeeze()
    path, copy = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(
        path,
        values,
        byteorder=byteorder,
        compression=compression,
        photometric="rgb" if channels > 1 else "minisblack",
        extrasamples=["unassalpha"] if channels == 4 else None,
    )

    picture = read_picture(path)
    write_picture(picture, copy)

    parts = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    np.testing.assert_array_equal(np.dstack(parts).squeeze(), values)
    np.testing.assert_array_equal(tifffile.imread(copy), values)


def test_sixteen_bit_files_of_many_strips_and_large_differences(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (700, 400, 3)).astype("uint16")
    for name in ("a.png", "a.tif"):
        write_picture(Picture(values), tmp_path / name)
        np.testing.assert_array_equal(read_picture(tmp_path / name).pixels, values)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), values)


def test_sixteen_bit_colour_key_compares_all_bits(tmp_path):
    import tensorflow as tf

    values = SIXTEEN[..., :3].copy()
    values[2, 3] = values[0, 0] + np.array([0, 0, 1], "uint16")  # differs in the lowest bit
    data = tf.io.encode_png(values).numpy()
    key = b"tRNS" + values[0, 0].astype(">u2").tobytes()
    chunk = struct.pack(">I", 6) + key + struct.pack(">I", zlib.crc32(key))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])

    picture = read_picture(tmp_path / "a.png")

    assert np.argwhere(picture.alpha == 0).tolist() == [[0, 0]]
    assert picture.alpha.max() == 65535


def test_read_rgb_rounds_sixteen_bits(tmp_path):
    values = np.array([[0, 128, 129, 257, 65535, 65406]], "uint16")
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_rgb(tmp_path / "a.png")[0, :, 1].tolist() == [0, 0, 1, 1, 255, 254]


def test_values_beyond_sixteen_bits_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "float.tif", SIXTEEN[..., 0].astype("float32"))
    tifffile.imwrite(tmp_path / "int.tif", SIXTEEN[..., 0].astype("int32") * 4)
    for name, reason in [("float", "32-bit floating-point"), ("int", "32-bit signed")]:
        with pytest.raises(InputError, match=reason):
            read_picture(tmp_path / f"{name}.tif")

"""The command `to_saved_model.py`."""

import re

import pytest
from folders import contents

from awsrn_keras import AWSRN
from awsrn_keras.command_line import run_command
from export.to_saved_model import main

SCALE = 3


def test_mistakes_are_one_line_and_leave_the_earlier_export(tmp_path, capfd):
    earlier = tmp_path / "export/saved_model/1/saved_model.pb"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"an earlier export")
    saved = tmp_path / "model.keras"
    AWSRN("awsrn_sd", SCALE).save(saved)
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(saved.read_bytes()[:5000])
    before = contents(tmp_path)
    capfd.readouterr()  # what TensorFlow said when it was loaded
    for arguments, reason in (
        (["--tile", "0"], "--tile 0: give 1 to 724 pixels"),
        (["--tile", "725"], "--tile 725: give 1 to 724 pixels"),
        ([str(tmp_path / "none.keras")], "none.keras: no such model"),
        ([str(damaged)], "damaged.keras: damaged or not"),
        ([str(saved), "-o", str(saved)], "model.keras/saved_model: Not a directory"),
    ):
        with pytest.raises(SystemExit) as exit:
            run_command(lambda given=arguments: main(["-o", str(tmp_path / "export"), *given]))
        error = capfd.readouterr().err
        assert exit.value.code == 2
        assert error.startswith("error: ")
        assert reason in error
        assert error.count("\n") == 1
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_the_command_publishes_and_warns_of_useless_tiles(exported, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exported[0].save("model.keras")
    main(["model.keras", "--tile", "44"])
    out, err = capfd.readouterr()
    assert out.startswith("Computing on ")
    assert "exports/awsrn_sd_x3/saved_model/1  differs from the network by at most" in out
    differences = re.findall(r"^  (\S+) grey levels in (\w+)", out, re.MULTILINE)
    assert [name for _, name in differences] == ["serving_default", "upscale_tile", "upscale_bytes"]
    for difference, _ in differences[:2]:
        assert 0 < float(difference) < 0.01
    assert float(differences[2][0]) == 0.5  # many pixels: one lies between two levels
    assert "--tile 44 is at most twice the receptive field of 22 pixels" in err
    place = tmp_path / "exports/awsrn_sd_x3"
    assert sorted(file.name for file in place.iterdir()) == [
        "batching.config",
        "models.config",
        "saved_model",
    ]
    assert [file.name for file in (place / "saved_model").iterdir()] == ["1"]

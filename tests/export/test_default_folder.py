"""Where exports go: no two presets into one folder."""

from pathlib import Path

from awsrn_keras import AWSRN, presets
from export.default_folder import default_folder


def test_every_preset_has_its_own_folder_and_other_models_that_of_their_network():
    model = AWSRN("awsrn_nano", 3)
    assert default_folder(model, "awsrn_sd_x2_photo") == Path("exports/awsrn_sd_x2_photo")
    assert default_folder(model, "awsrn_sd_x2") == Path("exports/awsrn_sd_x2")
    assert default_folder(model, "runs/awsrn_sd_x2") == Path("exports/awsrn_nano_x3")
    assert len({default_folder(model, name) for name in presets()}) == len(presets())

"""The four tilers, in Python, TensorFlow, JavaScript and Kotlin, against one table of cases."""

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from optional import missing
from PIL import Image

from awsrn_keras.upscaling.tiling import cut_axis

ROOT = Path(__file__).parents[1]
CASES = json.loads(Path(__file__).with_name("tiling_cases.json").read_text())["cases"]
RULES = ("fixed", "equal", "clipped")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
@pytest.mark.parametrize("rule", RULES)
def test_the_table_itself_gives_every_pixel_once_with_its_margin(case, rule):
    length, tile, margin = case["length"], case["tile"], case["margin"]
    windows = case[rule]
    assert [begin for _, _, begin, _ in windows] == [0, *(end for *_, end in windows[:-1])]
    assert windows[-1][-1] == length
    sizes = {stop - start for start, stop, _, _ in windows}
    assert max(sizes) <= tile + 2 * margin
    assert sizes == {tile + 2 * margin} or rule != "fixed"
    assert len(sizes) == 1 or rule == "clipped"
    for start, stop, begin, end in windows:
        assert 0 <= start <= begin < end <= stop
        assert stop <= length or (rule == "fixed" and start == 0)  # the rest is mirrored
        assert begin - start >= margin or start == 0
        assert stop - end >= margin or stop >= length


def test_the_table_has_cases_in_which_the_rules_differ():
    assert any(case["fixed"] != case["equal"] for case in CASES if case["length"] > 32)
    assert {len(case["fixed"]) for case in CASES} >= {1, 2, 3}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_python(case):
    size, spans = cut_axis(case["length"], case["tile"], case["margin"])
    assert [[start, start + size, begin, end] for start, begin, end in spans] == case["equal"]


@pytest.fixture(scope="module")
def serving_networks():
    """By margin: the fused graph of a server takes pictures of any size; nano and s are small."""
    from awsrn_keras import AWSRN

    return {12: AWSRN("awsrn_nano", 2), 14: AWSRN("awsrn_s", 2)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
@pytest.mark.parametrize("across", [False, True], ids=["rows", "columns"])
def test_the_graph_of_a_server(case, across, serving_networks):
    import tensorflow as tf

    from export.serving.graph import Upscaler

    upscaler = Upscaler(serving_networks[case["margin"]], window=case["tile"])
    read = []

    def network(image):
        """Notes which pixels it is given, and paints its own number over all of them."""
        values = image.numpy()[0, 0, :, 0] if across else image.numpy()[0, :, 0, 0]
        read.append([int(values[0]), int(values[-1]) + 1])
        assert np.array_equal(values, np.arange(values[0], values[-1] + 1))
        height, width = image.shape[1:3]
        return tf.fill((1, 2 * height, 2 * width, 3), float(len(read) - 1))

    upscaler.network = network
    pixels = np.repeat(np.arange(case["length"], dtype="uint8")[:, None, None], 3, axis=2)
    content = io.BytesIO()
    Image.fromarray(pixels.swapaxes(0, 1) if across else pixels).save(content, "PNG")
    (result,) = upscaler.files(tf.constant([content.getvalue()]))["upscaled_bytes"].numpy()

    image = np.asarray(Image.open(io.BytesIO(result)))
    numbers = image[0, :, 0] if across else image[:, 0, 0]
    assert len(numbers) == 2 * case["length"]
    given = [np.flatnonzero(numbers == number) for number in range(len(read))]
    ends = [[pixels[0] // 2, (pixels[-1] + 1) // 2] for pixels in given]
    assert [[*a, *b] for a, b in zip(read, ends, strict=True)] == case["clipped"]


def test_javascript():
    node = shutil.which("node")
    if node is None:
        missing("no node, which comes with npm: make system")
    asked = [[case["length"], case["tile"] + 2 * case["margin"], case["margin"]] for case in CASES]
    script = (ROOT / "export/web/page/tiles.js").read_text()
    script += f"console.log(JSON.stringify({asked}.map((axis) => cutAxis(...axis))));"
    command = [node, "--input-type=module"]
    done = subprocess.run(
        command, input=script, capture_output=True, text=True, check=True, timeout=60
    )
    for case, (_, size, _), spans in zip(CASES, asked, json.loads(done.stdout), strict=True):
        found = [[s["start"], s["start"] + size, s["begin"], s["end"]] for s in spans]
        assert found == case["fixed"], case["why"]


def kotlin_windows(text):
    """The function `windows` of the documentation, read as Python line by line.

    A line of another form than these is an error, so that the text cannot change unseen.
    """
    body = re.search(r"fun windows\(.*?\).*?\{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE)[1]
    number = r"[\w\s()+*/-]+"
    forms = [
        (r"require\((.*)\)", lambda m: f"assert {m[1].replace('&&', 'and')}"),
        (
            rf"val (\w+) = if \((\w+ == {number})\) ({number}) else ({number})",
            lambda m: f"{m[1]} = ({m[3]}) if {m[2]} else ({m[4]})",
        ),
        (
            rf"val (\w+) = ((?:maxOf|minOf)\({number}, {number}\)|{number})",
            lambda m: f"{m[1]} = {m[2]}",
        ),
        (r"return List\((\w+)\) \{ (\w+) ->", lambda m: f"for {m[2]} in range({m[1]}):"),
        (r"Window\((.*)\)", lambda m: f"windows.append([{m[1]}])"),
        (r"\}", lambda m: "pass"),
    ]
    lines, indent = [], ""
    for line in map(str.strip, body.splitlines()):
        (found,) = [(m, read) for form, read in forms if (m := re.fullmatch(form, line))]
        match, read = found
        indent = "" if line == "}" else indent
        lines.append(indent + read(match).replace("/", "//"))  # Int by Int
        indent = "    " if line.endswith("->") else indent
    program = compile("\n".join(lines), "docs/phones.md", "exec")

    def windows(length, side, margin):
        names = {"length": length, "side": side, "margin": margin, "windows": []}
        exec(program, {"maxOf": max, "minOf": min, "range": range}, names)
        return names["windows"]

    return windows


def test_kotlin_of_the_documentation():
    windows = kotlin_windows((ROOT / "docs/phones.md").read_text())
    compared = 0
    for case in CASES:
        side = case["tile"] + 2 * case["margin"]
        if case["length"] < side:
            with pytest.raises(AssertionError):
                windows(case["length"], side, case["margin"])
            continue
        found = windows(case["length"], side, case["margin"])
        assert [[start, start + side, begin, end] for start, begin, end in found] == case["fixed"]
        compared += 1
    assert compared >= 5

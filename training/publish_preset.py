"""Make a trained model a preset of the package: its weights and a card with measured scores.

    python training/publish_preset.py runs/best --benchmarks Set5 Set14 --validation kodak24

The card describes the training as the run folder of `fit.py` or `average.py` does; a model of
unknown origin is refused. Kernels are stored as float16, which may cost at most 0.001 dB; the
scores are those of the stored weights. A preset is only replaced by one that scores higher on the
validation pictures, with --photo by the mean over clean and degraded ones.
"""

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from awsrn_keras.command_line import command_parser, run_command, start_backend
from awsrn_keras.data.degradations import CONDITIONS
from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing, write_json
from awsrn_keras.network.presets import PHOTO, WEIGHTS
from awsrn_keras.scoring.image_sets import ImageSet, load_image_sets
from awsrn_keras.scoring.score import Score, bicubic, mean_score
from awsrn_keras.scoring.scoreboard import SetScores, Upscaler, mean_table, measure
from awsrn_keras.upscaling.upscale import upscale

if TYPE_CHECKING:
    from awsrn_keras.network.model import AWSRN

MOST_COST = 0.001  # dB that storing in 16 bits may take


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = functools.partial(parse.add_argument, required=True)
    parse.add_argument(
        "model", metavar="MODEL", help="run folder of fit.py or average.py, or preset"
    )
    parse.add_argument("--name", help="of the preset (default: variant and scale, awsrn_sd_x2)")
    parse.add_argument(
        "--photo",
        action="store_true",
        help=f"a preset for photographs with JPEG and noise: its name ends in {PHOTO}",
    )
    option("--benchmarks", nargs="+", metavar="DIR", help="picture sets to score, as evaluate.py")
    option("--validation", metavar="DIR", help="the picture set that decides what is better")
    parse.add_argument(
        "--why-less", metavar="TEXT", default="", help="why it scores below the paper, if it does"
    )
    parse.add_argument(
        "-o", "--output", type=Path, default=WEIGHTS, metavar="DIR", help="default: the package's"
    )
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    print(start_backend(), flush=True)
    from awsrn_keras.network.loading import load_model, official_weights
    from awsrn_keras.network.model import build_model

    original = load_model(options.model)
    origin = known_lineage(options.model, original)
    tensors = stored_form(official_weights(original))
    model = build_model({k: v.astype("float32") for k, v in tensors.items()}, options.model)
    name = (options.name or f"{model.variant}_x{model.scale}") + PHOTO * options.photo
    validation, *benchmarks = load_image_sets(
        [options.validation, *options.benchmarks], model.scale
    )
    deciding = {"clean": score_set(validation, model, name)}
    if options.photo:
        for condition in CONDITIONS:
            deciding[condition] = score_set(validation.degraded(condition), model, name)
    check_better(deciding, name, options.output)
    check_cost(deciding["clean"], score_set(validation, original, name), name)
    results = [deciding["clean"], *(score_set(each, model, name) for each in benchmarks)]

    options.output.mkdir(parents=True, exist_ok=True)
    with replacing(options.output / f"{name}.npz") as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **tensors)
    card = make_card(model, name, results, origin, options.why_less)
    if options.photo:
        card |= photo_facts(name, deciding)
    write_json(options.output / f"{name}.json", card)
    print(mean_table(results))
    print(f"Preset {name}: {options.output / name}.npz and .json")


def known_lineage(name: str, model: "AWSRN") -> dict:
    """The lineage of `model`; an `InputError` if it goes back to a file that says nothing."""
    from training.lineage import lineage, unknown_origins

    node = lineage(name, model)
    if unknown := unknown_origins(node):
        raise InputError(
            f"{name}: the origin of {unknown[0]} is not known, so no card can tell it: give a run "
            "folder of training/fit.py or average.py that started from random values or a preset."
        )
    return node


def stored_form(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels, nearly all of the bytes, as float16; gains, biases and scalars as they are."""
    return {
        name: tensor.astype("float16") if name.endswith(".weight_v") else tensor
        for name, tensor in tensors.items()
    }


def score_set(image_set: ImageSet, model: "AWSRN", name: str) -> SetScores:
    """Scores of bicubic and of the model on one set, by the names "bicubic" and `name`."""
    from awsrn_keras.upscaling.keras_engine import KerasEngine

    upscalers: dict[str, Upscaler] = {
        "bicubic": functools.partial(bicubic, scale=model.scale),
        name: functools.partial(upscale, model=KerasEngine(model)),
    }
    return measure(image_set, upscalers, [model.variant])


def check_better(deciding: dict[str, SetScores], name: str, folder: Path) -> None:
    """Refuse a model that does not beat the preset of this name on the validation set.

    Args:
        deciding: The scores on that set by its condition; the mean over all decides.
    """
    result = deciding["clean"]
    for each in deciding.values():
        if mean(each, name).psnr <= mean(each, "bicubic").psnr:
            print(f"warning: {name} is worse than bicubic on {each.name}", file=sys.stderr)
    path = folder / f"{name}.json"
    if not path.exists():
        return
    card = json.loads(path.read_text())
    known = {"clean": card["psnr"].get(result.name), **card.get("psnr_degraded", {})}
    values = [known[c] for c in deciding if known.get(c) is not None]
    if len(values) < len(deciding):
        raise InputError(f"{path} has no score on {result.name}: validate on the same pictures.")
    old = float(np.mean(values))
    new = float(np.mean([round(mean(each, name).psnr, 4) for each in deciding.values()]))
    if new <= old:
        raise InputError(
            f"{name} has {old:.3f} dB on {result.name} and the new model {new:.3f}: "
            "the preset is kept; give another --name to have both."
        )


def check_cost(stored: SetScores, original: SetScores, name: str) -> None:
    """Refuse to store in 16 bits what would lose by it."""
    cost = mean(original, name).psnr - mean(stored, name).psnr
    if cost > MOST_COST:
        raise InputError(f"{name}: float16 kernels cost {cost:.4f} dB, more than {MOST_COST}.")


def mean(result: SetScores, method: str) -> Score:
    """The score of one method on a set."""
    return mean_score(result.methods[method])


def make_card(
    model: "AWSRN", name: str, results: list[SetScores], origin: dict, why_less: str
) -> dict:
    """What `presets()` tells about the preset, `origin` being its lineage."""
    paper = {r.name: r.published[model.variant].psnr for r in results if r.published}
    psnr = {r.name: round(mean(r, name).psnr, 4) for r in results}
    less = {key: round(psnr[key] - value, 2) or 0.0 for key, value in paper.items()}
    return {
        "variant": model.variant,
        "scale": model.scale,
        "params": model.count_params(),
        "psnr": psnr,
        "ssim": {r.name: round(mean(r, name).ssim, 5) for r in results},
        "psnr_bicubic": {r.name: round(mean(r, "bicubic").psnr, 4) for r in results},
        "psnr_paper": paper,
        "psnr_less_paper": less,
        "why_less": why_less,
        "measured": f"8-bit luma, {model.scale} border pixels left out, mean over the pictures",
        "made_for": "clean pictures shrunk by bicubic; noise and JPEG blocks are sharpened too",
        **training_facts(origin),
        "origin": "trained by this project from random values; none of the authors' weights",
        "lineage": origin,
        "license": "Apache-2.0",
        "as_published": f"python training/fit.py --variant {model.variant} "
        f"--scale {model.scale} --data div2k --recipe paper",
    }


def photo_facts(name: str, deciding: dict[str, SetScores]) -> dict:
    """What the card of a preset for photographs tells besides, `deciding` by condition."""
    degraded = {c: result for c, result in deciding.items() if c != "clean"}
    return {
        "made_for": "photographs with JPEG artifacts, noise and slight blur; of clean pictures "
        "the preset of the same name without " + PHOTO + " keeps more",
        "validation_set": deciding["clean"].name,
        "psnr_degraded": {c: round(mean(r, name).psnr, 4) for c, r in degraded.items()},
        "psnr_degraded_bicubic": {
            c: round(mean(r, "bicubic").psnr, 4) for c, r in degraded.items()
        },
    }


def training_facts(origin: dict) -> dict:
    """Data, length, machines and recipe of all trainings that the weights went through."""
    from training.lineage import trainings

    found = trainings(origin)
    recipes = [f"{each['steps']:,} steps: {each['recipe']}" for each in found]
    if "average" in origin:
        recipes.append(f"average of the weights of {len(origin['average'])} networks")

    def joined(fact: str) -> str:
        return "; then ".join(dict.fromkeys(each[fact] for each in found))

    return {
        "trained_on": joined("trained_on"),
        "steps": sum(each["steps"] for each in found),
        "hours": round(sum(each["hours"] for each in found), 2),
        "machine": joined("machine"),
        "recipe": "; then ".join(recipes),
        "seed": found[-1]["seed"],
    }


if __name__ == "__main__":
    run_command(main)

"""Average the weights of networks that were fine-tuned from the same one.

    python training/average.py runs/a runs/b -o runs/average

writes a folder that can be used as MODEL: model.keras, and config.json with the origin of each
network.

What such networks have learned is much the same, their noise is not, so the average is often
better than each of them. The average of networks with different starts is useless: check it with
`training/evaluate.py`.

Source: Wortsman et al., "Model soups" (2022), arXiv:2203.05482.
"""

import argparse
from pathlib import Path

import numpy as np

from awsrn_keras.command_line import command_parser, run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing, write_json


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    parse.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="run folder, .keras, .weights.h5, .pt, .npz or preset; two or more",
    )
    parse.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="a new folder"
    )
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if len(options.models) < 2:
        raise InputError("One MODEL has no average: give two or more.")
    if options.output.exists():
        raise InputError(f"{options.output} exists: choose the name of a new folder.")
    print(start_backend(), flush=True)
    from awsrn_keras.network.loading import load_model
    from training.lineage import digest, lineage

    models = [load_model(name) for name in options.models]
    all_weights = [model.get_weights() for model in models]
    for name, weights in zip(options.models, all_weights, strict=True):
        if [w.shape for w in weights] != [w.shape for w in all_weights[0]]:
            raise InputError(f"{name} and {options.models[0]} are different networks.")
    made_from = [lineage(*named) for named in zip(options.models, models, strict=True)]
    average = models[0]
    average.set_weights([np.mean(weights, axis=0) for weights in zip(*all_weights, strict=True)])
    with replacing(options.output) as folder:
        folder.mkdir()
        average.save(folder / "model.keras")
        network = {name: getattr(average, name) for name in ("variant", "scale", "kernel_sizes")}
        facts = {"lineage": {"average": made_from}, "trained": {"weights": digest(average)}}
        write_json(folder / "config.json", {**network, **facts})
    print(f"{options.output}: {average.name}, the average of {len(models)} networks")


if __name__ == "__main__":
    run_command(main)

"""Run `training/fit.py` with a thing changed for which it has no option.

    python benchmarks/changed_fit.py --change distilled --data DIR -o runs/distilled

takes all options of `fit.py`. `recipe.py` runs this to find out what would be worth an option.
"""

import argparse

from awsrn_keras.command_line import run_command, start_backend
from training import fit

TEACHER = "awsrn_sd_x2"


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(description=__doc__, add_help=False)
    parse.add_argument("--change", choices=CHANGES)
    return parse


def main() -> None:
    options, arguments = parser().parse_known_args()
    if options.change:
        start_backend()
        CHANGES[options.change]()
    fit.main(arguments)


def lambda_res(value: float) -> None:
    """Every residual function starts with this weight, not 1."""

    def change(model):
        for variable in model.trainable_variables:
            if variable.name == "lambda_res":
                variable.assign(value)

    _change_model(change)


def distilled() -> None:
    """The target is the mean of the photograph and what a trained network makes of its LR."""
    from awsrn_keras import fuse
    from awsrn_keras.pretrained import load_model
    from training.fitting import trainer

    teacher, training_data = fuse(load_model(TEACHER)), trainer.training_data
    trainer.training_data = lambda *arguments: training_data(*arguments).map(
        lambda lr, hr: (lr, (hr + teacher(lr)) / 2)
    )


def _change_model(change) -> None:
    from training.fitting import trainer

    compiled_model = trainer.compiled_model

    def changed(*arguments, **named):
        model = compiled_model(*arguments, **named)
        change(model)
        return model

    trainer.compiled_model = changed


CHANGES = {
    "lambda_res_0.5": lambda: lambda_res(0.5),
    "lambda_res_0.1": lambda: lambda_res(0.1),
    "distilled": distilled,
}


if __name__ == "__main__":
    run_command(main)

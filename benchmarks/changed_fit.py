"""Run `training/fit.py` with a thing changed for which it has no option.

    python benchmarks/changed_fit.py --lambda-res 0.5 --data DIR -o runs/smaller

takes all options of `fit.py`. `recipe.py` runs this to find out what would be worth an option.
"""

import argparse

from awsrn_keras.command_line import run_command, start_backend
from training import fit


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(description=__doc__, add_help=False)
    parse.add_argument("--lambda-res", type=float)
    return parse


def main() -> None:
    options, arguments = parser().parse_known_args()
    if options.lambda_res is not None:
        start_backend()
        start_with_lambda_res(options.lambda_res)
    fit.main(arguments)


def start_with_lambda_res(value: float) -> None:
    """Every residual function starts with this weight, not 1."""
    from training.fitting import trainer

    compiled_model = trainer.compiled_model

    def changed(*arguments, **named):
        model = compiled_model(*arguments, **named)
        for variable in model.trainable_variables:
            if variable.name == "lambda_res":
                variable.assign(value)
        return model

    trainer.compiled_model = changed


if __name__ == "__main__":
    run_command(main)

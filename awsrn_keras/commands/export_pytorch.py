"""Write a model as a checkpoint for the official PyTorch code, verified before it is written.

The official network of the model's variant and scale loads FILE by
load_state_dict(torch.load(FILE)).
"""

import argparse

from ..command_line import add_model, start_backend


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser, default=None)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="a .pt or .npz file")


def run(options: argparse.Namespace) -> None:
    print(start_backend(), flush=True)
    from ..network.loading import load_model, save_pytorch

    model = load_model(options.model)
    save_pytorch(model, options.output)
    parameters = f"{model.count_params():,} parameters"
    print(f"{options.output}: {model.variant} x{model.scale}, {parameters}, verified")

"""Convert a checkpoint of the official PyTorch code, verified before it is written.

Variant and scale follow from its tensors; whatever else training code saved is ignored. OUT can
be used wherever a command takes a MODEL, and trained further.
"""

import argparse

from ..command_line import start_backend


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="FILE", help=".pt, .pth, .ckpt, .npz or .safetensors")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="a .keras or .weights.h5 file"
    )


def run(options: argparse.Namespace) -> None:
    print(start_backend(), flush=True)
    from ..network.loading import import_checkpoint

    model = import_checkpoint(options.checkpoint, options.output)
    parameters = f"{model.count_params():,} parameters"
    print(f"{options.output}: {model.variant} x{model.scale}, {parameters}, verified")

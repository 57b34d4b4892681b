"""Time training steps of awsrn_s x2 here and of the same network in PyTorch, in one run.

    python benchmarks/training_step.py

On both sides: batch 16 of 48x48 patches, float32, L1, Adam, the same batches read ahead by a
thread, loss and PSNR of each step looked at. PyTorch 2 runs eagerly in both memory layouts (the
faster counts), Keras by `fit` as `training/fit.py` compiles it. All take turns, several rounds;
prints medians and their ratio. Needs `pip install torch` (a CPU build will do).
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from awsrn_keras.command_line import above_zero, command_parser, start_backend
from awsrn_keras.data import CropReader, PairBank
from awsrn_keras.network.variants import SCALES, VARIANTS, Variant
from training.fitting.config import RECIPES, Config, with_options

if TYPE_CHECKING:
    import torch

STEPS = 3  # in a turn


def torch_network(variant: Variant, scale: int) -> "torch.nn.Module":
    """The same network in PyTorch."""
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import weight_norm

    def conv(cin: int, cout: int, size: int) -> nn.Module:
        return weight_norm(nn.Conv2d(cin, cout, size, padding=size // 2))

    class Unit(nn.Module):
        def __init__(self, n: int, hidden: int) -> None:
            super().__init__()
            self.body = nn.Sequential(conv(n, hidden, 3), nn.ReLU(inplace=True), conv(hidden, n, 3))
            self.res, self.x = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x) * self.res + x * self.x

    class Block(nn.Module):
        def __init__(self, n: int, hidden: int, units: int) -> None:
            super().__init__()
            self.units = nn.ModuleList(Unit(n, hidden) for _ in range(units))
            self.fusion = conv(n * units, n, 3)
            self.res, self.x = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            outputs, y = [], x
            for unit in self.units:
                y = unit(y)
                outputs.append(y)
            return self.fusion(torch.cat(outputs, 1)) * self.res + x * self.x

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            n, out, sizes = variant.filters, 3 * scale**2, variant.kernel_sizes
            self.head, self.skip = conv(3, n, 3), conv(3, out, 3)
            self.body = nn.Sequential(
                *(Block(n, variant.expanded_filters, variant.units) for _ in range(variant.blocks))
            )
            self.tails = nn.ModuleList(conv(n, out, k) for k in sizes)
            self.alphas = nn.ParameterList(nn.Parameter(torch.ones(1) / len(sizes)) for _ in sizes)
            self.shuffle = nn.PixelShuffle(scale)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            x = (image - 114.0) / 127.5
            f = self.body(self.head(x))
            branches = (
                self.shuffle(c(f)) * a for c, a in zip(self.tails, self.alphas, strict=True)
            )
            return (sum(branches) + self.shuffle(self.skip(x))) * 127.5 + 114.0

    return Net()


def torch_steps(config: Config, batches: Iterator, channels_last: bool) -> Callable:
    """A function that trains for some steps and gives the seconds of each, as `fit` does."""
    import torch

    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = torch_network(VARIANTS[config.variant], config.scale).to(memory_format=layout)
    optimizer = torch.optim.Adam(net.parameters(), config.learning_rate)
    bfloat16 = config.precision == "mixed_bfloat16"

    def step() -> None:
        lr, hr = (
            torch.from_numpy(side.transpose(0, 3, 1, 2)).float().contiguous(memory_format=layout)
            for side in next(batches)
        )
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            sr = net(lr)
        loss = (sr - hr).abs().mean()
        error = (sr.detach() - hr).square().mean((1, 2, 3)).clamp(min=1e-10)
        loss.backward()
        optimizer.step()
        float(loss), float((10 * torch.log10(255**2 / error)).mean())

    def steps(count: int) -> list[float]:
        ends = [time.perf_counter()]
        for _ in range(count):
            step()
            ends.append(time.perf_counter())
        return np.diff(ends).tolist()

    return steps


def keras_steps(config: Config, data: PairBank) -> Callable:
    """The same with `fit`; the first step of each call, which begins it, is left out."""
    from training.fitting.batches import training_data
    from training.fitting.trainer import StepTimes, compiled_model, fit

    model = compiled_model(config, config.total_steps)
    batches = training_data(config, data)

    def steps(count: int) -> list[float]:
        times = StepTimes()
        fit(model, batches, 0, 1, count + 1, [times])
        return np.diff(times.ends).tolist()

    return steps


def numpy_batches(config: Config, data: PairBank) -> Iterator:
    """What `fit` is given, as it comes from the reader."""
    reader = CropReader(data, config.batch_size, config.patch_size, config.seed)
    return map(reader, itertools.count())


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    parse.add_argument("--variant", choices=VARIANTS, default="awsrn_s")
    parse.add_argument("--scale", type=int, choices=SCALES, default=2)
    parse.add_argument("--batch-size", type=int, default=16)
    parse.add_argument("--rounds", type=above_zero(int), default=6, help=f"of {STEPS} steps each")
    parse.add_argument("--bfloat16", action="store_true", help="16-bit convolutions on both sides")
    return parse


def main() -> None:
    options = parser().parse_args()
    print(start_backend())
    from training.fitting.trainer import load_data

    config = with_options(
        RECIPES["paper"],
        {
            "variant": options.variant,
            "scale": options.scale,
            "data": ("sample",),
            "batch_size": options.batch_size,
            "precision": "mixed_bfloat16" if options.bfloat16 else "float32",
        },
    )
    data, _ = load_data(config)
    sides = {
        "PyTorch, NCHW": torch_steps(config, numpy_batches(config, data), False),
        "PyTorch, channels_last": torch_steps(config, numpy_batches(config, data), True),
        "Keras (fit)": keras_steps(config, data),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(options.rounds + 1):  # the first warms up
        for name, steps in sides.items():
            taken = steps(STEPS)
            if round_:
                seconds[name] += taken
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{config.variant} x{config.scale}, {config.in_words()}")
    for name, median in medians.items():
        spread = f"{min(seconds[name]) * 1000:.0f}..{max(seconds[name]) * 1000:.0f}"
        print(f"  {name:<24} {median * 1000:6.0f} ms a step ({spread})")
    faster = min(v for k, v in medians.items() if k.startswith("PyTorch"))
    print(f"  Keras / faster PyTorch   {medians['Keras (fit)'] / faster:6.2f}")


if __name__ == "__main__":
    main()

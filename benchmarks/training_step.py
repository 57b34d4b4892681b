"""Time one training step of awsrn_s x2 here and of the same network in PyTorch, in one run.

    python benchmarks/training_step.py

Batch 16 of 48x48 patches, float32, L1, Adam; PyTorch 2 eager in both memory layouts (the
faster counts), Keras through `compile` and the tf.data pipeline as `training/fit.py` runs
it. Both take turns, several rounds; prints medians and their ratio, and the share of a
step spent waiting for data. Needs `pip install torch` (a CPU build will do).
"""

import argparse
import statistics
import time

import numpy as np

from awsrn_keras.command_line import start_backend
from awsrn_keras.network.variants import SCALES, VARIANTS


def torch_step(variant, scale, batch, channels_last, bfloat16):
    """A training step of the same network in PyTorch eager, `variant` being its sizes."""
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import weight_norm

    def conv(cin, cout, size):
        return weight_norm(nn.Conv2d(cin, cout, size, padding=size // 2))

    class Unit(nn.Module):
        def __init__(self, n, hidden):
            super().__init__()
            self.body = nn.Sequential(conv(n, hidden, 3), nn.ReLU(inplace=True), conv(hidden, n, 3))
            self.res, self.x = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))

        def forward(self, x):
            return self.body(x) * self.res + x * self.x

    class Block(nn.Module):
        def __init__(self, n, hidden, units):
            super().__init__()
            self.units = nn.ModuleList(Unit(n, hidden) for _ in range(units))
            self.fusion = conv(n * units, n, 3)
            self.res, self.x = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))

        def forward(self, x):
            outputs, y = [], x
            for unit in self.units:
                y = unit(y)
                outputs.append(y)
            return self.fusion(torch.cat(outputs, 1)) * self.res + x * self.x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            n, out = variant.filters, 3 * scale**2
            self.head, self.skip = conv(3, n, 3), conv(3, out, 3)
            self.body = nn.Sequential(
                *(Block(n, variant.expanded_filters, variant.units) for _ in range(variant.blocks))
            )
            self.tails = nn.ModuleList(conv(n, out, k) for k in (3, 5, 7, 9))
            self.alphas = nn.ParameterList(nn.Parameter(torch.full((1,), 0.25)) for _ in range(4))
            self.shuffle = nn.PixelShuffle(scale)

        def forward(self, image):
            x = (image - 114.0) / 127.5
            f = self.body(self.head(x))
            branches = (
                self.shuffle(c(f)) * a for c, a in zip(self.tails, self.alphas, strict=True)
            )
            return (sum(branches) + self.shuffle(self.skip(x))) * 127.5 + 114.0

    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = Net().to(memory_format=layout)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    lr, hr = (
        torch.from_numpy(a.transpose(0, 3, 1, 2).copy()).to(memory_format=layout) for a in batch
    )

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = (net(lr) - hr).abs().mean()
        loss.backward()
        optimizer.step()

    return step


def keras_step(name, scale, precision, batch_size, patch_size):
    """A step of fit.py's own model on its own data; returns it and the seconds spent waiting."""
    from training.fitting.config import Config
    from training.fitting.trainer import compiled_model, load_data, training_data

    config = Config(
        variant=name,
        scale=scale,
        precision=precision,
        batch_size=batch_size,
        patch_size=patch_size,
        schedule="halving",
    )
    model = compiled_model(config, total_steps=1000)
    batches = iter(training_data(config, load_data(config)[0]))
    waits = []

    def step():
        started = time.perf_counter()
        lr, hr = next(batches)
        waits.append(time.perf_counter() - started)
        model.train_on_batch(lr, hr)

    return step, waits


def main():
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("--variant", choices=VARIANTS, default="awsrn_s")
    parse.add_argument("--scale", type=int, choices=SCALES, default=2)
    parse.add_argument("--batch-size", type=int, default=16)
    parse.add_argument("--rounds", type=int, default=6, help="of two steps each")
    parse.add_argument("--bfloat16", action="store_true", help="16-bit convolutions on both sides")
    options = parse.parse_args()

    print(start_backend())
    rng, side = np.random.default_rng(0), 48
    batch = [
        rng.uniform(0, 255, (options.batch_size, s, s, 3)).astype("float32")
        for s in (side, side * options.scale)
    ]
    precision = "mixed_bfloat16" if options.bfloat16 else "float32"
    ours, waits = keras_step(options.variant, options.scale, precision, options.batch_size, side)
    size = VARIANTS[options.variant]
    steps = {
        "PyTorch, NCHW": torch_step(size, options.scale, batch, False, options.bfloat16),
        "PyTorch, channels_last": torch_step(size, options.scale, batch, True, options.bfloat16),
        "Keras (fit.py)": ours,
    }
    seconds = {name: [] for name in steps}
    for round_ in range(options.rounds + 1):  # the first warms up
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            step()
            if round_:
                seconds[name].append((time.perf_counter() - started) / 2)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{options.variant} x{options.scale}, batch {options.batch_size}, {precision}")
    for name, median in medians.items():
        spread = f"{min(seconds[name]) * 1000:.0f}..{max(seconds[name]) * 1000:.0f}"
        print(f"  {name:<24} {median * 1000:6.0f} ms a step ({spread})")
    faster = min(v for k, v in medians.items() if k.startswith("PyTorch"))
    ratio = medians["Keras (fit.py)"] / faster
    print(f"  Keras / faster PyTorch   {ratio:6.2f}")
    wait = statistics.median(waits[2:]) / medians["Keras (fit.py)"]
    print(f"  waiting for data         {100 * wait:6.2f} % of a Keras step")


if __name__ == "__main__":
    main()

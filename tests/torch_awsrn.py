"""AWSRN in PyTorch, from the paper's formulas, with the names of the official code."""

import warnings

import torch
from torch import nn
from torch.nn.utils import parametrizations


def network(filters, blocks, units, expanded, scale, kernel_sizes=(3, 5, 7, 9), new_names=False):
    """The network with random weights; `new_names`: weight norm as newer PyTorch has it."""

    def conv(inputs, outputs, size=3):
        convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2)
        if new_names:
            return parametrizations.weight_norm(convolution)
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return nn.utils.weight_norm(convolution)

    return _Network(conv, filters, blocks, units, expanded, scale, kernel_sizes)


class _Scale(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([float(start)]))

    def forward(self, x):
        return self.scale * x


class _Adaptive(nn.Module):
    def __init__(self):
        super().__init__()
        self.res_scale, self.x_scale = _Scale(1), _Scale(1)

    def forward(self, x):
        return self.res_scale(self.residual(x)) + self.x_scale(x)


class _Unit(_Adaptive):
    def __init__(self, conv, filters, expanded):
        super().__init__()
        self.body = nn.Sequential(conv(filters, expanded), nn.ReLU(), conv(expanded, filters))

    def residual(self, x):
        return self.body(x)


class _Block(_Adaptive):
    def __init__(self, conv, filters, units, expanded):
        super().__init__()
        self.names = [f"b{i}" for i in range(units)]
        for name in self.names:
            self.add_module(name, _Unit(conv, filters, expanded))
        self.reduction = conv(filters * units, filters)

    def residual(self, x):
        outputs = [x]
        for name in self.names:
            outputs.append(getattr(self, name)(outputs[-1]))
        return self.reduction(torch.cat(outputs[1:], dim=1))


class _Tail(nn.Module):
    def __init__(self, conv, filters, scale, kernel_sizes):
        super().__init__()
        self.sizes = kernel_sizes
        for size in kernel_sizes:
            self.add_module(f"tail_k{size}", conv(filters, 3 * scale**2, size))
            self.add_module(f"scale_k{size}", _Scale(0.25))
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x):
        branches = [(getattr(self, f"scale_k{k}"), getattr(self, f"tail_k{k}")) for k in self.sizes]
        return sum(alpha(self.shuffle(branch(x))) for alpha, branch in branches)


class _Network(nn.Module):
    def __init__(self, conv, filters, blocks, units, expanded, scale, kernel_sizes):
        super().__init__()
        self.head = nn.Sequential(conv(3, filters))
        self.body = nn.Sequential(*(_Block(conv, filters, units, expanded) for _ in range(blocks)))
        self.tail = _Tail(conv, filters, scale, kernel_sizes)
        self.skip = nn.Sequential(conv(3, 3 * scale**2), nn.PixelShuffle(scale))
        # Not a buffer: the official state has no such tensor.
        self.mean = 255 * torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)

    def forward(self, image):
        """RGB `(batch, 3, height, width)`, 0..255, to the same, larger."""
        x = (image - self.mean) / 127.5
        return (self.tail(self.body(self.head(x))) + self.skip(x)) * 127.5 + self.mean

"""The works on images: U-Nets of three sizes, and a convolution on its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np
import ours
import timing
from works import OURS, Work, drawn

import numpy_diffusion as nd
from numpy_diffusion.kernels.precision import Precision

RATE = 1e-4


def small() -> nd.UNet:
    """1.6 M parameters on 1 x 32 x 32: two layers a block, attention at the middle level."""
    model = nd.UNet(sample_size=32, in_channels=1, out_channels=1, block_out_channels=(32, 64, 64), norm_num_groups=8,
                    layers_per_block=2, down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
                    up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"))  # fmt: skip
    drawn(model)
    return model


def colour() -> nd.UNet:
    """10.4 M parameters on 3 x 64 x 64: attention at the lowest level."""
    model = nd.UNet(sample_size=64, in_channels=3, out_channels=3, block_out_channels=(64, 128, 192),
                    norm_num_groups=32, layers_per_block=2,
                    down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
                    up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"))  # fmt: skip
    drawn(model)
    return model


def cifar() -> nd.UNet:
    """35.7 M parameters on 3 x 32 x 32: google/ddpm-cifar10-32, the network of Ho et al. 2020, appendix B."""
    model = nd.UNet(sample_size=32, in_channels=3, out_channels=3, block_out_channels=(128, 256, 256, 256),
                    norm_num_groups=32, norm_eps=1e-6, layers_per_block=2, downsample_padding=0,
                    flip_sin_to_cos=False, freq_shift=1,
                    down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
                    up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"))  # fmt: skip
    drawn(model)
    return model


class Size(NamedTuple):
    """A network, and of how many images at a time it is timed, with the least ratio wanted of each."""

    name: str
    make: Callable[[], nd.UNet]
    predicted: dict[int, float]
    trained: dict[int, float]


SIZES = (
    Size("U-Net", small, {1: 1.2, 16: 2.0, 64: 2.0}, {32: 2.0}),
    Size("U-Net 64-128-192 in colour", colour, {1: 1.7, 8: 1.7, 16: 1.7}, {4: 1.7, 16: 1.7, 32: 1.7}),
    Size("ddpm-cifar10", cifar, {1: 1.5, 8: 1.5, 16: 1.5}, {4: 1.5, 16: 1.5, 32: 1.5}),
)


def jobs(peers: Sequence[ModuleType]) -> dict[str, Callable[[], Work]]:
    """What makes each work, by its title; the smallest network first."""
    found: dict[str, Callable[[], Work]] = {}
    for size in SIZES:
        for n, target in size.predicted.items():
            title = f"{size.name}, {n} image{'s' if n > 1 else ''}"
            found[title] = functools.partial(predict, title, peers, size.make, n, target)
            found[f"{title}, bfloat16"] = functools.partial(
                predict_rounded, f"{title}, bfloat16", peers, size.make, n, 1.5
            )
        for batch, target in size.trained.items():
            title = f"{size.name}, training step, batch {batch}"
            for kind, wanted in (("float32", target), ("bfloat16", 1.5)):
                whole = title if kind == "float32" else f"{title}, {kind}"
                found[whole] = functools.partial(train, whole, peers, size.make, batch, wanted, kind)
    return found


def _images(model: nd.UNet, n: int, seed: int) -> np.ndarray:
    shape = n, model.config.in_channels, *model.config.image_size
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def predict(title: str, peers: Sequence[ModuleType], make: Callable[[], nd.UNet], n: int, target: float) -> Work:
    model = make()
    x = _images(model, n, seed=n)
    runs = {OURS: lambda: model(x, 500)}
    runs |= {name: peer.predict(name, model, x, 500) for peer in peers for name in peer.NAMES}
    runs = timing.noting_first(runs, first := {})
    expected = runs[OURS]()
    for name, run in runs.items():
        np.testing.assert_allclose(run(), expected, atol=1e-4 * np.abs(expected).max(), err_msg=name)
    return Work(title, runs, first, 1, target, flops=n * ours.unet_flops(model))


def predict_rounded(
    title: str, peers: Sequence[ModuleType], make: Callable[[], nd.UNet], n: int, target: float
) -> Work:
    """The same in bfloat16: ours beside PyTorch's, whose whole network is so, or the products by autocast."""
    model = make()
    x = _images(model, n, seed=n)
    expected = model(x, 500)

    def rounded() -> np.ndarray:
        with nd.precision("bfloat16"):
            return model(x, 500)

    runs = {OURS: rounded}
    runs |= {name: peer.predict_rounded(name, model, x, 500) for peer in peers for name in peer.ROUNDED}
    runs = timing.noting_first(runs, first := {})
    for name, run in runs.items():
        error = np.linalg.norm(run() - expected) / np.linalg.norm(expected)
        assert error < 0.02, f"{name}: off by {error:.3f}"
    return Work(title, runs, first, 1, target, flops=n * ours.unet_flops(model))


def train(
    title: str,
    peers: Sequence[ModuleType],
    make: Callable[[], nd.UNet],
    batch: int,
    target: float,
    precision: Precision = "float32",
) -> Work:
    """A step with Adam; in bfloat16 beside PyTorch's products by autocast, each with weights in float32."""
    model, schedule, rng = make(), nd.Schedule.linear(T=1000), np.random.default_rng(0)
    rounded, most = precision == "bfloat16", {"float32": 1e-4, "bfloat16": 0.05}[precision]
    data, arguments = np.clip(_images(model, 256, seed=0), -1.0, 1.0), (batch, RATE, rounded)
    runs = {OURS: ours.train(model, schedule, data, batch, 1, RATE, precision=precision)}
    x0, t, eps = data[:4], rng.integers(1, 1001, 4), _images(model, 4, seed=1)
    expected = ours.gradient(model, schedule, x0, t, eps)
    for name, module in ((name, peer) for peer in peers for name in peer.NAMES):
        runs[name], gradient = module.train(name, model, schedule, data, *arguments)
        if "compiled" not in name:  # which compiles again for another batch
            error = np.linalg.norm(gradient(x0, t, eps) - expected) / np.linalg.norm(expected)
            assert error < most, f"{name}: gradient off by {error:.1e}"
    flops = batch * ours.unet_flops(model, training=True)
    return Work(title, timing.noting_first(runs, first := {}), first, 1, target, flops=flops)


def convolution(peers: Sequence[ModuleType], channels: int, n: int = 32, side: int = 32) -> Work:
    """3 x 3, as many channels in as out; ours with its own layout, as inside a network."""
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((n, channels, side, side), dtype=np.float32)
    weight = rng.standard_normal((channels, channels, 3, 3), dtype=np.float32) / np.float32(3.0 * channels**0.5)
    bias = rng.standard_normal(channels, dtype=np.float32)
    run, answer = ours.convolution(x, weight, bias)
    runs = {OURS: run}
    runs |= {name: peer.convolution(name, x, weight, bias) for peer in peers for name in peer.NAMES}
    runs = timing.noting_first(runs, first := {})
    for name in runs:
        found = runs[name]()
        np.testing.assert_allclose(answer() if name == OURS else found, answer(), atol=1e-4, err_msg=name)
    flops = 2.0 * n * side**2 * 9 * channels**2
    return Work(f"convolution 3 x 3, {channels} channels, {n} x {side} x {side}", runs, first, 1, 1.0, flops=flops)

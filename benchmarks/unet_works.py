"""The works on images: a U-Net of 1.6 M parameters on 1 x 32 x 32, and a convolution on its own."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import ours
import timing
from works import OURS, Work

import numpy_diffusion as nd

CHANNELS = (32, 64, 64)


def _model() -> nd.UNet:
    """Two layers a block, attention at the middle level; weights drawn, so that answers can be told apart."""
    blocks = ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"), ("UpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    model = nd.UNet(sample_size=32, in_channels=1, out_channels=1, block_out_channels=CHANNELS, norm_num_groups=8,
                    down_block_types=blocks[0], up_block_types=blocks[1], layers_per_block=2)  # fmt: skip
    rng = np.random.default_rng(0)
    model.params["conv_out.weight"][:] = 0.05 * rng.normal(size=model.params["conv_out.weight"].shape)
    return model


def predict(peers: list[ModuleType], n: int, target: float) -> Work:
    model, x = _model(), np.random.default_rng(n).standard_normal((n, 1, 32, 32), dtype=np.float32)
    runs = {OURS: lambda: model(x, 500)}
    runs |= {name: peer.predict(name, model, x, 500) for peer in peers for name in peer.NAMES}
    runs = timing.noting_first(runs, first := {})
    expected = runs[OURS]()
    for name, run in runs.items():
        np.testing.assert_allclose(run(), expected, atol=1e-4 * np.abs(expected).max(), err_msg=name)
    return Work(f"U-Net, {n} images 32 x 32", runs, first, 1, target, flops=n * ours.unet_flops(model))


def train(peers: list[ModuleType], batch: int, target: float) -> Work:
    model, schedule, rng = _model(), nd.Schedule.linear(T=1000), np.random.default_rng(0)
    data = rng.uniform(-1.0, 1.0, (256, 1, 32, 32)).astype(np.float32)
    arguments = (model, schedule, data, batch)
    runs = {OURS: ours.train(*arguments, 1, 1e-4)}
    x0, t, eps = data[:4], rng.integers(1, 1001, 4), rng.standard_normal((4, 1, 32, 32), dtype=np.float32)
    expected = ours.gradient(model, schedule, x0, t, eps)
    for name, module in ((name, peer) for peer in peers for name in peer.NAMES):
        runs[name], gradient = module.train(name, *arguments, 1e-4)
        if "compiled" not in name:  # which compiles again for another batch
            error = np.linalg.norm(gradient(x0, t, eps) - expected) / np.linalg.norm(expected)
            assert error < 1e-4, f"{name}: gradient off by {error:.1e}"
    title = f"U-Net, training step with Adam, batch {batch}"
    return Work(
        title,
        timing.noting_first(runs, first := {}),
        first,
        1,
        target,
        flops=batch * ours.unet_flops(model, training=True),
    )


def convolution(peers: list[ModuleType], channels: int, n: int = 32, side: int = 32) -> Work:
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

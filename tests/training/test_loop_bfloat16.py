"""Training with products in bfloat16: nearly float32's course, all bits of the weights, and the way back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.bfloat16 import nearest
from checks.images import SCHEDULE
from checks.threads import digests

import numpy_diffusion as nd
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.training import config_text
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.run import Run

IMAGES = np.where(np.arange(12)[:, None, None, None] % 2, 0.9, -0.9) * np.ones((12, 1, 8, 8), np.float32)
SHORT: dict[str, Any] = dict(steps=6, batch=6, learning_rate=2e-3, checkpoint_every=2, progress=False)


def unet(**options: Any) -> UNet:
    """8 x 8 images, two levels of channels that fill registers, attention."""
    small = dict(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(32, 32), layers_per_block=1)
    small |= dict(down_block_types=("DownBlock2D", "AttnDownBlock2D"), norm_num_groups=4, seed=1)
    return UNet(**small | dict(up_block_types=("AttnUpBlock2D", "UpBlock2D"), attention_head_dim=16) | options)


def short(**settings: Any) -> Run:
    return train(unet(), SCHEDULE, IMAGES, **SHORT | dict(precision="bfloat16") | settings)


def assert_same(run: Run, expected: Run) -> None:
    np.testing.assert_array_equal(run.losses, expected.losses)
    np.testing.assert_array_equal(run.model.buffer, expected.model.buffer)


def digest() -> str:
    run = short(batch=9)
    return hashlib.sha256(run.model.buffer.tobytes() + run.losses.tobytes()).hexdigest()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    assert len(set(digests(__file__))) == 1


def test_the_loss_falls_nearly_as_in_float32() -> None:
    rounded, exact = (short(steps=120, batch=16, precision=name) for name in ("bfloat16", "float32"))
    assert (rounded.losses != exact.losses).any()
    assert exact.losses[-30:].mean() < 0.5 * exact.losses[:10].mean()
    assert abs(rounded.losses - exact.losses).mean() < 0.05 * exact.losses.mean()


def test_steps_that_are_too_small_for_8_bits_add_up() -> None:
    """Each moves a weight by the learning rate at most, from a number of 8 bits: rounded, it would be there again."""
    model, rate = unet(), 2e-6
    model.buffer[:] = before = nearest(model.buffer)
    small = dict(steps=30, learning_rate=rate, warmup=0, average_decay=0.0, precision="bfloat16")
    run = train(model, SCHEDULE, IMAGES, **SHORT | small)
    moved, weights = run.model.buffer - before, abs(before) > 2.0**-8
    assert weights.mean() > 0.5
    lost = nearest(before + rate * np.sign(before)) == before
    assert lost[weights].mean() > 0.95
    assert (abs(moved[weights]) > rate).mean() > 0.8  # farther than a step


def test_the_precision_around_it_is_that_of_the_call() -> None:
    with nd.precision("bfloat16"):
        assert_same(short(precision=None), short())
        exact = short(precision="float32")
    assert (exact.losses != short().losses).any()
    (*_, last) = nd.train_steps(unet(), SCHEDULE, IMAGES, steps=6, batch=6, learning_rate=2e-3, precision="bfloat16")
    assert last.loss == short().losses[-1]


def test_resuming_gives_the_bits_of_a_run_that_was_not_interrupted(tmp_path: Path) -> None:
    def stop(run: Run) -> None:
        if run.step == 4:
            raise KeyboardInterrupt

    run = short(out=tmp_path / "run", after_checkpoint=stop)
    assert run.interrupted
    assert json.loads((tmp_path / "run" / config_text.NAME).read_text())["training"]["precision"] == "bfloat16"
    for other in ("float32", None):
        with pytest.raises(ValueError, match=r"^precision: expected bfloat16 as in the checkpoint, got float32"):
            short(out=tmp_path / "run", resume=True, precision=other)
    assert_same(short(out=tmp_path / "run", resume=True), short())


def test_a_run_that_says_no_precision_was_trained_in_float32(tmp_path: Path) -> None:
    exact = short(out=tmp_path / "run", precision="float32")
    config = tmp_path / "run" / config_text.NAME
    assert '"precision": "float32"' in config.read_text()
    with pytest.raises(ValueError, match=r"^precision: expected float32 as in the checkpoint, got bfloat16"):
        short(out=tmp_path / "run", resume=True)
    assert exact.step == 6


def test_what_has_no_kernels_for_it_says_so() -> None:
    points = np.zeros((4, 2))
    for model, x0, options, what in (
        (MLP(dim=2, width=8, depth=0), points, {}, "a MLP"),
        (unet(), IMAGES, {"backend": "numpy"}, "the definition"),
    ):
        with pytest.raises(ValueError, match=rf"^precision: expected 'float32', as {what} has no other"):
            train(model, SCHEDULE, x0, steps=2, precision="bfloat16", progress=False, **options)
    with pytest.raises(ValueError, match=r"^precision: expected one of 'float32', 'bfloat16'"):
        short(precision="half")


def test_a_loss_that_is_no_number_ends_it() -> None:
    with pytest.raises(FloatingPointError, match="training has diverged"):
        short(learning_rate=1e30, warmup=0)

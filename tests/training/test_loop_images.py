"""Training of a U-Net on images: it learns, on any number of threads, and finds the way back into a run."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.images import IMAGES, LABELS, SCHEDULE, unet
from checks.threads import digests
from checks.unclip import upsampler

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.run import Run, load_run

SHORT: dict[str, Any] = dict(steps=8, batch=4, checkpoint_every=3, progress=False, backend="numpy")


def short(model: UNet | None = None, labels: Any = LABELS, **settings: Any) -> Run:
    return train(model or unet(), SCHEDULE, IMAGES, labels, **SHORT | settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Run:
    """A run that nothing interrupts, with classes, label dropout, mirroring and the network's own dropout."""
    return short(unet(dropout=0.2), mirror=True, out=tmp_path_factory.mktemp("whole") / "run")


def digest() -> str:
    """The bits of the weights after some steps with everything, by the kernels."""
    run = short(unet(dropout=0.2), mirror=True, batch=9, backend="numba")
    return hashlib.sha256(run.model.buffer.tobytes() + run.losses.tobytes()).hexdigest()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    assert len(set(digests(__file__))) == 1


def test_the_loss_falls() -> None:
    """Twelve images of one pixel's two values, which tells them: from 1, eps = 0, to less than half."""
    x0 = np.broadcast_to(np.where(LABELS[:, None, None, None] == 0, 0.9, -0.9), (12, 1, 4, 4))
    run = train(unet(None), SCHEDULE, x0, **SHORT | dict(steps=300, batch=16, learning_rate=0.01))
    assert abs(run.losses[0] - 1.0) < 5.0 * np.sqrt(2.0 / (16 * 16))
    assert run.losses[-50:].mean() < 0.5


def assert_same(run: Run, expected: Run) -> None:
    np.testing.assert_array_equal(run.losses, expected.losses)
    np.testing.assert_array_equal(run.model.buffer, expected.model.buffer)


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    real = stepping.prepare

    def prepared(*arguments: Any, **settings: Any) -> Any:
        advance = real(*arguments, **settings)

        def interrupted(state: Any, losses: np.ndarray) -> None:
            if state.step + len(losses) > after:
                raise KeyboardInterrupt
            advance(state, losses)

        return interrupted

    monkeypatch.setattr(stepping, "prepare", prepared)


@pytest.mark.parametrize("after", [0, 1, 4, 7])
def test_interrupted_and_resumed_is_never_interrupted(tmp_path, monkeypatch, whole: Run, after: int) -> None:
    settings = dict(mirror=True, out=tmp_path / "run")
    with monkeypatch.context() as patch:
        interrupt(patch, after)
        assert short(unet(dropout=0.2), **settings).interrupted
    assert_same(short(unet(dropout=0.2, seed=9), **settings, resume=True), whole)
    for name in checkpoints.FILES:
        assert (tmp_path / "run" / name).read_bytes() == (whole.path / name).read_bytes()


def test_what_is_loaded_is_the_network(whole: Run) -> None:
    run = load_run(whole.path)
    assert_same(run, whole)
    assert isinstance(run.model, UNet)
    assert run.model.config == whole.model.config
    x = IMAGES[:3]
    np.testing.assert_array_equal(run.model(x, 5, [0, 1, 3]), whole.model(x, 5, [0, 1, 3]))


def test_defaults_are_those_of_images_and_are_written_down(tmp_path: Path) -> None:
    train(unet(), SCHEDULE, IMAGES, LABELS, steps=1, progress=False, backend="numpy", out=tmp_path / "run")
    config = checkpoints.read(tmp_path / "run").config
    assert config["network"]["class"] == "UNet"
    assert config["data"]["shape"] == [12, 1, 4, 4]
    assert config["data"]["labels"] == [4, 4, 4]
    expected = dict(batch=32, learning_rate=1e-3, mirror=False, label_dropout=0.1)
    assert {name: config["training"][name] for name in expected} == expected
    x0 = np.zeros((5, 2))
    train(MLP(dim=2, width=4, depth=0), SCHEDULE, x0, steps=1, progress=False, out=tmp_path / "points")
    config = checkpoints.read(tmp_path / "points").config
    assert (config["training"]["batch"], config["training"]["learning_rate"]) == (512, 5e-3)
    assert not {"mirror", "label_dropout"} & config["training"].keys()
    assert "labels" not in config["data"]


OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "mirror": (dict(mirror=False), "mirror: expected True as in the checkpoint, got False"),
    "label_dropout": (dict(label_dropout=0.5), "label_dropout: expected 0.1 as in the checkpoint, got 0.5"),
    "labels": (dict(labels=LABELS[::-1].copy()), r"x0 or labels: expected shape \[12, 1, 4, 4\] "),
    "x0": (dict(x0=IMAGES[::-1]), r"x0 or labels: expected shape \[12, 1, 4, 4\] "),
    "dropout": (dict(model=unet()), r"model: expected UNet\(.*dropout=0.2.* got UNet\("),
    "classes": (dict(model=unet(None), labels=None), r"model: expected UNet\(.*num_class_embeds=4.* got UNet\("),
    "kind": (dict(model=MLP(2), x0=np.zeros((4, 2)), labels=None, mirror=False), r"model: .*UNet.* got MLP\("),
}


@pytest.mark.parametrize("name", OTHER)
def test_every_argument_counts_and_another_is_named_when_resuming(whole: Run, name: str) -> None:
    change, sentence = OTHER[name]
    arguments = dict(model=unet(dropout=0.2), schedule=SCHEDULE, x0=IMAGES, labels=LABELS, mirror=True) | SHORT
    if name in ("mirror", "label_dropout", "labels", "x0", "dropout"):
        assert not np.array_equal(train(**arguments | change).model.buffer, whole.model.buffer)
    with pytest.raises(ValueError, match=f"^{sentence}"):
        train(**dict(arguments, out=whole.path, resume=True) | change)
    assert_same(load_run(whole.path), whole)


def test_a_callback_sees_every_checkpoint_and_disturbs_nothing(whole: Run, tmp_path: Path) -> None:
    seen = []

    def look(run: Run) -> None:
        seen.append(dataclasses.replace(run, losses=run.losses.copy()))
        assert run.interrupted == (run.step < 8)
        assert load_run(run.path).step == run.step  # it is written already
        np.testing.assert_array_equal(load_run(run.path).model.buffer, run.model.buffer)
        run.model.buffer[:] = np.nan  # a copy

    model = unet(dropout=0.2)
    run = short(model, mirror=True, out=tmp_path / "run", after_checkpoint=look)
    assert [run.step for run in seen] == [3, 6, 8]
    assert_same(run, whole)
    assert run.model is model
    steps = []
    short(mirror=True, after_checkpoint=lambda run: steps.append((run.step, run.path)))
    assert steps == [(3, None), (6, None), (8, None)]


def test_a_callback_may_keep_the_model_of_every_checkpoint(whole: Run) -> None:
    models: list[Network] = []
    run = short(unet(dropout=0.2), mirror=True, after_checkpoint=lambda run: models.append(run.model))
    assert len({model.buffer.tobytes() for model in models}) == len(models) == 3
    np.testing.assert_array_equal(models[-1].buffer, run.model.buffer)
    assert_same(run, whole)


def test_ctrl_c_in_a_callback_keeps_the_checkpoint(tmp_path: Path, whole: Run) -> None:
    def stop(run: Run) -> None:
        raise KeyboardInterrupt

    model = unet(dropout=0.2)
    run = short(model, mirror=True, out=tmp_path / "run", after_checkpoint=stop)
    assert run.step == load_run(tmp_path / "run").step == 3
    assert_same(short(model, mirror=True, out=tmp_path / "run", resume=True), whole)


@pytest.mark.parametrize(("then", "now"), [(8, None), (None, 8), (8, 4)])
def test_another_crop_is_named_when_resuming(tmp_path: Path, then: int | None, now: int | None) -> None:
    x0, low = np.zeros((2, 3, 16, 16)), Condition(low_resolution=np.zeros((2, 3, 8, 8)))
    options = SHORT | dict(steps=1, batch=1, out=tmp_path / "run")
    train(upsampler(), SCHEDULE, x0, low, crop=then, **options)
    with pytest.raises(ValueError, match=f"^crop: expected {then} as in the checkpoint, got {now}$"):
        train(upsampler(), SCHEDULE, x0, low, crop=now, resume=True, **options)

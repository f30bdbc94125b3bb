"""Training of a U-Net on images: what is drawn with each step, what is refused, and the way back into a run."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.gradcheck import projected_errors, wrong
from checks.tasks import losses_and_gradient, prepare
from checks.threads import digests

from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.tasks import Adam
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.batch import draw, drawn_condition, mirrored
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.losses import bound_table, weights
from numpy_diffusion.training.run import Run, load_run
from numpy_diffusion.training.step import start

SCHEDULE = Schedule.linear(T=20)
IMAGES = np.random.default_rng(0).uniform(-1.0, 1.0, (12, 1, 4, 4)).astype(np.float32)
LABELS = np.arange(12) % 3
SHORT: dict[str, Any] = dict(steps=8, batch=4, checkpoint_every=3, progress=False, backend="numpy")


def network(classes: int | None = 4, **options: Any) -> UNet:
    """4 x 4 images, one level, 4 channels: as small as a U-Net gets."""
    small = dict(in_channels=1, out_channels=1, block_out_channels=(4,), layers_per_block=1, norm_num_groups=2)
    small |= dict(down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), attention_head_dim=None)
    return UNet(**dict(sample_size=4, num_class_embeds=classes, seed=1) | small | options)


def short(model: UNet | None = None, labels: Any = LABELS, **settings: Any) -> Run:
    return train(model or network(), SCHEDULE, IMAGES, labels, **SHORT | settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Run:
    """A run that nothing interrupts, with classes, label dropout, mirroring and the network's own dropout."""
    return short(network(dropout=0.2), mirror=True, out=tmp_path_factory.mktemp("whole") / "run")


# --- what a step draws -----------------------------------------------------------------------------------------


def test_images_are_drawn_like_points() -> None:
    """The same rows, t and noise for N images as for N points of as many numbers."""
    steps = np.arange(1, 21)
    as_images, as_points = (draw(data, steps, 50, 7, 3) for data in (IMAGES, IMAGES.reshape(12, -1)))
    for images, points in zip(as_images, as_points, strict=True):
        np.testing.assert_array_equal(images.reshape(points.shape), points)
    assert as_images[0].shape == as_images[2].shape == (50, 1, 4, 4)


def drawn_labels(labels: np.ndarray, null: int, dropout: float, batch: int, seed: int, step: int) -> np.ndarray:
    told, nothing = Condition(labels=labels), Condition(labels=null)
    return drawn_condition(told, nothing, len(labels), dropout, batch, seed, step).labels


def test_labels_are_those_of_the_images() -> None:
    x0, _, _ = draw(IMAGES, np.array([1]), 500, 7, 3)
    labels = drawn_labels(LABELS, 3, 0.0, 500, 7, 3)
    for image, label in zip(x0, labels, strict=True):
        (found,) = np.flatnonzero((image == IMAGES).all(axis=(1, 2, 3)))
        assert LABELS[found] == label


@pytest.mark.parametrize("dropout", [0.0, 0.1, 0.5, 1.0])
def test_labels_are_left_out_with_the_given_probability(dropout: float) -> None:
    """To five standard errors; whichever the label is, and by another chance in each step."""
    full, left = (np.array([drawn_labels(LABELS, 3, p, 1000, 7, k) for k in range(20)]) for p in (0.0, dropout))
    out = left == 3
    np.testing.assert_array_equal(left[~out], full[~out])
    for label in range(3):
        n = (full == label).sum()
        assert abs(out[full == label].mean() - dropout) <= 5.0 * np.sqrt(dropout * (1.0 - dropout) / n)
    assert (out[0] != out[1]).any() == (0.0 < dropout < 1.0)
    np.testing.assert_array_equal(drawn_labels(LABELS, 3, dropout, 10, 7, 5), left[5, :10])


def test_every_second_image_is_mirrored() -> None:
    """Left and right, not top and bottom; to five standard errors; a function of seed, step and sample."""
    x0 = np.tile(IMAGES[:1], (4000, 1, 1, 1))
    found = mirrored(x0, 7, 3)
    flipped = (found == IMAGES[0, :, :, ::-1]).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(found[~flipped], x0[~flipped])
    assert abs(flipped.mean() - 0.5) <= 5.0 * np.sqrt(0.25 / 4000)
    np.testing.assert_array_equal(mirrored(x0[:9], 7, 3), found[:9])
    for seed, step in ((8, 3), (7, 4)):
        other = (mirrored(x0, seed, step) == found).all(axis=(1, 2, 3)).mean()
        assert abs(other - 0.5) <= 5.0 * np.sqrt(0.25 / 4000)


# --- the loss and its gradient ---------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_gradient_is_that_of_the_loss(outputs: int) -> None:
    """By every parameter of a network with classes and dropout; without a learned variance and with one.

    Of the variance's head the loss holds the mean fixed, so that only the head's own rows follow it: its check is the
    MLP's, in test_training_step.  Here the head's weight is zero.
    """
    model, rng = network(out_channels=outputs, dropout=0.3, dtype=np.float64), np.random.default_rng(2)
    model.buffer[:] += rng.normal(size=model.buffer.size) / 5.0
    x0, eps = rng.uniform(-1.0, 1.0, (3, 1, 4, 4)), rng.normal(size=(3, 1, 4, 4))
    table = bound_table(SCHEDULE) * (np.arange(6) != 5)
    shown = x0, np.array([1, 7, 20]), eps, rng.uniform(0.1, 3.0, 21), table, np.array([0, 3, 1])
    dropped = 5, np.arange(3), 2

    def loss() -> float:
        return float(losses_and_gradient(model, SCHEDULE, model.buffer, *shown, dropped)[0].mean())

    _, gradient = losses_and_gradient(model, SCHEDULE, model.buffer, *shown, dropped)
    assert wrong(projected_errors(loss, model.params, parameters.views(gradient, model.shapes))) == []
    assert loss() != losses_and_gradient(model, SCHEDULE, model.buffer, *shown)[0].mean()  # without dropout


@pytest.mark.parametrize("mirror", [False, True])
def test_a_step_is_what_is_drawn_mirrored_and_labelled(mirror: bool) -> None:
    """Its loss by hand; at step 3 of a network whose weights are drawn, so that all it is shown counts."""
    model = network(dropout=0.2)
    model.buffer[:] += np.random.default_rng(3).normal(size=model.buffer.size).astype(np.float32)
    state, rates = start(model, 20), np.full(9, 1e-3)
    state.step = 2
    settings = dict(batch=6, weighting=weights(SCHEDULE), adam=Adam(), rates=rates, average_decay=0.9, seed=3)
    settings |= dict(label_dropout=0.5, mirror=mirror, backend="numpy")
    found = prepare(model, SCHEDULE, IMAGES, LABELS, **settings)(state, 1)
    x0, t, eps = draw(IMAGES, np.arange(1, 21), 6, 3, 3)
    shown = mirrored(x0, 3, 3) if mirror else x0, t, eps, weights(SCHEDULE), bound_table(SCHEDULE)
    labels, dropped = drawn_labels(LABELS, 3, 0.5, 6, 3, 3), (3, np.arange(6), 3)
    losses, _ = losses_and_gradient(model, SCHEDULE, model.buffer, *shown, labels, dropped)
    np.testing.assert_array_equal(found, [losses.mean()])
    assert state.step == 3


@pytest.mark.parametrize("options", [{}, {"out_channels": 2}, {"classes": None}])
def test_kernels_take_the_steps_of_the_definition(options: dict[str, Any]) -> None:
    """Steps by the two roads from the same start, to float32 rounding: Adam divides by what may be tiny."""
    model = network(**options | {"dropout": 0.2})
    labels = None if model.null_label is None else LABELS
    states, found = [], []
    for backend in ("numpy", "numba"):
        adam, rates = Adam(epsilon=1e-3), np.full(9, 1e-3)
        settings = dict(batch=4, weighting=weights(SCHEDULE), adam=adam, rates=rates, average_decay=0.9, seed=3)
        advance = prepare(
            model, SCHEDULE, IMAGES, labels, **settings, label_dropout=0.3, mirror=True, backend=backend
        )
        states.append(start(model, 20))
        found.append(advance(states[-1], 6))
    np.testing.assert_allclose(*found, rtol=1e-4)
    np.testing.assert_allclose(states[0].parameters, states[1].parameters, atol=1e-5)
    np.testing.assert_allclose(states[0].average, states[1].average, atol=1e-5)


def digest() -> str:
    """The bits of the weights after some steps with everything, by the kernels."""
    run = short(network(dropout=0.2), mirror=True, batch=9, backend="numba")
    return hashlib.sha256(run.model.buffer.tobytes() + run.losses.tobytes()).hexdigest()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    assert len(set(digests(__file__))) == 1


# --- runs ------------------------------------------------------------------------------------------------------


def test_the_loss_falls() -> None:
    """Twelve images of one pixel's two values, which tells them: from 1, eps = 0, to less than half."""
    x0 = np.broadcast_to(np.where(LABELS[:, None, None, None] == 0, 0.9, -0.9), (12, 1, 4, 4))
    run = train(network(None), SCHEDULE, x0, **SHORT | dict(steps=300, batch=16, learning_rate=0.01))
    assert abs(run.losses[0] - 1.0) < 5.0 * np.sqrt(2.0 / (16 * 16))
    assert run.losses[-50:].mean() < 0.5


def test_images_are_taken_as_they_are(whole: Run) -> None:
    assert not whole.model.shift.any()
    assert (whole.model.scale == 1.0).all()
    assert whole.model.shift.shape == whole.model.scale.shape == (1, 4, 4)


def test_defaults_are_those_of_images_and_are_written_down(tmp_path: Path) -> None:
    train(network(), SCHEDULE, IMAGES, LABELS, steps=1, progress=False, backend="numpy", out=tmp_path / "run")
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


def assert_same(run: Run, expected: Run) -> None:
    np.testing.assert_array_equal(run.losses, expected.losses)
    np.testing.assert_array_equal(run.model.buffer, expected.model.buffer)


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    real = stepping.prepare

    def prepared(*arguments: Any, **settings: Any) -> Any:
        advance = real(*arguments, **settings)

        def interrupted(state: Any, count: int) -> Any:
            if state.step + count > after:
                raise KeyboardInterrupt
            return advance(state, count)

        return interrupted

    monkeypatch.setattr(stepping, "prepare", prepared)


@pytest.mark.parametrize("after", [0, 1, 4, 7])
def test_interrupted_and_resumed_is_never_interrupted(tmp_path, monkeypatch, whole: Run, after: int) -> None:
    settings = dict(mirror=True, out=tmp_path / "run")
    with monkeypatch.context() as patch:
        interrupt(patch, after)
        assert short(network(dropout=0.2), **settings).interrupted
    assert_same(short(network(dropout=0.2, seed=9), **settings, resume=True), whole)
    for name in checkpoints.FILES:
        assert (tmp_path / "run" / name).read_bytes() == (whole.path / name).read_bytes()


def test_what_is_loaded_is_the_network(whole: Run) -> None:
    run = load_run(whole.path)
    assert_same(run, whole)
    assert isinstance(run.model, UNet)
    assert run.model.config == whole.model.config
    x = IMAGES[:3]
    np.testing.assert_array_equal(run.model(x, 5, [0, 1, 3]), whole.model(x, 5, [0, 1, 3]))


OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "mirror": (dict(mirror=False), "mirror: expected True as in the checkpoint, got False"),
    "label_dropout": (dict(label_dropout=0.5), "label_dropout: expected 0.1 as in the checkpoint, got 0.5"),
    "labels": (dict(labels=LABELS[::-1].copy()), r"x0 or labels: expected shape \[12, 1, 4, 4\] "),
    "x0": (dict(x0=IMAGES[::-1]), r"x0 or labels: expected shape \[12, 1, 4, 4\] "),
    "dropout": (dict(model=network()), r"model: expected UNet\(.*dropout=0.2.* got UNet\("),
    "classes": (dict(model=network(None), labels=None), r"model: expected UNet\(.*num_class_embeds=4.* got UNet\("),
    "kind": (dict(model=MLP(2), x0=np.zeros((4, 2)), labels=None, mirror=False), r"model: .*UNet.* got MLP\("),
}


@pytest.mark.parametrize("name", OTHER)
def test_every_argument_counts_and_another_is_named_when_resuming(whole: Run, name: str) -> None:
    change, sentence = OTHER[name]
    arguments = dict(model=network(dropout=0.2), schedule=SCHEDULE, x0=IMAGES, labels=LABELS, mirror=True) | SHORT
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

    model = network(dropout=0.2)
    run = short(model, mirror=True, out=tmp_path / "run", after_checkpoint=look)
    assert [run.step for run in seen] == [3, 6, 8]
    assert_same(run, whole)
    assert run.model is model
    steps = []
    short(mirror=True, after_checkpoint=lambda run: steps.append((run.step, run.path)))
    assert steps == [(3, None), (6, None), (8, None)]


def test_ctrl_c_in_a_callback_keeps_the_checkpoint(tmp_path: Path, whole: Run) -> None:
    def stop(run: Run) -> None:
        raise KeyboardInterrupt

    model = network(dropout=0.2)
    run = short(model, mirror=True, out=tmp_path / "run", after_checkpoint=stop)
    assert run.step == load_run(tmp_path / "run").step == 3
    assert_same(short(model, mirror=True, out=tmp_path / "run", resume=True), whole)


# --- what will not do ------------------------------------------------------------------------------------------

BAD: list[tuple[str, Any, str]] = [
    ("model", network(dtype=np.float64), "model: expected float32 weights, got float64"),
    ("model", lambda x, t: x, "model: expected a network such as MLP or UNet, got function"),
    ("x0", IMAGES * 1.01, r"x0: expected images with values in -1\.\.1, black to white, got -1\.0"),
    ("x0", np.full((12, 1, 4, 4), 255, np.uint8), r"x0: expected images with values in -1\.\.1, .* got 255\.\.255"),
    ("x0", IMAGES[:, 0], "x0: expected shape"),
    ("x0", IMAGES[:, :, :3], "x0: expected shape"),
    (
        "labels",
        None,
        r"labels: expected 12 integers in 0\.\.2, one for each image \(3 stands for no class\), got None",
    ),
    ("labels", LABELS[:11], r"labels: expected 12 integers .* got shape \[11\]"),
    ("labels", LABELS[:, None], "labels: expected an integer"),
    ("labels", LABELS * 1.0, "labels: expected an integer .* got float64"),
    ("labels", ["a"] * 12, "labels: expected an integer .* got <U1"),
    ("labels", LABELS + 1, r"labels: expected 12 integers in 0\.\.2, .* got 1\.\.3"),
    ("labels", LABELS - 1, r"labels: expected an integer of at least 0, .* got -1\.\.1"),
    ("label_dropout", 1.5, "label_dropout: expected a finite number in 0.0..1.0, got 1.5"),
    ("label_dropout", "some", "label_dropout: expected a number"),
    ("mirror", "yes", "mirror: expected a bool"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_bad_arguments_are_named(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}") as caught:
        train(**dict(model=network(), schedule=SCHEDULE, x0=IMAGES, labels=LABELS) | SHORT | {name: value})
    assert "\n" not in str(caught.value)


def test_rounding_is_no_reason_to_refuse_an_image() -> None:
    x0 = IMAGES.copy()
    x0[0, 0, 0, :2] = 1.000001, -1.000001
    assert train(network(None), SCHEDULE, x0, **SHORT | dict(steps=1)).step == 1


@pytest.mark.parametrize(("name", "value"), [("labels", LABELS), ("label_dropout", 0.1)])
def test_a_network_without_classes_takes_no_labels(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected None, as the network has no classes, got "):
        train(network(None), SCHEDULE, IMAGES, **SHORT | {name: value})

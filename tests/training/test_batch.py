"""What a training step draws, and the loss of it with its gradient."""

from __future__ import annotations

import numpy as np
import pytest
from checks.exact import kernel
from checks.gradcheck import errors, projected_errors, wrong
from checks.images import IMAGES, LABELS, drawn_labels, unet
from checks.images import SCHEDULE as OF_IMAGES
from checks.tasks import losses_and_gradient
from checks.training_step import (
    SCHEDULE,
    TABLE,
    T,
    assert_uniform,
    check_every_step_is_drawn,
    check_gradients,
    check_loss,
    check_no_noise_is_shared,
    drawn,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.training.batch import draw, drawn_condition, mirrored
from numpy_diffusion.training.losses import bound_table, of_prediction, variance_loss

FLAT = settings(deadline=None, max_examples=25)


# --- what a step draws -----------------------------------------------------------------------------------------


def test_every_step_is_drawn() -> None:
    check_every_step_is_drawn()


def test_points_are_drawn_uniformly_and_whatever_t_is() -> None:
    index, t, _ = drawn()
    assert_uniform(index, 0, 6)
    assert_uniform(7 * (t - 1) + index, 0, 69)


def test_draws_of_neighbouring_samples_and_steps_are_independent() -> None:
    index, t, _ = drawn()
    for values, number in ((index, 7), (t - 1, T)):
        assert_uniform(number * values[:, 1:] + values[:, :-1], 0, number**2 - 1)
        assert_uniform(number * values[1:] + values[:-1], 0, number**2 - 1)


def test_no_noise_is_shared() -> None:
    check_no_noise_is_shared()


@FLAT
@given(seed=st.integers(0, 2**64 - 1), step=st.integers(1, 2**31), batch=st.integers(1, 40), D=st.integers(1, 6))
def test_a_draw_is_a_function_of_seed_step_and_sample(seed: int, step: int, batch: int, D: int) -> None:
    data = np.random.default_rng(D).normal(size=(50, D)).astype(np.float32)
    one, two = (
        draw(data, np.arange(1, 1001), np.arange(batch), seed, step),
        draw(data, np.arange(1, 1001), np.arange(batch + 9), seed, step),
    )
    for few, more in zip(one, two, strict=True):
        np.testing.assert_array_equal(few, more[:batch])
    assert one[0].shape == one[2].shape == (batch, D)
    assert one[1].shape == (batch,)
    assert one[0].dtype == one[2].dtype == np.float32
    for other in (
        draw(data, np.arange(1, 1001), np.arange(batch), seed ^ 1, step),
        draw(data, np.arange(1, 1001), np.arange(batch), seed, step + 1),
    ):
        assert (other[2] != one[2]).any(axis=1).all()


# --- the loss and its gradient ---------------------------------------------------------------------------------


SMALL = dict(
    seed=st.integers(0, 1000),
    dim=st.integers(1, 3),
    width=st.integers(1, 5),
    depth=st.integers(0, 2),
    batch=st.integers(1, 6),
)


@FLAT
@given(**SMALL)
def test_the_loss_is_as_printed(seed: int, dim: int, width: int, depth: int, batch: int) -> None:
    check_loss(seed, dim, width, depth, batch)


@FLAT
@given(**SMALL)
def test_the_gradient_is_that_of_the_loss(seed: int, dim: int, width: int, depth: int, batch: int) -> None:
    check_gradients(seed, dim, width, depth, batch)


def check_variance_head(seed: int = 0) -> None:
    """The head for the variance adds its loss, whose gradient goes through the head alone: eps_hat is held fixed."""
    model, rng = MLP(2, 5, 2, embedding=4, learn_variance=True, dtype=np.float64), np.random.default_rng(seed)
    model.buffer[:] = rng.normal(size=model.buffer.size) / 2.0
    x0, eps = rng.normal(size=(2, 4, 2))
    t, lambda_t = rng.integers(1, T + 1, 4), rng.uniform(0.1, 3.0, T + 1)
    signal, noise = (values[:, None] for values in kernel(SCHEDULE, t))
    xt = signal * x0 + np.sqrt(noise) * eps
    held = model(xt, t, backend="numpy")

    def loss() -> float:
        eps_hat, fraction = model.eps_and_fraction(xt, t, backend="numpy")
        more = variance_loss(2.0 * fraction - 1.0, held, eps, TABLE[t])[0]
        return float((of_prediction(eps_hat, eps, lambda_t[t])[0] + more).mean())

    found, gradient = losses_and_gradient(model, SCHEDULE, model.buffer, x0, t, eps, lambda_t, TABLE)
    assert found.mean() == pytest.approx(loss(), rel=1e-11)
    assert wrong(errors(loss, {"weights": model.buffer}, {"weights": gradient})) == []


def test_the_variance_head_learns_beside_the_mean() -> None:
    check_variance_head()


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_gradient_of_a_unet_is_that_of_the_loss(outputs: int) -> None:
    """By every parameter of a network with classes and dropout; without a learned variance and with one.

    Of the variance's head the loss holds the mean fixed, so that only the head's own rows follow it: its check is the
    MLP's, above.  Here the head's weight is zero.
    """
    model, rng = unet(out_channels=outputs, dropout=0.3, dtype=np.float64), np.random.default_rng(2)
    model.buffer[:] += rng.normal(size=model.buffer.size) / 5.0
    x0, eps = rng.uniform(-1.0, 1.0, (3, 1, 4, 4)), rng.normal(size=(3, 1, 4, 4))
    table = bound_table(OF_IMAGES) * (np.arange(6) != 5)
    shown = x0, np.array([1, 7, 20]), eps, rng.uniform(0.1, 3.0, 21), table, np.array([0, 3, 1])
    dropped = 5, np.arange(3), 2

    def loss() -> float:
        return float(losses_and_gradient(model, OF_IMAGES, model.buffer, *shown, dropped)[0].mean())

    _, gradient = losses_and_gradient(model, OF_IMAGES, model.buffer, *shown, dropped)
    assert wrong(projected_errors(loss, model.params, parameters.views(gradient, model.shapes))) == []
    assert loss() != losses_and_gradient(model, OF_IMAGES, model.buffer, *shown)[0].mean()  # without dropout


# --- images and labels -----------------------------------------------------------------------------------------


def test_images_are_drawn_like_points() -> None:
    """The same rows, t and noise for N images as for N points of as many numbers."""
    steps = np.arange(1, 21)
    as_images, as_points = (draw(data, steps, np.arange(50), 7, 3) for data in (IMAGES, IMAGES.reshape(12, -1)))
    for images, points in zip(as_images, as_points, strict=True):
        np.testing.assert_array_equal(images.reshape(points.shape), points)
    assert as_images[0].shape == as_images[2].shape == (50, 1, 4, 4)


def test_labels_are_those_of_the_images() -> None:
    x0, _, _ = draw(IMAGES, np.array([1]), np.arange(500), 7, 3)
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


def test_fields_are_left_out_each_by_its_own_chance_and_what_is_of_a_text_together() -> None:
    told = Condition(embedding=np.ones((1, 2)), text_embedding=np.ones((1, 3)), states=np.ones((1, 2, 3)))
    nothing = Condition(embedding=np.zeros(2), text_embedding=np.zeros(3), states=np.zeros((1, 3)))
    dropout = {"embedding": 0.1, "text_embedding": 0.5, "states": 0.5}
    found = drawn_condition(told, nothing, 1, dropout, np.arange(4000), 7, 3)
    picture, text = ~found.embedding.any(axis=1), ~found.text_embedding.any(axis=1)
    for out, p in ((picture, 0.1), (text, 0.5), (picture[text], 0.1), (text[picture], 0.5)):
        assert abs(out.mean() - p) <= 5.0 * np.sqrt(p * (1.0 - p) / len(out))
    np.testing.assert_array_equal(~found.states.any(axis=(1, 2)), text)
    np.testing.assert_array_equal(found.mask, np.where(text[:, None], [True, False], True))
    together = drawn_condition(told, nothing, 1, 0.5, np.arange(4000), 7, 3)
    np.testing.assert_array_equal(~together.embedding.any(axis=1), text)  # one chance for all, which is a text's


def test_of_squares_the_noise_has_their_size() -> None:
    whole, squares = (draw(IMAGES, np.arange(1, 21), np.arange(5), 7, 3, crop) for crop in (None, 2))
    assert squares[2].shape == (5, 1, 2, 2)
    for one, other in zip(squares[:2], whole[:2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_second_image_is_mirrored() -> None:
    """Left and right, not top and bottom; to five standard errors; a function of seed, step and sample."""
    x0, each = np.tile(IMAGES[:1], (4000, 1, 1, 1)), np.arange(4000)
    found = mirrored(x0, each, 7, 3)
    flipped = (found == IMAGES[0, :, :, ::-1]).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(found[~flipped], x0[~flipped])
    assert abs(flipped.mean() - 0.5) <= 5.0 * np.sqrt(0.25 / 4000)
    np.testing.assert_array_equal(mirrored(x0[:9], each[:9], 7, 3), found[:9])
    for seed, step in ((8, 3), (7, 4)):
        other = (mirrored(x0, each, seed, step) == found).all(axis=(1, 2, 3)).mean()
        assert abs(other - 0.5) <= 5.0 * np.sqrt(0.25 / 4000)

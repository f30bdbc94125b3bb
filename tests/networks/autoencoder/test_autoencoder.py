"""The autoencoder: what it says of images and latents, its samples, its first weights, and bad input."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from checks.autoencoders import autoencoder, options, shown

from numpy_diffusion.kernels.backend import backend
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL, Posterior


@pytest.mark.parametrize("form", ["numba", "numpy"])
def test_images_to_latents_and_back(form: Any) -> None:
    model = autoencoder(options(3, sample_size=(8, 12)))
    x, _ = shown(model)
    assert (model.shape, model.latent_shape) == ((3, 8, 12), (2, 2, 3))
    posterior = model.encode(x, backend=form)
    assert [(part.shape, part.dtype) for part in posterior] == [((3, 2, 2, 3), np.float32)] * 2
    y = model.decode(posterior.mean, backend=form)
    assert (y.shape, y.dtype) == (x.shape, np.float32)
    with backend(form):
        np.testing.assert_array_equal(model.decode(posterior.mean), y)


def test_an_image_is_the_same_whatever_else_is_in_the_call() -> None:
    model = autoencoder()
    x, z = shown(model, 5)
    whole, parts = model.encode(x), [model.encode(x[:2]), model.encode(x[2:])]
    for one, two in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(one, np.concatenate(two))
    np.testing.assert_array_equal(model.decode(z), np.concatenate([model.decode(z[:2]), model.decode(z[2:])]))


def test_images_of_another_size_than_in_training() -> None:
    model = autoencoder()
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 10)).astype(np.float32)
    found = model.encode(x)
    assert found.mean.shape == (2, 2, 2, 5)
    np.testing.assert_allclose(found.mean, model.encode(x, backend="numpy").mean, rtol=0, atol=2e-5)
    assert model.decode(found.mean).shape == x.shape


def test_samples_are_of_the_posterior_and_by_their_numbers() -> None:
    mean, logvar = np.float32([0.0, 1.0, -2.0]), np.float32([0.0, 1.0, -3.0])
    many = Posterior(np.tile(mean[:, None, None], (4000, 1, 1, 2)), np.tile(logvar[:, None, None], (4000, 1, 1, 2)))
    z = many.sample(seed=3)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.mean(axis=(0, 2, 3)), mean, atol=0.1)
    np.testing.assert_allclose(z.std(axis=(0, 2, 3)), np.exp(0.5 * logvar), rtol=0.05)
    late = Posterior(many.mean[100:], many.logvar[100:])
    np.testing.assert_array_equal(late.sample(seed=3, first=100), z[100:])
    assert (many.sample(seed=4) != z).all()
    with pytest.raises(ValueError, match=r"^first: expected "):
        many.sample(first=-1)


def test_its_options_make_it_again_and_its_seed_the_weights() -> None:
    model = AutoencoderKL(**options(), seed=1)
    again = AutoencoderKL(**model.options, seed=1)
    assert again.config == model.config
    np.testing.assert_array_equal(again.buffer, model.buffer)
    assert (AutoencoderKL(**options(), seed=2).buffer != model.buffer).any()
    x, z = shown(model)
    assert not model.decode(z).any()  # its last convolution starts at zero
    assert np.abs(model.encode(x).mean).max() > 0.1
    assert "AutoencoderKL" in repr(model)


def test_a_copy_answers_the_same_and_reads_its_own_weights() -> None:
    model = autoencoder()
    model.scaling_factor = 0.5
    x, _ = shown(model)
    expected = model.encode(x).mean
    for other in (copy.deepcopy(model), model.copy(), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.encode(x).mean, expected)
        assert other.scaling_factor == 0.5
        other.buffer[:] = 0.0
        assert not other.encode(x).mean.any()
    np.testing.assert_array_equal(model.encode(x).mean, expected)


def test_the_scaling_factor_makes_latents_of_deviation_one() -> None:
    model = autoencoder()
    x, _ = shown(model, 7)
    model.measure(x, "numba")
    assert (model.encode(x).sample() * model.scaling_factor).std() == pytest.approx(1.0, rel=1e-5)
    other = autoencoder()
    other.measured = model.measured
    assert other.scaling_factor == model.scaling_factor != other.config.scaling_factor


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda model: model.encode(np.zeros((1, 3, 7, 8))), "x"),
        (lambda model: model.encode(np.zeros((1, 4, 8, 8))), "x"),
        (lambda model: model.encode(np.full((1, 3, 8, 8), np.nan)), "x"),
        (lambda model: model.encode("x"), "x"),
        (lambda model: model.decode(np.zeros((1, 3, 4, 4))), "z"),
        (lambda model: model.decode(np.zeros((2, 4, 4))), "z"),
        (lambda model: model.decode(np.zeros((1, 2, 4, 4)), backend="torch"), "backend"),
        (lambda model: AutoencoderKL(**options(), dtype=int), "dtype"),
        (lambda model: AutoencoderKL(**options(), seed=-1), "seed"),
        (lambda model: AutoencoderKL(**options(), heads=1), "heads"),
    ],
)
def test_bad_input_is_one_sentence(call: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got ") as caught:
        call(autoencoder())
    assert "\n" not in str(caught.value)

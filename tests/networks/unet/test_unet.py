"""The U-Net: what each input reaches, its first weights, and what it does with bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.networks import check_network
from checks.unet import CASES, images, network

import numpy_diffusion as nd
from numpy_diffusion.layers import bicubic
from numpy_diffusion.networks.unet.unet import UNet


@pytest.mark.parametrize("case", CASES)
def test_it_holds_what_every_network_holds(case: str, tmp_path: Path) -> None:
    check_network(UNet(**CASES[case]), tmp_path)


def test_an_edit_of_one_pixel_reaches_all_and_those_nearby_most() -> None:
    model = network(CASES["8 x 8"])
    x, t, told = images(model, 1)
    edited = x.copy()
    edited[0, :, 0, 0] += 1.0
    change = np.abs(model(edited, t, told.labels) - model(x, t, told.labels))
    assert (change > 0).all()
    assert change[0, :, :2, :2].mean() > change[0, :, 4:, 4:].mean()


def test_steps_and_labels_matter() -> None:
    model = network(CASES["8 x 8"])
    x, _, _ = images(model, 2)
    assert np.abs(model(x, 1, 0) - model(x, 2, 0)).max() > 1e-3
    assert np.abs(model(x, 1, 0) - model(x, 1, 1)).max() > 1e-3
    np.testing.assert_array_equal(model(x, 7, 1), model(x, np.array([7, 7]), [1, 1]))


def test_what_comes_third_is_the_first_field_that_the_network_takes() -> None:
    model = network(CASES["8 x 8"])
    x, t, told = images(model, 2)
    np.testing.assert_array_equal(model(x, t, told.labels), model(x, t, labels=told.labels))
    with pytest.raises(ValueError, match="labels: expected it once, got it by its place and by its name"):
        model(x, t, told.labels, labels=told.labels)
    model = network(CASES["states"] | dict(num_class_embeds=None))
    x, t, told = images(model, 2)
    np.testing.assert_array_equal(model(x, t, told.states), model(x, t, states=told.states))
    np.testing.assert_array_equal(model(x, t, told.states, mask=told.mask), model(x, t, **told._asdict()))


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_float32_is_float64_but_for_rounding(backend: Any) -> None:
    double = network(CASES["6 x 10, halved to odd sizes, pad (0, 1)"])
    single = network(CASES["6 x 10, halved to odd sizes, pad (0, 1)"], dtype=np.float32)
    x, t, told = images(double)
    eps = single(x, t, told.labels, backend=backend)
    assert eps.dtype == np.float32
    np.testing.assert_allclose(eps, double(x, t, told.labels), rtol=0, atol=2e-5)


def test_a_new_network_answers_zero_and_its_weights_are_of_variance_one_over_inputs() -> None:
    model = UNet(
        sample_size=16, in_channels=1, out_channels=1, num_class_embeds=11, block_out_channels=(32, 64, 64, 64)
    )
    x, t, told = images(model)
    np.testing.assert_array_equal(model(x, t, told.labels), np.zeros_like(x))
    for name, values in model.params.items():
        if name.endswith("bias") or name == "conv_out.weight":
            assert not values.any(), name
        elif values.ndim == 1:
            assert (values == 1.0).all(), name
        else:
            inputs = 1 if name == "class_embedding.weight" else values[0].size
            assert abs(values.std() * np.sqrt(inputs) - 1.0) < 5.0 / np.sqrt(2.0 * values.size), name  # five errors
    first, second = (model.params[f"mid_block.resnets.{k}.conv1.weight"].ravel() for k in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 5.0 / np.sqrt(first.size)


def test_the_attributes_and_the_config_make_the_same_network_again() -> None:
    model = UNet(**CASES["6 x 10, halved to odd sizes, pad (0, 1)"])
    assert model.shape == (2, 6, 10)
    assert model.shift.shape == model.scale.shape == model.shape
    assert (model.null_label, UNet(**CASES["a variance head"]).null_label) == (2, None)
    again = UNet(**model.options)
    assert again.config == model.config
    np.testing.assert_array_equal(again.buffer, model.buffer)
    assert repr(model).startswith("UNet(sample_size=(6, 10), in_channels=2, out_channels=2, ")
    assert repr(model).endswith(f": {model.buffer.size:,} parameters")


GOOD: dict[str, Any] = {"x": np.zeros((3, 2, 8, 8), np.float32), "t": 5, "labels": [0, 2, 1], "backend": "numba"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", np.zeros((3, 2, 8, 9))),
        ("x", np.zeros((2, 8, 8))),
        ("x", np.zeros((0, 2, 8, 8))),
        ("x", np.full((3, 2, 8, 8), np.nan)),
        ("x", None),
        ("t", -1),
        ("t", 1.5),
        ("t", [1, 2]),
        ("labels", None),
        ("labels", 3),
        ("labels", -1),
        ("labels", 0.5),
        ("labels", [0, 1]),
        ("labels", [[0, 1, 2]]),
        ("labels", [0, 1, 3]),
        ("labels", "cat"),
        ("labels", [True, False, True]),
        ("labels", []),
        ("labels", np.nan),
        ("backend", "torch"),
    ],
    ids=lambda value: str(value)[:20].replace("\n", ""),
)
def test_a_bad_call_is_refused_in_a_sentence_that_names_the_argument(name: str, value: Any) -> None:
    call = GOOD | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        UNet(**CASES["8 x 8"])(call["x"], call["t"], call["labels"], backend=call["backend"])


# An upsampler


def upsampler(**options: Any) -> UNet:
    return network(CASES["an upsampler"] | options, dtype=np.float32)


def test_an_upsampler_takes_the_image_to_go_by_as_a_condition_or_as_further_channels() -> None:
    model, rng = upsampler(), np.random.default_rng(0)
    assert (model.shape, model.learn_variance) == ((2, 8, 8), False)
    x, low = rng.normal(size=(2, 3, 2, 8, 8)).astype(np.float32)
    for backend in ("numba", "numpy"):
        found = model(np.concatenate([x, low], axis=1), 5, backend=backend)
        np.testing.assert_array_equal(found, model(x, 5, low_resolution=low, backend=backend))
        small = low[:, :, ::2, ::2]
        enlarged = model(x, 5, low_resolution=bicubic.forward(small, 8, 8), backend=backend)
        np.testing.assert_array_equal(model(x, 5, low_resolution=small, backend=backend), enlarged)
        assert (enlarged != found).any()


def test_an_upsampler_is_drawn_from_with_the_image_to_go_by() -> None:
    model, schedule = upsampler(), nd.Schedule.linear(T=5)
    low = np.random.default_rng(1).uniform(-1.0, 1.0, (3, 2, 4, 4)).astype(np.float32)
    told = nd.guided(model, nd.Condition(low_resolution=low), 0.0)
    found = nd.sample(told, schedule, 3, seed=2, progress=False)
    by_channels = lambda x, t: model(np.concatenate([x, bicubic.forward(low, 8, 8)], axis=1), t)  # noqa: E731
    np.testing.assert_array_equal(found, nd.sample(by_channels, schedule, 3, seed=2, shape=(2, 8, 8), progress=False))


@pytest.mark.parametrize("crop", [None, 4])
def test_an_upsampler_is_trained_on_parts_by_kernels_as_by_the_definition(crop: int | None) -> None:
    """And is never told nothing."""
    rng, found = np.random.default_rng(3), []
    x0, low = rng.uniform(-1.0, 1.0, (6, 2, 8, 8)), rng.uniform(-1.0, 1.0, (6, 2, 4, 4))
    for backend in ("numba", "numpy"):
        model = upsampler()
        run = nd.train(
            model,
            nd.Schedule.linear(T=20),
            x0,
            nd.Condition(low_resolution=low),
            steps=3,
            batch=4,
            learning_rate=1e-4,
            mirror=True,
            crop=crop,
            backend=backend,
            progress=False,
        )
        found.append((run.losses, model.buffer))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=0, atol=2e-4)
    assert not upsampler().label_dropout
    assert upsampler(num_class_embeds=3).label_dropout == {"labels": 0.1}


def test_what_an_upsampler_cannot_be_told_or_shown_is_named() -> None:
    model, x = upsampler(), np.zeros((3, 2, 8, 8), np.float32)
    with pytest.raises(ValueError, match=r"^low_resolution: expected 2 channels, got 3$"):
        model(x, 5, low_resolution=np.zeros((3, 4, 4)))
    with pytest.raises(ValueError, match=r"^low_resolution: expected one for all, or one for each of 3 samples"):
        model(x, 5)
    for options, crop, message in (
        ({}, 3, r"expected a multiple of 2 \(halved in each block\) up to 8, got 3"),
        ({}, 10, r"expected a multiple of 2 \(halved in each block\) up to 8, got 10"),
        ({"add_attention": True}, 4, "expected None, as the network has attention, got 4"),
        ({"in_channels": 2}, 4, "expected None, as the network goes by no low-resolution image, got 4"),
    ):
        with pytest.raises(ValueError, match=rf"^crop: {message}$"):
            upsampler(**options).check_crop(crop)
    with pytest.raises(ValueError, match=r"^low_resolution: expected height and width that divide those of x0"):
        nd.train(model, nd.Schedule.linear(T=5), x, nd.Condition(low_resolution=np.zeros((3, 2, 3, 3))), steps=1)

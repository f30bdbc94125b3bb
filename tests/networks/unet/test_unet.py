"""The U-Net: what each input reaches, its first weights, and what it does with bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.networks import check_network
from checks.unet import CASES, images, network

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

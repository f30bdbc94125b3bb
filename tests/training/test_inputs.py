"""The data and conditions of a run: units, ranges, what config.json says of them, and what is refused."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import numpy as np
import pytest
from checks.images import IMAGES, LABELS, unet
from checks.runs import X0, small
from checks.unclip import upsampler

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.training import inputs


def of_points(x0: Any) -> inputs.Data:
    return inputs.data(small(), x0, Condition())


def of_images(x0: Any = IMAGES, labels: Any = LABELS, model: Any = None) -> inputs.Data:
    return inputs.data(unet() if model is None else model, x0, Condition(labels=labels))


def test_points_are_standardised_coordinate_by_coordinate() -> None:
    found = of_points(X0)
    np.testing.assert_allclose(found.model.shift, X0.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.model.scale, X0.std(axis=0), rtol=1e-6)
    assert found.model.shift.dtype == found.model.scale.dtype == found.values.dtype == np.float32
    np.testing.assert_allclose(found.values.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(found.values.std(axis=0), 1.0, rtol=1e-6)
    twin = of_points(4.0 * X0)  # to the bit, for a power of two
    np.testing.assert_array_equal(twin.values, found.values)
    np.testing.assert_array_equal(twin.model.scale, 4.0 * found.model.scale)


@pytest.mark.parametrize("value", [0.1, 0.0, -1e30])
def test_constant_coordinate_has_scale_zero(value: float) -> None:
    found = of_points(np.column_stack([X0[:61, 0], np.full(61, value)]))
    assert found.model.scale[1] == 0.0
    assert found.model.shift[1] == np.float32(value)
    assert not found.values[:, 1].any()


def test_one_point_and_integers_will_do() -> None:
    found = of_points([[1, 2]])
    assert found.model.scale.tolist() == [0.0, 0.0]
    assert found.model.shift.tolist() == [1.0, 2.0]
    assert found.values.tolist() == [[0.0, 0.0]]


def test_a_constant_leaves_the_checksum_that_older_runs_have() -> None:
    x0 = np.column_stack([X0[:, 0], np.full(64, 3.0)]).astype(np.float32)
    found = of_points(x0)
    total = hashlib.sha256(np.float32([x0[:, 0].astype(np.float64).mean(), 3.0]).tobytes())
    total.update(np.float32([x0[:, 0].astype(np.float64).std(), 1.0]).tobytes())
    total.update(found.values.tobytes())
    assert found.origin(None)["sha256"] == total.hexdigest()


SECONDS = 1.7e9 + np.arange(500) * 2.0  # since 1970: in float32 there are 14 of them


def test_numbers_that_float32_cannot_tell_apart_are_standardised_in_float64() -> None:
    found = of_points(np.column_stack([SECONDS, np.arange(500) % 7]))
    assert found.model.shift.dtype == found.model.scale.dtype == np.float64
    assert found.values.dtype == np.float32
    assert len(np.unique(found.values[:, 0])) == 500
    np.testing.assert_allclose(found.values.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(found.values.std(axis=0), 1.0, rtol=1e-6)


@pytest.mark.parametrize("column", [SECONDS, SECONDS.astype(np.int64), 1e-45 * SECONDS, 1e-60 * X0[:, 0]])
def test_whatever_the_numbers_are_they_are_told_apart(column: np.ndarray) -> None:
    found = of_points(np.column_stack([column, np.arange(len(column))]))
    assert len(np.unique(found.values[:, 0])) == len(np.unique(column))
    np.testing.assert_allclose(found.model.shift[0], column.mean(), rtol=1e-15)


EVEN = X0.astype(np.float64) / X0.std(axis=0)


@pytest.mark.parametrize("x0", [np.pi * EVEN, 1000.0 + EVEN, 1e5 - 100.0 * EVEN])
def test_other_float64_is_rounded_first_as_it_always_was(x0: np.ndarray) -> None:
    found, rounded = of_points(x0), of_points(np.float32(x0))
    assert found.model.shift.dtype == np.float32
    np.testing.assert_array_equal(found.values, rounded.values)
    assert found.origin(None) == rounded.origin(None)


def test_images_are_taken_as_they_are() -> None:
    model = unet()
    model.shift[:], model.scale[:] = 3.0, 2.0
    found = of_images(model=model)
    assert not found.model.shift.any()
    assert (found.model.scale == 1.0).all()
    assert found.model.shift.shape == found.model.scale.shape == (1, 4, 4)
    np.testing.assert_array_equal(found.values, IMAGES)


@pytest.mark.filterwarnings("error")
def test_rounding_is_no_reason_to_refuse_an_image() -> None:
    x0 = IMAGES.copy()
    x0[0, 0, 0, :2] = 1.000001, -1.000001
    np.testing.assert_array_equal(of_images(x0).values, x0)


def test_the_model_is_copied_and_the_callers_left_alone() -> None:
    model = small()
    found = inputs.data(model, X0, Condition())
    assert not np.shares_memory(found.model.buffer, model.buffer)
    assert (model.scale == 1.0).all()


def test_config_json_tells_another_value_unit_order_and_label_apart() -> None:
    found = [of_points(x0).origin(None)["sha256"] for x0 in (X0, X0.copy(), 4.0 * X0, X0[::-1], X0[:63])]
    assert found[0] == found[1]
    assert len(set(found)) == 4
    assert of_points(X0).origin("spiral") | {"sha256": ""} == {"name": "spiral", "shape": [64, 2], "sha256": ""}
    told = of_images().origin(None)
    assert (told["shape"], told["labels"]) == ([12, 1, 4, 4], [4, 4, 4])
    assert told["sha256"] != of_images(labels=LABELS[::-1].copy()).origin(None)["sha256"]
    assert "labels" not in of_images(labels=None, model=unet(None)).origin(None)
    with pytest.raises(ValueError, match=r"^data_name: expected "):
        of_points(X0).origin(3)  # type: ignore[arg-type]


# What will not do

BAD: list[tuple[str, Any, str]] = [
    ("model", unet(dtype=np.float64), "model: expected float32 weights, got float64"),
    ("model", lambda x, t: x, "model: expected a network such as MLP or UNet, got function"),
    ("x0", 1.5 * np.abs(IMAGES), r"x0: expected images with values in -1\.\.1, black to white, got "),
    ("x0", 255.0 * np.abs(IMAGES), r"x0: expected images with values in -1\.\.1, black to white, got "),
    ("x0", np.rint(127.0 * IMAGES), r"x0: expected images with values in -1\.\.1, black to white, got -"),
    (
        "x0",
        np.rint(127.0 * IMAGES).astype(np.int8),
        r"x0: expected images with values in -1\.\.1, black to white, got -",
    ),
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
]


@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_bad_arguments_are_named(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}") as caught:
        of_images(**{name: value})
    assert "\n" not in str(caught.value)


def test_a_network_without_classes_takes_no_labels() -> None:
    with pytest.raises(ValueError, match=r"^labels: expected None, as the network has no classes, got some$"):
        of_images(model=unet(None))


def test_latents_may_have_any_values_and_stay_as_they_are() -> None:
    """They have neither one channel nor three."""
    model = unet(classes=None, in_channels=4, out_channels=4)
    z = 9.0 * np.random.default_rng(0).normal(size=(3, *model.shape)).astype(np.float32)
    found = inputs.data(model, z, Condition())
    np.testing.assert_array_equal(found.values, z)
    np.testing.assert_array_equal(found.model.scale, np.ones(model.shape))


@pytest.mark.parametrize("channels", [1, 3])
def test_latents_of_as_many_channels_as_pictures_are_told_from_pixels(channels: int) -> None:
    """They lie on both sides of 0 and are no whole numbers; that they are taken for latents is said."""
    model = unet(classes=None, in_channels=channels, out_channels=channels)
    z = 9.0 * np.random.default_rng(0).normal(size=(3, *model.shape)).astype(np.float32)
    sentence = (
        rf"^x0: values beyond -1\.\.1, {z.min():g}\.\.{z.max():g}, are taken for latents: pictures are expected in"
    )
    with pytest.warns(UserWarning, match=sentence):
        found = inputs.data(model, z, Condition())
    np.testing.assert_array_equal(found.values, z)
    np.testing.assert_array_equal(found.model.scale, np.ones(model.shape))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inputs.data(model, np.clip(z, -1.0, 1.0), Condition())


def test_latents_to_go_by_are_told_from_pixels_too() -> None:
    x0, low = np.zeros((2, 3, 16, 16)), np.random.default_rng(0).normal(size=(2, 3, 8, 8))
    with pytest.warns(UserWarning, match=r"^low_resolution: values beyond -1\.\.1, .* are taken for latents"):
        inputs.data(upsampler(), x0, Condition(low_resolution=low))


def test_images_to_go_by_are_refused_where_images_are() -> None:
    x0, low = np.zeros((2, 3, 16, 16)), np.zeros((2, 3, 8, 8))
    inputs.data(upsampler(), x0, Condition(low_resolution=low))
    with pytest.raises(
        ValueError, match=r"^low_resolution: expected images with values in -1\.\.1, .* got 127\.\.127$"
    ):
        inputs.data(upsampler(), x0, Condition(low_resolution=low + 127.0))
    latents = upsampler(in_channels=8, out_channels=4)
    inputs.data(latents, np.zeros((2, 4, 16, 16)), Condition(low_resolution=np.full((2, 4, 8, 8), 5.0)))

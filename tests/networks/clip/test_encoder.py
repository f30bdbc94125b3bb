"""What both encoders have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.clip import OPTIONS, encoder

from numpy_diffusion.layers import encoder_layer
from numpy_diffusion.layers.named import inside
from numpy_diffusion.networks.clip import encoder as encoders


def test_layers_follow_one_another() -> None:
    model = encoder(np.float64)
    h = np.random.default_rng(0).normal(size=(2, 3, 4))
    found, caches = encoders.forward(h, model.params, model.config, "text_model", None)
    for number in range(2):
        own = inside(model.params, f"text_model.encoder.layers.{number}")
        h, _ = encoder_layer.forward(h, own, 2, "quick_gelu", 1e-5)
    np.testing.assert_array_equal(found, h)
    assert len(caches) == 2


def test_parts_are_put_together_in_order() -> None:
    inputs = np.arange(2 * encoders.TOGETHER + 3)
    sizes = []

    def run(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes.append(len(part))
        return part, -part

    one, two = encoders.in_parts(run, inputs)
    np.testing.assert_array_equal(one, inputs)
    np.testing.assert_array_equal(two, -inputs)
    assert sizes == [encoders.TOGETHER, encoders.TOGETHER, 3]


def test_there_are_kernels_for_clips_own_activation_in_float32() -> None:
    found = [
        (act, dtype)
        for act in ("quick_gelu", "gelu", "gelu_new")
        for dtype in (np.float32, np.float64)
        if encoders.has_kernels(encoder(hidden_act=act).config, np.dtype(dtype))
    ]
    assert found == [("quick_gelu", np.float32)]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "part: expected a Mapping, got NoneType None"),
        (OPTIONS | dict(seed=3), "part: expected no seed, which is an argument beside it, got 3"),
        (dict(dtype="float32"), "part: expected no dtype, which is an argument beside it, got 'float32'"),
    ],
)
def test_a_part_has_options_alone(given: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        encoders.of_part("part", given)

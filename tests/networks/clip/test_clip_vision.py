"""CLIP's image encoder as what can be called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.clip import VISION, images, vision

from numpy_diffusion.networks.clip import encoder
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection


def test_images_become_embeddings() -> None:
    model = vision()
    found = model(images())
    assert (found.shape, found.dtype, model.shape) == ((3, 3), np.float32, (2, 4, 4))
    assert model(images().tolist()).tolist() == found.tolist()


def test_an_image_has_its_own_embedding_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = vision(np.float64), images(5, np.float64)
    whole = model(x)
    monkeypatch.setattr(encoder, "TOGETHER", 2)
    np.testing.assert_allclose(model(x), whole, rtol=1e-12, atol=1e-14)
    for n in range(5):
        np.testing.assert_allclose(model(x[n : n + 1])[0], whole[n], rtol=1e-12, atol=1e-14)


def test_the_first_weights_have_the_deviations_of_the_fields_class() -> None:
    options = dict(hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4)
    model = CLIPVisionWithProjection(**options, image_size=32, patch_size=4, seed=1)
    expected = {
        "vision_model.embeddings.class_embedding": 1 / 8,
        "vision_model.embeddings.patch_embedding.weight": 0.02,
        "vision_model.embeddings.position_embedding.weight": 0.02,
        "vision_model.encoder.layers.1.self_attn.q_proj.weight": 1 / 16,
        "vision_model.encoder.layers.1.self_attn.out_proj.weight": 1 / 8,
        "vision_model.encoder.layers.1.mlp.fc1.weight": 128**-0.5,
        "vision_model.encoder.layers.1.mlp.fc2.weight": 1 / 16,
        "visual_projection.weight": 1 / 8,
    }
    for name, deviation in expected.items():
        values = model.params[name]
        error = deviation / np.sqrt(2 * values.size)  # a deviation's standard error
        assert abs(values.std() - deviation) < 5 * error, name
        assert abs(values.mean()) < 5 * deviation / np.sqrt(values.size), name
    for name, values in model.params.items():
        if "norm" in name or name.endswith("bias"):
            assert (values == name.endswith("weight")).all(), name


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ValueError, match=r"^width: expected an option of CLIPVisionConfig, got one that it does not"):
        CLIPVisionWithProjection(width=3)
    assert vision().options == VISION | dict(hidden_act="quick_gelu", layer_norm_eps=1e-5)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.zeros((1, 3, 4, 4)), r"x: expected shape \[N, 2, 4, 4\], got \[1, 3, 4, 4\]"),
        (np.zeros((0, 2, 4, 4)), r"x: expected at least one value"),
        (np.full((1, 2, 4, 4), np.nan), "x: expected finite values"),
        ("a red plane", "x: expected real numbers"),
    ],
)
def test_what_are_no_images_is_one_sentence(x: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        vision()(x)

"""The image encoder's options: their bounds, and the parameters that follow."""

from __future__ import annotations

import re
from typing import Any

import pytest
from checks.clip import VISION

from numpy_diffusion.networks.clip.vision_config import SIZES, CLIPVisionConfig, shapes


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        *((name, 0, f"{name}: expected an integer of at least 1, got 0") for name in SIZES if "layers" not in name),
        ("num_hidden_layers", 0, "num_hidden_layers: expected an integer in 1..10000, got 0"),
        ("num_attention_heads", 4, "num_attention_heads: expected a divisor of hidden_size 6, got 4"),
        ("patch_size", 3, "patch_size: expected a divisor of image_size 4, got 3"),
        (
            "hidden_act",
            "relu",
            "hidden_act: expected one of 'quick_gelu', 'gelu', 'gelu_new', got str 'relu'; did you mean 'gelu'?",
        ),
        ("layer_norm_eps", -1e-5, "layer_norm_eps: expected a finite number of at least 0.0, got -1e-05"),
        ("image_size", [4, 4], "image_size: expected an integer of at least 1, got list [4, 4]"),
    ],
)
def test_a_value_out_of_range_is_one_sentence(option: str, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        CLIPVisionConfig(**VISION | {option: value})


def test_the_parameters_are_those_of_the_fields_files() -> None:
    found = shapes(CLIPVisionConfig(**VISION))
    assert found["vision_model.embeddings.class_embedding"] == (6,)
    assert found["vision_model.embeddings.patch_embedding.weight"] == (6, 2, 2, 2)
    assert found["vision_model.embeddings.position_embedding.weight"] == (5, 6)
    for name in ("pre_layrnorm", "post_layernorm", "encoder.layers.1.layer_norm2"):
        assert found[f"vision_model.{name}.weight"] == found[f"vision_model.{name}.bias"] == (6,)
    assert found["vision_model.encoder.layers.1.mlp.fc1.weight"] == (5, 6)
    assert found["visual_projection.weight"] == (3, 6)
    assert len(found) == 3 + 4 + 2 * 16 + 1

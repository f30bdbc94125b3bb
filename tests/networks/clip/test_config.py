"""The text encoder's options: their defaults, their bounds, and the parameters that follow."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from checks.clip import OPTIONS

from numpy_diffusion.networks.clip.config import CLIPTextConfig, CLIPTextProjectionConfig, shapes


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("vocab_size", 0, "vocab_size: expected an integer of at least 1, got 0"),
        ("hidden_size", 4.0, "hidden_size: expected an integer of at least 1, got float 4.0"),
        ("intermediate_size", None, "intermediate_size: expected an integer of at least 1, got NoneType None"),
        ("num_hidden_layers", -1, "num_hidden_layers: expected an integer in 1..10000, got -1"),
        ("num_hidden_layers", 10**20, f"num_hidden_layers: expected an integer in 1..10000, got {10**20}"),
        ("num_attention_heads", 3, "num_attention_heads: expected a divisor of hidden_size 4, got 3"),
        ("max_position_embeddings", True, "max_position_embeddings: expected an integer of at least 1, got True"),
        ("hidden_act", 3, "hidden_act: expected one of 'quick_gelu', 'gelu', 'gelu_new', got int 3"),
        ("layer_norm_eps", -1e-5, "layer_norm_eps: expected a finite number of at least 0.0, got -1e-05"),
        ("eos_token_id", [2], "eos_token_id: expected an integer of at least 0, got list [2]"),
    ],
)
def test_a_value_out_of_range_is_one_sentence(option: str, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        CLIPTextConfig(**OPTIONS | {option: value})


def test_the_parameters_are_those_of_the_fields_files() -> None:
    found = shapes(CLIPTextConfig(**OPTIONS))
    assert found["text_model.embeddings.token_embedding.weight"] == (7, 4)
    assert found["text_model.embeddings.position_embedding.weight"] == (5, 4)
    assert found["text_model.final_layer_norm.weight"] == found["text_model.final_layer_norm.bias"] == (4,)
    for number in range(2):
        start = f"text_model.encoder.layers.{number}"
        for name, shape in {
            "self_attn.q_proj": (4, 4),
            "self_attn.k_proj": (4, 4),
            "self_attn.v_proj": (4, 4),
            "self_attn.out_proj": (4, 4),
            "mlp.fc1": (5, 4),
            "mlp.fc2": (4, 5),
            "layer_norm1": (4,),
            "layer_norm2": (4,),
        }.items():
            assert found[f"{start}.{name}.weight"] == shape
            assert found[f"{start}.{name}.bias"] == shape[:1]
    assert len(found) == 2 + 2 * 16 + 2


def test_it_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        CLIPTextConfig().hidden_size = 3  # type: ignore[misc]


def test_a_projection_is_one_parameter_more() -> None:
    plain, projecting = (
        shapes(CLIPTextConfig(**OPTIONS)),
        shapes(CLIPTextProjectionConfig(**OPTIONS, projection_dim=3)),
    )
    assert projecting == plain | {"text_projection.weight": (3, 4)}

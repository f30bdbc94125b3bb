"""The prior's options: their defaults, their bounds, and the parameters that follow."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from checks.priors import OPTIONS

from numpy_diffusion.networks.prior.config import PriorConfig, block_name, shapes


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("num_attention_heads", 0, "num_attention_heads: expected an integer of at least 1, got 0"),
        ("attention_head_dim", 4.0, "attention_head_dim: expected an integer of at least 1, got float 4.0"),
        ("num_layers", None, "num_layers: expected an integer in 1..10000, got NoneType None"),
        ("num_layers", 10**20, "num_layers: expected an integer in 1..10000, got 1"),
        ("embedding_dim", -1, "embedding_dim: expected an integer of at least 1, got -1"),
        ("num_embeddings", True, "num_embeddings: expected an integer of at least 1, got True"),
        ("time_embed_dim", 0, "time_embed_dim: expected an integer of at least 1, got 0"),
        ("embedding_proj_dim", "4", "embedding_proj_dim: expected an integer of at least 1, got str '4'"),
        ("clip_embed_dim", 5, "clip_embed_dim: expected embedding_dim = 4 or None, got 5: what is predicted"),
        ("additional_embeddings", 0, "additional_embeddings: expected 4, got 0: behind the text come its"),
        ("dropout", 0.1, "dropout: expected 0.0, got 0.1: no activation is dropped here"),
        ("dropout", False, "dropout: expected 0.0, got False"),
        ("time_embed_act_fn", "gelu", "time_embed_act_fn: expected 'silu', got 'gelu': there is no other"),
        ("norm_in_type", "layer", "norm_in_type: expected None, got 'layer': there is no norm before the blocks"),
        ("embedding_proj_norm_type", "layer", "embedding_proj_norm_type: expected None, got 'layer': there is no"),
        ("encoder_hid_proj_type", None, "encoder_hid_proj_type: expected 'linear', got None: the text's states"),
        ("added_emb_type", None, "added_emb_type: expected 'prd', got None: the prediction is read off a token"),
    ],
)
def test_a_value_that_there_is_not_is_one_sentence(option: str, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        PriorConfig(**OPTIONS | {option: value})


def test_what_is_left_to_the_others() -> None:
    config = PriorConfig(num_attention_heads=3, attention_head_dim=5, embedding_dim=7, clip_embed_dim=7)
    assert (config.width, config.text_dim, config.time_embed_dim) == (15, 7, None)
    assert shapes(config)["time_embedding.linear_1.weight"] == (15, 15)
    assert shapes(config)["proj_to_clip_embeddings.weight"] == (7, 15)


def test_the_parameters_are_those_of_the_fields_files() -> None:
    found = shapes(PriorConfig(**OPTIONS))
    assert found["positional_embedding"] == (1, 9, 6)
    assert found["prd_embedding"] == (1, 1, 6)
    expected = {
        "time_embedding.linear_1": (7, 6),
        "time_embedding.linear_2": (6, 7),
        "proj_in": (6, 4),
        "embedding_proj": (6, 3),
        "encoder_hidden_states_proj": (6, 4),
        "norm_out": (6,),
        "proj_to_clip_embeddings": (4, 6),
    }
    for number in range(2):
        start = block_name(number)
        expected |= {f"{start}.norm1": (6,), f"{start}.norm3": (6,), f"{start}.ff.net.0.proj": (24, 6)}
        expected |= {f"{start}.attn1.{part}": (6, 6) for part in ("to_q", "to_k", "to_v", "to_out.0")}
        expected |= {f"{start}.ff.net.2": (6, 24)}
    for name, shape in expected.items():
        assert found[f"{name}.weight"] == shape, name
        assert found[f"{name}.bias"] == shape[:1], name
    assert len(found) == 2 + 2 * len(expected)


def test_it_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        PriorConfig().num_layers = 3  # type: ignore[misc]

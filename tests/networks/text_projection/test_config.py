"""The projection's options and the shapes of its parameters."""

from __future__ import annotations

import pytest

from numpy_diffusion.models import parameters
from numpy_diffusion.networks.text_projection.config import TextProjectionConfig, shapes


def test_the_parameters_of_karlos() -> None:
    found = shapes(TextProjectionConfig(clip_embeddings_dim=768, time_embed_dim=1280, cross_attention_dim=1536))
    assert found["learned_classifier_free_guidance_embeddings"] == (768,)
    assert found["clip_extra_context_tokens_proj.weight"] == (4 * 1536, 768)
    assert found["encoder_hidden_states_proj.weight"] == (1536, 768)
    rows = 2 * 1280 + 4 * 1536 + 1536  # of the layers, each with a bias
    assert parameters.size(found) == 769 * rows + 768 + 2 * 1536


@pytest.mark.parametrize("name", TextProjectionConfig.__dataclass_fields__)
def test_each_field_is_a_positive_integer(name: str) -> None:
    for value in (0, -1, 2.5, "4"):
        with pytest.raises(ValueError, match=rf"^{name}: expected an integer"):
            TextProjectionConfig(**{"time_embed_dim": 8, "cross_attention_dim": 4} | {name: value})

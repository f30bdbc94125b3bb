"""The text projection as what can be called."""

from __future__ import annotations

import numpy as np
import pytest
from checks.text_projection import OPTIONS, given, projection

from numpy_diffusion.networks.text_projection.config import LEARNED
from numpy_diffusion.networks.text_projection.text_projection import TextProjection

MASK = np.array([[True, True, False, True]] * 2 + [[False] * 4])


def test_it_tells_an_embedding_and_states_with_their_mask() -> None:
    model, inputs = projection(), given()
    told = model(inputs["image"], inputs["text"], inputs["states"], MASK)
    states, embedding, _ = model.forward(model.params, **inputs)
    np.testing.assert_array_equal(told.states, states)
    np.testing.assert_array_equal(told.embedding, embedding)
    np.testing.assert_array_equal(told.mask, np.concatenate([np.ones((3, 2), bool), MASK], axis=1))
    assert model(inputs["image"], inputs["text"], inputs["states"]).mask.all()


def test_one_value_stands_for_all_samples_and_none_for_no_picture() -> None:
    model, inputs = projection(), given()
    told = model(None, inputs["text"][0], inputs["states"])
    wanted = model(np.zeros((3, 5)), inputs["text"][[0, 0, 0]], inputs["states"])
    for name, values in wanted.arguments().items():
        np.testing.assert_array_equal(told.arguments()[name], values)
    assert len(model(None, inputs["text"][0], inputs["states"][0]).states) == 1


def test_the_first_weights_have_variance_1_over_inputs() -> None:
    model = TextProjection(clip_embeddings_dim=64, time_embed_dim=64, cross_attention_dim=32, seed=1)
    for name, values in model.params.items():
        if name.endswith("proj.weight"):
            assert abs(values.std() * 8 - 1) < 5 / np.sqrt(2 * values.size)
    assert (model.params["text_encoder_hidden_states_norm.weight"] == 1).all()
    assert not model.params[LEARNED].any()
    again = TextProjection(clip_embeddings_dim=64, time_embed_dim=64, cross_attention_dim=32, seed=1)
    np.testing.assert_array_equal(again.buffer, model.buffer)


def test_bad_arguments_are_named() -> None:
    for options, name in (
        ({"hidden_size": 3}, "hidden_size"),
        ({"time_embed_dim": 0}, "time_embed_dim"),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: expected"):
            TextProjection(**OPTIONS | options)
    for name in ("time_embed_dim", "cross_attention_dim"):
        with pytest.raises(ValueError, match=rf"^{name}: expected an integer of at least 1, got none"):
            TextProjection(**{other: value for other, value in OPTIONS.items() if other != name})
    model, inputs = projection(), given()
    for change, message in (
        ({"image": np.ones((3, 4))}, "embedding: expected clip_embeddings_dim = 5 numbers each, got 4"),
        ({"text": np.ones(4)}, "text_embedding: expected clip_embeddings_dim = 5 numbers each, got 4"),
        ({"states": np.ones((3, 4, 6))}, "states: expected clip_embeddings_dim = 5 numbers each, got 6"),
        ({"text": np.ones((2, 5))}, "condition: expected as many samples in each field"),
        ({"image": np.full((3, 5), np.nan)}, "embedding: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            model(*(inputs | change).values())

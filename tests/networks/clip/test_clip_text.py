"""CLIP's text encoder as what can be called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.clip import IDS, OPTIONS, encoder

from numpy_diffusion.data.words import WordTokenizer
from numpy_diffusion.models.parameterised import Parameterised
from numpy_diffusion.networks.clip.clip_text import CLIPText


def test_texts_become_states() -> None:
    tokenizer = WordTokenizer(("big", "plane", "red"))
    model = CLIPText(**OPTIONS | dict(vocab_size=5, max_position_embeddings=77, eos_token_id=tokenizer.end))
    ids = tokenizer(["big red plane", "plane"])
    states = model(ids)
    assert (states.shape, states.dtype) == ((2, 77, 4), np.float32)
    np.testing.assert_array_equal(model.pooled(ids), states[[0, 1], [4, 2]])
    assert isinstance(model, Parameterised)


def test_a_text_has_its_own_states() -> None:
    model = encoder(np.float64)
    states = model(IDS)
    for n in range(len(IDS)):
        np.testing.assert_allclose(model(IDS[n : n + 1])[0], states[n], rtol=1e-12, atol=1e-14)


def test_both_dtypes_agree() -> None:
    single, double = encoder(), encoder(np.float64)
    double.buffer[:] = single.buffer
    assert double(IDS).dtype == np.float64
    np.testing.assert_allclose(single(IDS), double(IDS), rtol=0, atol=1e-5)


def test_the_first_weights_have_the_deviations_of_the_fields_class() -> None:
    model = CLIPText(vocab_size=200, hidden_size=64, intermediate_size=256, num_hidden_layers=2, seed=1)
    expected = {
        "embeddings.token_embedding": 0.02,
        "embeddings.position_embedding": 0.02,
        "encoder.layers.1.self_attn.q_proj": 1 / 16,
        "encoder.layers.1.self_attn.k_proj": 1 / 16,
        "encoder.layers.1.self_attn.v_proj": 1 / 16,
        "encoder.layers.1.self_attn.out_proj": 1 / 8,
        "encoder.layers.1.mlp.fc1": 128**-0.5,
        "encoder.layers.1.mlp.fc2": 1 / 16,
    }
    for name, deviation in expected.items():
        values = model.params[f"text_model.{name}.weight"]
        error = deviation / np.sqrt(2 * values.size)  # a deviation's standard error
        assert abs(values.std() - deviation) < 5 * error, name
        assert abs(values.mean()) < 5 * deviation / np.sqrt(values.size), name
    for name, values in model.params.items():
        if "norm" in name or name.endswith("bias"):
            assert (values == name.endswith("weight")).all(), name


def test_the_seed_decides() -> None:
    one, two, other = (CLIPText(**OPTIONS, seed=seed).buffer for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_it_says_what_it_is() -> None:
    assert repr(encoder()).startswith("CLIPText(vocab_size=7, hidden_size=4, ")
    assert encoder().options == OPTIONS | dict(hidden_act="quick_gelu", layer_norm_eps=1e-5)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ValueError, match=r"^width: expected an option of CLIPTextConfig, got one that it does not"):
        CLIPText(width=3)


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        ([[0.5]], r"ids: expected integers \[N, L\], got float64 of shape \[1, 1\]"),
        ([0, 1], r"ids: expected integers \[N, L\], got int64 of shape \[2\]"),
        (np.zeros((0, 3), int), r"ids: expected integers \[N, L\], got int64 of shape \[0, 3\]"),
        (np.zeros((1, 6), int), r"ids: expected at most 5 tokens a text, got 6"),
        ([[0, 7]], r"ids: expected numbers in 0\.\.6, got 0\.\.7"),
        ([[-1, 6]], r"ids: expected numbers in 0\.\.6, got -1\.\.6"),
        ("a red plane", r"ids: expected integers \[N, L\], got <U11 of shape \[\]"),
    ],
)
def test_what_are_no_ids_is_one_sentence(ids: Any, sentence: str) -> None:
    for call in (encoder(), encoder().pooled):
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            call(ids)

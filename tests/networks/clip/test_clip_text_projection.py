"""CLIP's text encoder with its projection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.clip import ENDS, IDS, PROJECTED, encoder, projecting
from checks.gradcheck import projected_errors, wrong

from numpy_diffusion.networks.clip import encoder as encoders
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection


def test_texts_become_embeddings_and_states() -> None:
    model = projecting()
    found = model(IDS)
    assert (found.embedding.shape, found.states.shape, found.states.dtype) == ((3, 3), (3, 4, 4), np.float32)
    pooled = found.states[np.arange(3), ENDS]
    np.testing.assert_allclose(found.embedding, pooled @ model.params["text_projection.weight"].T, rtol=1e-6)


def test_the_states_and_first_weights_are_those_of_the_encoder_without() -> None:
    plain, model = encoder(), projecting()
    plain.fill(model.params)
    np.testing.assert_array_equal(plain(IDS), model(IDS).states)
    plain, model = CLIPText(seed=3, **PROJECTED_WITHOUT), CLIPTextWithProjection(seed=3, **PROJECTED)
    np.testing.assert_array_equal(model.buffer[: plain.buffer.size], plain.buffer)
    wide = CLIPTextWithProjection(**PROJECTED | dict(hidden_size=64, projection_dim=200))
    assert wide.params["text_projection.weight"].std() == pytest.approx(1 / 8, rel=0.05)


PROJECTED_WITHOUT = {name: value for name, value in PROJECTED.items() if name != "projection_dim"}


@pytest.mark.parametrize("of_states", [False, True])
def test_the_gradient(of_states: bool) -> None:
    model, rng = projecting(np.float64), np.random.default_rng(1)
    dembedding = rng.normal(size=(3, 3))
    dstates = rng.normal(size=(3, 4, 4)) if of_states else None

    def loss() -> float:
        states, embedding, _ = model.forward(model.params, IDS)
        return float((dembedding * embedding).sum() + (0.0 if dstates is None else (dstates * states).sum()))

    found = model.backward(dstates, dembedding, model.forward(model.params, IDS)[2])
    assert wrong(projected_errors(loss, model.params, found)) == []


def test_many_texts_go_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = projecting(np.float64)
    whole = model(IDS)
    monkeypatch.setattr(encoders, "TOGETHER", 2)
    for one, two in zip(model(IDS), whole, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-14)


def test_what_is_behind_the_last_end_is_cut_off_and_changes_no_embedding() -> None:
    model = projecting(np.float64)
    ids = IDS[:, [0, 1, 2, 3, 3]]
    np.testing.assert_array_equal(model.cut(ids[:2]), ids[:2, :4])
    np.testing.assert_array_equal(model.cut(ids[[0, 2]]), ids[[0, 2], :3])
    np.testing.assert_allclose(model(model.cut(ids[[0, 2]])).embedding, model(ids[[0, 2]]).embedding, rtol=1e-12)
    long = np.concatenate([IDS, np.full((3, 9), 6)], axis=1)
    np.testing.assert_array_equal(model.cut(long), IDS)
    old = projecting(eos_token_id=2)
    np.testing.assert_array_equal(old.cut(ids), IDS)  # the end is the highest number


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        ([[0.5]], r"ids: expected integers \[N, L\], got float64 of shape \[1, 1\]"),
        ([["a", "plane"]], r"ids: expected integers \[N, L\], got <U5 of shape \[1, 2\]"),
        ([[5, 0, 0, 0, 0, 0, 6, 6]], "ids: expected at most 5 tokens a text, got 7"),
        ([[5, 0, 1], [5, 0, 6]], "ids: expected the end token 6 in each text, got 1 without it"),
        ([[5, 7, 6]], r"ids: expected numbers in 0\.\.6, got 5\.\.7"),
    ],
)
def test_what_are_no_ids_is_one_sentence(ids: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        projecting().cut(ids)


def test_options_have_their_bounds() -> None:
    with pytest.raises(ValueError, match=r"^projection_dim: expected an integer of at least 1, got 0$"):
        projecting(projection_dim=0)
    with pytest.raises(ValueError, match=r"^width: expected an option of CLIPTextProjectionConfig, got one"):
        projecting(width=1)
    assert repr(projecting()).startswith("CLIPTextWithProjection(vocab_size=7, ")

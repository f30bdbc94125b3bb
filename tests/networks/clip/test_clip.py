"""CLIP as one network with one buffer, and its parts as what can be called."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from checks.clip import IDS, PROJECTED, VISION, images, joint, projecting, vision

from numpy_diffusion.data.words import WordTokenizer
from numpy_diffusion.networks.clip import contrastive
from numpy_diffusion.networks.clip.clip import CLIP


def test_the_parts_are_views_of_the_whole() -> None:
    model = joint()
    for part in (model.image_encoder, model.text_encoder):
        assert np.shares_memory(part.buffer, model.buffer)
        for name, values in part.params.items():
            assert np.shares_memory(values, model.params[name])
    assert model.buffer.size == model.image_encoder.buffer.size + model.text_encoder.buffer.size + 1
    before = model.image_encoder(images())
    model.buffer += 0.1
    assert (model.image_encoder(images()) != before).any()


@pytest.mark.parametrize("copied", [CLIP.copy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_a_buffer_of_its_own_that_its_parts_share(copied: Any) -> None:
    model = joint()
    other = copied(model)
    before = model.similarity(images(), IDS)
    np.testing.assert_array_equal(other.similarity(images(), IDS), before)
    other.buffer[:] += 0.1
    assert np.abs(other.similarity(images(), IDS) - before).max() > 1e-4
    np.testing.assert_array_equal(model.similarity(images(), IDS), before)
    alone = model.text_encoder.copy()
    assert not np.shares_memory(alone.buffer, model.buffer)


def test_the_first_weights_are_those_of_the_parts() -> None:
    model = CLIP(image_encoder=VISION, text_encoder=PROJECTED, seed=3)
    for part, alone in ((model.image_encoder, type(vision())), (model.text_encoder, type(projecting()))):
        options = VISION if part is model.image_encoder else PROJECTED
        np.testing.assert_array_equal(part.buffer, alone(seed=3, **options).buffer)
    assert model.scale == pytest.approx(1.0 / 0.07)
    assert model.params["logit_scale"].shape == ()
    model.params["logit_scale"][...] = 9.0
    assert model.scale == pytest.approx(100.0)


def test_it_is_made_again_of_its_options() -> None:
    model = joint()
    again = CLIP(**model.options)
    assert again.config == model.config
    again.fill(model.params)
    np.testing.assert_array_equal(again.buffer, model.buffer)
    assert repr(model).splitlines()[0] == f"CLIP: {model.buffer.size:,} parameters"


def test_similarities_are_cosines() -> None:
    model = joint(np.float64)
    x = images(2, np.float64)
    found = model.similarity(x, IDS)
    assert found.shape == (2, 3)
    one, two = model.image_encoder(x), model.text_encoder(IDS).embedding
    for n, m in np.ndindex(2, 3):
        cosine = one[n] @ two[m] / np.linalg.norm(one[n]) / np.linalg.norm(two[m])
        assert found[n, m] == pytest.approx(cosine, rel=1e-12)


def test_captions_are_texts_too() -> None:
    """Though a tokenizer's rows are far longer than the encoder has places."""
    model, tokenizer = joint(), WordTokenizer(("a", "big", "plane", "red", "tank"))
    captions = ["a red plane", "tank"]
    found = model.similarity(images(), captions, tokenizer)
    np.testing.assert_array_equal(found, model.similarity(images(), tokenizer(captions)))
    np.testing.assert_allclose(found[:, 1:], model.similarity(images(), "tank", tokenizer), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"^texts: expected at most 5 tokens a text, got 6$"):
        model.similarity(images(), "a big red tank", tokenizer)
    with pytest.raises(ValueError, match=r"^images: expected shape \[N, 2, 4, 4\], got \[3, 2, 4, 3\]$"):
        model.similarity(images()[..., :3], captions, tokenizer)
    with pytest.raises(ValueError, match=r"^texts: expected integers \[N, L\], got <U11 of shape \[2\]$"):
        model.similarity(images(), captions)


def test_options_that_do_not_go_together_are_named() -> None:
    for options, message in (
        (dict(text_encoder=PROJECTED | dict(projection_dim=4)), "text_encoder: expected projection_dim = 3 as in"),
        (dict(text_encoder=None), "text_encoder: expected a Mapping, got NoneType"),
        (dict(image_encoder=VISION | dict(seed=1)), "image_encoder: expected no seed"),
        (dict(image_encoder=VISION | dict(width=1)), "width: expected an option of CLIPVisionConfig"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            CLIP(**dict(image_encoder=VISION, text_encoder=PROJECTED) | options)


def test_the_gradient_is_in_the_order_of_the_buffer() -> None:
    model = joint()
    losses, slope = model.gradient(3, "numpy")(model.buffer, images(), IDS)
    assert (losses.shape, slope.shape, slope.dtype) == ((3,), model.buffer.shape, np.float32)
    embeddings = model.image_encoder(images()), model.text_encoder(IDS).embedding
    s = model.params["logit_scale"]
    assert slope[-1] == pytest.approx(contrastive.backward(contrastive.forward(*embeddings, s)[1])[2], rel=1e-4)

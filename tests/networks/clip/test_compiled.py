"""CLIP's encoders in kernels: which parameters the kernels take, and when these are laid out again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.clip import IDS, images, joint, projecting, vision

from numpy_diffusion.kernels.backend import backend
from numpy_diffusion.models.shares import share
from numpy_diffusion.networks.clip import compiled


@pytest.mark.parametrize("make", [vision, projecting])
def test_the_start_and_the_rest_are_all_parameters(make: Any) -> None:
    model = make()
    encoder, start = compiled.Encoder(model.config, share(2, 2)), compiled.Start(model.config)
    assert encoder.size == model.buffer.size
    first = list(model.params)[: len(start.shapes)]
    assert list(start.shapes) == first
    assert first[-1].endswith("position_embedding.weight")


def test_an_encoders_way_back_is_the_definitions() -> None:
    """By itself, from any gradient by its embeddings."""
    for model, given in ((vision(), images()), (projecting(), IDS)):
        slope = np.random.default_rng(3).normal(size=(3, 3)).astype(np.float32)
        encoder = compiled.Encoder(model.config, share(3, 3))
        found = encoder.forward(model.buffer, given)
        *_, embedding, caches = model.forward(model.params, given)
        np.testing.assert_allclose(found, embedding, rtol=0, atol=1e-5)
        grads = model.backward(slope, caches)[1] if given is not IDS else model.backward(None, slope, caches)
        expected = np.concatenate([grads[name].ravel() for name in model.params])
        np.testing.assert_allclose(encoder.backward(slope), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_texts_and_images_become_embeddings_by_themselves() -> None:
    for model, given in ((vision(), images()), (projecting(), IDS)):
        found, _ = compiled.embeddings(model.config, model.buffer, None, given)
        *_, embedding, _ = model.forward(model.params, given)
        np.testing.assert_allclose(found, embedding, rtol=0, atol=1e-5)


def test_the_kernels_follow_the_weights() -> None:
    model, x = vision(), images()
    _, known = compiled.embeddings(model.config, model.buffer, None, x)
    assert compiled.embeddings(model.config, model.buffer, known, x)[1] is known
    before = model(x)
    model.params["visual_projection.weight"][0] += 1.0
    changed = np.abs(model(x) - before).max(axis=0)
    assert (changed > 1e-3).tolist() == [True, False, False]


def test_where_there_are_no_kernels_the_definition_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: Any) -> None:
        raise AssertionError("a kernel was asked for")

    monkeypatch.setattr(compiled, "embeddings", refused)
    monkeypatch.setattr(compiled, "gradients", refused)
    for model in (joint(np.float64), joint(hidden_act="gelu")):
        model.gradient(3, "numba")(model.buffer, images(dtype=model.buffer.dtype), IDS)
        model.image_encoder(images())
    with backend("numpy"):
        joint().similarity(images(), IDS)
    joint().gradient(3, "numpy")(joint().buffer, images(), IDS)
    with pytest.raises(AssertionError):
        joint().image_encoder(images())

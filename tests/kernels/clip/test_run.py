"""CLIP's encoders in kernels: outputs and gradients of the definition, in bits that no batch or thread changes."""

from __future__ import annotations

import hashlib

import numpy as np
from checks.clip import IDS, images, options_of_both
from checks.threads import digests
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.networks.clip.clip import CLIP


def made(seed: int = 0, **options: int) -> CLIP:
    model = CLIP(**options_of_both(**options))
    model.buffer += 0.2 * np.random.default_rng(seed).normal(size=model.buffer.size).astype(np.float32)
    return model


def shown(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Images, and texts that end at different places."""
    return images(n), np.resize(IDS, (n, 4))


@st.composite
def models(draw: st.DrawFn) -> CLIP:
    heads = draw(st.integers(1, 3))
    sizes = dict(heads=heads, width=heads * draw(st.sampled_from([3, 4, 16])), layers=draw(st.integers(1, 3)))
    more = dict(intermediate_size=draw(st.sampled_from([1, 7, 40])), projection_dim=draw(st.sampled_from([2, 33])))
    return made(draw(st.integers(0, 1000)), **sizes, **more)


@settings(deadline=None, max_examples=10)
@given(models(), st.integers(1, 9))
def test_losses_and_gradient_are_the_definitions(model: CLIP, n: int) -> None:
    x, ids = shown(n)
    losses, slope = model.gradient(n, "numba")(model.buffer, x, ids)
    wanted, expected = model.gradient(n, "numpy")(model.buffer, x, ids)
    np.testing.assert_allclose(losses, wanted, rtol=0, atol=2e-5 * (1.0 + wanted.max()))
    np.testing.assert_allclose(slope, expected, rtol=0, atol=3e-5 * (np.abs(expected).max() + 0.01))


@settings(deadline=None, max_examples=6)
@given(models(), st.integers(1, 5))
def test_embeddings_are_the_definitions(model: CLIP, n: int) -> None:
    x, _ = shown(n)
    wanted = model.image_encoder(x, backend="numpy")
    np.testing.assert_allclose(model.image_encoder(x), wanted, rtol=0, atol=1e-5 * (1.0 + np.abs(wanted).max()))


def test_an_image_has_the_same_bits_in_any_batch() -> None:
    model, (x, _) = made(), shown(5)
    whole = model.image_encoder(x)
    for n in range(5):
        np.testing.assert_array_equal(model.image_encoder(x[n : n + 1])[0], whole[n])


def test_what_is_behind_a_texts_end_changes_no_bit() -> None:
    model, (x, ids) = made(), shown(3)
    gradient = model.gradient(3, "numba")
    losses, slope = gradient(model.buffer, x, ids)
    behind = np.arange(4) > np.argmax(ids == 6, axis=1)[:, None]
    assert behind.any()
    other = np.where(behind, 2, ids)
    again = gradient(model.buffer, x, np.concatenate([other, np.full((3, 1), 2)], axis=1))
    np.testing.assert_array_equal(again[0], losses)
    # A token's rows of gradients of 0 are added to others, which changes at most a sign of 0.
    np.testing.assert_array_equal(again[1], slope)


def test_a_second_batch_knows_nothing_of_the_first() -> None:
    model, (x, ids) = made(), shown(6)
    gradient = model.gradient(3, "numba")
    first = [values.copy() for values in gradient(model.buffer, x[:3], ids[:3])]
    gradient(model.buffer, x[3:], ids[[4, 3, 5]])
    for one, two in zip(gradient(model.buffer, x[:3], ids[:3]), first, strict=True):
        np.testing.assert_array_equal(one, two)


def digest() -> str:
    total, model = hashlib.sha256(), made(width=32, layers=2)
    for n in (3, 70):
        x, ids = shown(n)
        for values in (*model.gradient(n, "numba")(model.buffer, x, ids), model.image_encoder(x)):
            total.update(values.tobytes())
    return total.hexdigest()


def test_the_same_bits_on_any_number_of_threads() -> None:
    found = digests(__file__)
    assert len(set(found)) == 1
    assert found[0] == digest()

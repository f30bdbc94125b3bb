"""CLIP's loss: against its formula written out, its gradient, and where a softmax overflows."""

from __future__ import annotations

import numpy as np
import pytest
from checks.gradcheck import errors, wrong
from checks.layer_gradients import drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.networks.clip import contrastive


def embeddings(N: int = 4, D: int = 3) -> dict[str, np.ndarray]:
    return drawn(N + 10 * D, images=(N, D), texts=(N, D)) | {"s": np.array(0.7)}


def test_it_is_figure_3() -> None:
    """Written as there: both cross-entropies, of logits that are temperatured products of unit vectors."""
    images, texts, s = embeddings().values()
    I_e, T_e = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (images, texts))
    logits = I_e @ T_e.T * np.exp(s)

    def cross_entropy(logits: np.ndarray) -> np.ndarray:
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -np.log(np.diagonal(chances))

    losses, _ = contrastive.forward(images, texts, s)
    expected = (cross_entropy(logits) + cross_entropy(logits.T)) / 2.0
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


@settings(deadline=None, max_examples=10)
@given(N=st.integers(1, 4), D=st.integers(2, 4))
def test_the_gradient(N: int, D: int) -> None:
    arrays = embeddings(N, D)
    loss = lambda: float(contrastive.forward(**arrays)[0].mean())  # noqa: E731
    found = contrastive.backward(contrastive.forward(**arrays)[1])
    assert wrong(errors(loss, arrays, dict(zip(arrays, found, strict=True)))) == []


def test_alone_there_is_nothing_to_tell_apart() -> None:
    losses, cache = contrastive.forward(**embeddings(1))
    assert losses.tolist() == [0.0]
    assert all(not np.any(np.abs(slope) > 1e-15) for slope in contrastive.backward(cache))


def test_the_scale_ends_at_100() -> None:
    arrays = embeddings()
    bounded = contrastive.forward(**arrays | {"s": np.array(contrastive.LARGEST)})[0]
    np.testing.assert_array_equal(contrastive.forward(**arrays | {"s": np.array(9.0)})[0], bounded)
    assert contrastive.forward(**arrays)[1].scale == np.exp(0.7)
    assert np.isclose(np.exp(contrastive.FIRST), 1.0 / 0.07)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_at_the_largest_scale_a_wrong_answer_has_a_finite_loss(dtype: type) -> None:
    """In float32 exp(100) is infinite, and a softmax may be 0, whose logarithm would be infinite too."""
    images = np.eye(2, dtype=dtype)
    for texts in (-images, images[::-1]):  # logits of -100 and 0, and of 0 and 100
        losses, cache = contrastive.forward(images, texts, np.asarray(9.0, dtype))
        assert losses.dtype == dtype
        np.testing.assert_allclose(losses, 100.0, rtol=1e-6)
        assert all(slope.dtype == dtype and np.isfinite(slope).all() for slope in contrastive.backward(cache))


def test_the_scale_may_come_down_again_from_its_largest() -> None:
    """Where all answers are wrong a smaller scale is better: the slope by s is positive."""
    images = np.eye(2)
    _, cache = contrastive.forward(images, images[::-1], np.array(contrastive.LARGEST))
    assert contrastive.backward(cache)[2] > 1.0


def test_a_softmax_keeps_its_sum() -> None:
    logits = 300.0 * drawn(0, x=(4, 5))["x"]
    for axis in (0, 1):
        np.testing.assert_allclose(np.exp(contrastive.log_softmax(logits, axis)).sum(axis=axis), 1.0)

"""The linear layer against the sum that it stands for."""

from __future__ import annotations

import numpy as np
from checks.gradcheck import BOUND, errors, relative_error, slope, wrong
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import linear

FLAT = settings(deadline=None, max_examples=50)
SIZE = st.integers(1, 6)


def arrays(N: int, K: int, J: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(N, K)), "weight": rng.normal(size=(J, K)), "bias": rng.normal(size=J)}


@FLAT
@given(N=SIZE, K=SIZE, J=SIZE, seed=st.integers(0, 10_000))
def test_forward_is_the_sum_over_inputs_and_the_bias(N: int, K: int, J: int, seed: int) -> None:
    given = arrays(N, K, J, seed)
    x, weight, bias = given.values()
    y, _ = linear.forward(**given)
    assert y.shape == (N, J)
    for n in range(N):
        for j in range(J):
            np.testing.assert_allclose(y[n, j], sum(x[n, k] * weight[j, k] for k in range(K)) + bias[j], atol=1e-13)


@FLAT
@given(N=SIZE, K=SIZE, J=SIZE, seed=st.integers(0, 10_000))
def test_backward_is_the_gradient(N: int, K: int, J: int, seed: int) -> None:
    given = arrays(N, K, J, seed)
    dy = np.random.default_rng(seed + 1).normal(size=(N, J))
    gradients = dict(zip(given, linear.backward(dy, linear.forward(**given)[1]), strict=True))
    assert wrong(errors(lambda: float((dy * linear.forward(**given)[0]).sum()), given, gradients)) == []


@FLAT
@given(N=SIZE, K=SIZE, J=SIZE, seed=st.integers(0, 10_000))
def test_jvp_is_the_derivative_along_each_tangent(N: int, K: int, J: int, seed: int) -> None:
    given = arrays(N, K, J, seed)
    rng = np.random.default_rng(seed + 1)
    dx, dy = rng.normal(size=(2, N, K)), rng.normal(size=(N, J))
    along = linear.jvp(dx, linear.forward(**given)[1])
    assert along.shape == (2, N, J)
    for tangent, found in zip(dx, along, strict=True):
        expected = slope(lambda: float((dy * linear.forward(**given)[0]).sum()), given["x"], tangent)
        assert relative_error(np.array(expected), (dy * found).sum()) < BOUND


def test_rows_may_stand_in_any_shape_and_a_bias_may_be_missing() -> None:
    given = arrays(6, 4, 5, 0)
    flat, flat_cache = linear.forward(given["x"], given["weight"], None)
    np.testing.assert_array_equal(flat, linear.forward(**given | {"bias": np.zeros(5)})[0])
    y, cache = linear.forward(given["x"].reshape(2, 3, 4), given["weight"], None)
    np.testing.assert_array_equal(y, flat.reshape(2, 3, 5))
    dx, *grads = linear.backward(y, cache)
    dflat, *expected = linear.backward(flat, flat_cache)
    np.testing.assert_array_equal(dx, dflat.reshape(2, 3, 4))
    for found, same in zip(grads, expected, strict=True):
        np.testing.assert_array_equal(found, same)


def test_float32_stays_float32() -> None:
    given = {name: x.astype(np.float32) for name, x in arrays(3, 4, 5, 0).items()}
    y, cache = linear.forward(**given)
    assert {y.dtype, *(found.dtype for found in (*linear.backward(y, cache), linear.jvp(cache[0], cache)))} == {
        np.dtype(np.float32)
    }

"""The autoencoder's kernels against its definition over drawn options, and the same bits on any number of threads."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from checks.autoencoders import KL_WEIGHT, autoencoder, drawn_options, options, shown
from hypothesis import given, settings

from numpy_diffusion.networks.autoencoder import compiled

THREADS = [n for n in (1, 2, 5) if n <= numba.config.NUMBA_NUM_THREADS]


def near(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * max(np.abs(expected).max(), 1e-2))


@settings(deadline=None, max_examples=8)
@given(drawn_options())
def test_the_kernels_are_the_definition(given_options: dict[str, Any]) -> None:
    model, exact = autoencoder(given_options), autoencoder(given_options, np.float64)
    exact.buffer[:] = model.buffer
    x, noise = shown(model)
    for found, expected in zip(model.encode(x), exact.encode(x), strict=True):
        near(found, expected)
    near(model.decode(noise), exact.decode(noise))
    losses, slopes = model.gradient(3, KL_WEIGHT, "numba")(model.buffer, x, noise)
    for found, expected in zip(
        (losses, slopes), exact.gradient(3, KL_WEIGHT, "numpy")(exact.buffer, x, noise), strict=True
    ):
        near(found, expected)


def test_the_same_bits_on_any_number_of_threads() -> None:
    model, found, before = autoencoder(options(3)), [], numba.get_num_threads()
    x, noise = shown(model, 9)
    try:
        for threads in THREADS:
            numba.set_num_threads(threads)
            losses, slopes = model.gradient(9, KL_WEIGHT, "numba")(model.buffer, x, noise)
            found.append((*model.encode(x), model.decode(noise), losses.copy(), slopes.copy()))
    finally:
        numba.set_num_threads(before)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_weights_are_laid_out_again_only_when_they_have_changed() -> None:
    model = autoencoder()
    first = compiled.laid_out(model.config, model.buffer, None)
    assert compiled.laid_out(model.config, model.buffer, first) is first
    model.buffer[0] += 1.0
    assert compiled.laid_out(model.config, model.buffer, first) is not first

"""The sampled Gaussian against its layer over drawn shapes."""

from __future__ import annotations

from checks.image_kernels import FLAT, SEED, SIDE, Memory, close, drawn
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import diagonal_gaussian
from numpy_diffusion.layers import diagonal_gaussian as layer


def test_the_variance_has_the_same_range() -> None:
    assert (diagonal_gaussian.LOWEST, diagonal_gaussian.HIGHEST) == layer.RANGE


@FLAT
@given(SEED, SIDE, SIDE, st.integers(1, 5), st.booleans())
def test_it_is_the_layer_there_and_back(seed, height, width, C, wild):
    moments, noise, dz = drawn(seed, (2 * C, height, width), (C, height, width), (C, height, width))
    moments[C:] *= 20.0 if wild else 1.0
    moments[C:] = moments[C:].clip(-50.0, 8.0)  # beyond the clip below; above, float32 has too few digits to compare
    sizes = (height, width, 2 * C, 1), (height, width, C, 0), (height, width, C, 1), (height, width, 2 * C, 1)
    memory = Memory(*sizes, vector=1)
    memory.put(0, moments)
    memory.put(1, noise)
    images, arena = memory.images, memory.arena
    diagonal_gaussian.forward(arena, images[0], images[1], images[2], memory.vector, 0.25)
    z, divergence, cache = layer.forward(moments[None].astype(float), noise[None])
    assert close(memory.got(2), z[0])
    assert close(memory.got_vector(1), 0.25 * divergence, terms=C * height * width)
    memory.put(2, dz)
    diagonal_gaussian.backward(arena, images[0], images[1], images[2], images[3], 0.5)
    assert close(memory.got(3), layer.backward(dz[None], 0.5, cache)[0])

"""The gradient by a convolution's weights over samples of many pixels and of few: each pixel once, in order."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from checks import widths
from checks.image_kernels import SEED, Memory, close, drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import conv, conv_weights, images
from numpy_diffusion.kernels.layers.images import NO_IMAGE, NOWHERE
from numpy_diffusion.kernels.vector.registers import LANES

WIDTHS = st.lists(st.sampled_from([1, 7, 16, 64, 130, 200]), min_size=1, max_size=9)  # of samples, in pixels


def gradient(samples: list[tuple[np.ndarray, np.ndarray]], together: bool) -> np.ndarray:
    """The sums over samples of x [pixels, C] and dy [pixels, J]: [panel, C, lane]."""
    C, J = samples[0][0].shape[1], samples[0][1].shape[1]
    memory = Memory(*((1, len(x), n, 0) for x, _ in samples for n in (C, J)))
    for k, values in enumerate(values for pair in samples for values in pair):
        memory.put(k, values.T[:, None])
    tables = [[NO_IMAGE, *memory.images[2 * n : 2 * n + 2]] for n in range(len(samples))]
    total = np.zeros(-(-J // LANES) * C * LANES, np.float32)
    widest = max(len(x) for x, _ in samples)
    worker, window = memory.worker(conv_weights.scratch_for(widest, J).end), conv.Window(0, 0, NOWHERE, 1, 1, 0)
    for part in [tables] if together else [[table] for table in tables]:
        conv.backward(worker, np.array(part, images.IMAGE), 1, 2, total, window, 0)
    memory.assert_in_bounds()
    return total.reshape(-1, C, LANES)


@settings(deadline=None, max_examples=20)
@given(SEED, WIDTHS, st.sampled_from([1, 8, 12, 40]), st.sampled_from([4, 16, 33, 96]))
def test_it_is_the_sum_over_all_pixels_in_the_order_of_the_samples(seed, widths, C, J):
    values = drawn(seed, *((n, channels) for n in widths for channels in (C, J)))
    samples = list(zip(values[::2], values[1::2], strict=True))
    found = gradient(samples, together=True)
    np.testing.assert_array_equal(
        found.transpose(1, 0, 2).reshape(C, -1)[:, :J],
        gradient(samples, together=False).transpose(1, 0, 2).reshape(C, -1)[:, :J],
    )
    wanted = sum(x.T @ dy for x, dy in samples)
    assert close(found.transpose(1, 0, 2).reshape(C, -1)[:, :J], wanted, sum(widths))


def test_wide_layers_are_done_some_panels_at_a_time():
    place = conv_weights.scratch_for(16, 100 * LANES)
    assert place.panels * place.pixels * LANES <= conv_weights.BUDGET
    assert place.end == place.slopes + place.panels * place.pixels * LANES
    assert conv_weights.scratch_for(1000, 8).pixels == 1000


def digest() -> str:
    """Of channels that fill a tile of every width, of some and of none."""
    code = hashlib.sha256()
    for C, J in ((1, 2), (12, 12), (24, 40), (20, 48), (40, 33)):
        values = drawn(C, *((n, channels) for n in (70, 130) for channels in (C, J)))
        found = gradient(list(zip(values[::2], values[1::2], strict=True)), together=True)
        code.update(found.transpose(1, 0, 2).reshape(C, -1)[:, :J].tobytes())
    return code.hexdigest()


@pytest.mark.widths
def test_any_width_of_register_gives_the_same_bits():
    assert widths.digests(__file__) == [digest()] * 2

"""The linear layer of each pixel against the product: shares of pixels and of panels, several samples."""

from __future__ import annotations

import numpy as np
import pytest
from checks.image_kernels import CHANNELS, FLAT, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import assume, given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import conv, linear
from numpy_diffusion.kernels.layers.images import IMAGE, NO_IMAGE, NOWHERE, Image
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR

BORDERS = st.tuples(*[st.integers(0, 1)] * 3)  # of src, dst and the residual


def case(seed, height, width, C, J, borders, samples, with_residual, parts, fewer=0):
    """What the kernel gives for each sample in shares, and what it should, [J, H, W]."""
    shapes = [(height, width, D, border) for D, border in zip((C, J, J), borders, strict=True)]
    memory = Memory(*shapes * samples)
    tables = np.array([[NO_IMAGE, *memory.images[3 * n : 3 * n + 3]] for n in range(samples)], IMAGE)
    widths = [width - fewer * n for n in range(samples)]
    tables["width"][:, 1:] = np.reshape(widths, (-1, 1))
    memory.images = [Image(*row) for row in tables[:, 1:].ravel().tolist()]
    x, residual = ([drawn(seed + i, (D, height, own))[0] for own in widths] for i, D in enumerate((C, J)))
    weight, *starts = drawn(seed, (J, C), *[(J,)] * samples)
    for n in range(samples):
        memory.put(3 * n, x[n])
        memory.put(3 * n + 1, np.zeros_like(residual[n]))  # with its border, which is another's to clear
        memory.put(3 * n + 2, residual[n])
    weights, window = conv.panels(weight[:, :, None, None]), conv.Window(0, 0, NOWHERE, 1, 1, borders[0])
    assert linear.suits(window, *memory.images[:2])
    place, apart = ROWS * LANES, round_up(J, LANES)

    def share(*own):
        worker = memory.worker(place + samples * apart, *own)
        for n, start in enumerate(starts):
            worker.scratch[place + n * apart : place + n * apart + J] = start
        linear.forward(worker, tables, 1, 2, weights, window, place, 3 if with_residual else 0)

    in_shares(parts, share)
    wanted = [
        np.tensordot(weight, x[n], 1) + starts[n][:, None, None] + with_residual * residual[n] for n in range(samples)
    ]
    return [memory.got(3 * n + 1) for n in range(samples)], wanted


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, CHANNELS, BORDERS, st.integers(1, 3), st.booleans(), PARTS)
def test_it_is_the_product(seed, height, width, C, J, borders, samples, with_residual, parts):
    assume(J > VECTOR and (borders[:2] == (0, 0) or width >= ROWS))
    for found, wanted in zip(*case(seed, height, width, C, J, borders, samples, with_residual, parts), strict=True):
        assert close(found, wanted, C)


@pytest.mark.parametrize(("width", "C", "J"), [(600, 8, 40), (90, 2500, 33), (3, 40, 300)])
def test_more_pixels_than_go_at_a_time_and_more_panels_than_pixels(width, C, J):
    for found, wanted in zip(*case(0, 1, width, C, J, (0, 0, 0), 2, True, 3), strict=True):
        assert close(found, wanted, C)


def test_samples_of_fewer_states_than_others():
    for found, wanted in zip(*case(0, 1, 30, 8, 40, (0, 0, 0), 3, True, 2, fewer=13), strict=True):
        assert close(found, wanted, 8)


def test_what_it_leaves_to_others():
    def suited(k=1, stride=1, width=ROWS, J=VECTOR + 1, borders=(1, 1)):
        src, dst = (Image(0, 1, width, J, border) for border in borders)
        return linear.suits(conv.Window(0, 0, NOWHERE, k, stride, 0), src, dst)

    assert suited()
    assert suited(width=1, borders=(0, 0))
    for others in (dict(k=3), dict(stride=2), dict(width=ROWS - 1), dict(J=VECTOR)):
        assert not suited(**others)


@FLAT
@given(st.integers(1, 20_000))
def test_pixels_at_a_time_are_whole_tiles(C):
    pixels = linear.pixels_at_a_time(C)
    assert pixels % ROWS == 0
    assert linear.FEWEST <= pixels <= linear.MOST

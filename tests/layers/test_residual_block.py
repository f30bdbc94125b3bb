"""The residual block: gradients of every array, and what it is at zero weights."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from checks.blocks import EPS, Step, check_residual, residual_params
from checks.layer_gradients import drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import downsample, residual_block, silu, upsample

FLAT = settings(deadline=None, max_examples=10)
SMALL, SIDE = st.integers(1, 2), st.integers(1, 3)
RESAMPLE = st.sampled_from([None, *get_args(residual_block.Resample)])


@FLAT
@given(
    N=SMALL,
    C=SMALL,
    J=SMALL,
    H=SIDE,
    W=SIDE,
    dropped=st.booleans(),
    step=st.sampled_from(get_args(Step)),
    resample=RESAMPLE,
)
def test_gradients_of_the_residual_block(**sizes: Any) -> None:
    check_residual(**sizes)


@pytest.mark.parametrize("J", [2, 4])
def test_a_residual_block_is_its_shortcut_and_what_the_last_convolution_adds(J: int) -> None:
    given, params = drawn(0, x=(2, 2, 3, 3), temb=(2, 3)), residual_params(2, J, 3)
    params["conv2.weight"][:] = 0.0
    y, _ = residual_block.forward(**given, params=params, groups=1, eps=EPS)
    shortcut = given["x"]
    if J != 2:
        weight, bias = params["conv_shortcut.weight"][:, :, 0, 0], params["conv_shortcut.bias"]
        shortcut = np.einsum("jc,nchw->njhw", weight, shortcut) + bias[:, None, None]
    np.testing.assert_allclose(y, shortcut + params["conv2.bias"][:, None, None], rtol=1e-12, atol=1e-12)


def test_the_step_moves_whole_channels_before_the_second_norm() -> None:
    """With a kernel of zeros, h is the step's bias alone: constant over pixels, and normed over channels."""
    given, params = drawn(0, x=(2, 2, 3, 3), temb=(2, 3)), residual_params(2, 2, 3)
    params["conv1.weight"][:] = 0.0
    params["conv2.weight"][:] = np.eye(2)[:, :, None, None] * np.eye(3)[1][:, None] * np.eye(3)[1]  # the identity
    y, _ = residual_block.forward(**given, params=params, groups=1, eps=EPS)
    a = silu.forward(given["temb"])[0] @ params["time_emb_proj.weight"].T + params["time_emb_proj.bias"]
    h = a + params["conv1.bias"]
    z = (h - h.mean(axis=1, keepdims=True)) / np.sqrt(h.var(axis=1, keepdims=True) + EPS)
    h = silu.forward(z * params["norm2.weight"] + params["norm2.bias"])[0] + params["conv2.bias"]
    np.testing.assert_allclose(y - given["x"], np.broadcast_to(h[:, :, None, None], y.shape), atol=1e-12)


def test_a_scale_and_a_shift_stand_behind_the_second_norm() -> None:
    """With a scale of -1 all that is left is the shift."""
    given, params = drawn(0, x=(2, 2, 3, 3), temb=(2, 3)), residual_params(2, 2, 3, "scale and shift")
    params["time_emb_proj.weight"][:] = 0.0
    params["time_emb_proj.bias"][:] = [-1.0, -1.0, 0.3, 0.7]
    params["conv2.weight"][:] = np.eye(2)[:, :, None, None] * np.eye(3)[1][:, None] * np.eye(3)[1]  # the identity
    y, _ = residual_block.forward(**given, params=params, groups=1, eps=EPS)
    h = silu.forward(np.array([0.3, 0.7]))[0] + params["conv2.bias"]
    np.testing.assert_allclose(y - given["x"], np.broadcast_to(h[:, None, None], y.shape), atol=1e-12)


@pytest.mark.parametrize(("resample", "move"), [("down", downsample.forward), ("up", upsample.forward)])
def test_a_block_that_resamples_adds_to_the_image_resampled(resample: Any, move: Any) -> None:
    given, params = drawn(0, x=(2, 2, 4, 6), temb=(2, 3)), residual_params(2, 2, 3)
    params["conv2.weight"][:] = 0.0
    y, _ = residual_block.forward(**given, params=params, groups=1, eps=EPS, resample=resample)
    np.testing.assert_allclose(y, move(given["x"]) + params["conv2.bias"][:, None, None], atol=1e-12)


def test_a_block_of_no_step_is_one_whose_step_adds_nothing() -> None:
    given, params = drawn(0, x=(2, 2, 3, 3), temb=(2, 3)), residual_params(2, 4, 3)
    params["time_emb_proj.weight"][:] = params["time_emb_proj.bias"][:] = 0.0
    y, _ = residual_block.forward(**given, params=params, groups=1, eps=EPS)
    stepless = {name: values for name, values in params.items() if not name.startswith("time_emb_proj")}
    np.testing.assert_array_equal(residual_block.forward(given["x"], None, stepless, groups=1, eps=EPS)[0], y)

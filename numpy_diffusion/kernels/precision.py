"""The numbers that networks multiply: float32, or rounded to bfloat16 with sums in float32; and how to choose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

from numpy_diffusion import _checks

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_current: ContextVar[Precision] = ContextVar("precision", default="float32")


@contextmanager
def precision(name: Precision) -> Iterator[None]:
    """Networks that are called inside the `with` multiply float32 numbers, or numbers rounded to bfloat16.

    bfloat16 has float32's range and 8 significant bits.  A processor with an instruction for it (AVX-512 BF16) does
    twice the products a second, and a large network's weights are half the bytes to fetch.  Weights and what they
    are multiplied with are rounded to nearest, ties to even; sums, norms and softmax stay in float32.  U-Nets have
    kernels for it, and any other network that is asked for eps is refused.  An autoencoder, an encoder of texts, the
    prior of DALL-E 2 in its pipeline and what is no network stay in float32.  A U-Net that is trained multiplies such
    numbers there and back, and what is moved stays in float32: the weights, their gradients and Adam's averages.  An
    argument `precision` of a function inside counts more.  The setting is that of the thread, as that of `nd.backend`
    is.

    A processor with a unit for tiles of such numbers (AMX), where the system permits it, does sixteen times the
    products of its float32 instructions, and adds them up in another order: in bfloat16, and there alone, its results
    differ from other processors' in the last bits.  NUMPY_DIFFUSION_SIMD=512 does without the unit.

    Raises
    ------
    ValueError : another name; at a network's call or training, one that has no kernels for it

    Examples
    --------
    >>> import numpy as np, numpy_diffusion as nd
    >>> model = nd.UNet(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(32, 32), norm_num_groups=4,
    ...                 down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"))
    >>> with nd.precision("bfloat16"):
    ...     x = nd.sample(model, nd.Schedule.linear(T=1000), n=2, steps=4)
    >>> x.shape, x.dtype
    ((2, 1, 8, 8), dtype('float32'))
    """
    token = _current.set(asked(name))
    try:
        yield
    finally:
        _current.reset(token)


def asked(name: Precision | None = None) -> Precision:
    """The precision named, else that of the `precision` around the call.

    Raises
    ------
    ValueError : another name
    """
    if name is None:
        return _current.get()
    for known in PRECISIONS:
        if name == known:
            return known
    _checks.choice("precision", name, PRECISIONS)
    raise AssertionError

"""Where the images of a list of calls lie in the arena, and how much scratch the calls need.

An image needs its place from the call that touches it first to the call that touches it last; then another may have
it.  In a forward pass that is nearly at once, in a training step only after the backward call, and the same list
serves both.  To give intervals of time places in one memory, as little of it as possible, is interval placement
(dynamic storage allocation), which is NP-hard; done here is greedy first fit over the lifetimes: one after the other,
each image gets the lowest gap that is free while it lives.  A forward pass takes the better of two orders, of first
use and of size.  One that goes back takes the first: how many samples go together, and with it the last places of
their gradient, depends on how much there is of a sample (`workspace.at_a_time`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from numpy_diffusion.kernels.layers import (
    attention,
    attention_blocks,
    bfloat16_attention,
    bfloat16_conv,
    conv,
    group_norm,
    layer_norm,
)
from numpy_diffusion.kernels.layers.images import IMAGE, Image, channel_sums_size, size
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.unet.calls import CALL, IMAGES, NONE, Call, CallKind, Plan
from numpy_diffusion.kernels.vector.registers import LANES, ROWS

ENDS = (
    "x",
    "embedding",
    "eps",
    "deps",
    "told",
    "states",
    "dtold",
    "dstates",
)  # of a `calls.Plan`, all that it must have
NO_TOKENS: Final[Mapping[int, int]] = MappingProxyType({})
CACHE_LINE = 16  # numbers; images start on one


class Lifetime(NamedTuple):
    """The first and the last call that touches an image, both counted in."""

    first: int
    last: int


def lifetimes(calls: Sequence[Call], keep: Collection[int]) -> dict[int, Lifetime]:
    """The lifetime of every image that is used; those of `keep` live from before the first call to after the last.

    Examples
    --------
    >>> lifetimes([Call(CallKind.SILU, src=1, dst=2), Call(CallKind.SILU, src=2, dst=3)], keep=[1])
    {1: Lifetime(first=0, last=2), 2: Lifetime(first=0, last=1), 3: Lifetime(first=1, last=1)}
    """
    found = {image: Lifetime(0, len(calls)) for image in keep}
    for number, call in enumerate(calls):
        for image in (getattr(call, name) for name in IMAGES):
            if image != NONE and image not in keep:
                found[image] = Lifetime(found[image].first if image in found else number, number)
    return found


def first_fit(lengths: dict[int, int], lives: dict[int, Lifetime]) -> tuple[dict[int, int], int]:
    """Where each of the images starts, and the numbers that they take together.

    Parameters
    ----------
    lengths : numbers of each image
    lives : when it is used, and the order in which the images get their places

    Examples
    --------
    The third image takes over the place of the first, which nobody uses any more.

    >>> first_fit({1: 16, 2: 16, 3: 8}, {1: Lifetime(0, 0), 2: Lifetime(0, 1), 3: Lifetime(1, 1)})
    ({1: 0, 2: 16, 3: 0}, 32)
    """
    starts: dict[int, int] = {}
    taken = np.zeros((len(lives), 4), np.int64)  # first and last call, low and high number of those that have a place
    for row, (image, life) in enumerate(lives.items()):
        beside = taken[:row]
        beside = beside[(beside[:, 0] <= life.last) & (beside[:, 1] >= life.first)]
        length, at = round_up(lengths[image], CACHE_LINE), 0
        for low, high in beside[np.argsort(beside[:, 2])][:, 2:].tolist():
            if low - at >= length:
                break
            at = max(at, high)
        starts[image], taken[row] = at, (*life, at, at + length)
    return starts, int(taken[:, 3].max(initial=0))


def _by_use(lives: dict[int, Lifetime]) -> dict[int, Lifetime]:
    return dict(sorted(lives.items(), key=lambda item: item[1].first))


def _by_size(lengths: dict[int, int], lives: dict[int, Lifetime]) -> dict[int, Lifetime]:
    return dict(sorted(_by_use(lives).items(), key=lambda item: -lengths[item[0]]))


def placed(
    images: Sequence[Image], calls: Sequence[Call], keep: Collection[int], forward: bool = False
) -> tuple[list[Image], int]:
    """The images with their places, and the numbers of the arena; those of `keep` share theirs with no other.

    forward : whether the calls go forward alone

    Behind the last image there is room for what kernels touch beyond an image's end: a tile's rows of pixels.  The
    tile unit's has twice as many, of half as many words each, but perhaps of every second pixel.
    """
    lives = lifetimes(calls, keep)
    lengths = {image: size(*images[image][1:]) for image in lives}
    starts, total = first_fit(lengths, _by_use(lives))
    if forward:
        starts, total = min((starts, total), first_fit(lengths, _by_size(lengths, lives)), key=lambda found: found[1])
    widest = max(image.channels for image in images)
    found = [image._replace(at=starts.get(row, image.at)) for row, image in enumerate(images)]
    return found, total + 2 * ROWS * widest + 2 * LANES


def plan(
    images: Sequence[Image], calls: Sequence[Call], backward: int, tokens: Mapping[int, int] = NO_TOKENS, **ends: int
) -> Plan:
    """The calls with a place for each image; backward, tokens and ends, rows of images: see `calls.Plan`.

    tokens : by row, the pixels that an image has beside its states
    """
    found, arena = placed(images, calls, [image for image in ends.values() if image != NONE], backward == len(calls))
    lists = np.array(list(calls), CALL), backward, np.array(found, IMAGE), arena, scratch_size(images, calls)
    rows: dict[str, Any] = dict.fromkeys(ENDS, NONE) | ends
    return Plan(*lists, tokens=np.array(list(tokens.items()), np.int64).reshape(-1, 2), **rows)


def scratch_size(images: Sequence[Image], calls: Sequence[Call]) -> int:
    """Numbers of scratch that a worker needs for these calls: the most that one of them asks for."""
    return max(_scratch_size(images, call) for call in calls)


def _scratch_size(images: Sequence[Image], call: Call) -> int:
    src = images[call.src]
    match call.kind:
        case CallKind.CONV:
            return int(conv.scratch_size(src.channels, images[call.dst].channels))
        case CallKind.ROUNDED_CONV:
            return int(bfloat16_conv.scratch_size(src.channels, images[call.dst].channels))
        case CallKind.ROUNDED_ATTENTION:
            return int(bfloat16_attention.scratch_size(images[call.q].channels // call.heads))
        case CallKind.CONV_WEIGHTS:
            dy = images[call.dy]
            return int(conv.backward_scratch_size(src.channels, dy.channels, dy.width))
        case CallKind.ROUNDED_CONV_WEIGHTS:
            dy = images[call.dy]
            return int(bfloat16_conv.backward_scratch_size(src.channels, dy.channels, dy.width))
        case CallKind.CONV_BIAS:
            dy = images[call.dy]
            return int(channel_sums_size(dy.width, dy.channels))
        case CallKind.LAYER_NORM | CallKind.LAYER_NORM_BACK:
            return layer_norm.scratch_size(src.channels)
        case CallKind.STATISTICS | CallKind.NORM:
            return int(group_norm.scratch_size(src.width, src.channels))
        case CallKind.NORM_BACK:
            return int(group_norm.backward_scratch_size(src.width, src.channels))
        case CallKind.ATTENTION:
            return int(attention_blocks.scratch_size(images[call.q].channels // call.heads))
        case CallKind.ATTENTION_BACK:
            q = images[call.q]
            return int(attention.backward_scratch_size(q.height * q.width, q.channels))
        case _:
            return 0

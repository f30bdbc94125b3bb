"""Where images lie in the arena: lifetimes, first fit, and that no two share their place at a time."""

from __future__ import annotations

import itertools

from checks.image_kernels import FLAT
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers.images import NO_IMAGE, NOWHERE, Image, size
from numpy_diffusion.kernels.unet.calls import NONE, Call, CallKind
from numpy_diffusion.networks.unet import placement
from numpy_diffusion.networks.unet.placement import Lifetime

INTERVALS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 100)), min_size=1, max_size=30)


def together(one: Lifetime, other: Lifetime) -> bool:
    return one.first <= other.last and other.first <= one.last


@FLAT
@given(INTERVALS)
def test_first_fit_shares_no_number_between_what_lives_at_a_time(intervals):
    lives = {image: Lifetime(*sorted((one, other))) for image, (one, other, _) in enumerate(intervals, start=1)}
    lengths = {image: length for image, (_, _, length) in enumerate(intervals, start=1)}
    starts, total = placement.first_fit(lengths, lives)
    assert set(starts) == set(lives)
    assert all(start % placement.CACHE_LINE == 0 for start in starts.values())
    assert all(starts[image] + lengths[image] <= total for image in starts)
    for one, other in itertools.combinations(starts, 2):
        if together(lives[one], lives[other]):
            low, high = sorted((one, other), key=starts.__getitem__)
            assert starts[low] + lengths[low] <= starts[high]


def test_first_fit_takes_the_lowest_gap_that_is_large_enough():
    lives = {
        1: Lifetime(0, 1),
        2: Lifetime(0, 9),
        3: Lifetime(0, 1),
        4: Lifetime(0, 9),
        5: Lifetime(2, 9),
        6: Lifetime(3, 9),
    }
    starts, total = placement.first_fit({1: 16, 2: 16, 3: 32, 4: 16, 5: 32, 6: 16}, lives)
    assert starts == {1: 0, 2: 16, 3: 32, 4: 64, 5: 32, 6: 0}
    assert total == 80


def test_a_forward_pass_takes_the_better_order():
    """In the order of use the second image lies in the middle of where the third could."""
    images = [NO_IMAGE, *[Image(NOWHERE, 1, 1, channels, 0) for channels in (32, 16, 48)]]
    calls = [Call(CallKind.SILU, src=1, dst=2), Call(CallKind.SILU, src=2, dst=3)]
    behind = placement.placed(images, calls[:1], [])[1] - 48  # room for what is touched beyond the last image
    assert [placement.placed(images, calls, [], forward)[1] - behind for forward in (False, True)] == [96, 64]


def test_what_is_kept_lives_throughout():
    calls = [Call(CallKind.SILU, src=1, dst=2), Call(CallKind.SILU, src=2, dst=3)]
    assert placement.lifetimes(calls, keep=[3]) == {3: Lifetime(0, 2), 1: Lifetime(0, 0), 2: Lifetime(0, 1)}


def test_images_keep_their_sizes_and_an_unused_one_has_no_place():
    images = [NO_IMAGE, Image(NOWHERE, 2, 2, 3, 1), Image(NOWHERE, 1, 1, 5, 0), Image(NOWHERE, 1, 1, 5, 0)]
    found, numbers = placement.placed(images, [Call(CallKind.SILU, src=1, dst=2)], keep=[])
    assert [image[1:] for image in found] == [image[1:] for image in images]
    assert found[NONE] == NO_IMAGE
    assert found[3].at == NOWHERE
    assert (found[1].at, found[2].at) == (0, 48)
    assert numbers >= 48 + size(*found[2][1:])


def test_the_scratch_is_that_of_the_neediest_call():
    images = [NO_IMAGE, Image(0, 4, 4, 8, 1), Image(0, 4, 4, 16, 1)]
    calls = [Call(CallKind.UPSAMPLE, src=1, dst=2), Call(CallKind.CONV, src=1, dst=2), Call(CallKind.NORM, src=2)]
    alone = [placement.scratch_size(images, [call]) for call in calls]
    assert alone[0] == 0
    assert min(alone[1:]) > 0
    assert placement.scratch_size(images, calls) == max(alone)


def test_a_plan_has_a_place_for_its_images_and_no_row_for_what_is_not_there():
    images = [NO_IMAGE, Image(NOWHERE, 2, 2, 3, 1), Image(NOWHERE, 1, 1, 5, 0), Image(NOWHERE, 1, 1, 5, 0)]
    calls = [Call(CallKind.SILU, src=1, dst=2), Call(CallKind.SILU, src=2, dst=3)]
    found = placement.plan(images, calls, 2, {2: 7}, x=1, eps=3, penalty=2)
    assert (found.x, found.eps, found.penalty, found.backward) == (1, 3, 2, 2)
    assert {found.embedding, found.deps, found.told, found.states, found.dtold, found.dstates} == {NONE}
    assert found.tokens.tolist() == [[2, 7]]
    assert len(set(found.images["at"][1:].tolist())) == 3  # all are kept: none shares its place
    assert found.images["at"].min() == NOWHERE

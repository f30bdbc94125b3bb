"""The buffers of the U-Net's kernels: one set a worker, groups of a fixed number, and what is kept between calls."""

from __future__ import annotations

import threading

import numba
import numpy as np
import pytest

from numpy_diffusion.kernels.layers.images import IMAGE, NO_IMAGE, SAMPLES
from numpy_diffusion.kernels.unet.calls import CALL, NONE, Plan
from numpy_diffusion.kernels.unet.workspace import at_a_time, kept_buffers, workspace
from numpy_diffusion.networks.unet.layout import layout

WEIGHTS = 84  # numbers; two samples go together


def plan() -> Plan:
    images = np.array([NO_IMAGE, (8, 1, 1, 1, 0)], IMAGE)
    return Plan(np.zeros(0, CALL), 0, images, 100, 33, *[NONE] * 8, np.zeros((0, 2), np.int64))


@pytest.mark.parametrize("groups", [1, 3, 4, 8])
def test_no_more_workers_than_groups(groups: int) -> None:
    where = layout({"linear.weight": (3, 5)})
    work = workspace(plan(), where, 7 * np.arange(groups + 1))
    assert len(work.groups.rows) == groups
    assert len(work.arenas) == len(work.scratch) == min(groups, numba.get_num_threads())
    assert work.groups.sums.shape[1] == where.weights.count
    assert (work.flat.size, work.losses.size) == (15, 7 * groups)


@pytest.mark.parametrize(("weights", "samples"), [(0, 1), (66, 1), (67, 2), (10_000, SAMPLES)])
def test_the_larger_the_weights_the_more_samples_go_together(weights: int, samples: int) -> None:
    assert at_a_time(plan(), weights) == samples


def test_each_sample_has_its_own_place_for_each_image_that_there_is() -> None:
    _, _, tables = kept_buffers(plan(), WEIGHTS, 3, 6)
    assert tables.shape == (3, 2, 2)
    assert tables["at"].tolist() == [[[-1, 8], [-1, 108]]] * 3


def test_buffers_are_kept_for_the_same_plan_and_thread() -> None:
    one = plan()
    arenas, scratch, tables = kept_buffers(one, WEIGHTS, 2, 4)
    assert len(tables) == 2
    assert arenas.shape[1] >= 2 * one.arena
    assert scratch.shape[1] >= one.scratch
    assert all(row.ctypes.data % 64 == 0 for row in (*arenas, *scratch))
    assert kept_buffers(one, WEIGHTS, 2, 4)[0] is arenas
    assert kept_buffers(one, WEIGHTS, 3, 6)[0] is not arenas
    arenas = kept_buffers(one, WEIGHTS, 2, 4)[0]
    assert kept_buffers(plan(), WEIGHTS, 2, 4)[0] is not arenas
    found = []
    other = threading.Thread(target=lambda: found.append(kept_buffers(one, WEIGHTS, 2, 4)[0]))
    other.start()
    other.join()
    assert not np.shares_memory(found[0], kept_buffers(one, WEIGHTS, 2, 4)[0])


@pytest.mark.parametrize(("n", "arenas", "samples"), [(1, 1, 1), (2, 1, 2), (3, 3, 1), (5, 3, 2), (60, 3, SAMPLES)])
def test_no_more_room_than_the_samples_need(n: int, arenas: int, samples: int) -> None:
    """Those that are fewer than the workers are in one arena, and those that are left over too."""
    found, scratch, tables = kept_buffers(plan(), 10_000, 3, n)
    assert tables.shape[:2] == (arenas, samples)
    assert (len(found), len(scratch)) == (arenas, 3)


def test_larger_buffers_serve_fewer_samples_and_smaller_ones_do_not_serve_more() -> None:
    one = plan()
    arenas = kept_buffers(one, 10_000, 2, 8)[0]
    assert kept_buffers(one, 10_000, 2, 1)[0] is arenas
    assert kept_buffers(one, 10_000, 2, 16)[0] is not arenas

"""The training step of an MLP in two calls, for processes that share a batch and add up their parts between the two.

Each call goes through the kernels of the whole step, `train.steps`, since another compilation may round otherwise.
"""

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.groups import add_rows
from numpy_diffusion.kernels.mlp.train import Step, activations, descent, gradients, in_order
from numpy_diffusion.kernels.threads import kept, run, share


@jit
def _summed(thread, threads, place):
    """The sum over the groups, of one thread's share of the parameters."""
    step = kept(place)
    low, high = share(step.work.sums.shape[1], thread, threads)
    add_rows(step.work.sums, low, high)


def one_step(*fields):
    """A `Step` of these fields."""
    step = Step(*fields)
    return step._replace(key=tuple(np.uint32(word) for word in step.key))


def gradient(step):
    """What the samples of `work` add to the gradient of the batch's mean, [P]: the first row of its sums.

    Their losses are left in `work.loss`, whose `total` is that of the batch's numbers, and `work.sample_loss`.
    """
    kernels = (activations, _summed) if get_num_threads() <= 2 else (activations, gradients, _summed)
    for kernel in kernels:
        run(kernel, step)
    return step.work.sums[0]


def descend(step):
    """Move the weights and the state by the first row of the sums."""
    run(descent, step._replace(work=step.work._replace(sums=step.work.sums[:1])))


@jit
def total(losses):
    """The sum in order."""
    return in_order(losses)

"""This project as a contestant: its public functions, and the convolution's kernel on its own."""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

import numpy_diffusion as nd
from numpy_diffusion import noise
from numpy_diffusion.kernels._jit import parallel_jit
from numpy_diffusion.kernels.layers import conv, images
from numpy_diffusion.kernels.memory import aligned, round_up
from numpy_diffusion.kernels.unet.calls import CallKind
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.shares import ALONE
from numpy_diffusion.models.tasks import Adam, Task
from numpy_diffusion.networks.autoencoder import compiled as autoencoder_compiled
from numpy_diffusion.networks.unet import compiled as unet_compiled
from numpy_diffusion.training import autoencoder as autoencoder_training
from numpy_diffusion.training import batch as training_batch
from numpy_diffusion.training import inputs, losses
from numpy_diffusion.training import step as training_step
from numpy_diffusion.training.autoencoder import KL_WEIGHT
from numpy_diffusion.training.optimizers import average_decays

SEED = 1
NOTHING = Condition()


def q_sample(x0, t, schedule):
    return lambda: nd.q_sample(x0, t, schedule, seed=SEED)


def q_sample_into(x0, t, schedule):
    out = np.empty_like(x0), np.empty_like(x0)
    return lambda: nd.q_sample(x0, t, schedule, seed=SEED, out=out)


def chain(model, schedule, n, options):
    return lambda: nd.sample(model, schedule, n, seed=SEED, **options)


def log_prob(model, schedule, x, steps):
    return lambda: nd.log_prob(model, schedule, x, steps=steps, progress=False)


def start(n, dim):
    """The x_T that `chain` starts from, for the others to start from it too: [n, dim]."""
    return noise.normal(SEED, noise.STREAM_START, np.arange(n), 0, dim)


def train(model, schedule, data, batch, steps, rate, condition=NOTHING, most=10_000_000, **more):
    """run() takes `steps` steps; at most so many in all, each with its own entry in the table of rates.

    more : of the `Task`, crop or precision
    """
    state = training_step.start(model, schedule.T)
    rates, decays = np.full(most, rate), average_decays(0.999, 1, most)
    task = Task(schedule, data, condition, batch, Adam(), rates, decays, seed=0, **more)
    advance = training_step.prepare(model, task, losses.weights(schedule), backend="numba")
    found = np.empty(steps, np.float32)
    return lambda: advance(state, found)


def train_autoencoder(autoencoder, data, batch, rate, most=1_000_000):
    """run() takes one step; the rate falls over the steps that may be taken in all, which no benchmark notices."""
    settings = autoencoder_training.AutoencoderSettings(
        steps=most,
        batch=batch,
        learning_rate=rate,
        warmup=0,
        weight_decay=0.0,
        average_decay=0.999,
        seed=0,
        backend="numba",
        kl_weight=KL_WEIGHT,
    )
    state = training_step.start(autoencoder)
    advance = autoencoder_training._steps(inputs.pictures(autoencoder, data), settings, ALONE)
    loss = np.empty(1, np.float32)
    return lambda: advance(state, loss)


def gradient(model, schedule, x0, t, eps, condition=NOTHING):
    """The loss's gradient by the flat parameters [P], in float64 by the definition: what all must give."""
    exact = type(model)(**model.options, dtype=np.float64)
    exact.buffer[:] = model.buffer
    x0, eps = x0.astype(np.float64), eps.astype(np.float64)
    tables = losses.weights(schedule), losses.bound_table(schedule)
    definition = training_batch.by_definition(exact)
    drawn = x0, t, eps, *tables, condition, None, model.predicts
    return training_batch.losses_and_gradient(definition, schedule, exact.buffer, *drawn)[1]


def own_gradient(model, schedule, condition, crop=None):
    """The same as a function, in float32 by the kernels that `train` runs, of a batch and the condition's fields."""
    fields = condition.arguments()

    def found(x0, t, eps, *told):
        told, none = Condition(**dict(zip(fields, told, strict=True))), np.empty(0)
        task = Task(schedule, x0, told, len(x0), Adam(), none, none, seed=0, crop=crop)
        drawn = x0, t, eps, losses.weights(schedule), losses.bound_table(schedule), told, None, model.predicts
        return training_batch.losses_and_gradient(model.own_gradient(task), schedule, model.buffer, *drawn)[1]

    return found


def autoencoder_gradient(autoencoder, batch):
    """The function of images and of their latents' noise that gives the gradient by the flat parameters [P]."""
    gradient = autoencoder.gradient(batch, KL_WEIGHT, "numba")
    return lambda x, noise: gradient(autoencoder.buffer, x, noise)[1].copy()


def unet_flops(model, training=False, tokens=0):
    """Of one image and so many words: the products of all convolutions and linear layers; backward, those by inputs
    and by weights.

    The first convolution's input has no gradient; attention's own products and all norms are left out.
    """
    forward, first = _products(unet_compiled.planned(model.config, tokens=tokens)[0])
    return 3.0 * forward - first if training else forward


def autoencoder_flops(autoencoder, *parts, training=False):
    """The same of an autoencoder's part, or of both one behind the other."""
    config, sizes = autoencoder.config, {"encoder": autoencoder.shape, "decoder": autoencoder.latent_shape}
    found = [_products(autoencoder_compiled._planned(config, part, *sizes[part][1:])) for part in parts or sizes]
    forward = sum(products for products, _ in found)
    return 3.0 * forward - found[0][1] if training else forward


def _products(plan):
    """Operations of a plan's convolutions, and of those that see its input."""
    products, first = [], 0.0
    for call in plan.calls[plan.calls["kind"] == CallKind.CONV]:
        inputs, outputs = plan.images[call["src"]], plan.images[call["dst"]]
        pixels = outputs["height"] * outputs["width"]
        products.append(2.0 * pixels * outputs["channels"] * inputs["channels"] * call["window"] ** 2)
        first = products[-1] if call["src"] == plan.x else first
    return sum(products), first


@parallel_jit
def _convolve(tables, arenas, weights, bias_at, scratch):
    workers = scratch.shape[0]
    for worker in prange(workers):
        window, none = conv.Window(0, 0, bias_at, 3, 1, 0), 2
        for n in range(worker * arenas.shape[0] // workers, (worker + 1) * arenas.shape[0] // workers):
            conv.forward(images.Worker(arenas[n], scratch[worker], 0, 1), tables, 0, 1, weights, window, none, none)


def convolution(x, weight, bias):
    """run() on images in the kernel's layout, and answer() [N, J, H, W]."""
    N, C, H, W = x.shape
    J = len(bias)
    (src, dst), behind = images.side_by_side((H, W, C, 1), (H, W, J, 1))
    tables = np.array([[src, dst, images.NO_IMAGE]], images.IMAGE)
    arenas = aligned(N * (behind + 4096)).reshape(N, -1)
    for arena, image in zip(arenas, x, strict=True):
        images.load(arena, src, image)
    panels = conv.panels(weight)
    weights, bias_at = aligned(len(panels) + J), len(panels)
    weights[:bias_at], weights[bias_at:] = panels, bias
    size = round_up(conv.scratch_size(C, J), 16)
    scratch = aligned(get_num_threads() * size).reshape(-1, size)

    def answer():
        found = np.empty((N, J, H, W), np.float32)
        for arena, image in zip(arenas, found, strict=True):
            images.store(arena, dst, image)
        return found

    return lambda: _convolve(tables, arenas, weights, bias_at, scratch), answer

"""The MLP in its kernels: its outputs, a whole chain, whole training steps, and a likelihood, each in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from numpy_diffusion.kernels.adam import squares_are_finite
from numpy_diffusion.kernels.mlp import flow as flow_kernel
from numpy_diffusion.kernels.mlp import forward, layout, shared, train, workspace
from numpy_diffusion.layers import fourier_features, time_embedding
from numpy_diffusion.models.parameters import Parameters
from numpy_diffusion.models.shares import Share, add_up
from numpy_diffusion.models.tasks import State, Take, Taken, Task
from numpy_diffusion.networks.mlp.config import MLPConfig
from numpy_diffusion.noise import STREAM_BATCH, STREAM_REVERSE, STREAM_TRAIN, split_seed
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.probability_flow import SWEEPS, Plan

LARGE: Final = 1_000_000  # parameters from which on a step is long beside its calls, and its arrays are in no cache


class Kernels(NamedTuple):
    """The weights as the kernels read them, and whether a hidden layer's input is added to its output."""

    network: layout.Network
    residual: bool

    def outputs(self, x: np.ndarray, place: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        """The outputs [N, J] of x [N, D]; embedding [K, E] of the steps, place [N] says whose."""
        return forward.forward(self.network, self.residual, x, place, embedding)

    def chain(
        self,
        x: np.ndarray,
        table: Coefficients,
        embedding: np.ndarray,
        seed: int,
        first: int,
        stops: Sequence[int],
    ) -> Iterator[tuple[int, np.ndarray]]:
        """The loop of `sampling.chain` in its kernel, which comes back after each of `stops`; embedding [K, E]."""
        state, (n, dim), K = forward.start(x), x.shape, len(table.t)
        bias = forward.time_bias(self.network, embedding)
        c = np.broadcast_to(table.c.reshape(K, -1), (K, dim))
        rows = np.column_stack([table.p, table.q, table.a, table.b, c]).astype(np.float32)
        low = 0
        for stop in stops:
            part = slice(low, stop + 1)
            forward.chain(
                self.network,
                self.residual,
                first,
                table.noise[part],
                table.accept[part],
                rows[part],
                bias[part],
                STREAM_REVERSE,
                split_seed(seed),
                state,
            )
            low = stop + 1
            yield stop, forward.point(state, n, dim)

    def steps(self, task: Task, share: Share, embedding: np.ndarray) -> Take:
        """Training steps in their one kernel, all buffers made once; embedding [T + 1, E] of the steps t.

        Where processes share a batch, only the gradient of each step is in the kernel, and where the arrays are so
        large that a copy of them would be felt.
        """
        schedule, network = task.schedule, self.network
        data, signal, sigma, embedding = (
            np.ascontiguousarray(values, np.float32)
            for values in (task.data, np.sqrt(schedule.alpha_bar), np.sqrt(1.0 - schedule.alpha_bar), embedding)
        )
        work = workspace.workspace(network.table, network.weights, -(-share.bounds // share.unit))
        key = (*split_seed(task.seed), STREAM_BATCH, STREAM_TRAIN)

        def take(state: State, most: int, chosen: np.ndarray, weighting: np.ndarray, table: np.ndarray) -> Taken:
            lambda_t, bound = weighting.astype(np.float32), table.astype(np.float32)
            problem = workspace.Problem(
                network.table, network.octaves, data, chosen, signal, sigma, lambda_t, bound, embedding
            )
            P, low, high = len(state.parameters), state.step, state.step + most
            work.weights[:P] = state.parameters
            if task.ranks.size > 1 or P >= LARGE:
                return self._one_step(task, share, problem, work, state, key)
            moved = state.m.copy(), state.v.copy(), state.average.copy()
            rates, decays = task.rates[low:high], task.decays[low:high]
            given = moved, task.batch, low + 1, rates, decays, tuple(task.adam), key
            losses = train.steps(problem, work, self.residual, *given)
            return Taken(losses, work.sample_loss[: task.batch], state.replaced(work.weights[:P].copy(), *moved))

        return take

    def _one_step(
        self,
        task: Task,
        share: Share,
        problem: workspace.Problem,
        work: workspace.Workspace,
        state: State,
        key: tuple[int, ...],
    ) -> Taken:
        """A step whose batch several processes may share: each adds up its groups, then all of them theirs."""
        P, rate, decay = len(state.parameters), float(task.rates[state.step]), float(task.decays[state.step])
        given = task.batch, state.step + 1, rate, decay, tuple(task.adam), key
        now = shared.one_step(problem, work, self.residual, (state.m, state.v, state.average), *given)
        slope, losses, of_samples = shared.gradient(now), work.loss, work.sample_loss
        if task.ranks.size > 1:
            of_units, own = -(-task.batch // share.unit), work.bounds[[0, -1]]
            numbers = np.zeros(P + of_units * (1 + share.unit), np.float32)
            numbers[:P] = slope
            _, losses, of_samples = np.split(numbers, [P, P + of_units])
            losses[slice(*own)], of_samples[slice(*own * share.unit)] = work.loss, work.sample_loss
            add_up(task.ranks, share.groups, numbers)
            slope[:] = numbers[:P]
        loss = shared.total(losses) / np.float32(task.batch * problem.data.shape[1])

        def move() -> None:
            shared.descend(now)
            state.parameters[:] = work.weights[:P]

        made = state.in_place(move, squares_are_finite(slope), rate, task.adam)
        return Taken(np.array([loss], np.float32), of_samples[: task.batch], made)


def kernels(shapes: list[tuple[int, ...]], parameters: np.ndarray, octaves: int, residual: bool) -> Kernels:
    """The kernels with a copy of the parameters [P]; `shapes` are those of the weight matrices, first to last."""
    return Kernels(layout.network(shapes, parameters, octaves), residual)


def flow(
    params: Parameters,
    config: MLPConfig,
    x: np.ndarray,
    plan: Plan,
    signs: np.ndarray | None,
    stops: Sequence[int],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The probability flow from x [N, D], see `Network.own_flow`, by parameters in float64."""
    weight, features = params["input.weight"], fourier_features.size(config.dim, config.octaves)
    embedded = time_embedding.forward(plan.t, config.embedding, np.float64)
    flat = np.concatenate([values.ravel() for values in params.values()])
    shapes = [values.shape for name, values in params.items() if name.endswith("weight")]
    network = layout.network(shapes, flat, config.octaves, np.float64)
    bias = np.zeros((len(plan.t), network.table[0, layout.JP]))
    # no BLAS: its sums may depend on the number of threads
    bias[:, : len(weight)] = np.einsum("ke,je->kj", embedded, weight[:, features:]) + params["input.bias"]
    ode = flow_kernel.Flow(network, config.residual, bias, plan.tanh, plan.start, plan.predict, plan.correct, SWEEPS)
    state, tangents = flow_kernel.start(x, plan.predict.shape[1]), flow_kernel.directions(signs, config.dim)
    for low, high in zip([0, *stops], stops, strict=False):
        flow_kernel.advance(ode, low, high, tangents, state)
        yield flow_kernel.rows(state, len(x))

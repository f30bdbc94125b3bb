"""What every network must hold, whichever it is: one check for all of them."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from checks.gradcheck import projected_errors, wrong
from checks.tasks import advanced

from numpy_diffusion.models.condition import AXES, Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.tasks import Adam, Batch, Dropout, Task
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training import batch as training_batch
from numpy_diffusion.training import losses, step
from numpy_diffusion.training.checkpoints import load
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.run import Run, load_run

SCHEDULE = Schedule.linear(T=20)
N = 5
TOKENS = 4
ROUNDING = 1e-4  # of float32 sums, against the largest number of an array


def check_network(network: Network, folder: Path) -> None:
    """That a float32 network is one; its weights are drawn anew, so that no gradient is zero but by its structure.

    Its class takes `seed` and `dtype` beside the fields of its config.

    Parameters
    ----------
    folder : an empty one, for the files of its runs
    """
    assert network.buffer.dtype == np.float32
    check_arguments(network)
    for number, values in enumerate(network.params.values()):
        drawn = np.random.default_rng(number).normal(size=values.shape)
        values[:] = drawn / np.sqrt(max(values[0].size, 2))
    check_gradients(network)
    check_pullback(network)
    check_answers(network)
    check_kernels(network)
    check_parts_and_threads(network)
    check_copies(network)
    check_condition(network)
    check_files(network, folder)


def made(network: Network, **more: Any) -> Network:
    """Another of the same structure."""
    return type(network)(**network.options, **more)


def as_double(network: Network) -> Network:
    double = made(network, dtype=np.float64)
    double.buffer[:] = network.buffer
    return double


def data(network: Network, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (n, *network.shape)).astype(np.float32)


def steps(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(1, SCHEDULE.T + 1, n)


def told(network: Network, n: int) -> Condition:
    """A value of each field that the network takes, for each of n samples; labels as training has them."""
    rng, rows = np.random.default_rng(2), {}
    for name, nothing in ({} if network.nothing is None else network.nothing.arguments()).items():
        if name == "states":
            rows[name] = rng.normal(size=(n, TOKENS, nothing.shape[-1]))
        elif name == "mask":
            rows[name] = rng.random((n, TOKENS)) < 0.6
            rows[name][:, 1] = True
        elif nothing.dtype.kind == "f":
            rows[name] = rng.normal(size=(n, *nothing.shape))
        else:
            rows[name] = rng.integers(0, max(1, nothing.max()), (n, *nothing.shape)).astype(nothing.dtype)
    return Condition(**rows)


def shown(network: Network, n: int = N) -> tuple[np.ndarray, np.ndarray, Condition]:
    return data(network, n), steps(n), told(network, n)


def answer(network: Network, n: int = N, backend: Any = "numba") -> np.ndarray:
    x, t, condition = shown(network, n)
    return network(x, t, backend=backend, **condition.arguments())


def assert_near(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * max(np.abs(expected).max(), 1e-3))


def check_arguments(network: Network) -> None:
    """Its options make it again, and the seed its weights; its units are those of the data until it is trained."""
    again = made(network)
    assert (again.config, again.shape, again.shapes) == (network.config, network.shape, network.shapes)
    buffers = [made(network, seed=seed).buffer for seed in (0, 0, 1, 2**64 - 1)]
    np.testing.assert_array_equal(buffers[0], buffers[1])
    assert (buffers[0] != buffers[2]).any()
    assert (buffers[2] != buffers[3]).any()
    assert not again.shift.any()
    assert (again.scale == 1.0).all()
    assert (again.shift.shape, again.scale.shape) == (again.shape, again.shape)
    assert type(network).__name__ in repr(network)
    assert len(repr(network)) < 500
    for arguments in ({"seed": -1}, {"seed": 0.5}, {"dtype": np.float16}, {"dtype": int}):
        with pytest.raises(ValueError, match=rf"^{next(iter(arguments))}: expected .*, got "):
            made(network, **arguments)


def check_gradients(network: Network) -> None:
    """Of x and of every parameter, with dropout, against central differences in float64."""
    double = as_double(network)
    x, t, condition = shown(double)
    x, dropout = x.astype(np.float64), Dropout(11, np.arange(N) + 3, 4)
    outputs, caches = double.forward(double.params, x, t, condition, dropout)
    assert outputs.shape == (N, (1 + double.learn_variance) * double.shape[0], *double.shape[1:])
    doutputs = np.random.default_rng(3).normal(size=outputs.shape)
    doutputs /= np.linalg.norm(doutputs)  # a small loss rounds to little, where a gradient is zero by the structure
    dx, grads = double.backward(double.params, doutputs, caches)

    def loss() -> float:
        return float((doutputs * double.forward(double.params, x, t, condition, dropout)[0]).sum())

    assert wrong(projected_errors(loss, {"x": x, **double.params}, {"x": dx, **grads})) == []
    assert set(grads) == set(double.params)


def check_pullback(network: Network) -> None:
    """eps in float64 whatever the weights' dtype, and back from it: c . J z by central differences is z . J^T c."""
    x, t, condition = shown(network)
    x, told_fields, double = x.astype(np.float64), condition.arguments(), as_double(network)
    eps, pull = network.vjp(x, t, **told_fields)
    assert eps.dtype == np.float64
    np.testing.assert_array_equal(eps, double(x, t, **told_fields))
    z, c = np.random.default_rng(6).normal(size=(2, *x.shape))
    ahead, behind = (double(x + h * z, t, **told_fields) for h in (1e-5, -1e-5))
    back = pull(c)
    for n in range(N):
        along, size = (c[n] * (ahead - behind)[n]).sum() / 2e-5, np.linalg.norm(c[n]) * np.linalg.norm(back[n])
        assert abs((back[n] * z[n]).sum() - along) <= 1e-7 * size
    np.testing.assert_array_equal(pull(2.0 * c), 2.0 * back)  # it may be asked again
    with pytest.raises(ValueError, match=r"^cotangent: expected shape"):
        pull(c[:1])


def check_answers(network: Network) -> None:
    """eps is the first half of the definition's outputs, and the fraction of a learned variance the second."""
    x, t, condition = shown(network)
    outputs, _ = network.forward(network.params, x, t, condition)
    for backend in ("numba", "numpy"):
        eps = network(x, t, backend=backend, **condition.arguments())
        assert (eps.dtype, eps.shape) == (np.float32, x.shape)
        assert_near(eps, outputs[:, : network.shape[0]])
        if network.learn_variance:
            again, fraction = network.eps_and_fraction(x, t, backend=backend, **condition.arguments())
            np.testing.assert_array_equal(again, eps)
            assert_near(fraction, 0.5 + 0.5 * outputs[:, network.shape[0] :])
        else:
            with pytest.raises(ValueError, match=rf"^model: expected a {type(network).__name__} that learns"):
                network.eps_and_fraction(x, t, backend=backend, **condition.arguments())
    one = network(x, 3, **condition.arguments())
    np.testing.assert_array_equal(one, network(x, np.full(N, 3), **condition.arguments()))
    double = as_double(network)
    assert double(x, t, **condition.arguments()).dtype == np.float64
    assert_near(answer(network), double(x, t, **condition.arguments()))


def check_kernels(network: Network) -> None:
    """What it brings of outputs, gradient, whole steps and chain is that of its definition, to rounding."""
    assert_near(answer(network), answer(network, backend="numpy"))
    states, found = [], []
    for backend in ("numpy", "numba"):
        states.append(step.start(network, SCHEDULE.T))
        advance = step.prepare(network, task(network), losses.weights(SCHEDULE), backend=backend)
        found.append(advanced(advance, states[-1], 3))
    np.testing.assert_allclose(*found, rtol=1e-4)
    np.testing.assert_allclose(states[0].parameters, states[1].parameters, rtol=0, atol=1e-5)
    gradient = network.own_gradient(task(network))
    if gradient is not None:
        x, t, condition = shown(network)
        rest = data(network, N, 4), np.ones(N), losses.bound_table(SCHEDULE)[t]
        shown_batch = Batch(x, t, condition, Dropout(7, np.arange(N), 2), *rest)
        for one, two in zip(
            gradient(network.buffer, shown_batch),
            training_batch.by_definition(network)(network.buffer, shown_batch),
            strict=True,
        ):
            assert_near(one, two)
    if network.nothing is None:
        assert_near(*(sample(network, SCHEDULE, N, 6, backend=backend) for backend in ("numba", "numpy")))


def task(network: Network, **more: Any) -> Task:
    settings = dict(adam=Adam(epsilon=1e-3), rates=np.full(9, 1e-3), decays=np.full(9, 0.9), seed=7)
    settings |= dict(batch=N, label_dropout=0.3 if network.nothing is not None else 0.0)
    return Task(SCHEDULE, data(network, 12), told(network, 12), **settings | more)


def check_parts_and_threads(network: Network) -> None:
    """A sample's answer is its own: to the bit by the kernel, if there is one, on any number of threads."""
    x, t, condition = shown(network)
    whole = answer(network)
    parts = np.concatenate(
        [network(x[rows], t[rows], **condition.rows(rows).arguments()) for rows in (slice(0, 2), slice(2, N))]
    )
    if network.own_outputs(x, t, condition) is None:
        assert_near(parts, whole)
    else:
        np.testing.assert_array_equal(parts, whole)
    threads, found = numba.get_num_threads(), []
    try:
        for number in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(number)
            state = step.start(network, SCHEDULE.T)
            advanced(step.prepare(network, task(network), losses.weights(SCHEDULE), backend="numba"), state, 2)
            found.append((answer(network, 9), state.parameters))
    finally:
        numba.set_num_threads(threads)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def out_of_band(network: Network) -> Network:
    """A copy as joblib hands it to its workers: the arrays lie elsewhere, and are not to be written to."""
    arrays: list[pickle.PickleBuffer] = []
    content = pickle.dumps(network, protocol=5, buffer_callback=arrays.append)
    return pickle.loads(content, buffers=[bytes(array.raw()) for array in arrays])


def check_copies(network: Network) -> None:
    """A copy answers the same, and its parameters are views of its own buffer, which every call reads."""
    expected = answer(network)
    copies = [copy.deepcopy(network), network.copy(), pickle.loads(pickle.dumps(network)), out_of_band(network)]
    for number, other in enumerate([copy.copy(network), *copies]):
        assert other is not network
        np.testing.assert_array_equal(answer(other), expected)
        assert all(np.shares_memory(values, other.buffer) for values in other.params.values())
        assert np.shares_memory(other.buffer, network.buffer) == (number == 0)
    for other in copies[:3]:
        other.buffer[:] = 0.0
        for backend in ("numba", "numpy"):
            assert not answer(other, backend=backend).any()
    np.testing.assert_array_equal(answer(network), expected)
    assert not copies[3].buffer.flags.writeable


def check_condition(network: Network) -> None:
    """A field that it does not take is refused, and so is one that is missing; each that it takes has a say."""
    x, t, condition = shown(network)
    given = condition.arguments()
    nothing = {} if network.nothing is None else network.nothing.lengthened(condition.length).arguments()
    for name, axes in AXES.items():
        if name == "mask" and "states" in given:
            without = network(x, t, **given | {name: None})  # all are there
            np.testing.assert_array_equal(without, network(x, t, **given | {name: np.ones(TOKENS, bool)}))
            assert (without != answer(network)).any()
        elif name in given:
            rest = {other: values for other, values in given.items() if other != name}
            with pytest.raises(ValueError, match=rf"^{name}: expected one for all, or one for each of {N} samples"):
                network(x, t, **rest)
            with pytest.raises(ValueError, match=rf"^({name}|condition): expected .*, got "):
                network(x, t, **given | {name: given[name][:-1]})
            other = network(x, t, **given | {name: nothing[name]})
            assert (other != answer(network)).any(axis=tuple(range(1, x.ndim))).sum() >= N - 1
        else:
            dtypes = dict(mask=bool, embedding=float, text_embedding=float, states=float, low_resolution=float)
            value = np.zeros((TOKENS,) * axes, dtypes.get(name, int))
            with pytest.raises(ValueError, match=rf"^{name}: expected None, as the network has no .*, got some$"):
                network(x, t, **given | {name: value})
    assert given.keys() == (set() if network.nothing is None else network.nothing.arguments().keys())


def check_files(network: Network, folder: Path) -> None:
    """A run of it opens, and goes on after Ctrl-C, to the bit."""

    def run(name: str, **more: Any) -> Run:
        settings = dict(steps=4, batch=N, checkpoint_every=2, progress=False, out=folder / name)
        return train(network.copy(), SCHEDULE, data(network, 12), told(network, 12), **settings | more)

    def stop(_: Run) -> None:
        raise KeyboardInterrupt

    whole, begun = run("whole"), run("begun", after_checkpoint=stop)
    assert (begun.step, begun.interrupted) == (2, True)
    for found, expected in (
        (load(folder / "whole"), whole.model),
        (load_run(folder / "whole").model, whole.model),
        (load(folder / "begun"), begun.model),
        (run("begun", resume=True).model, whole.model),
    ):
        assert type(found) is type(network)
        assert found.config == network.config
        for name in ("buffer", "shift", "scale"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        np.testing.assert_array_equal(answer(found), answer(expected))
    assert (whole.model.buffer != begun.model.buffer).any()

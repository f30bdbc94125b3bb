"""What the page reckons in the browser is what Python reckons: noise, schedules, solvers, network, exact answers."""

from __future__ import annotations

import numpy as np
import pytest
from checks.explorable import SCHEDULE, X0, contents, network, samples
from checks.node import needs_node, value

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.models.protocol import members
from numpy_diffusion.noise import normal, philox4x32
from numpy_diffusion.process.steps import chosen_pairs, nearest_steps
from numpy_diffusion.sampling.solvers import coefficients

pytestmark = needs_node

SOLVERS = [
    ("ancestral", {"variance": "beta"}),
    ("ancestral", {"variance": "beta_tilde"}),
    ("ddim", {}),
    ("dpm++2m", {}),
]
CHAIN = "[...chainOf(model, rows, n, BigInt(seed))].at(-1)"


def random(seed=0):
    return np.random.default_rng(seed)


# Noise


def test_the_bits_are_those_of_the_generator():
    drawn = random().integers(0, 2**32, (200, 6), dtype=np.uint64)
    drawn[:2] = [[0] * 6, [2**32 - 1] * 6]
    drawn[2:66] >>= random(1).integers(0, 32, (64, 6), dtype=np.uint64)  # small words too
    found = value("drawn.map(([a, b, c, d, e, f]) => philox4x32([a, b, c, d], [e, f]))", drawn=drawn)
    for row, words in zip(drawn.tolist(), found, strict=True):
        assert [int(word) for word in philox4x32(tuple(row[:4]), tuple(row[4:]))] == words


@pytest.mark.parametrize("seed", [0, 7, 2**32 + 5, 2**64 - 1])
def test_the_normal_numbers_are_those_of_the_generator(seed):
    found = value("normal(BigInt(seed), 4, 500, 77, 1000)", seed=str(seed))
    np.testing.assert_allclose(
        np.reshape(found, (-1, 2)), normal(seed, 4, 1000 + np.arange(500), 77, 2), rtol=2e-7, atol=0
    )


# Schedules and solvers


@pytest.mark.parametrize("family", ["linear", "cosine", "quadratic", "sigmoid"])
@pytest.mark.filterwarnings("ignore:schedule")  # one step of cosine ends in little noise
def test_schedules_are_the_same(family):
    options = [{}, {"s": 0.05}] if family == "cosine" else [{}, {"beta_start": 3e-4, "beta_end": 0.04}]
    cases = [(T, given) for T in (1, 2, 40, 1000, 1234) for given in options]
    names = {"beta_start": "betaStart", "beta_end": "betaEnd", "s": "offset"}
    told = [[T, {names[name]: number for name, number in given.items()}] for T, given in cases]
    found = value("told.map(([T, options]) => scheduleOfFamily(family, T, options))", family=family, told=told)
    for (T, given), schedule in zip(cases, found, strict=True):
        expected = getattr(nd.Schedule, family)(T=T, **given)
        for name, own in (("beta", "beta"), ("alphaBar", "alpha_bar")):
            np.testing.assert_allclose(schedule[name], getattr(expected, own), rtol=1e-12, atol=0)
        assert schedule["logSnr"][0] is None  # infinite
        np.testing.assert_allclose(schedule["logSnr"][1:], expected.log_snr[1:], rtol=1e-11, atol=1e-13)


def test_chains_visit_the_same_steps():
    cases = [(T, count) for T in (1, 10, 1000) for count in {1, T, *random().integers(1, T + 1, 40).tolist()}]
    found = value("cases.map(([T, count]) => evenPairs(T, count))", cases=cases)
    for (T, count), pairs in zip(cases, found, strict=True):
        np.testing.assert_array_equal(np.transpose(pairs), chosen_pairs(nd.Schedule.linear(T=T), count))


@pytest.mark.parametrize(("solver", "options"), SOLVERS)
def test_solvers_are_the_same_tables(solver, options):
    schedule, counts = nd.Schedule.sigmoid(T=1000), [1, 2, 16, 1000]
    expression = "counts.map((count) => tableOf(solver, scheduleOfFamily('sigmoid', 1000), count, variance))"
    tables = value(expression, solver=solver, counts=counts, variance=options.get("variance", "beta"))
    for count, rows in zip(counts, tables, strict=True):
        table = coefficients(schedule, solver, steps=count, **options)
        assert table.accept.all()
        assert not table.b[:, 2].any()
        expected = {**table._asdict(), "b0": table.b[:, 0], "b1": table.b[:, 1]}
        for name in ("t", "s", "p", "q", "a", "b0", "b1", "c"):
            found = [row[name] for row in rows]
            np.testing.assert_allclose(found, expected[name], rtol=1e-8, atol=1e-12, err_msg=name)


def test_the_step_of_equal_noise_is_the_nearest():
    own, other = nd.Schedule.sigmoid(T=100), nd.Schedule.cosine(T=150)
    found = value("stepsOfEqualNoise(scheduleOfFamily('cosine', 150), scheduleOfFamily('sigmoid', 100))")
    np.testing.assert_array_equal(found[1:], nearest_steps(own, other.log_snr[1:]))


# Network and exact answers


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the page knows of the network and its data."""
    return contents(figures.explorable(network(), SCHEDULE, tmp_path_factory.mktemp("page") / "a.html", data=X0))


@pytest.mark.parametrize("options", [{"octaves": 7}, {"residual": False, "embedding": 2}, {"depth": 0}], ids=str)
@pytest.mark.parametrize("n", [1, 11])
def test_the_network_is_the_same(tmp_path, options, n):
    model = nd.MLP(2, 16, **{"depth": 2, **options}, seed=3)
    model.buffer[:] += 0.1 * random().normal(size=model.buffer.size)  # no layer is zero
    written = contents(figures.explorable(model, SCHEDULE, tmp_path / "a.html"))
    x = random(1).normal(size=(n, 2)).astype(np.float32)
    expression = """[1, 40, 100].map((t) => {
        const eps = new Float64Array(x.length);
        contentsOf(written).network(Float32Array.from(x), t, eps);
        return eps;
    })"""
    found = value(expression, written=written, x=x.ravel())
    for t, eps in zip((1, 40, 100), found, strict=True):
        np.testing.assert_allclose(np.reshape(eps, (-1, 2)), model(x, t, backend="numpy"), rtol=0, atol=1e-5)


def test_the_exact_answer_is_the_same(told):
    points = np.float32(members(network()).units.to_model(X0))
    x = 2.0 * random().normal(size=(9, 2))
    expression = """[1, 50, 100].map((t) => {
        const { data, schedule } = contentsOf(written), eps = new Float64Array(x.length);
        finiteData(data)(x, schedule.alphaBar[t], eps);
        return eps;
    })"""
    found = value(expression, written=told, x=x.ravel())
    for t, eps in zip((1, 50, 100), found, strict=True):
        expected = nd.oracles.FiniteData(points).eps(SCHEDULE)(x, t)
        np.testing.assert_allclose(np.reshape(eps, (-1, 2)), expected, rtol=1e-9, atol=1e-9)


# Samples


def in_data_units(found):
    return members(network()).units.to_data(np.reshape(found, (-1, 2)))


@pytest.mark.parametrize(("solver", "options"), SOLVERS)
@pytest.mark.parametrize("steps", [12, 100])
def test_samples_are_those_of_python(told, solver, options, steps):
    seed, n = 2**40 + 3, 203
    expression = f"""(() => {{
        const {{ network: model, schedule }} = contentsOf(written);
        const rows = tableOf(solver, schedule, steps, variance);
        return {CHAIN};
    }})()"""
    given = {"written": told, "solver": solver, "steps": steps, "n": n, "seed": str(seed)}
    found = value(expression, **given, variance=options.get("variance", "beta"))
    expected = samples(n, seed, method=solver, steps=steps, **options)
    np.testing.assert_allclose(in_data_units(found), expected, rtol=0, atol=1e-4)


def test_exact_samples_of_drawn_points_are_those_of_python():
    points, n = np.float32([[-1.0, 0.0], [1.0, 0.5], [0.2, -0.7]]), 100
    expression = """(() => {
        const schedule = scheduleOfFamily("sigmoid", 100), exact = finiteData(Float32Array.from(points));
        const model = (x, t, eps) => exact(x, schedule.alphaBar[t], eps);
        const states = [...chainOf(model, tableOf("ddim", schedule, 20), n, 1n)];
        return [states[10], states[20]].map((state) => Array.from(state));
    })()"""
    found = value(expression, points=points.ravel(), n=n)
    model, options = nd.oracles.FiniteData(points).eps(SCHEDULE), {"method": "ddim", "steps": 20, "keep": [50, 0]}
    expected = nd.sample(model, SCHEDULE, n, 1, **options, progress=False)
    for state, t in zip(found, (50, 0), strict=True):
        np.testing.assert_allclose(np.reshape(state, (-1, 2)), expected[t], rtol=0, atol=1e-4)


def test_with_another_schedule_the_network_is_asked_where_it_saw_as_much_noise(told):
    other = nd.Schedule.linear(T=100)
    expression = f"""(() => {{
        const {{ network, schedule: own }} = contentsOf(written), schedule = scheduleOfFamily("linear", 100);
        const asked = stepsOfEqualNoise(schedule, own), rows = tableOf("ddim", schedule, 20), seed = 1, n = 50;
        const model = (x, t, eps) => network(x, asked[t], eps);
        return {CHAIN};
    }})()"""
    asked = np.append(0, nearest_steps(SCHEDULE, other.log_snr[1:]))
    model = network()
    expected = nd.sample(
        lambda x, t: model(x, int(asked[t]), backend="numpy"), other, 50, 1, method="ddim", steps=20, shape=(2,)
    )
    np.testing.assert_allclose(np.reshape(value(expression, written=told), (-1, 2)), expected, rtol=0, atol=1e-4)

"""A ladder, for teaching: the same work from a Python loop to the machine's limit, one idea a rung.

    python benchmarks/ladder.py

Two works: the forward noising xt = signal x0 + sigma eps with fresh noise, 4096 x 768, and the linear layer
Y = W X, 128 x 128 times 128 x 8192 (features x samples).  Prints time, rate and gain of every rung and draws them all
under the machine's roofline (Williams, Waterman, Patterson 2009), both roofs measured in the same run.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timing
from matplotlib.figure import Figure
from numba import njit, prange, uint32

from numpy_diffusion.kernels import noising
from numpy_diffusion.kernels._jit import jit, parallel_jit
from numpy_diffusion.kernels.memory import aligned
from numpy_diffusion.kernels.random import box_muller, philox4x32
from numpy_diffusion.kernels.vector.bfloat16 import pairs_tile, round_pairs, round_rows
from numpy_diffusion.kernels.vector.registers import LANES, ROWS
from numpy_diffusion.kernels.vector.tile import tile
from numpy_diffusion.layers import bfloat16

N, D = 4096, 768
WIDTH, SAMPLES = 128, 8192
# Operations a number of noise, integer and floating: Philox 10 rounds of 10 for four numbers, Box-Muller 26, jump 3.
NOISE_OPERATIONS = 10 * 10 / 4 + 26 + 3


# The forward noising: x0, signal, sigma [N] -> xt, eps -----------------------------------------------------------


def noise_python(x0, signal, sigma, xt, eps):
    """A Python loop over rows, NumPy on each: the interpreter runs once a row."""
    rng = np.random.default_rng(0)
    for n in range(N):
        eps[n] = rng.standard_normal(D, dtype=np.float32)
        xt[n] = signal[n] * x0[n] + sigma[n] * eps[n]


def noise_numpy(x0, signal, sigma, xt, eps):
    """NumPy on whole arrays: no loop in Python, but each operation is a pass through memory, on one core."""
    eps[:] = np.random.default_rng(0).standard_normal((N, D), dtype=np.float32)
    xt[:] = signal[:, None] * x0 + sigma[:, None] * eps


@njit
def _noised_row(n, x0, signal, sigma, xt, eps):
    """One row in one pass, draw and jump together."""
    for j in range(D // 2):
        r0, r1, _, _ = philox4x32(uint32(j), uint32(n), uint32(0), uint32(0), uint32(0), uint32(0))
        u, v = (r0 + 1.0) * 2.0**-32, r1 * 2.0**-32
        radius = math.sqrt(-2.0 * math.log(u))
        eps[n, 2 * j], eps[n, 2 * j + 1] = radius * math.sin(math.tau * v), radius * math.cos(math.tau * v)
    for d in range(D):
        xt[n, d] = signal[n] * x0[n, d] + sigma[n] * eps[n, d]


@njit
def noise_jit(x0, signal, sigma, xt, eps):
    """Compiled: one pass, draw and jump together; still one number at a time, with calls of log, sin and cos."""
    for n in range(N):
        _noised_row(n, x0, signal, sigma, xt, eps)


@njit(parallel=True)
def noise_parallel(x0, signal, sigma, xt, eps):
    """The same on all cores: counter-based noise lets every row be drawn on its own."""
    for n in prange(N):
        _noised_row(n, x0, signal, sigma, xt, eps)


@parallel_jit
def noise_polynomial(x0, signal, sigma, xt, eps):
    """Polynomials for log, sin and cos: no call, no branch, so that the compiler fills whole vector registers."""
    for n in prange(N):
        first, second = eps[n, : D // 2], eps[n, D // 2 :]
        for j in range(D // 2):
            r0, r1, _, _ = philox4x32(uint32(j), uint32(n), uint32(0), uint32(0), uint32(0), uint32(0))
            first[j], second[j] = box_muller(r0, r1)
        for d in range(D):
            xt[n, d] = signal[n] * x0[n, d] + sigma[n] * eps[n, d]


def noise_project(x0, signal, sigma, xt, eps):
    """All four words of a counter used, and 512-bit registers asked for: the project's kernel."""
    t, k = np.ones(N, np.int64), np.uint32(0)
    noising._noised(x0, signal, sigma, t, 0, 1, k, k, xt, eps, np.empty(N // noising.CHUNK, np.bool_))


# The linear layer: W [J, K], X [K, samples] -> Y [J, samples] ----------------------------------------------------


def linear_python(W, X, Y):
    """A Python loop over samples, NumPy on each: a matrix times a vector reads all of W for few operations."""
    for n in range(X.shape[1]):
        Y[:, n] = W @ X[:, n]


@njit
def linear_jit(W, X, Y):
    """Compiled, sum by sum: each multiply-add waits for the one before it, and X is read across its rows."""
    for j in range(W.shape[0]):
        for n in range(X.shape[1]):
            total = np.float32(0)
            for k in range(W.shape[1]):
                total += W[j, k] * X[k, n]
            Y[j, n] = total


@jit
def linear_order(W, X, Y):
    """Loops turned: the inner one runs along memory, and vector registers fill; but Y goes to memory and back."""
    Y[:] = 0
    for j in range(W.shape[0]):
        for k in range(W.shape[1]):
            for n in range(X.shape[1]):
                Y[j, n] += W[j, k] * X[k, n]


@parallel_jit
def linear_parallel(W, X, Y):
    """The same on all cores, in blocks that stay in the cache; they are views, whose indices are never negative."""
    for block in prange(X.shape[1] // 256):
        low, high = block * 256, (block + 1) * 256
        Y[:, low:high] = 0
        for j in range(W.shape[0]):
            y = Y[j, low:high]
            for k in range(W.shape[1]):
                x = X[k, low:high]
                for n in range(256):
                    y[n] += W[j, k] * x[n]


@parallel_jit
def linear_tile(W, X, Y):
    """The tile: sums stay in registers over all of k, and every number loaded serves several multiply-adds."""
    for block in prange(X.shape[1] // LANES):
        for j in range(0, W.shape[0], ROWS):
            c0 = j * X.shape[1] + block * LANES
            tile(W, j * W.shape[1], 1, W.shape[1], X, block * LANES, X.shape[1], Y, c0, X.shape[1], W.shape[1])


@parallel_jit
def linear_bfloat16(W, X, Y):
    """Two numbers of 8 bits where there was one of 24: an instruction does twice the products, sums in float32."""
    pairs = W.shape[1] // 2
    left = np.empty((W.shape[0], pairs), np.float32)
    round_pairs(W, 0, left, 0, W.size)
    for block in prange(X.shape[1] // LANES):
        right = np.empty(pairs * LANES, np.float32)
        for k in range(pairs):
            x0 = 2 * k * X.shape[1] + block * LANES
            round_rows(X.reshape(-1), x0, x0 + X.shape[1], right, k * LANES, LANES)
        zeros = np.zeros(LANES, np.float32)
        for j in range(0, W.shape[0], ROWS):
            c0 = j * X.shape[1] + block * LANES
            pairs_tile(left, j * pairs, 0, 1, pairs, right, 0, 0, LANES, zeros, 0, 0, Y, c0, X.shape[1], 1, pairs)


def linear_blas(W, X, Y):
    """For comparison, NumPy's BLAS (OpenBLAS): the same idea, in assembly, with a copy into packed form first."""
    np.matmul(W, X, out=Y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the picture")
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    x0, W, X = (rng.standard_normal(shape, dtype=np.float32) for shape in ((N, D), (WIDTH, WIDTH), (WIDTH, SAMPLES)))
    signal, sigma = np.full(N, 0.6, np.float32), np.full(N, 0.8, np.float32)
    xt, eps, Y = np.empty_like(x0), np.empty_like(x0), aligned(WIDTH * SAMPLES).reshape(WIDTH, SAMPLES)
    noise = [noise_python, noise_numpy, noise_jit, noise_parallel, noise_polynomial, noise_project]
    linear = [linear_python, linear_jit, linear_order, linear_parallel, linear_tile, linear_bfloat16, linear_blas]
    for rung in noise:
        rung(x0, signal, sigma, xt, eps)
        assert abs(eps.std() - 1.0) < 0.01, rung.__name__
        np.testing.assert_allclose(xt, 0.6 * x0 + 0.8 * eps, atol=1e-5, err_msg=rung.__name__)
    for rung in linear:
        rung(W, X, Y)
        seen = map(bfloat16.rounded, (W, X)) if rung is linear_bfloat16 else (W, X)
        np.testing.assert_allclose(Y, np.matmul(*seen), atol=1e-3, err_msg=rung.__name__)

    peak = timing.peak_gflops()
    copied = timing.interleaved({"copy": lambda: np.copyto(xt, x0)}, options.rounds)["copy"]["median"]
    bandwidth = 2 * x0.nbytes / copied / 1e9
    print(f"roofs: {peak:.0f} GFLOP/s (the tile in the cache), {bandwidth:.1f} GB/s (a copy)")
    points = [
        *_climb(
            "forward noising", noise, (x0, signal, sigma, xt, eps), N * D * NOISE_OPERATIONS, 3 * x0.nbytes, options
        ),
        *_climb("linear layer", linear, (W, X, Y), 2.0 * W.size * SAMPLES, W.nbytes + X.nbytes + Y.nbytes, options),
    ]
    _roofline(points, peak, bandwidth, options.out / "ladder.png")


def _climb(
    title: str, rungs: list[Callable], arguments: tuple, operations: float, moved: float, options: argparse.Namespace
) -> list[tuple[str, str, float, float]]:
    """Time the rungs in turn, print the table; (work, rung, operations a byte, operations a second / 1e9) of each."""
    runs = {rung.__name__: (lambda rung=rung: rung(*arguments)) for rung in rungs}
    found = timing.interleaved(runs, options.rounds)
    print(f"\n{title}\n{'rung':<18}{'ms':>9}{'Gop/s':>9}{'gain':>8}   why it is faster")
    before, points = None, []
    for rung in rungs:
        seconds = found[rung.__name__]["median"]
        gain = f"{before / seconds:.1f}x" if before else ""
        why = " ".join((getattr(rung, "py_func", rung).__doc__ or "").split())
        name = rung.__name__.split("_", 1)[1]
        print(f"{name:<18}{seconds * 1e3:9.2f}{operations / seconds / 1e9:9.2f}{gain:>8}   {why}")
        points.append((title, name, operations / moved, operations / seconds / 1e9))
        before = seconds
    return points


def _roofline(points: list[tuple[str, str, float, float]], peak: float, bandwidth: float, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(8, 5.5), dpi=130, layout="constrained")
    axes = figure.subplots()
    intensity = np.geomspace(1.0, 200.0, 100)
    axes.loglog(intensity, np.minimum(peak, intensity * bandwidth), color="black", linewidth=1.5)
    axes.annotate(f"peak {peak:.0f} GFLOP/s", (100, peak), (0, 4), textcoords="offset points", ha="center")
    place = {"textcoords": "offset points", "rotation": 35, "rotation_mode": "anchor"}
    axes.annotate(f"memory {bandwidth:.0f} GB/s", (1.1, 1.1 * bandwidth), (0, 8), **place)
    colours = {"forward noising": "#D55E00", "linear layer": "#0072B2"}
    for place, (work, name, x, y) in enumerate(points):
        side = {"xytext": (7, -3)} if place % 2 else {"xytext": (-7, -3), "ha": "right"}
        axes.plot(x, y, "o", color=colours[work])
        axes.annotate(name, (x, y), textcoords="offset points", fontsize=9, color=colours[work], **side)
    for work, colour in colours.items():
        axes.plot([], [], "o", color=colour, label=work)
    axes.set(xlabel="operations a byte moved to or from memory", ylabel="operations a second (10$^9$)")
    axes.set_title("Each rung of the ladder under the machine's roofline")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path)
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()

"""The switch between kernels and definitions: it reaches everything, and what needs no kernel needs no Numba."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import numpy_diffusion as nd
from numpy_diffusion.kernels.backend import chosen

# Every public function that asks a model or jumps, in one go; small, as without kernels it runs line by line.
EVERYTHING = """
import numpy as np
import numpy_diffusion as nd

schedule, x0 = nd.Schedule.linear(T=5), nd.datasets.spiral(40, seed=0)
mlp, learned = nd.MLP(2, 8, 1), nd.MLP(2, 8, 1, learn_variance=True)
scenes = nd.image_datasets.scenes(6, seed=0)
blocks = dict(down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"])
blocks |= dict(block_out_channels=[4, 4], norm_num_groups=2, attention_head_dim=4, layers_per_block=1)
unet = nd.UNet(sample_size=32, in_channels=1, out_channels=1, dropout=0.1, num_class_embeds=4, **blocks)


def everything():
    nd.q_sample(x0, 3, schedule)
    nd.q_step(x0, 3, schedule)
    nd.q_trajectory(x0, schedule)
    nd.train(mlp, schedule, x0, steps=3, batch=8, progress=False)
    nd.train(learned, schedule, x0, steps=3, batch=8, weighting="vlb", sampling="importance", progress=False)
    nd.train(unet, schedule, scenes.x0, scenes.labels, steps=1, batch=2, mirror=True, progress=False)
    for method in ("ancestral", "ddim", "heun", "dpm++3m"):
        nd.sample(mlp, schedule, 4, method=method, progress=True)
    nd.sample(learned, schedule, 4, variance="learned")
    asked = nd.clipped(nd.guided(unet, 1, scale=1.0), schedule)
    nd.sample(asked, schedule, 1, steps=2)
    nd.inpaint(asked, schedule, scenes.x0[0], np.arange(32) < 16, 1, steps=2, resample=2, jump=1)
    nd.interpolate(mlp, schedule, x0[0], x0[1], [0.0, 1.0], t=3)
    nd.bound(mlp, schedule, x0[:4])
    nd.bound(mlp, schedule, x0[:4], form="article")
    nd.log_prob(mlp, schedule, x0[:4])
    nd.optimal_variance(mlp, schedule, x0)
    nd.trajectory_log_density(mlp, schedule, nd.sample(mlp, schedule, 4, keep=range(6)))
    nd.importance_weighted(mlp, schedule, x0[:4], K=2)
    mlp(x0, 3), unet(scenes.x0, 3, labels=0)
    nd.DiffusionDensity(T=5, width=8, depth=1, steps=3, batch=8, random_state=0).fit(x0).score_samples(x0[:4])
"""

# Kernels uncompiled are functions like others, so that a tracer sees each one that is entered.
TRACED = """
import sys
entered = set()


def tracer(frame, event, _):
    path = frame.f_code.co_filename.replace("\\\\", "/")
    if "/numpy_diffusion/kernels/" in path and not path.endswith(("/backend.py", "/precision.py")):
        entered.add(f"{path.rpartition('/kernels/')[2]}: {frame.f_code.co_name}")


%s
with nd.backend("numpy"):
    sys.setprofile(tracer)
    everything()
    sys.setprofile(None)
assert not entered, sorted(entered)
mlp(x0, 3)
sys.setprofile(tracer)
mlp(x0, 3)
sys.setprofile(None)
assert entered, "the tracer sees nothing"
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = os.environ | {"PYTHONWARNINGS": "default", **environment}
    return subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=600)


def test_with_the_definitions_chosen_no_kernel_is_entered_anywhere() -> None:
    code = TRACED.replace("%s", EVERYTHING)
    found = run(code, NUMBA_DISABLE_JIT="1", NUMPY_DIFFUSION_SIMD="128", PYTHONWARNINGS="ignore")
    assert found.returncode == 0, found.stderr[-3000:]


def test_without_numba_everything_runs_on_the_definitions_with_one_warning() -> None:
    code = "import sys\nsys.modules['numba'] = sys.modules['llvmlite'] = None\n" + EVERYTHING + "\neverything()"
    found = run(code)
    assert found.returncode == 0, found.stderr[-3000:]
    assert found.stderr.count("Numba cannot be imported") == 1, found.stderr


def test_the_switch_gives_what_the_argument_gives() -> None:
    model, schedule = nd.MLP(2, 8, 1, seed=3), nd.Schedule.linear(T=10)
    model.buffer[:] = np.random.default_rng(0).normal(scale=0.3, size=model.buffer.size)
    by_argument = nd.sample(model, schedule, 20, backend="numpy")
    with nd.backend("numpy"):
        np.testing.assert_array_equal(nd.sample(model, schedule, 20), by_argument)
        compiled = nd.sample(model, schedule, 20, backend="numba")
        with nd.backend("numba"):
            np.testing.assert_array_equal(nd.sample(model, schedule, 20), compiled)
        assert chosen() == "numpy"
    assert chosen() == "numba"
    np.testing.assert_array_equal(nd.sample(model, schedule, 20), compiled)


def test_an_error_inside_leaves_the_switch_as_it_was() -> None:
    with pytest.raises(ZeroDivisionError), nd.backend("numpy"):
        raise ZeroDivisionError
    assert chosen() == "numba"


@pytest.mark.parametrize("name", ["numexpr", "", None, 1])
def test_another_name_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"^backend: expected one of 'numba', 'numpy', got "), nd.backend(name):
        pass  # type: ignore[arg-type]

"""The kernels as plain Python, for a debugger, and what importing the package costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

UNCOMPILED = """
import numpy as np
import numpy_diffusion as nd
from numpy_diffusion.kernels.vector import tile

assert tile.tile is tile.plain_tile
schedule, model = nd.Schedule.linear(T=3), nd.MLP(dim=2, width=5, depth=1, seed=0)
model.params["output.weight"][:] = 0.1
x = np.random.default_rng(0).normal(size=(3, 70)).astype(np.float32)
np.testing.assert_allclose(*(nd.q_sample(x, 2, schedule, backend=name)[0] for name in ("numba", "numpy")), atol=1e-6)
np.testing.assert_allclose(*(nd.sample(model, schedule, 2, backend=name) for name in ("numba", "numpy")), rtol=1e-5)
"""

# A block with attention, a convolution that suits Winograd's (64 pixels, and here 8 channels) and two that do not.
UNCOMPILED_UNET = """
import numpy as np
from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.vector import attention, runs
from numpy_diffusion.networks.unet.unet import UNet
from checks.unet_kernel import exact, gradient, outputs, shown

assert runs.runs_tile is runs.plain_runs_tile and attention.inner_tile is attention.plain_inner_tile
winograd.suits = lambda C, J: C == J == 8  # they fill these registers; as many as fill the widest take a minute
model = UNet(sample_size=8, in_channels=1, out_channels=1, block_out_channels=[8], layers_per_block=1,
             down_block_types=["AttnDownBlock2D"], up_block_types=["UpBlock2D"], norm_num_groups=2)
model.buffer[:] += 0.1 * np.random.default_rng(0).normal(size=model.buffer.size)
batch, eps = shown(model, 1), np.ones((1, 1, 8, 8), np.float32)
wanted = model(batch["x"], batch["t"], backend="numpy")
np.testing.assert_allclose(outputs(model, batch), wanted, rtol=1e-4, atol=1e-5)
weighting = np.ones(1, np.float32)
(found, slopes, *_), (wanted, wanted_slopes, *_) = (run(model, batch, eps, weighting) for run in (gradient, exact))
np.testing.assert_allclose(found, wanted, rtol=1e-4)
assert np.linalg.norm(slopes - wanted_slopes) < 2e-5 * np.linalg.norm(wanted_slopes)
"""


@pytest.mark.parametrize("code", [UNCOMPILED, UNCOMPILED_UNET], ids=["points", "images"])
def test_kernels_run_uncompiled(code: str) -> None:
    environment = os.environ | {
        "NUMBA_DISABLE_JIT": "1",
        "NUMPY_DIFFUSION_SIMD": "128",  # the smallest tiles
        "PYTHONWARNINGS": "ignore",  # 32-bit words wrap around
        "PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[1]))),
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=600)


def test_importing_compiles_nothing_and_brings_no_matplotlib() -> None:
    check = (
        "import sys, numpy_diffusion; from numpy_diffusion.kernels.mlp import train; "
        "assert not train._steps.signatures; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=600)


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "passive"}, {"OMP_WAIT_POLICY": "passive"}),
    ],
)
def test_how_threads_wait_is_for_the_user_to_say(chosen: dict[str, str], found: dict[str, str]) -> None:
    code = (
        "import os; from numpy_diffusion.kernels import _jit; "
        "print({name: os.environ[name] for name in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY') if name in os.environ})"
    )
    others = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    run = subprocess.run([sys.executable, "-c", code], env=others | chosen, capture_output=True, check=True)
    assert run.stdout.decode().strip() == str(found)

"""SHA-256 sums of what fixed jobs answer, to see whether a change of the code changes a bit of the results.

    python benchmarks/answers.py before.json        at one commit
    python benchmarks/answers.py after.json         at another, on the same machine
    diff before.json after.json

Each job runs on 1, 2 and 5 threads, which must not matter.  The width of the registers must not either, as
`widths.py` shows; but between kinds of processors NumPy's own functions may round otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

THREADS: Final = (1, 2, 5)
os.environ.setdefault("NUMBA_NUM_THREADS", str(max(THREADS)))  # before Numba is imported

import numba  # noqa: E402
import numpy as np  # noqa: E402

import numpy_diffusion as nd  # noqa: E402

SCHEDULE: Final = nd.Schedule.linear(T=50)
POINTS: Final = nd.datasets.spiral(700, seed=3)
IMAGES: Final = nd.image_datasets.scenes(40, seed=1)
UNET: Final = dict(
    sample_size=32,
    in_channels=1,
    block_out_channels=(16, 32, 32),
    layers_per_block=1,
    norm_num_groups=8,
    attention_head_dim=8,
    down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
)


def trained_mlp(**options: Any) -> tuple[nd.MLP, np.ndarray]:
    """A network after forty steps, and their losses."""
    learned, importance = options.get("learn_variance", False), options.get("sampling", "uniform")
    model = nd.MLP(dim=2, width=48, depth=2, octaves=0, learn_variance=learned, seed=5)
    weighting = "vlb" if importance == "importance" else "simple"
    run = nd.train(
        model,
        SCHEDULE,
        POINTS,
        steps=40,
        batch=200,
        weighting=weighting,
        sampling=importance,
        seed=2,
        progress=False,
        backend=options.get("backend", "numba"),
    )
    return model, run.losses


def trained_unet(**options: Any) -> tuple[nd.UNet, np.ndarray]:
    """A U-Net with classes after a few steps with dropout of labels and of activations, and their losses."""
    count = len(IMAGES.names) + 1
    unet = nd.UNet(**UNET, out_channels=2, dropout=0.1, num_class_embeds=count, seed=4)
    given = dict(steps=4, batch=5, mirror=True, label_dropout=0.3, seed=6, progress=False) | options
    run = nd.train(unet, SCHEDULE, IMAGES.x0, IMAGES.labels, **given)
    return unet, run.losses


def jobs() -> dict[str, Callable[[], Any]]:
    """What is summed, by name."""
    mlp, unet = trained_mlp()[0], trained_unet()[0]
    learned = trained_mlp(learn_variance=True)[0]
    oracle = nd.oracles.GaussianMixture([0.4, 0.6], [[-1.0, 0.0], [1.0, 0.5]], [np.eye(2) * 0.1] * 2).eps(SCHEDULE)
    asked = nd.clipped(nd.guided(unet, 1, scale=0.7), SCHEDULE)
    x = np.random.default_rng(0).normal(size=(19, 1, 32, 32)).astype(np.float32)
    label, scenes = unet.null_label, IMAGES.x0
    return {
        "q_sample": lambda: nd.q_sample(scenes, t=20, schedule=SCHEDULE, seed=1),
        "q_trajectory": lambda: list(nd.q_trajectory(POINTS[:50], SCHEDULE, seed=1).values()),
        "train MLP": lambda: (lambda m, losses: [m.buffer, m.shift, m.scale, losses])(*trained_mlp()),
        "train MLP, importance": lambda: trained_mlp(sampling="importance")[1],
        "train MLP, learned variance": lambda: (lambda m, losses: [m.buffer, losses])(
            *trained_mlp(learn_variance=True)
        ),
        "Algorithm 1, MLP": lambda: nd.sample(mlp, SCHEDULE, 300, seed=1),
        "Algorithm 1, learned variance": lambda: nd.sample(learned, SCHEDULE, 100, seed=1, variance="learned"),
        "DDIM, MLP": lambda: nd.sample(mlp, SCHEDULE, 300, seed=1, method="ddim", eta=0.3, steps=10, first=17),
        "dpm++3m, MLP": lambda: nd.sample(mlp, SCHEDULE, 300, seed=1, method="dpm++3m", steps=12),
        "churned heun, oracle": lambda: nd.sample(oracle, SCHEDULE, 50, seed=1, method="heun", steps=9, churn=0.2),
        "keep, oracle": lambda: list(nd.sample(oracle, SCHEDULE, 50, seed=1, keep=[50, 20, 0]).values()),
        "train U-Net": lambda: (lambda m, losses: [m.buffer, losses])(*trained_unet()),
        "train U-Net, batch 70": lambda: trained_unet(batch=70, steps=1)[0].buffer,
        "U-Net's outputs": lambda: [unet(x[:n], np.arange(1, n + 1), labels=label) for n in (1, 3, 16, 19)],
        "Algorithm 1, guided and clipped U-Net": lambda: nd.sample(asked, SCHEDULE, 3, seed=1),
        "inpaint": lambda: nd.inpaint(
            nd.guided(unet, label, 0.0), SCHEDULE, scenes[0], np.arange(32) < 16, 2, steps=6, resample=2, jump=2
        ),
        "interpolate": lambda: nd.interpolate(asked, SCHEDULE, scenes[0], scenes[1], [0.0, 0.5, 1.0], t=30, steps=8),
        "bound": lambda: (lambda b: [b.prior, b.consistency, b.reconstruction])(
            nd.bound(mlp, SCHEDULE, POINTS[:60], seed=1)
        ),
        "bound, learned variance": lambda: nd.bound(learned, SCHEDULE, POINTS[:60], variance="learned").total,
        "log_prob, MLP": lambda: nd.log_prob(mlp, SCHEDULE, POINTS[:30]),
        "log_prob, oracle, probes": lambda: nd.log_prob(oracle, SCHEDULE, POINTS[:30], probes=2, seed=3),
        "optimal_variance": lambda: nd.optimal_variance(mlp, SCHEDULE, POINTS),
        "trajectory_log_density": lambda: nd.trajectory_log_density(
            mlp, SCHEDULE, nd.sample(mlp, SCHEDULE, 20, keep=range(SCHEDULE.T + 1))
        ),
        "importance_weighted": lambda: nd.importance_weighted(oracle, SCHEDULE, POINTS[:20], K=3),
    }


def digest(values: Any) -> str:
    """The SHA-256 of arrays, in their order."""
    total = hashlib.sha256()
    for array in values if isinstance(values, (list, tuple)) else [values]:
        array = np.ascontiguousarray(array)
        total.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    return total.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="the JSON file to write")
    path = parser.parse_args().path
    found: dict[str, str] = {}
    for threads in THREADS:
        numba.set_num_threads(threads)
        for name, job in jobs().items():
            if found.setdefault(name, total := digest(job())) != total:
                raise SystemExit(f"{name}: expected the same bits on any number of threads, got others on {threads}")
            print(f"{threads} threads: {name}", flush=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

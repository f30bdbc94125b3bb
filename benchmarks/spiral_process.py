"""The spiral as one process: data, training, Algorithm 1, quality; in this project or in PyTorch.

    python benchmarks/spiral_process.py numpy_diffusion
    python benchmarks/spiral_process.py "PyTorch eager"

Prints one line of JSON: how good the samples are.  `spiral_race.py` measures the process from outside.
"""

from __future__ import annotations

import json
import sys

import numpy as np

STEPS, BATCH, RATE, WARMUP, AVERAGE, POINTS, T = 10_000, 512, 5e-3, 500, 0.999, 4000, 1000


def main(name: str) -> None:
    import numpy_diffusion as nd

    data = nd.datasets.spiral(8192, seed=0)
    x = _ours(data) if name == "numpy_diffusion" else _torch(name, data)
    fresh = nd.datasets.spiral(POINTS, seed=2)
    quality = {
        "1-nearest-neighbour accuracy": nd.metrics.nearest_neighbour_accuracy(x, fresh),
        "energy distance": nd.metrics.energy_distance(x, fresh),
        "energy distance of fresh data": nd.metrics.energy_distance(nd.datasets.spiral(POINTS, seed=3), fresh),
    }
    print(json.dumps(quality))


def _ours(data: np.ndarray) -> np.ndarray:
    import numpy_diffusion as nd

    model, schedule = nd.MLP(dim=2, width=128, depth=3, seed=0), nd.Schedule.linear(T=T)
    nd.train(
        model,
        schedule,
        data,
        steps=STEPS,
        batch=BATCH,
        learning_rate=RATE,
        warmup=WARMUP,
        average_decay=AVERAGE,
        progress=False,
    )
    return nd.sample(model, schedule, POINTS, seed=1)


def _torch(name: str, data: np.ndarray) -> np.ndarray:
    import peer_torch
    import torch

    import numpy_diffusion as nd
    from numpy_diffusion.sampling.solvers import coefficients
    from numpy_diffusion.training.optimizers import learning_rates

    shift, scale = data.mean(axis=0), data.std(axis=0)
    model, schedule = nd.MLP(dim=2, width=128, depth=3, seed=0), nd.Schedule.linear(T=T)
    rates, count = learning_rates(RATE, STEPS, WARMUP), 0

    def rate() -> float:
        nonlocal count
        count += 1
        return float(rates[count - 1])

    torch.manual_seed(0)
    run, _, weights = peer_torch.trainer(name, model, schedule, (data - shift) / scale, BATCH, STEPS, rate)
    run()
    for values, trained in zip(model.params.values(), weights(), strict=True):
        values[:] = trained
    return shift + scale * peer_torch.chain(name, model, coefficients(schedule), POINTS)()


if __name__ == "__main__":
    main(sys.argv[1])

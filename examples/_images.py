"""What the examples on images share: the network, its training, and pictures of what it has learned."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _common
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.data.image_datasets import Images

GUIDANCE = 1.0  # w of Ho and Salimans 2022
CHAIN = 100  # steps of the chain, at most: its noise mends what a young network leaves behind, DDIM keeps it as grain
RATE = 2e-3  # of Adam: for so few training steps twice the default is better
KEPT = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.0)  # of T: the steps of the rows


def parser(description: str | None, steps: int) -> argparse.ArgumentParser:
    """Options of an example that trains on images."""
    options = _common.parser(description, steps=steps, meaning="training steps")
    options.add_argument("--run", type=Path, help="folder of the run, new or to go on with (default: none is kept)")
    options.add_argument("--length", type=int, default=1000, help="T, the steps of the chain (default 1,000)")
    return options


def network(images: Images, seed: int, channels: tuple[int, ...] = (32, 64, 64)) -> nd.UNet:
    """A U-Net of 1.6 M parameters with the images' classes and one more for "none"; attention at its lowest level."""
    count, inside = images.x0.shape[1], len(channels) - 1
    return nd.UNet(
        sample_size=images.x0.shape[-1],
        in_channels=count,
        out_channels=count,
        block_out_channels=channels,
        norm_num_groups=8,
        down_block_types=["DownBlock2D"] * inside + ["AttnDownBlock2D"],
        up_block_types=["AttnUpBlock2D"] + ["UpBlock2D"] * inside,
        num_class_embeds=len(images.names) + 1,
        seed=seed,
    )


def trained(images: Images, schedule: nd.Schedule, options: Any, name: str, mirror: bool = False) -> nd.Run:
    """A network trained on the images, in the run's folder `options.run` if there is one.

    A run that is there is gone on with, or used as it is when it is done.  Every thousand steps a grid of samples,
    one row a class, is written to the folder of the pictures.
    """

    def preview(run: nd.Run) -> None:
        path = options.out / f"{name}_training.png"
        x, titles = by_class(run.model, schedule, images, 4, options.seed)
        figures.image_grid(x, path, columns=4, row_titles=titles)

    return nd.train(
        network(images, options.seed),
        schedule,
        images.x0,
        images.labels,
        steps=options.steps,
        learning_rate=RATE,
        mirror=mirror,
        seed=options.seed,
        out=options.run,
        resume=options.run is not None and (options.run / "config.json").exists(),
        after_checkpoint=preview,
    )


def asked_for(
    model: Any, schedule: nd.Schedule, labels: np.ndarray | int, guidance: float = GUIDANCE
) -> Callable[..., np.ndarray]:
    """eps of images of these labels, guided and kept in -1..1."""
    return nd.clipped(nd.guided(model, labels, guidance), schedule)


def by_class(
    model: Any, schedule: nd.Schedule, images: Images, columns: int, seed: int
) -> tuple[np.ndarray, list[str]]:
    """Guided samples, `columns` of each class, and the classes' names."""
    labels = np.repeat(np.arange(len(images.names)), columns)
    steps = min(CHAIN, schedule.T)
    x = nd.sample(asked_for(model, schedule, labels), schedule, len(labels), seed, steps=steps)
    return x, list(images.names)


def pictures(run: nd.Run, images: Images, out: Path, name: str, seed: int) -> None:
    """The grid by class, rows of images to noise and back, and the loss."""
    model, schedule = run.model, run.schedule
    x, titles = by_class(model, schedule, images, 10, seed)
    _common.save(figures.image_grid(x, columns=10, row_titles=titles), out / f"{name}.png")
    labels = np.arange(6) % len(images.names)
    shown = images.x0[[np.flatnonzero(images.labels == label)[k] for k, label in enumerate(labels)]]
    kept = [round(share * schedule.T) for share in KEPT]
    forward = nd.q_trajectory(shown, schedule, seed=seed, keep=kept)
    guided = asked_for(model, schedule, labels)
    reverse = nd.sample(guided, schedule, len(labels), seed, keep=kept)
    _common.save(figures.image_rows(forward, reverse), out / f"{name}_rows.png")
    _common.save(figures.loss_curve(run.losses), out / f"{name}_loss.png")

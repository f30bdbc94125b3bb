"""SHA-256 sums of what fixed trainings answer on vector registers of every width, which must be equal.

    python benchmarks/widths.py                    MLP, U-Net, autoencoder, CLIP and prior
    python benchmarks/widths.py --jobs mlp unet

Each width has a process of its own.  On an x86-64 processor with 512-bit registers there is one more that compiles
for an older one, Intel's Haswell, and has OpenBLAS and NumPy do as on that: what a laptop would answer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from answers import digest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # type: ignore[attr-defined]

import numpy_diffusion as nd
from numpy_diffusion.kernels.vector.registers import SHAPES

Found = Iterator[tuple[str, Any]]

SCHEDULE: Final = nd.Schedule.linear(T=50)
POINTS: Final = nd.datasets.spiral(700, seed=3)
LATE: Final = range(39, 0, -9)
MLPS: Final[dict[str, dict[str, Any]]] = {
    "48 wide, 7 groups of 32 samples": dict(batch=200),
    "48 wide, fewer samples than 64": dict(batch=37),
    "33 wide": dict(width=33, depth=3, batch=60),
    "with waves and a variance head": dict(width=40, octaves=2, learn_variance=True, batch=256),
}
UNET: Final[dict[str, Any]] = dict(
    sample_size=8,
    in_channels=1,
    out_channels=2,
    block_out_channels=(32, 64),
    layers_per_block=1,
    norm_num_groups=4,
    attention_head_dim=4,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    dropout=0.1,
    num_class_embeds=3,
)
ONE_BLOCK: Final = dict(down_block_types=("AttnDownBlock2D",), up_block_types=("UpBlock2D",))
UNETS: Final[dict[str, dict[str, Any]]] = {
    "channels that fill all registers": {},
    "16 and 96 channels, 16 x 16": dict(block_out_channels=(16, 96), sample_size=16),
    "24 and 40 channels, 6 x 10": dict(block_out_channels=(24, 40), sample_size=(6, 10)),
    "20 and 48 channels, in colour": dict(block_out_channels=(20, 48), in_channels=3, out_channels=6),
    "12 channels, 7 x 5": dict(block_out_channels=(12,), sample_size=(7, 5), attention_head_dim=12, **ONE_BLOCK),
}
ENCODER: Final[dict[str, Any]] = dict(num_hidden_layers=2, projection_dim=3)
IMAGES: Final = ENCODER | dict(num_channels=2, image_size=4, patch_size=2)
TEXTS: Final = ENCODER | dict(vocab_size=7, max_position_embeddings=5, eos_token_id=6)
ENCODERS: Final[dict[str, dict[str, Any]]] = {
    "6 wide": dict(hidden_size=6, num_attention_heads=2, intermediate_size=5),
    "72 wide": dict(hidden_size=72, num_attention_heads=4, intermediate_size=100),
}
PRIORS: Final[dict[str, dict[str, Any]]] = {
    "2 heads of 3": dict(num_attention_heads=2, attention_head_dim=3),
    "3 heads of 20": dict(num_attention_heads=3, attention_head_dim=20),
}


def of_mlps() -> Found:
    for name, options in MLPS.items():
        batch, structure = options["batch"], {key: value for key, value in options.items() if key != "batch"}
        model = nd.MLP(**dict(dim=2, width=48, depth=2, octaves=0, seed=5) | structure)
        run = nd.train(model, SCHEDULE, POINTS, steps=40, batch=batch, seed=2, progress=False)
        yield f"MLP, {name}: weights and losses", [model.buffer, run.losses]
        yield f"MLP, {name}: samples", nd.sample(model, SCHEDULE, 100, seed=1)


def of_unets() -> Found:
    labels = np.arange(12) % 2
    for name, options in UNETS.items():
        model = nd.UNet(**UNET | options, seed=4)
        x0 = np.random.default_rng(1).uniform(-1.0, 1.0, (12, *model.shape))
        run = nd.train(model, SCHEDULE, x0, labels, steps=3, batch=5, label_dropout=0.3, seed=6, progress=False)
        yield f"U-Net, {name}: weights and losses", [model.buffer, run.losses]
        asked = nd.guided(model, 1, scale=0.7)
        yield f"U-Net, {name}: samples", nd.sample(asked, SCHEDULE, 3, seed=1, method="ddim", steps=LATE)


def of_autoencoders() -> Found:
    x0 = np.random.default_rng(0).uniform(-1.0, 1.0, (12, 3, 8, 8))
    for channels in ((4, 8), (32, 64)):
        model = nd.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=channels,
            norm_num_groups=2,
            latent_channels=2,
            sample_size=8,
        )
        run = nd.train_autoencoder(model, x0, steps=3, batch=3, progress=False)
        found = [run.autoencoder.buffer, run.losses, run.autoencoder.decode(run.autoencoder.encode(x0[:2]).mean)]
        yield f"autoencoder, {channels} channels", found


def of_encoders() -> Found:
    n = np.arange(5)
    x0 = np.random.default_rng(0).uniform(-1.0, 1.0, (5, 2, 4, 4))
    tokens = np.stack([n % 5, (n + 1) % 5, np.full(5, 6), np.full(5, 6)], axis=1)
    for name, options in ENCODERS.items():
        run = nd.train_clip(
            nd.CLIP(image_encoder=IMAGES | options, text_encoder=TEXTS | options),
            x0,
            tokens,
            steps=3,
            batch=4,
            progress=False,
        )
        yield f"CLIP, {name}", [run.clip.buffer, run.losses, run.clip.similarity(x0, tokens)]


def of_priors() -> Found:
    rng = np.random.default_rng(5)
    states, embedding = rng.normal(size=(40, 3, 4)), rng.normal(size=(40, 3))
    told = nd.Condition(embedding=embedding, states=states)
    for name, options in PRIORS.items():
        sizes = dict(num_layers=2, embedding_dim=4, num_embeddings=5, time_embed_dim=7, embedding_proj_dim=3)
        model = nd.PriorTransformer(**options | sizes)
        run = nd.train(model, SCHEDULE, states[:, 0] + embedding[:, :1], told, steps=4, batch=20, progress=False)
        asked = nd.as_eps(nd.guided(model, told.rows(slice(0, 7)), 0.0), SCHEDULE, "x0")
        samples = nd.sample(asked, SCHEDULE, 7, method="ddim", steps=5)
        yield f"prior, {name}", [model.buffer, run.losses, samples]


JOBS: Final = dict(mlp=of_mlps, unet=of_unets, autoencoder=of_autoencoders, clip=of_encoders, prior=of_priors)


def machines() -> dict[str, dict[str, str]]:
    """The environment of each machine that is played."""
    found = {f"{width} bits": {"NUMPY_DIFFUSION_SIMD": str(width)} for width in sorted(SHAPES, reverse=True)}
    wide = [name for name in __cpu_dispatch__ if name.startswith(("AVX512", "X86_V4")) and __cpu_features__[name]]
    if wide:
        found["Haswell"] = {
            "NUMPY_DIFFUSION_SIMD": "256",
            "NUMBA_CPU_NAME": "haswell",
            "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi,+bmi2,+popcnt,+lzcnt,+f16c",
            "OPENBLAS_CORETYPE": "Haswell",
            "NPY_DISABLE_CPU_FEATURES": " ".join(wide),
        }
    return found


def on_machines(jobs: list[str]) -> dict[str, dict[str, str]]:
    """What the jobs answer on each machine, all at the same time."""
    with tempfile.TemporaryDirectory() as room:
        running = {}
        for name, environment in machines().items():
            path = Path(room) / f"{name}.json"
            command = [sys.executable, __file__, "--own", str(path), "--jobs", *jobs]
            running[path] = subprocess.Popen(command, env=os.environ | environment)
        codes = [process.wait() for process in running.values()]
        if any(codes):
            raise SystemExit("a machine came to no answers")
        return {path.stem: json.loads(path.read_text()) for path in running}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--own", type=Path, help="a JSON file for the answers on this machine as it is")
    given = parser.parse_args()
    if given.own:
        found = {name: digest(values) for job in given.jobs for name, values in JOBS[job]()}
        given.own.write_text(json.dumps(found))
        return
    answers = on_machines(given.jobs)
    first, *others = answers.values()
    for name, own in first.items():
        print(f"{own[:12] if all(other[name] == own for other in others) else 'DIFFERENT   '}  {name}")
    if any(other != first for other in others):
        raise SystemExit(f"expected the same bits on {', '.join(answers)}")
    print(f"the same on {', '.join(answers)}")


if __name__ == "__main__":
    main()

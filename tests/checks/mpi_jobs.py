"""Small trainings for one process or many: `mpiexec -n 3 python -m checks.mpi_jobs`, and what starts that.

Each job gives its weights and losses; the first process prints a line of JSON, their digests by name.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import numpy_diffusion as nd

SCHEDULE = nd.Schedule.linear(T=20)
POINTS = nd.datasets.spiral(300, seed=3)
IMAGES = np.random.default_rng(0).uniform(-1.0, 1.0, (40, 1, 8, 8)).astype(np.float32)
LABELS = np.arange(40) % 3
TOKENS = np.stack([np.full(40, 4), np.arange(40) % 4, np.full(40, 5)], axis=1)
QUIET = dict(progress=False)
UNET: dict[str, Any] = dict(
    sample_size=8,
    in_channels=1,
    out_channels=2,
    block_out_channels=(8, 8),
    layers_per_block=1,
    norm_num_groups=4,
    attention_head_dim=8,
    dropout=0.1,
    num_class_embeds=4,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
)
CODER: dict[str, Any] = dict(
    sample_size=8,
    block_out_channels=(8, 8),
    norm_num_groups=4,
    latent_channels=2,
    down_block_types=("DownEncoderBlock2D",) * 2,
    up_block_types=("UpDecoderBlock2D",) * 2,
)
ENCODER = dict(hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, projection_dim=4)


def mlp(comm: Any, **more: Any) -> Any:
    given: dict[str, Any] = dict(steps=6, batch=200, seed=2) | more
    return nd.train(nd.MLP(dim=2, width=20, depth=1, seed=5), SCHEDULE, POINTS, comm=comm, **QUIET, **given)


def mlp_by_importance(comm: Any) -> Any:
    model = nd.MLP(dim=2, width=20, depth=1, learn_variance=True)
    given = dict(steps=12, batch=1100, sampling="importance", weighting="vlb")
    return nd.train(model, nd.Schedule.linear(T=5), POINTS, comm=comm, **QUIET, **given)  # type: ignore[arg-type]


def unet(comm: Any, **more: Any) -> Any:
    given: dict[str, Any] = dict(steps=4, batch=21, mirror=True, label_dropout=0.3, seed=6) | more
    return nd.train(nd.UNet(**UNET, seed=4), SCHEDULE, IMAGES, LABELS, comm=comm, **QUIET, **given)


def autoencoder(comm: Any) -> Any:
    pictures = IMAGES.repeat(3, axis=1)
    return nd.train_autoencoder(nd.AutoencoderKL(**CODER), pictures, steps=4, batch=10, comm=comm, progress=False)


def clip(comm: Any) -> Any:
    model = nd.CLIP(
        image_encoder=dict(image_size=8, patch_size=4, **ENCODER),
        text_encoder=dict(vocab_size=6, max_position_embeddings=6, eos_token_id=5, **ENCODER),
    )
    return nd.train_clip(model, IMAGES.repeat(3, axis=1), TOKENS, steps=4, batch=12, comm=comm, progress=False)


def prior(comm: Any) -> Any:
    rng = np.random.default_rng(1)
    model = nd.PriorTransformer(
        num_attention_heads=2, attention_head_dim=4, num_layers=1, embedding_dim=6, num_embeddings=5
    )
    x0, told = rng.normal(size=(40, 6)), dict(embedding=rng.normal(size=(40, 6)), states=rng.normal(size=(40, 4, 6)))
    condition = nd.Condition(**told, mask=np.ones((40, 4), bool))
    return nd.train(model, SCHEDULE, x0, condition, steps=4, batch=18, comm=comm, progress=False)


JOBS: dict[str, Callable[[Any], Any]] = {
    job.__name__: job for job in (mlp, mlp_by_importance, unet, autoencoder, clip, prior)
}


def digest(run: Any) -> str:
    """SHA-256 of what was trained and of its losses."""
    (trained, *_) = run.parts()
    return hashlib.sha256(trained.buffer.tobytes() + run.losses.tobytes()).hexdigest()


def missing() -> str | None:
    """Why nothing can be started here; None where it can."""
    if importlib.util.find_spec("mpi4py") is None:
        return "mpi4py is not installed"
    return None if shutil.which(mpiexec()) else "there is no mpiexec"


def mpiexec() -> str:
    """That of this Python's own environment, where it has one."""
    own = Path(sys.executable).with_name("mpiexec")
    return str(own) if own.exists() else "mpiexec"


def started(ranks: int, *command: str, **more: Any) -> subprocess.Popen[str]:
    """`python command` on so many ranks, of one thread each."""
    tests = Path(__file__).parent.parent
    path = os.pathsep.join([str(tests.parent), str(tests), os.environ.get("PYTHONPATH", "")])
    known = os.environ | {"PYTHONPATH": path, "NUMBA_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1"}
    known |= {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = [mpiexec(), "-n", str(ranks), sys.executable, *command]
    return subprocess.Popen(line, env=known | more.pop("env", {}), **streams | more)


def processes(folder: Path) -> dict[int, int]:
    """The process ids of the ranks that train in a folder, by rank."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            told, line = ((path / name).read_bytes().split(b"\0") for name in ("environ", "cmdline"))
        except OSError:  # ended by now, or another user's
            continue
        known = dict(entry.split(b"=", 1) for entry in told if b"=" in entry)
        rank = known.get(b"PMI_RANK", known.get(b"OMPI_COMM_WORLD_RANK"))
        if rank is not None and str(folder).encode() in line and b"python" in line[0]:
            found[int(rank)] = int(path.name)
    return found


def main() -> None:
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    found = {name: digest(job(comm)) for name, job in JOBS.items()}
    assert len(set(comm.allgather(json.dumps(found)))) == 1
    if comm.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main()

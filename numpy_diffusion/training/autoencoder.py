"""Training an autoencoder: steps of its own loss in the loop, the optimiser and the files of every training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models.shares import Ranks
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.noise import STREAM_BATCH, STREAM_TRAIN, integers, normal
from numpy_diffusion.training import checkpoints, inputs
from numpy_diffusion.training.keeping import first_checkpoint
from numpy_diffusion.training.loop import Keeping, carry_out
from numpy_diffusion.training.ranks import over, together
from numpy_diffusion.training.resuming import stored_run
from numpy_diffusion.training.run import AutoencoderRun
from numpy_diffusion.training.settings import CommonSettings, common, known_warmup
from numpy_diffusion.training.step import Advance, descending, sharing

KL_WEIGHT: Final = 1e-6  # Rombach et al. 2022, section 4.1


@dataclass(frozen=True)
class AutoencoderSettings(CommonSettings):
    """The arguments of `train_autoencoder` that decide the final weights, checked."""

    kl_weight: float


def train_autoencoder(
    autoencoder: AutoencoderKL,
    x0: ArrayLike,
    *,
    steps: int = 10_000,
    batch: int | None = None,
    learning_rate: float | None = None,
    warmup: int | None = None,
    weight_decay: float = 0.0,
    average_decay: float = 0.999,
    kl_weight: float = KL_WEIGHT,
    seed: int = 0,
    out: _files.PathLike | None = None,
    resume: bool = False,
    checkpoint_every: int = 1000,
    after_checkpoint: Callable[[AutoencoderRun], object] | None = None,
    data_name: str | None = None,
    progress: bool = True,
    backend: Backend | None = None,
    comm: Any = None,
) -> AutoencoderRun:
    """Train the autoencoder in place to give back what it is shown (Rombach et al. 2022, section 3.1).

    Ctrl-C ends training early and keeps what was trained.  However it ends, `autoencoder` holds the moving average of
    the weights of its last good step, and its scaling factor is 1 / deviation of the latents of the first images.

    loss = mean of (decode(z) - x)^2 + kl_weight KL(q(z | x) || N(0, I)),   z = mean + sigma noise

    Parameters
    ----------
    autoencoder : AutoencoderKL, float32; its weights are where training starts
    x0 : images [N, C, H, W] of its sample_size, within -1..1
    kl_weight : of the divergence, in nats, beside the mean of the squared errors
    all others : as for `train`; 16 images a step

    Returns
    -------
    AutoencoderRun : with `run.interrupted` where Ctrl-C came before the last step

    Raises
    ------
    ValueError, OSError, FloatingPointError : as for `train`

    Examples
    --------
    >>> autoencoder = AutoencoderKL(sample_size=8, block_out_channels=(8,), norm_num_groups=4, latent_channels=2)
    >>> run = train_autoencoder(autoencoder, np.zeros((4, 3, 8, 8)), steps=5, batch=2, progress=False)
    >>> run.step, autoencoder.scaling_factor > 0.0
    (5, True)
    """
    ranks = over(comm)

    def checked() -> tuple[checkpoints.Checkpoint | None, inputs.Data, AutoencoderSettings, Advance]:
        inputs.check_weights("autoencoder", _checks.instance("autoencoder", autoencoder, AutoencoderKL))
        stored = stored_run(out, resume, AutoencoderKL)
        data = inputs.pictures(autoencoder, x0)
        settings = AutoencoderSettings(
            **common(
                autoencoder,
                steps=steps,
                batch=batch,
                learning_rate=learning_rate,
                warmup=known_warmup(warmup, steps, stored),
                weight_decay=weight_decay,
                average_decay=average_decay,
                seed=seed,
                backend=backend,
            ),
            kl_weight=_checks.real("kl_weight", kl_weight, 0.0),
        )
        return stored, data, settings, _steps(data, settings, ranks)

    stored, data, settings, advance = together(ranks, checked)
    path = None if out is None else _files.as_path("out", out)

    def as_run(trained: AutoencoderKL, losses: np.ndarray) -> AutoencoderRun:
        return AutoencoderRun(trained, losses, settings.steps, path)

    return carry_out(
        autoencoder,
        data.values,
        advance,
        stored,
        first_checkpoint(data, None, vars(settings), data_name),
        as_run,
        Keeping(out, checkpoint_every, progress, after_checkpoint, ranks),
    )


def _steps(data: inputs.Data, settings: AutoencoderSettings, ranks: Ranks) -> Advance:
    """A function advance(state, losses) that does len(losses) steps, see `step.advancing`.

    What a step draws depends on (seed, step) alone.
    """
    autoencoder, seed = data.model, settings.seed
    share = autoencoder.share(settings.batch, ranks)
    gradient = autoencoder.gradient(settings.batch, settings.kl_weight, settings.backend, ranks)
    samples = share.samples
    latent = autoencoder.latent_shape

    def loss(weights: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        index = integers(seed, STREAM_BATCH, samples, step, [len(data.values)])[:, 0]
        noise = normal(seed, STREAM_TRAIN, samples, step, int(np.prod(latent))).reshape(-1, *latent)
        return gradient(weights, data.values[index], noise)

    return descending(sharing(share, ranks)(loss), settings)

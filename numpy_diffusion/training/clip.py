"""Training CLIP: steps of its contrastive loss in the loop, the optimiser and the files of every training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import ThreadpoolController

from numpy_diffusion import _checks, _files
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.shares import Ranks
from numpy_diffusion.networks.clip import contrastive
from numpy_diffusion.networks.clip.clip import CLIP
from numpy_diffusion.networks.clip.joint_definition import SCALE
from numpy_diffusion.noise import STREAM_BATCH, integers
from numpy_diffusion.training import checkpoints, inputs
from numpy_diffusion.training.keeping import first_checkpoint
from numpy_diffusion.training.loop import Keeping, carry_out
from numpy_diffusion.training.ranks import over, together
from numpy_diffusion.training.resuming import stored_run
from numpy_diffusion.training.run import CLIPRun
from numpy_diffusion.training.settings import CommonSettings, common, known_warmup
from numpy_diffusion.training.step import Advance, descending, sharing


def train_clip(
    clip: CLIP,
    x0: ArrayLike,
    tokens: ArrayLike,
    *,
    steps: int = 10_000,
    batch: int | None = None,
    learning_rate: float | None = None,
    warmup: int | None = None,
    weight_decay: float = 0.0,
    average_decay: float = 0.999,
    seed: int = 0,
    out: _files.PathLike | None = None,
    resume: bool = False,
    checkpoint_every: int = 1000,
    after_checkpoint: Callable[[CLIPRun], object] | None = None,
    data_name: str | None = None,
    progress: bool = True,
    backend: Backend | None = None,
    comm: Any = None,
) -> CLIPRun:
    """Train both encoders in place to know which text of a batch belongs to an image, and which image to a text.

    Radford et al. 2021, section 2.3 and Figure 3; see `contrastive`.  Ctrl-C ends training early and keeps what was
    trained.  However it ends, `clip` holds the moving average of the weights of its last good step.

    Parameters
    ----------
    clip : CLIP, float32; its weights are where training starts
    x0 : images [N, C, H, W], within -1..1
    tokens : of the images' texts, ints [N, L]; those behind the longest text's end do not count
    batch : pairs of a step, at most N; 64 unless given.  A pair is drawn once at most, since all others of a step are
        wrong answers to it
    all others : as for `train`

    Returns
    -------
    CLIPRun : with `run.interrupted` where Ctrl-C came before the last step

    Raises
    ------
    ValueError, OSError, FloatingPointError : as for `train`

    Examples
    --------
    >>> small = dict(hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
    ...              projection_dim=4)
    >>> clip = CLIP(image_encoder=dict(image_size=8, patch_size=4, **small),
    ...             text_encoder=dict(vocab_size=6, max_position_embeddings=6, eos_token_id=5, **small))
    >>> x0, tokens = np.stack([np.zeros((3, 8, 8)), np.ones((3, 8, 8))]), [[4, 0, 5], [4, 1, 5]]
    >>> train_clip(clip, x0, tokens, steps=5, batch=2, progress=False).step
    5
    """
    ranks = over(comm)

    def checked() -> tuple[checkpoints.Checkpoint | None, inputs.Data, CommonSettings, Advance]:
        inputs.check_weights("clip", _checks.instance("clip", clip, CLIP))
        stored = stored_run(out, resume, CLIP)
        data = _pairs(clip, x0, tokens)
        settings = CommonSettings(
            **common(
                clip,
                steps=steps,
                batch=batch,
                learning_rate=learning_rate,
                warmup=known_warmup(warmup, steps, stored),
                weight_decay=weight_decay,
                average_decay=average_decay,
                seed=seed,
                backend=backend,
            )
        )
        if settings.batch > len(data.values):
            raise ValueError(f"batch: expected at most {len(data.values)}, one for each image, got {settings.batch}")
        return stored, data, settings, _steps(data, settings, ranks)

    stored, data, settings, advance = together(ranks, checked)
    path = None if out is None else _files.as_path("out", out)

    def as_run(trained: CLIP, losses: np.ndarray) -> CLIPRun:
        return CLIPRun(trained, losses, settings.steps, path)

    return carry_out(
        clip,
        data.values,
        advance,
        stored,
        first_checkpoint(data, None, vars(settings), data_name),
        as_run,
        Keeping(out, checkpoint_every, progress, after_checkpoint, ranks),
    )


def _pairs(clip: CLIP, x0: ArrayLike, tokens: ArrayLike) -> inputs.Data:
    """Images and the texts that belong to them, checked, and a copy of the CLIP."""
    ids = clip.text_encoder.cut(tokens, "tokens")
    data = inputs.pictures(clip, x0, Condition(tokens=ids))
    if len(ids) != len(data.values):
        raise ValueError(f"tokens: expected {len(data.values)} texts, one for each image, got {len(ids)}")
    return data


def _steps(data: inputs.Data, settings: CommonSettings, ranks: Ranks) -> Advance:
    """A function advance(state, losses) that does len(losses) steps, see `step.advancing`.

    What a step draws depends on (seed, step) alone.
    """
    clip, ids = data.model, data.condition.tokens
    share = clip.share(settings.batch, ranks)
    gradient, samples = clip.gradient(settings.batch, settings.backend, ranks), share.samples
    products = ThreadpoolController()

    def loss(weights: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        s = parameters.views(weights, clip.shapes)[SCALE]
        np.minimum(s, contrastive.LARGEST, out=s)  # what the step before has moved too far (section 2.5)
        index = distinct(settings.seed, step, len(ids), settings.batch)
        texts = clip.text_encoder.cut(ids[index])  # as long as the longest of the whole batch
        # Behind a product NumPy's threads wait for the next, busily, for milliseconds, on cores the kernels need.
        with products.limit(limits=1, user_api="blas"):
            return gradient(weights, data.values[index[samples]], texts[samples])

    return descending(sharing(share, ranks)(loss), settings)


def distinct(seed: int, step: int, n: int, batch: int) -> np.ndarray:
    """`batch` different numbers of 0..n - 1, every choice as likely as any other: int64 [batch].

    Floyd's algorithm (Bentley and Floyd 1987, "A sample of brilliance"): for each j = n - batch..n - 1 a number of
    0..j, and j itself where that is taken already.

    Examples
    --------
    >>> sorted(distinct(seed=0, step=1, n=4, batch=4).tolist())
    [0, 1, 2, 3]
    """
    last = range(n - batch, n)
    drawn = integers(seed, STREAM_BATCH, 0, step, [j + 1 for j in last])[0]
    found: dict[int, None] = {}  # in the order of the draws
    for j, number in zip(last, drawn.tolist(), strict=True):
        found[j if number in found else number] = None
    return np.array(list(found))

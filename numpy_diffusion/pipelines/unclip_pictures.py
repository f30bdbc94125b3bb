"""What DALL-E 2 makes of pictures (Ramesh et al. 2022, section 3, figures 3-5): each as its embedding z and the noise
x_T from which DDIM comes back to it, z what it shows and x_T the rest.

    variations     z and x_T as they are, down by DDIM with noise
    interpolation  slerp of the z of two, and of their x_T
    difference     slerp of z towards z_d, the direction from one text's embedding to another's; x_T as it is

The decoder is told no text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.layers import bicubic, unit_length
from numpy_diffusion.pipelines.unclip_chains import DECODER, Who
from numpy_diffusion.sampling.from_step import sample_from
from numpy_diffusion.sampling.inversion import invert
from numpy_diffusion.sampling.slerp import slerp

if TYPE_CHECKING:
    from numpy_diffusion.pipelines.unclip import UnCLIP


def embedding(pipeline: UnCLIP, x0: np.ndarray) -> np.ndarray:
    """Embeddings of pictures of any size [N, 3, H, W]: float32 [N, D].

    Raises
    ------
    ValueError : a pipeline without an image encoder
    """
    encoder = pipeline.image_encoder
    if encoder is None:
        raise ValueError("image_encoder: expected one in a pipeline that is to look at pictures, got None")
    return np.concatenate([encoder(row[None]) for row in resized(x0, encoder.shape)])  # each alone, as texts are


def noise(pipeline: UnCLIP, x0: np.ndarray, z: np.ndarray, steps: int | None, progress: bool) -> np.ndarray:
    """x_T of pictures of any size with these embeddings: float32 [N, 3, S, S]."""
    stage, shown = pipeline.decoder_stage, resized(x0, pipeline.decoder.shape)
    model = pipeline.denoiser(z, None, 0.0)
    return invert(model, stage.schedule, shown, steps=stage.chosen(steps), progress=progress)


def from_noise(
    pipeline: UnCLIP, xT: np.ndarray, z: np.ndarray, guidance: float, eta: float, steps: int | None, who: Who
) -> np.ndarray:
    """Pictures of these embeddings [n, D] from x_T [n, 3, S, S] by DDIM, and upsampled: float32 [n, 3, H, W]."""
    stage = pipeline.decoder_stage
    chosen = stage.chosen(steps)
    options = who.of_chain(DECODER) | dict(method="ddim", eta=eta, steps=chosen)
    model = pipeline.denoiser(z, None, guidance)
    x = np.clip(sample_from(model, stage.schedule, xT, int(chosen[0]), **options), -1.0, 1.0)
    return (x, *pipeline.upsample(x, **who._asdict()))[-1]


def asked(n: int, guidance: float, eta: float, who: Who) -> Who:
    """Who is drawn, checked with how, before x_T is sought, which takes longer than all else; ValueError if not."""
    _checks.guidance("guidance", guidance)
    _checks.real("eta", eta, 0.0, 1.0)
    return who.checked(n)


def variations(
    pipeline: UnCLIP, x0: ArrayLike, n: int, guidance: float, eta: float, steps: int | None, who: Who
) -> np.ndarray:
    """n pictures with what x0 [3, H, W] shows: float32 [n, 3, *]."""
    n, x0 = _checks.integer("n", n, 1), picture("x0", x0)[None]
    who = asked(n, guidance, eta, who)
    z = embedding(pipeline, x0)
    xT = noise(pipeline, x0, z, steps, who.progress)
    return from_noise(pipeline, np.repeat(xT, n, axis=0), np.repeat(z, n, axis=0), guidance, eta, steps, who)


def interpolation(
    pipeline: UnCLIP, one: ArrayLike, other: ArrayLike, count: int, guidance: float, steps: int | None, who: Who
) -> np.ndarray:
    """Pictures on the way from one [3, H, W] to the other: float32 [count, 3, *]."""
    fractions = np.linspace(0.0, 1.0, _checks.integer("count", count, 2))
    who = asked(len(fractions), guidance, 0.0, who)
    both = [picture(name, x)[None] for name, x in (("one", one), ("other", other))]
    z = [embedding(pipeline, x) for x in both]
    xT = [noise(pipeline, x, of_x, steps, who.progress) for x, of_x in zip(both, z, strict=True)]
    way_of_xT, way_of_z = (slerp(first[0], second[0], fractions) for first, second in (xT, z))
    return from_noise(pipeline, way_of_xT, way_of_z, guidance, 0.0, steps, who)


def difference(
    pipeline: UnCLIP,
    x0: ArrayLike,
    texts: tuple[str, str],
    amounts: ArrayLike,
    guidance: float,
    steps: int | None,
    who: Who,
) -> np.ndarray:
    """Pictures like x0 [3, H, W], turned so far from what the first text says to the second's: float32 [F, 3, *]."""
    x0, amounts = picture("x0", x0)[None], _checks.array("amounts", amounts, ("F",), np.float64)
    if amounts.min() < 0.0 or amounts.max() > 1.0:
        raise ValueError(f"amounts: expected numbers in 0..1, got {amounts.min():g}..{amounts.max():g}")
    who = asked(len(amounts), guidance, 0.0, who)
    before, after = unit_length.forward(pipeline.encoded(texts).embedding)[0]
    if np.array_equal(before, after):
        raise ValueError("to_text: expected another text than from_text, got one with the same embedding")
    z = embedding(pipeline, x0)
    direction = np.linalg.norm(z) * unit_length.forward(after - before)[0]  # as long, so that turning alone counts
    xT = noise(pipeline, x0, z, steps, who.progress)
    turned = slerp(z[0], direction, amounts)
    return from_noise(pipeline, np.repeat(xT, len(turned), axis=0), turned, guidance, 0.0, steps, who)


def resized(x0: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pictures [N, 3, H, W] at the size of a network's: float32 [N, *shape], kept in -1..1."""
    return np.clip(bicubic.forward(x0, *shape[1:]), -1.0, 1.0)


def picture(name: str, x: ArrayLike) -> np.ndarray:
    """One picture, checked: float32 [3, H, W] in -1..1."""
    return _checks.in_range(name, _checks.array(name, x, (3, "H", "W"), np.float32))

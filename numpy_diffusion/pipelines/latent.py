"""Latent diffusion (article, Stable Diffusion; Rombach et al. 2022, arXiv 2112.10752): texts to pictures.

    states = text_encoder(tokenizer(texts))                 what is asked for
    z_0 by the reverse chain of eps = unet(z_t, t, states)   in the latent space, where a picture is small
    x = autoencoder.decode(z_0 / scaling_factor)             and back to pixels

Each part can be called by itself; the pipeline is no more than these three lines, and the ways into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.converted import as_eps
from numpy_diffusion.models.guided import guided
from numpy_diffusion.models.protocol import Model
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.text_unet.text_unet import check_both
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines import latent_folder
from numpy_diffusion.pipelines import texts as of_texts
from numpy_diffusion.process.forward import q_sample
from numpy_diffusion.process.predictions import PREDICTIONS, Prediction
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.from_step import sample_from
from numpy_diffusion.sampling.inpainting import inpaint, known_where
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.spacing import Solver, check_solver

STEPS: Final = 50  # of a chain, as the field's pipelines take
RESAMPLE, JUMP = 4, 5  # of RePaint, for so few steps
DDIM: Final = Solver("ddim", "trailing")


@dataclass(frozen=True, eq=False, repr=False)
class LatentPipeline:
    """Texts to pictures, by way of latents.

    Attributes
    ----------
    text_encoder : states [N, L, D] = text_encoder(ids [N, L])
    tokenizer : ids [N, 77] = tokenizer(texts); of them the encoder reads the first L
    unet : prediction = unet(z, t, states=states), t in 1..T
    schedule : of the chain of latents
    autoencoder : x to z and back; latents of the chain are `autoencoder.scaling_factor` times its own
    prediction : what the U-Net predicts: "eps", "x0" or "v"
    solver : how the chain is gone down, and by which steps

    Raises
    ------
    ValueError : parts that do not go together

    Examples
    --------
    A folder that StableDiffusionPipeline.save_pretrained wrote, and four pictures of it:

    >>> pipeline = LatentPipeline.from_diffusers("stable-diffusion-v1-5")  # doctest: +SKIP
    >>> x = pipeline("a big red plane on the left", n=4, seed=0, guidance=6.5)  # doctest: +SKIP
    """

    text_encoder: CLIPText
    tokenizer: of_texts.Tokenizer
    unet: UNet
    schedule: Schedule
    autoencoder: AutoencoderKL
    prediction: Prediction = "eps"
    solver: Solver = DDIM

    def __post_init__(self) -> None:
        kinds = dict(text_encoder=CLIPText, unet=UNet, schedule=Schedule, autoencoder=AutoencoderKL, solver=Solver)
        for name, kind in kinds.items():
            _checks.instance(name, getattr(self, name), kind)
        of_texts.check_tokenizer(self.tokenizer, self.text_encoder)
        check_solver(self.solver)
        _checks.choice("prediction", self.prediction, PREDICTIONS)
        check_both(self.unet, self.text_encoder)
        if self.unet.shape[0] != (channels := self.autoencoder.config.latent_channels):
            raise ValueError(f"unet: expected latents of {channels} channels, got {self.unet.shape[0]}")

    def __repr__(self) -> str:
        parts = self.text_encoder, self.tokenizer, self.unet, self.schedule, self.autoencoder
        return "\n  ".join(["LatentPipeline", *map(str, parts), f"prediction {self.prediction!r}, {self.solver}"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(3, H, W) of a picture."""
        f = self.autoencoder.config.shrinkage
        return self.autoencoder.shape[0], f * self.unet.shape[1], f * self.unet.shape[2]

    def __call__(
        self,
        texts: str | Sequence[str],
        n: int | None = None,
        seed: int = 0,
        *,
        guidance: float = 3.0,
        steps: int = STEPS,
        first: int = 0,
        progress: bool = True,
    ) -> np.ndarray:
        """Pictures of texts: float32 [n, 3, H, W] in -1..1.

        Parameters
        ----------
        texts : one, of all n pictures, or a sequence of n
        n : how many pictures; one of each text unless given
        seed : picture first + i of a seed and a text is the same whatever else is in the call
        guidance : w of `guided`: 0 is the text as it is, at half the price.  The field's guidance_scale is 1 + w
        steps : of the chain, spaced as the solver has them
        first : number of the first picture, to draw more of the same seed or to split the work
        progress : show a bar on standard error, if it takes longer than a second

        Raises
        ------
        ValueError : an argument out of its range, a text that the tokenizer does not take
        """
        chosen, states = self.steps(steps), self.states(texts, n)
        z = sample(
            self.denoiser(states, guidance),
            self.schedule,
            len(states),
            seed,
            method=self.solver.method,
            steps=chosen,
            end=self.solver.end,
            first=first,
            progress=progress,
        )
        return self.decode(z)

    def image_to_image(
        self,
        x0: ArrayLike,
        texts: str | Sequence[str],
        seed: int = 0,
        *,
        strength: float = 0.6,
        guidance: float = 3.0,
        steps: int = STEPS,
        first: int = 0,
        progress: bool = True,
    ) -> np.ndarray:
        """Pictures made anew of others, by texts (Meng et al. 2022, arXiv 2108.01073): float32 [N, 3, H, W].

        Parameters
        ----------
        x0 : [N, 3, H, W] in -1..1
        strength : which part of the chain's steps is gone back up and down: near 0 leaves the pictures as the
            autoencoder has them, 1 leaves nothing of them but what x_T still shows
        others : as for the call
        """
        x0, chosen = self._pictures(x0), self.steps(steps)
        count = round(_checks.real("strength", strength, 0.0, 1.0) * len(chosen))
        kept = chosen[len(chosen) - count :]
        model = self.denoiser(self.states(texts, len(x0)), guidance)
        z = self.encode(x0, seed, first)
        if count == 0 or kept[0] <= self.solver.end:
            return self.decode(z)
        t = int(kept[0])
        zt, _ = q_sample(z, t, self.schedule, seed, first=first)
        z = sample_from(
            model,
            self.schedule,
            zt,
            t,
            seed,
            method=self.solver.method,
            steps=kept,
            end=self.solver.end,
            first=first,
            progress=progress,
        )
        return self.decode(z)

    def inpaint(
        self,
        x0: ArrayLike,
        mask: ArrayLike,
        texts: str | Sequence[str],
        seed: int = 0,
        *,
        guidance: float = 3.0,
        steps: int = STEPS,
        first: int = 0,
        progress: bool = True,
    ) -> np.ndarray:
        """Pictures of which a part is known, the rest filled in by texts: float32 [N, 3, H, W]; see `nd.inpaint`.

        Parameters
        ----------
        x0 : [N, 3, H, W] in -1..1; anything, or NaN, where not known
        mask : [H, W], 1 where x0 is known.  A latent is known where all of its pixels are, and made of x0 with 0 in
            place of the rest; what is known of x0 is in the result as it was
        others : as for the call; by Algorithm 1 whatever the solver, as RePaint needs its noise
        """
        known = known_where(mask, self.shape[1:])
        x0 = _checks.array("x0", x0, ("N", *self.shape), np.float32, finite=False)
        x0 = self._pictures(np.where(known, x0, np.float32(0.0)))
        steps = _checks.integer("steps", steps, JUMP + 1, self.schedule.T)
        f = self.autoencoder.config.shrinkage
        whole = known.reshape(known.shape[0] // f, f, known.shape[1] // f, f).all(axis=(1, 3))
        model = self.denoiser(self.states(texts, len(x0)), guidance)
        z = inpaint(
            model,
            self.schedule,
            self.encode(x0, seed, first),
            whole,
            len(x0),
            seed,
            steps=steps,
            resample=RESAMPLE,
            jump=JUMP,
            first=first,
            progress=progress,
        )
        return np.where(known, x0, self.decode(z))

    # Its parts, one by one ---------------------------------------------------------------------------------------

    def steps(self, steps: int) -> np.ndarray:
        """So many steps of the chain, those that the solver asks for: int64 [steps], falling, in 1..T."""
        return self.solver.steps(steps, self.schedule)

    def states(self, texts: str | Sequence[str], n: int | None = None) -> np.ndarray:
        """What the encoder makes of the texts, one for all or one for each of n pictures: float32 [n, L, D]."""
        return of_texts.states(self.tokenizer, self.text_encoder, texts, n)

    def encode(self, x0: ArrayLike, seed: int = 0, first: int = 0) -> np.ndarray:
        """The chain's latents of pictures [N, 3, H, W] in -1..1: float32 [N, *unet.shape]."""
        z = self.autoencoder.encode(self._pictures(x0)).sample(seed, first)
        return np.float32(self.autoencoder.scaling_factor) * z

    def decode(self, z: ArrayLike) -> np.ndarray:
        """The pictures of the chain's latents [N, *unet.shape]: float32 [N, 3, H, W], kept in -1..1."""
        z = _checks.array("z", z, ("N", *self.unet.shape), np.float32)
        return np.clip(self.autoencoder.decode(z / np.float32(self.autoencoder.scaling_factor)), -1.0, 1.0)

    def _pictures(self, x0: ArrayLike) -> np.ndarray:
        return _checks.in_range("x0", _checks.array("x0", x0, ("N", *self.shape), np.float32))

    def denoiser(self, states: np.ndarray, guidance: float) -> Model:
        """eps of latents that are told these states, and away from those of an empty text."""
        guidance = _checks.guidance("guidance", guidance)
        nothing = Condition(states=of_texts.nothing(self.tokenizer, self.text_encoder))
        model = guided(self.unet, Condition(states=states), guidance, nothing)
        return as_eps(model, self.schedule, self.prediction)

    # Its files ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_diffusers(cls, folder: _files.PathLike) -> LatentPipeline:
        """What is in a StableDiffusionPipeline's folder, of the versions 1 and 2; see `latent_folder`.

        Raises
        ------
        OSError : a folder or file that is missing or cannot be read
        ValueError : a file that is foreign, cut, altered or hostile, an option that is not supported, or parts that
            do not go together
        """
        return cls(**latent_folder.read(folder))

    def to_diffusers(self, folder: _files.PathLike) -> None:
        """Write a folder that diffusers' StableDiffusionPipeline.from_pretrained opens, and `from_diffusers`.

        Raises
        ------
        OSError : a place that cannot be written
        ValueError : a part that diffusers' files have no place for
        """
        latent_folder.write(folder, **{name: getattr(self, name) for name in self.__dataclass_fields__})

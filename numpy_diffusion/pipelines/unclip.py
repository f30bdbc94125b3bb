"""DALL-E 2, or unCLIP (article, section 4; Ramesh et al. 2022, arXiv 2204.06125): texts to pictures.

    text's embedding, states = text_encoder(tokenizer(texts))   what is asked for
    z_0 by the chain of prior(z_t, t, embedding, states)        the embedding of a picture of it
    x_0 by the chain of decoder(x_t, t, what text_projection makes of z_0 and the text)
    and by the chains of upsamplers[k](x_t, t, x_0 of the stage before) one size after the other

Each part can be called by itself, and so can each stage; the pipeline is no more than these four lines, and the ways
into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files
from numpy_diffusion.models.protocol import Model
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines import texts as of_texts
from numpy_diffusion.pipelines import unclip_chains, unclip_folder, unclip_parts, unclip_pictures
from numpy_diffusion.pipelines.unclip_chains import Drawn, Who
from numpy_diffusion.pipelines.unclip_stage import Stage

GUIDANCE: Final = 3.0  # of prior and decoder


@dataclass(frozen=True, eq=False, repr=False)
class UnCLIP:
    """Texts to pictures, by way of CLIP's embeddings.

    Attributes
    ----------
    text_encoder : embedding [N, D] and states [N, L, D] = text_encoder(ids [N, L])
    tokenizer : ids [N, 77] = tokenizer(texts); of them the encoder reads the first L
    prior : z_0 [N, D] = prior(z, t, embedding, states=states, mask=mask), t in 1..T
    text_projection : what the decoder is told = text_projection(z_0, embedding, states, mask)
    decoder : prediction = decoder(x, t, **told.arguments()), x [N, 3, S, S]
    upsamplers : prediction = upsampler(x, t, low_resolution=image) each, from one size to the next; any number
    prior_stage, decoder_stage, upsampler_stage : how their chains are gone down, and what the networks predict
    image_encoder : embedding [N, D] = image_encoder(x), for what begins with a picture
    last_upsampler : in place of the first upsampler at the last of its steps, as diffusers' `super_res_last`; the
        same network unless given

    Raises
    ------
    ValueError : parts that do not go together
    """

    text_encoder: CLIPTextWithProjection
    tokenizer: of_texts.Tokenizer
    prior: PriorTransformer
    text_projection: TextProjection
    decoder: UNet
    upsamplers: tuple[UNet, ...]
    prior_stage: Stage
    decoder_stage: Stage
    upsampler_stage: Stage
    image_encoder: CLIPVisionWithProjection | None = None
    last_upsampler: UNet | None = None

    def __post_init__(self) -> None:
        unclip_parts.check_embeddings(self.text_encoder, self.prior, self.text_projection, self.image_encoder)
        of_texts.check_tokenizer(self.tokenizer, self.text_encoder)
        unclip_parts.check_images(self.text_projection, self.decoder, self.upsamplers, self.last_upsampler)
        last = () if self.last_upsampler is None else (self.last_upsampler,)
        unclip_parts.check_stage("prior_stage", self.prior_stage, self.prior)
        unclip_parts.check_stage("decoder_stage", self.decoder_stage, self.decoder)
        unclip_parts.check_stage("upsampler_stage", self.upsampler_stage, *self.upsamplers, *last)

    def __repr__(self) -> str:
        lines = ["UnCLIP"]
        for name in self.__dataclass_fields__:
            part = getattr(self, name)
            named = {f"{name}[{k}]": one for k, one in enumerate(part)} if name == "upsamplers" else {name: part}
            lines += [f"{place}: {one}" for place, one in named.items() if one is not None]
        return "\n  ".join(lines)

    @property
    def shape(self) -> tuple[int, ...]:
        """(3, H, W) of a picture."""
        return (self.decoder, *self.upsamplers)[-1].shape

    def __call__(self, texts: str | Sequence[str], n: int | None = None, seed: int = 0, **options: Any) -> np.ndarray:
        """Pictures of texts: float32 [n, 3, H, W] in -1..1; arguments and errors as for `stages`, which has them all.

        Picture first + i of a seed and a text is the same whatever else is in the call.
        """
        drawn = self.stages(texts, n, seed, **options)
        return (drawn.x, *drawn.upsampled)[-1]

    def stages(
        self,
        texts: str | Sequence[str],
        n: int | None = None,
        seed: int = 0,
        *,
        prior_guidance: float = GUIDANCE,
        decoder_guidance: float = GUIDANCE,
        prior_steps: int | None = None,
        decoder_steps: int | None = None,
        upsampler_steps: int | None = None,
        first: int = 0,
        progress: bool = True,
    ) -> Drawn:
        """What each stage draws for the texts.

        Parameters
        ----------
        texts : one, of all n pictures, or a sequence of n
        n : how many pictures; one of each text unless given
        seed : picture first + i of a seed and a text is the same whatever else is in the call
        prior_guidance, decoder_guidance : w of `guided`: 0 is the text as it is, at half the price.  The field's
            guidance_scale is 1 + w
        prior_steps, decoder_steps, upsampler_steps : of the chains, those of the stages unless given
        first : number of the first picture, to draw more of the same seed or to split the work
        progress : show a bar on standard error, if it takes longer than a second

        Raises
        ------
        ValueError : an argument out of its range, a text that the tokenizer does not take
        """
        _checks.guidance("prior_guidance", prior_guidance)
        _checks.guidance("decoder_guidance", decoder_guidance)
        chains = dict(prior=prior_steps, decoder=decoder_steps, upsampler=upsampler_steps)
        for name, steps in chains.items():  # all before the first is gone down
            getattr(self, f"{name}_stage").chosen(steps, f"{name}_steps")
        rest: Any = dict(seed=seed, first=first, progress=progress)
        embedding = self.prior_embedding(texts, n, guidance=prior_guidance, steps=prior_steps, **rest)
        x = self.decode(embedding, texts, guidance=decoder_guidance, steps=decoder_steps, **rest)
        return Drawn(embedding, x, self.upsample(x, steps=upsampler_steps, **rest))

    # Its stages, one by one --------------------------------------------------------------------------------------

    def encoded(self, texts: str | Sequence[str], n: int | None = None) -> of_texts.Encoded:
        """Embedding [n, D], states and mask of the texts, one for all or one for each of n pictures."""
        return of_texts.encoded(self.tokenizer, self.text_encoder, texts, n)

    def prior_embedding(
        self,
        texts: str | Sequence[str],
        n: int | None = None,
        seed: int = 0,
        *,
        guidance: float = GUIDANCE,
        steps: int | None = None,
        first: int = 0,
        progress: bool = True,
    ) -> np.ndarray:
        """Embeddings of pictures of the texts, of two each the one nearer to its text's: float32 [n, D].

        Arguments and errors as for `stages`, and so for all others.
        """
        _checks.guidance("guidance", guidance)
        stage, told = self.prior_stage, self.encoded(texts, n)
        who = Who(seed, first, progress).checked(len(told.embedding))
        return unclip_chains.embeddings(self.prior, stage, told, guidance, stage.chosen(steps), who)

    def decode(
        self,
        embedding: ArrayLike,
        texts: str | Sequence[str] | None = None,
        seed: int = 0,
        *,
        guidance: float = GUIDANCE,
        steps: int | None = None,
        first: int = 0,
        progress: bool = True,
    ) -> np.ndarray:
        """The decoder's pictures of embeddings [n, D]: float32 [n, 3, S, S] in -1..1.

        Parameters
        ----------
        embedding : CLIP's of a picture, as the prior gives it or `image_embedding`, of its own length
        texts : one of all, or one for each; left out unless given, as training does half of the time
        """
        embedding = _checks.array("embedding", embedding, ("n", self.prior.config.embedding_dim), np.float32)
        stage, n = self.decoder_stage, len(embedding)
        who, chosen = Who(seed, first, progress).checked(n), stage.chosen(steps)
        return unclip_chains.pictures(self.denoiser(embedding, texts, guidance), stage, n, chosen, who)

    def upsample(
        self, x: ArrayLike, seed: int = 0, *, steps: int | None = None, first: int = 0, progress: bool = True
    ) -> tuple[np.ndarray, ...]:
        """Pictures like the decoder's x [n, 3, S, S] in -1..1, of each upsampler, the largest last."""
        x = _checks.in_range("x", _checks.array("x", x, ("n", *self.decoder.shape), np.float32))
        stage, who = self.upsampler_stage, Who(seed, first, progress).checked(len(x))
        found: list[np.ndarray] = []
        for number, network in enumerate(self.upsamplers):
            last = self.last_upsampler if number == 0 else None
            x = unclip_chains.enlarged(network, last, stage, x, stage.chosen(steps), number, who)
            found.append(x)
        return tuple(found)

    def denoiser(self, embedding: np.ndarray, texts: str | Sequence[str] | None, guidance: float) -> Model:
        """eps of pictures of these embeddings [n, D] and texts, and away from those of no embedding and no text."""
        _checks.guidance("guidance", guidance)
        nothing = of_texts.encoded_nothing(self.tokenizer, self.text_encoder)
        none = of_texts.Encoded(*(np.repeat(values, len(embedding), axis=0) for values in nothing))
        told = none if texts is None else self.encoded(texts, len(embedding))
        parts = self.decoder, self.decoder_stage, self.text_projection
        return unclip_chains.denoiser(*parts, embedding, told, nothing, guidance)

    # Of pictures -------------------------------------------------------------------------------------------------

    def image_embedding(self, x0: ArrayLike) -> np.ndarray:
        """CLIP's embeddings of pictures [N, 3, H, W] in -1..1 of any size: float32 [N, D].

        Raises
        ------
        ValueError : as of all that begins with pictures, a pipeline without an image encoder, or no pictures
        """
        x0 = _checks.array("x0", x0, ("N", 3, "H", "W"), np.float32)
        return unclip_pictures.embedding(self, _checks.in_range("x0", x0))

    def variations(
        self,
        x0: ArrayLike,
        n: int,
        seed: int = 0,
        *,
        eta: float = 1.0,
        guidance: float = 0.0,
        steps: int | None = None,
        first: int = 0,
        progress: bool = True,
    ) -> np.ndarray:
        """Other pictures with what one of any size [3, H, W] shows (their figure 3): float32 [n, 3, *].

        Parameters
        ----------
        eta : DDIM's noise, 0..1; without it and without guidance the picture itself comes back, as the decoder has it
        guidance, steps : of the decoder, which is told no text
        """
        return unclip_pictures.variations(self, x0, n, guidance, eta, steps, Who(seed, first, progress))

    def interpolation(
        self,
        one: ArrayLike,
        other: ArrayLike,
        count: int,
        seed: int = 0,
        *,
        guidance: float = 0.0,
        steps: int | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """Pictures from one of any size [3, H, W] to another, with both (their figure 4): float32 [count, 3, *].

        seed : of the upsamplers' noise; others as for `variations`
        """
        return unclip_pictures.interpolation(self, one, other, count, guidance, steps, Who(seed, 0, progress))

    def difference(
        self,
        x0: ArrayLike,
        from_text: str,
        to_text: str,
        amounts: ArrayLike,
        seed: int = 0,
        *,
        guidance: float = 0.0,
        steps: int | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """A picture of any size [3, H, W] changed from one text towards another (their figure 5): float32 [F, 3, *].

        Parameters
        ----------
        from_text, to_text : what it shows, and what is to be seen instead
        amounts : [F] in 0..1, how far its embedding is turned towards their difference; theirs end at 0.25 to 0.5
        others : as for `interpolation`
        """
        texts, who = (from_text, to_text), Who(seed, 0, progress)
        return unclip_pictures.difference(self, x0, texts, amounts, guidance, steps, who)

    # Its files ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_diffusers(cls, folder: _files.PathLike) -> UnCLIP:
        """What is in an UnCLIPPipeline's folder, see `unclip_folder`; errors as for `nd.load_diffusers`."""
        return cls(**unclip_folder.read(folder))

    def to_diffusers(self, folder: _files.PathLike) -> None:
        """Write a folder that diffusers' UnCLIPPipeline.from_pretrained opens, and `from_diffusers`.

        Raises
        ------
        OSError : a place that cannot be written
        ValueError : a part that diffusers' files have no place for, see `unclip_folder`
        """
        unclip_folder.write(folder, **{name: getattr(self, name) for name in self.__dataclass_fields__})

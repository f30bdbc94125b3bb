"""DALL-E 2, or unCLIP (article, section 4; Ramesh et al. 2022, arXiv 2204.06125): texts to pictures.

    text's embedding, states = text_encoder(tokenizer(texts))   what is asked for
    z_0 by the chain of prior(z_t, t, embedding, states)        the embedding of a picture of it
    x_0 by the chain of decoder(x_t, t, what text_projection makes of z_0 and the text)
    and by the chains of upsamplers[k](x_t, t, x_0 of the stage before) one size after the other

Each part can be called by itself, and so can each stage; the pipeline is no more than these four lines, and the ways
into them.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy_diffusion import _files
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines import texts as of_texts
from numpy_diffusion.pipelines import unclip_folder, unclip_parts
from numpy_diffusion.pipelines.unclip_stage import Stage


@dataclass(frozen=True, eq=False, repr=False)
class UnCLIP:
    """Texts to pictures, by way of CLIP's embeddings.

    Attributes
    ----------
    text_encoder : embedding [N, D] and states [N, L, D] = text_encoder(ids [N, L])
    tokenizer : ids [N, 77] = tokenizer(texts); of them the encoder reads the first L
    prior : z_0 [N, D] = prior(z, t, embedding, states=states, mask=mask), t in 1..T
    text_projection : what the decoder is told = text_projection(z_0, embedding, states, mask)
    decoder : eps = decoder(x, t, **told.arguments()), x [N, 3, S, S]
    upsamplers : eps = upsampler(x, t, low_resolution=image) each, from one size to the next, any number of them
    prior_stage, decoder_stage, upsampler_stage : how their chains are gone down
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
        parts = [getattr(self, name) for name in self.__dataclass_fields__]
        flat = [one for part in parts if part is not None for one in (part if part is self.upsamplers else (part,))]
        return "\n  ".join(["UnCLIP", *map(str, flat)])

    @property
    def shape(self) -> tuple[int, ...]:
        """(3, H, W) of a picture."""
        return (self.decoder, *self.upsamplers)[-1].shape

    # Its files ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_diffusers(cls, folder: _files.PathLike) -> UnCLIP:
        """What is in an UnCLIPPipeline's folder, see `unclip_folder`; the prior's `nothing` is the empty text.

        Raises
        ------
        OSError : a folder or file that is missing or cannot be read
        ValueError : a file that is foreign, cut, altered or hostile, an option that is not supported, or parts that
            do not go together
        """
        return cls(**unclip_folder.read(folder))

    def to_diffusers(self, folder: _files.PathLike) -> None:
        """Write a folder that diffusers' UnCLIPPipeline.from_pretrained opens, and `from_diffusers`.

        Raises
        ------
        OSError : a place that cannot be written
        ValueError : a part that diffusers' files have no place for, or that their pipeline has otherwise: no
            upsampler, a decoder whose variance is not learned, another solver, images that are not square, a prior
            that takes something else than the empty text for none
        """
        unclip_folder.write(folder, **{name: getattr(self, name) for name in self.__dataclass_fields__})

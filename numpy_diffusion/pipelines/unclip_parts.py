"""Whether the parts of DALL-E 2 go together: what one makes, the next must take."""

from __future__ import annotations

from typing import Final

from numpy_diffusion import _checks
from numpy_diffusion.models.network import Network
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.unclip_decoder.unclip_decoder import check_both
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines.unclip_stage import Stage

COLOURS: Final = 3


def check_embeddings(
    text_encoder: CLIPTextWithProjection,
    prior: PriorTransformer,
    text_projection: TextProjection,
    image_encoder: CLIPVisionWithProjection | None,
) -> None:
    """ValueError where these are not all of one space of embeddings, with states of as many numbers."""
    _checks.instance("text_encoder", text_encoder, CLIPTextWithProjection)
    _checks.instance("prior", prior, PriorTransformer)
    _checks.instance("text_projection", text_projection, TextProjection)
    texts, D = text_encoder.config, prior.config.embedding_dim
    sizes = {
        "text_encoder: expected projection_dim": texts.projection_dim,
        "text_encoder: expected hidden_size": texts.hidden_size,
        "prior: expected embedding_proj_dim": prior.config.text_dim,
        "text_projection: expected clip_embeddings_dim": text_projection.config.clip_embeddings_dim,
    }
    if image_encoder is not None:
        _checks.instance("image_encoder", image_encoder, CLIPVisionWithProjection)
        sizes["image_encoder: expected projection_dim"] = image_encoder.config.projection_dim
        if (channels := image_encoder.config.num_channels) != COLOURS:
            raise ValueError(f"image_encoder: expected num_channels = {COLOURS}, got {channels}")
    for what, size in sizes.items():
        if size != D:
            raise ValueError(f"{what} = {D} as the prior's embedding_dim, got {size}")
    if (places := prior.config.num_embeddings) < (most := texts.max_position_embeddings):
        raise ValueError(f"prior: expected num_embeddings of at least the text encoder's {most} places, got {places}")


def check_images(
    text_projection: TextProjection, decoder: UNet, upsamplers: tuple[UNet, ...], last_upsampler: UNet | None
) -> None:
    """ValueError where an image is not of the size that the next network takes."""
    _checks.instance("upsamplers", upsamplers, tuple)
    check_both(_checks.instance("decoder", decoder, UNet), text_projection)
    if decoder.shape[0] != COLOURS:
        raise ValueError(f"decoder: expected images of {COLOURS} channels, got {decoder.shape[0]}")
    before = decoder.shape
    for number, network in enumerate(upsamplers):
        _check_upsampler(f"upsamplers[{number}]", network)
        if any(size < least for size, least in zip(network.shape, before, strict=True)):
            raise ValueError(
                f"upsamplers[{number}]: expected images of at least {list(before)}, got {list(network.shape)}"
            )
        before = network.shape
    if last_upsampler is not None:
        _check_upsampler("last_upsampler", last_upsampler)
        if not upsamplers:
            raise ValueError("last_upsampler: expected None without upsamplers, got a UNet")
        if last_upsampler.shape != (shape := upsamplers[0].shape):
            raise ValueError(
                f"last_upsampler: expected images of {list(shape)}, as the first upsampler's, got "
                f"{list(last_upsampler.shape)}"
            )


def _check_upsampler(name: str, network: UNet) -> None:
    """ValueError where it is not told a low-resolution image, and that alone."""
    taken = _checks.instance(name, network, UNet).nothing
    if taken is None or taken.arguments().keys() != {"low_resolution"}:
        asked = "nothing" if taken is None else ", ".join(taken.arguments())
        raise ValueError(f"{name}: expected one that is told low_resolution alone, got one that is told {asked}")
    if network.shape[0] != COLOURS:
        raise ValueError(f"{name}: expected images of {COLOURS} channels, got {network.shape[0]}")


def check_stage(name: str, stage: Stage, *networks: Network) -> None:
    """ValueError where the stage asks its networks for a variance that they have not learned, or takes what they
    predict for something else."""
    _checks.instance(name, stage, Stage)
    for network in networks:
        check_prediction(name, stage, network)
    if stage.variance == "learned" and not all(network.learn_variance for network in networks):
        raise ValueError(f"{name}: expected variance 'learned' of networks that learn it, got it of others")


def check_prediction(name: str, stage: Stage, network: Network) -> None:
    """ValueError where the stage takes what the network predicts for something else; a U-Net's may be anything."""
    if network.predicts not in ("eps", stage.prediction):
        raise ValueError(
            f"{name}: expected prediction {network.predicts!r}, as the network's, got {stage.prediction!r}"
        )

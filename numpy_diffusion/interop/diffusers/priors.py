"""A prior's folder of diffusers, that of `PriorTransformer`: its options and weights have the same names here.

Its clip_mean and clip_std are the network's shift and scale.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers.files import (
    DIFFUSERS_LIBRARY,
    WEIGHTS,
    check_weights,
    read_network,
    write_network,
)
from numpy_diffusion.interop.diffusers.safetensors_files import Tensors, naming
from numpy_diffusion.models.parameters import Shapes
from numpy_diffusion.networks.prior.config import PriorConfig
from numpy_diffusion.networks.prior.config import shapes as of_parameters
from numpy_diffusion.networks.prior.prior import PriorTransformer

KIND: Final = "PriorTransformer"
MEAN, DEVIATION = "clip_mean", "clip_std"
LIBRARY: Final = DIFFUSERS_LIBRARY._replace(layers="num_layers")


def read(folder: _files.PathLike) -> PriorTransformer:
    """The prior of a folder, of its config.json and diffusion_pytorch_model.safetensors.

    Weights there are float32, or float16, which becomes float32.  t is 1..T here, one more than there.  What stands
    for no text is not in the folder: diffusers' pipelines take what their encoder makes of an empty one, and whoever
    opens the folder sets `nothing` to that.

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that is foreign, cut, altered or hostile, or an option that is not supported

    Examples
    --------
    >>> read("no/such/folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no/such/folder: expected a folder in diffusers' layout, found no such folder
    """
    config, stored, _ = read_network(folder, (KIND,), _checked, _shapes, LIBRARY)
    units = stored.views({MEAN: (config.embedding_dim,), DEVIATION: (config.embedding_dim,)})
    shift, scale = (units[name].astype(np.float32) for name in (MEAN, DEVIATION))
    with naming(_files.as_path("folder", folder) / WEIGHTS):
        if scale.min() <= 0.0:
            raise ValueError(f"{DEVIATION}: expected deviations above 0, got {scale.min():g}")
    prior = PriorTransformer.empty(**vars(config))
    prior.read_from(stored)
    prior.shift, prior.scale = shift, scale
    return prior


def write(prior: PriorTransformer, folder: _files.PathLike) -> None:
    """Write a folder that from_pretrained of diffusers' class opens, and `read`; there is no place for `nothing`.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : what is no PriorTransformer; weights that are not float32 or not finite
    """
    check_writable(prior)
    write_network(folder, KIND, prior.options, _tensors(prior), LIBRARY)


def check_writable(prior: PriorTransformer) -> None:
    """ValueError where `write` would refuse the network."""
    check_weights(_tensors(_checks.instance("model", prior, PriorTransformer)))


def _tensors(prior: PriorTransformer) -> Tensors:
    return {**prior.params, MEAN: np.array(prior.shift[None]), DEVIATION: np.array(prior.scale[None])}


def _shapes(config: PriorConfig) -> Shapes:
    return {**of_parameters(config), MEAN: (1, config.embedding_dim), DEVIATION: (1, config.embedding_dim)}


def _checked(options: dict[str, Any]) -> PriorConfig:
    given = {name: value for name, value in options.items() if not name.startswith("_")}
    for name in given.keys() - PriorConfig.__dataclass_fields__.keys():
        raise ValueError(f"{name}: expected an option of {KIND}, got one that it does not have")
    return PriorConfig(**given)

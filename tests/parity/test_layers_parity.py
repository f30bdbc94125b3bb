"""The layers of transformers against PyTorch's and diffusers' own: outputs and every gradient, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.layer_gradients import drawn

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers.models.attention import BasicTransformerBlock  # noqa: E402
from diffusers.models.attention_processor import Attention  # noqa: E402
from diffusers.models.downsampling import Downsample2D  # noqa: E402
from diffusers.models.resnet import ResnetBlock2D  # noqa: E402
from diffusers.models.transformers.transformer_2d import Transformer2DModel  # noqa: E402

# After the packages that they are compared with.
from numpy_diffusion.layers import (  # noqa: E402
    conv,
    geglu,
    gelu,
    layer_norm,
    multi_head,
    quick_gelu,
    residual_block,
    spatial_transformer,
    transformer_block,
)

BOUND = 1e-11
Arrays = dict[str, np.ndarray]


def randomised(module: Any) -> Any:
    """In float64, so that no bias is 0 and no norm's weight 1."""
    torch.manual_seed(0)
    module = module.double().eval()
    with torch.no_grad():
        for values in module.parameters():
            values.add_(0.1 * torch.randn_like(values))
    return module


def params_of(module: Any) -> Arrays:
    return {name: values.detach().numpy() for name, values in module.named_parameters()}


def tensors(given: Arrays) -> dict[str, Any]:
    return {name: torch.tensor(values, requires_grad=True) for name, values in given.items()}


def compare(
    theirs: Any, ours: tuple[np.ndarray, Any], given: dict[str, Any], gradients: Any, module: Any = None
) -> None:
    """Their output against ours, and the gradient of (dy * output).sum() by what is given and by the module's own."""
    y, cache = ours
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=BOUND, atol=BOUND)
    dy = np.random.default_rng(1).normal(size=y.shape)
    (torch.tensor(dy) * theirs).sum().backward()
    *found, grads = gradients(dy, cache)
    pairs = dict(zip(given, found, strict=True)) | grads
    wanted = given | ({} if module is None else dict(module.named_parameters()))
    assert pairs.keys() == wanted.keys()
    for name, values in pairs.items():
        np.testing.assert_allclose(values, wanted[name].grad.numpy(), rtol=BOUND, atol=BOUND, err_msg=name)


def of_arrays(backward: Any) -> Any:
    """A layer's `backward` in the form of a block's, which gives the gradients of parameters in a dict at the end."""
    return lambda dy, cache: (*(out if isinstance(out := backward(dy, cache), tuple) else (out,)), {})


def test_layer_norm() -> None:
    given = drawn(0, x=(2, 3, 8), weight=(8,), bias=(8,))
    tensor = tensors(given)
    theirs = torch.nn.functional.layer_norm(tensor["x"], (8,), tensor["weight"], tensor["bias"], 1e-5)
    compare(theirs, layer_norm.forward(**given), tensor, of_arrays(layer_norm.backward))


@pytest.mark.parametrize("form", ["erf", "tanh"])
def test_gelu(form: Any) -> None:
    given = {"x": 3.0 * drawn(0, x=(50,))["x"]}
    tensor = tensors(given)
    theirs = torch.nn.functional.gelu(tensor["x"], approximate="none" if form == "erf" else "tanh")
    compare(theirs, gelu.forward(**given, form=form), tensor, of_arrays(gelu.backward))


def test_quick_gelu() -> None:
    activations = pytest.importorskip("transformers.activations")
    given = {"x": 3.0 * drawn(0, x=(50,))["x"]}
    tensor = tensors(given)
    theirs = activations.ACT2FN["quick_gelu"](tensor["x"])
    compare(theirs, quick_gelu.forward(**given), tensor, of_arrays(quick_gelu.backward))


def test_geglu() -> None:
    activations = pytest.importorskip("diffusers.models.activations")
    module, given = randomised(activations.GEGLU(6, 5)), drawn(0, x=(2, 3, 6))
    tensor, params = tensors(given), params_of(module)

    def gradients(dy: np.ndarray, cache: Any) -> Any:
        dx, dweight, dbias = geglu.backward(dy, cache)
        return dx, {"proj.weight": dweight, "proj.bias": dbias}

    compare(module(tensor["x"]), geglu.forward(given["x"], *params.values()), tensor, gradients, module)


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_multi_head(cross: bool, masked: bool) -> None:
    module = randomised(Attention(6, cross_attention_dim=5 if cross else None, heads=2, dim_head=4))
    given = drawn(0, x=(2, 3, 6)) | (drawn(1, context=(2, 4, 5)) if cross else {})
    tensor, M = tensors(given), 4 if cross else 3
    mask = np.arange(M) < np.array([[1], [M]])
    bias = torch.where(torch.tensor(mask), 0.0, -1e30).double()[:, None] if masked else None
    theirs = module(tensor["x"], tensor.get("context"), attention_mask=bias)
    seen = mask[:, None] if masked else None
    ours = multi_head.forward(given["x"], given.get("context"), params_of(module), 2, seen)

    def gradients(dy: np.ndarray, cache: Any) -> Any:
        return [part for part in multi_head.backward(dy, cache) if part is not None]

    compare(theirs, ours, tensor, gradients, module)


@pytest.mark.parametrize("masked", [False, True])
def test_transformer_block(masked: bool) -> None:
    module = randomised(BasicTransformerBlock(8, 2, 4, cross_attention_dim=5))
    given = drawn(0, x=(2, 3, 8), context=(2, 4, 5))
    tensor, mask = tensors(given), np.arange(4) < np.array([[1], [3]])
    bias = torch.where(torch.tensor(mask), 0.0, -1e30).double()[:, None] if masked else None
    theirs = module(tensor["x"], encoder_hidden_states=tensor["context"], encoder_attention_mask=bias)
    ours = transformer_block.forward(**given, params=params_of(module), heads=2, mask=mask if masked else None)
    compare(theirs, ours, tensor, transformer_block.backward, module)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_spatial_transformer(linear: bool, depth: int) -> None:
    module = randomised(
        Transformer2DModel(
            2, 4, 8, norm_num_groups=4, cross_attention_dim=5, use_linear_projection=linear, num_layers=depth
        )
    )
    given = drawn(0, x=(2, 8, 3, 4), context=(2, 6, 5))
    tensor, mask = tensors(given), np.arange(6) < np.array([[2], [6]])
    theirs = module(
        tensor["x"], encoder_hidden_states=tensor["context"], encoder_attention_mask=torch.tensor(mask).double()
    ).sample
    # Their mask takes 10,000 from a score: in float64 what is hidden weighs e^-10,000, which is 0.
    ours = spatial_transformer.forward(**given, params=params_of(module), groups=4, heads=2, mask=mask)
    compare(theirs, ours, tensor, spatial_transformer.backward, module)


@pytest.mark.parametrize("step", ["default", "scale_shift", None])
@pytest.mark.parametrize("outputs", [4, 6])
def test_residual_block(step: str | None, outputs: int) -> None:
    module = randomised(
        ResnetBlock2D(
            in_channels=4,
            out_channels=outputs,
            temb_channels=None if step is None else 7,
            groups=2,
            eps=1e-6,
            time_embedding_norm=step or "default",
        )
    )
    given = drawn(0, x=(2, 4, 3, 5)) | ({} if step is None else drawn(1, temb=(2, 7)))
    tensor = tensors(given)
    theirs = module(tensor["x"], tensor.get("temb"))
    ours = residual_block.forward(given["x"], given.get("temb"), params_of(module), 2, 1e-6)

    def gradients(dy: np.ndarray, cache: Any) -> Any:
        return [part for part in residual_block.backward(dy, cache) if part is not None]

    compare(theirs, ours, tensor, gradients, module)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("side", [4, 5])
def test_both_ways_of_downsampling(padding: int, side: int) -> None:
    """Without padding theirs pads by a column and a row behind: the autoencoder's (0, 1, 0, 1)."""
    module = randomised(Downsample2D(3, use_conv=True, out_channels=4, padding=padding, name="op"))
    given = drawn(0, x=(2, 3, side, side))
    tensor, params = tensors(given), params_of(module)
    names = [name.rpartition(".")[0] for name in params][:1]
    ours = conv.forward(given["x"], *params.values(), stride=2, pad=(padding, 1))

    def gradients(dy: np.ndarray, cache: Any) -> Any:
        dx, dweight, dbias = conv.backward(dy, cache)
        return dx, {f"{names[0]}.weight": dweight, f"{names[0]}.bias": dbias}

    compare(module(tensor["x"]), ours, tensor, gradients, module)

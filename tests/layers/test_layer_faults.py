"""Faults put into the layers one by one: the check named beside each must fail."""

from __future__ import annotations

import sys
from functools import partial

import pytest
from checks.activations import (
    check_geglu_gradient,
    check_geglu_values,
    check_gelu_gradient,
    check_gelu_values,
    check_quick_gelu_gradient,
    check_quick_gelu_values,
)
from checks.attention import check_gradients as check_attention
from checks.attention import check_values as check_attention_values
from checks.blocks import check_added, check_residual
from checks.blocks import check_attention as check_attention_block
from checks.class_embedding import check_gradients as check_class_embedding
from checks.conv import check_gradients as check_conv
from checks.conv import check_values as check_conv_values
from checks.dropout import check_gradients as check_dropout
from checks.encoder_layer import check_activations_differ, check_encoder_layer
from checks.faults import Fault, passes_without, with_fault
from checks.group_norm import check_gradients as check_group_norm
from checks.group_norm import check_values as check_group_norm_values
from checks.layer_norm import check_gradients as check_layer_norm
from checks.layer_norm import check_values as check_layer_norm_values
from checks.patch_embedding import check_gradients as check_patches
from checks.patch_embedding import check_values as check_patch_values
from checks.text_embedding import check_gradients as check_text
from checks.text_embedding import check_values as check_text_values
from checks.transformers import (
    check_block,
    check_hidden_context,
    check_hidden_from_block,
    check_multi_head,
    check_spatial,
)
from checks.unit_length import check_gradient as check_unit_gradient
from checks.unit_length import check_values as check_unit_values
from checks.upsample import check_gradients as check_upsample
from checks.upsample import check_means

from numpy_diffusion.layers import (
    added_attention,
    attention,
    attention_block,
    class_embedding,
    conv,
    downsample,
    dropout,
    encoder_layer,
    geglu,
    gelu,
    group_norm,
    layer_norm,
    multi_head,
    patch_embedding,
    quick_gelu,
    residual_block,
    spatial_transformer,
    text_embedding,
    transformer_block,
    unit_length,
    upsample,
)

check_scaled = partial(check_residual, step="scale and shift")

FAULTS = {
    "the kernel turned by half": Fault(
        conv.forward, "weight, axes", "weight[:, :, ::-1, ::-1], axes", check_conv_values
    ),
    "zeros after for zeros before": Fault(conv.forward, "= pad, x", "= pad[::-1], x", check_conv_values),
    "the kernel's axes swapped in dx": Fault(conv.backward, "weight[:, :, a, b]", "weight[:, :, b, a]", check_conv),
    "the kernel turned by half in dx": Fault(conv.backward, "weight[:, :, a, b]", "weight[:, :, -a, -b]", check_conv),
    "the zeros before and after swapped in dx": Fault(
        conv.backward, "before : height - after", "after : height - before", check_conv
    ),
    "dweight without the stride": Fault(conv.backward, "weight, stride),", "weight, 1)[:, :, :2, :2],", check_conv),
    "dbias of the mean": Fault(conv.backward, "dy.sum(", "dy.mean(", check_conv),
    "one pixel's gradient of four": Fault(
        upsample.backward, ".sum(axis=(3, 5))", "[:, :, :, 0, :, 0]", check_upsample
    ),
    "the gradient of the mean of four": Fault(upsample.backward, ".sum(", ".mean(", check_upsample),
    "the variance without eps": Fault(group_norm.forward, "x.dtype.type(eps)", "0.0", check_group_norm_values),
    "one weight a group": Fault(
        group_norm.forward, "z * _by_channel(weight, x)", "z * weight[0]", check_group_norm_values
    ),
    "the mean's part of dx lost": Fault(
        group_norm.backward, " - dz.mean(axis=2, keepdims=True)", "", check_group_norm
    ),
    "the variance's part of dx lost": Fault(group_norm.backward, " - along_z", "", check_group_norm),
    "dx without the weight": Fault(group_norm.backward, "dy * _by_channel(weight, dy)", "dy", check_group_norm),
    "dweight of x's place": Fault(group_norm.backward, "(dy * z)", "(dy * z[::-1])", check_group_norm),
    "the scale of all channels": Fault(attention.backward, "* _scale(q)", "* q.shape[1] ** -0.5", check_attention),
    "the softmax's sum lost": Fault(
        attention.backward,
        "(dweights - (dweights * weights).sum(axis=3, keepdims=True))",
        "dweights",
        check_attention,
    ),
    "q and k swapped": Fault(attention.backward, "_joined(dscores @ k)", "_joined(dscores @ q)", check_attention),
    "scores not transposed in dk": Fault(
        attention.backward, "dscores.swapaxes(2, 3) @ q", "dscores @ q", check_attention
    ),
    "weights not transposed in dv": Fault(
        attention.backward, "weights.swapaxes(2, 3) @ do", "weights @ do", check_attention
    ),
    "dropout forgotten on the way back": Fault(dropout.backward, "dy * factor", "dy", check_dropout),
    "a label's last sample alone": Fault(
        class_embedding.backward, "np.add.at(dweight, labels, dy)", "dweight[labels] = dy", check_class_embedding
    ),
    "dropout left out of the block's gradient": Fault(
        residual_block.backward, 'if "dropout" in caches', "if False", check_residual
    ),
    "the shortcut's gradient lost": Fault(residual_block.backward, "dh + dx, dtemb", "dh, dtemb", check_residual),
    "the step's gradient without its SiLU": Fault(
        residual_block.backward, 'silu.backward(da, caches["silu_temb"])', "da", check_residual
    ),
    "the step's gradient of the mean": Fault(
        residual_block.backward, "dh.sum(axis=(2, 3))", "dh.mean(axis=(2, 3))", check_residual
    ),
    "the values' gradient lost": Fault(
        multi_head.backward, "dx + from_k + from_v, None", "dx + from_k, None", check_attention_block
    ),
    "the attention's skip lost": Fault(attention_block.backward, "dx + dy", "dx", check_attention_block),
    "a scale without the 1": Fault(residual_block.backward, "(1.0 + scale)", "scale", check_scaled),
    "the scale and the shift swapped": Fault(
        residual_block.backward,
        "[(dh * h).sum(axis=(2, 3)), dh.sum(axis=(2, 3))]",
        "[dh.sum(axis=(2, 3)), (dh * h).sum(axis=(2, 3))]",
        check_scaled,
    ),
    "the scale's gradient without h": Fault(residual_block.backward, "(dh * h)", "dh", check_scaled),
    "a mean's gradient to four pixels each": Fault(
        downsample.backward, "* dy.dtype.type(0.25)", "* dy.dtype.type(1.0)", check_means
    ),
    "a quarter of the shortcut's gradient": Fault(
        residual_block.backward,
        "_RESAMPLED_BACK[resample](dh), _RESAMPLED_BACK[resample](dx)",
        "_RESAMPLED_BACK[resample](dh), _RESAMPLED_BACK[resample](dx) / 4.0",
        partial(check_residual, resample="up"),
    ),
    "a turned gradient through the means": Fault(
        residual_block.backward,
        "_RESAMPLED_BACK[resample](dh)",
        "_RESAMPLED_BACK[resample](dh)[:, :, ::-1]",
        partial(check_residual, resample="down"),
    ),
    "the states' keys for their values": Fault(
        added_attention.backward,
        'through("add_k_proj", dk[:, pixels:])',
        'through("add_k_proj", dv[:, pixels:])',
        check_added,
    ),
    "the added attention's skip lost": Fault(added_attention.backward, "dx + dy", "dx", check_added),
    "the added states' mask left out": Fault(added_attention.forward, "heads, seen)", "heads)", check_added),
    "a norm's gradient where there is none": Fault(
        attention_block.backward,
        "dx = image(dz, dy.shape)",
        "dx = 2.0 * image(dz, dy.shape)",
        partial(check_attention_block, normed=False),
    ),
    "what must not be seen is seen": Fault(
        attention.forward, "np.where(mask[:, None], scores, -np.inf)", "scores", check_attention_values
    ),
    "what may be seen is not": Fault(attention.forward, "mask[:, None],", "~mask[:, None],", check_attention_values),
    "a row's values as groups": Fault(layer_norm.forward, "bias, 1, eps", "bias, 2, eps", check_layer_norm_values),
    "the layer norm's eps forgotten": Fault(layer_norm.forward, "1, eps", "1", check_layer_norm_values),
    "dx of a layer norm in another row": Fault(
        layer_norm.backward, "dx.reshape(dy.shape)", "dx[::-1].reshape(dy.shape)", check_layer_norm
    ),
    "the slope without x": Fault(gelu.backward, "x * slope", "slope", check_gelu_gradient),
    "Phi of x over 2": Fault(gelu.forward, "math.sqrt(2.0))", "2.0)", check_gelu_values),
    "the tanh form's slope without its cube": Fault(
        gelu.forward, "(1.0 + 3.0 * CUBIC * near**2)", "1.0", partial(check_gelu_gradient, "tanh")
    ),
    "the tanh form's cube forgotten": Fault(gelu.forward, "near + CUBIC * near**3", "near", check_gelu_values),
    "the quick form not divided": Fault(quick_gelu.forward, "y / FACTOR", "y", check_quick_gelu_values),
    "the quick form's gradient divided": Fault(
        quick_gelu.backward, "(dy, cache)", "(dy, cache) / FACTOR", check_quick_gelu_gradient
    ),
    "the gate for the value": Fault(geglu.forward, "value, gate =", "gate, value =", check_geglu_values),
    "the gate's gradient for the value's": Fault(
        geglu.backward, "[dy * factor, dgate]", "[dgate, dy * factor]", check_geglu_gradient
    ),
    "the gate's gradient without the value": Fault(geglu.backward, "dy * value", "dy", check_geglu_gradient),
    "all tokens in the first place": Fault(
        text_embedding.forward, "position[: ids.shape[1]]", "position[0]", check_text_values
    ),
    "a place's gradient of the mean": Fault(text_embedding.backward, "dy.sum(", "dy.mean(", check_text),
    "the places' gradient one too far": Fault(
        text_embedding.backward, "dposition[: dy.shape[1]]", "dposition[-dy.shape[1] :]", check_text
    ),
    "patches in columns": Fault(
        patch_embedding.forward, "(0, 2, 4, 1, 3, 5)", "(0, 4, 2, 1, 3, 5)", check_patch_values
    ),
    "the class token behind the patches": Fault(
        patch_embedding.forward, "[classes, patches]", "[patches, classes]", check_patch_values
    ),
    "the class token's gradient in a patch": Fault(
        patch_embedding.backward, "(dy[:, 1:], cache", "(dy[:, :-1], cache", check_patches
    ),
    "a patch's pixels turned on the way back": Fault(
        patch_embedding.backward, "(0, 3, 1, 4, 2, 5)", "(0, 3, 1, 5, 2, 4)", check_patches
    ),
    "the class token's gradient from all places": Fault(
        patch_embedding.backward, "dy[:, 0].sum(axis=0)", "dy.sum(axis=(0, 1))", check_patches
    ),
    "a length of squares": Fault(unit_length.forward, "np.sqrt(", "np.square(", check_unit_values),
    "the part along the unit vector kept": Fault(
        unit_length.backward, "(dy - y * (dy * y).sum(axis=-1, keepdims=True))", "dy", check_unit_gradient
    ),
    "the length's gradient forgotten": Fault(unit_length.backward, " / length", "", check_unit_gradient),
    "the context's gradient without the keys": Fault(
        multi_head.backward, "(dx, from_k + from_v, grads)", "(dx, from_v, grads)", check_multi_head
    ),
    "the context's gradient in x's": Fault(
        multi_head.backward, "dx + from_k + from_v, None", "dx, None", partial(check_multi_head, context=False)
    ),
    "the mask left out": Fault(multi_head.forward, "heads, mask)", "heads)", check_hidden_context),
    "the block's mask left out": Fault(transformer_block.forward, "mask[:, None]", "None", check_hidden_from_block),
    "a skip of the block lost": Fault(transformer_block.backward, "dx = dy + normed", "dx = normed", check_block),
    "the second skip of the block lost": Fault(
        transformer_block.backward, 'dx = dx + normed("norm2"', 'dx = normed("norm2"', check_block
    ),
    "the gradient of the self-attention lost": Fault(
        transformer_block.backward,
        'return dx + normed("norm1", dh)',
        'return dx + 0.0 * normed("norm1", dh)',
        check_block,
    ),
    "the spatial transformer's skip lost": Fault(
        spatial_transformer.backward, " + dy, dcontext", ", dcontext", check_spatial
    ),
    "the last block's gradient of the context alone": Fault(
        spatial_transformer.backward, "dcontext + from_block", "from_block", partial(check_spatial, depth=2)
    ),
    "the blocks' gradients in their own order": Fault(
        spatial_transformer.backward, "reversed(list(", "list((", partial(check_spatial, depth=2)
    ),
    "the skip around the encoder's attention lost": Fault(
        encoder_layer.backward, "return dx + store", "return store", check_encoder_layer
    ),
    "the skip around the encoder's linear layers lost": Fault(
        encoder_layer.backward, "dx = dy + ", "dx = ", check_encoder_layer
    ),
    "the gradient at another of the encoder's norms": Fault(
        encoder_layer.backward, 'caches["norm2"]', 'caches["norm1"]', check_encoder_layer
    ),
    "one form of GELU for the other": Fault(
        encoder_layer._activate, "return gelu.forward(x)", 'return gelu.forward(x, "tanh")', check_activations_differ
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_its_check_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    passes_without(fault)
    monkeypatch.setattr(sys.modules[fault.function.__module__], fault.function.__name__, with_fault(fault))
    with pytest.raises(AssertionError):
        fault.check()

"""Faults put into the layers one by one: the check named beside each must fail."""

from __future__ import annotations

import sys

import pytest
from checks.attention import check_gradients as check_attention
from checks.blocks import check_attention as check_attention_block
from checks.blocks import check_residual
from checks.class_embedding import check_gradients as check_class_embedding
from checks.conv import check_gradients as check_conv
from checks.conv import check_values as check_conv_values
from checks.dropout import check_gradients as check_dropout
from checks.faults import Fault, with_fault
from checks.group_norm import check_gradients as check_group_norm
from checks.group_norm import check_values as check_group_norm_values
from checks.upsample import check_gradients as check_upsample

from numpy_diffusion.layers import (
    attention,
    attention_block,
    class_embedding,
    conv,
    dropout,
    group_norm,
    residual_block,
    upsample,
)

FAULTS = {
    "the kernel turned by half": Fault(
        conv.forward, "weight, axes", "weight[:, :, ::-1, ::-1], axes", check_conv_values
    ),
    "zeros after for zeros before": Fault(conv.forward, "pad, pad))", "pad[::-1], pad[::-1]))", check_conv_values),
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
        residual_block.backward, "(da if scaled else dh).sum(", "(da if scaled else dh).mean(", check_residual
    ),
    "the values' gradient lost": Fault(
        attention_block.backward, ' + through("to_v", dv)', ' + 0.0 * through("to_v", dv)', check_attention_block
    ),
    "the attention's skip lost": Fault(attention_block.backward, "dx + dy", "dx", check_attention_block),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_its_check_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    fault.check()
    monkeypatch.setattr(sys.modules[fault.function.__module__], fault.function.__name__, with_fault(fault))
    with pytest.raises(AssertionError):
        fault.check()

"""The U-Net: its gradient, what each input reaches, and what it does with bad input."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from checks.faults import Fault, with_fault
from checks.gradcheck import projected_errors, wrong

from numpy_diffusion.layers import residual_block
from numpy_diffusion.networks.unet import definition
from numpy_diffusion.networks.unet import embedding as unet_embedding
from numpy_diffusion.networks.unet.unet import UNet

# Attention in both ways and between, classes, dropout, and either kind of halving.
SMALL = dict(
    in_channels=2,
    out_channels=2,
    block_out_channels=(4, 8),
    layers_per_block=1,
    norm_num_groups=2,
    attention_head_dim=2,
    down_block_types=("AttnDownBlock2D", "DownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    num_class_embeds=3,
    dropout=0.2,
)
PLAIN = SMALL | dict(
    down_block_types=("DownBlock2D",) * 2,
    up_block_types=("UpBlock2D",) * 2,
    num_class_embeds=None,
    dropout=0.0,
    add_attention=False,
)
ONE_BLOCK = dict(block_out_channels=(4,), down_block_types=("AttnDownBlock2D",), up_block_types=("UpBlock2D",))
CASES: dict[str, dict[str, Any]] = {
    "8 x 8": SMALL | dict(sample_size=8),
    "6 x 10, halved to odd sizes, pad (0, 1)": SMALL | dict(sample_size=(6, 10), downsample_padding=0),
    "7 x 5, one block, one channel": SMALL | ONE_BLOCK | dict(sample_size=(7, 5), in_channels=1, out_channels=1),
    "a variance head": PLAIN | dict(sample_size=4, out_channels=4, layers_per_block=2, flip_sin_to_cos=False),
}
SAMPLES = np.array([5, 2, 9])


def network(options: dict[str, Any], seed: int = 0, dtype: Any = np.float64) -> UNet:
    """All weights and biases drawn, so that no gradient is zero but by the structure."""
    model, rng = UNet(**options, dtype=dtype), np.random.default_rng(seed)
    for values in model.params.values():
        values[:] = rng.normal(size=values.shape) / np.sqrt(max(values[0].size, 2))
    return model


def images(model: UNet, N: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    rng, classes = np.random.default_rng(1), model.config.num_class_embeds
    labels = None if classes is None else rng.integers(0, classes, N)
    return rng.normal(size=(N, *model.shape)).astype(model.buffer.dtype), rng.integers(1, 1001, N), labels


def check_gradients(case: str = "8 x 8", each: bool = False) -> None:
    """Of x and of all parameters at once, or of each parameter by itself."""
    model = network(CASES[case])
    x, t, labels = images(model)
    draw = (11, SAMPLES, 4)
    outputs, caches = definition.forward(model.params, model.config, x, t, labels, draw)
    doutputs = np.random.default_rng(2).normal(size=outputs.shape)
    dx, grads = definition.backward(model.params, model.config, doutputs, caches)
    assert list(grads) == list(model.params)

    def loss() -> float:
        return float((doutputs * definition.forward(model.params, model.config, x, t, labels, draw)[0]).sum())

    arrays = {"x": x, **model.params} if each else {"x": x, "all": model.buffer}
    gradients = {"x": dx, **grads} if each else {"x": dx, "all": np.concatenate([g.ravel() for g in grads.values()])}
    assert wrong(projected_errors(loss, arrays, gradients)) == []


def check_samples_are_their_own() -> None:
    """The answer for (x, t, label) and the values dropped do not depend on where in the batch a sample stands."""
    model = network(CASES["8 x 8"])
    x, t, labels = images(model)
    whole, _ = definition.forward(model.params, model.config, x, t, labels, (11, SAMPLES, 4))
    for n in range(3):
        one, _ = definition.forward(model.params, model.config, x[[n]], t[[n]], labels[[n]], (11, SAMPLES[[n]], 4))
        np.testing.assert_allclose(one[0], whole[n], rtol=1e-11, atol=1e-11)


def check_dropouts_differ() -> None:
    """No two blocks drop the same values."""
    model = network(CASES["8 x 8"])
    x, t, labels = images(model)
    _, caches = definition.forward(model.params, model.config, x, t, labels, (11, SAMPLES, 4))
    factors = [cache["dropout"] for cache in caches[1:] if isinstance(cache, dict) and "dropout" in cache]
    assert len(factors) == 2 + 2 * 3
    flat = [factor[0].ravel()[:64] for factor in factors]
    assert all((flat[i] != flat[j]).any() for i in range(len(flat)) for j in range(i))


@pytest.mark.parametrize("case", CASES)
def test_backward_is_the_gradient(case: str) -> None:
    check_gradients(case)


def test_backward_is_the_gradient_of_every_parameter_by_itself() -> None:
    check_gradients("6 x 10, halved to odd sizes, pad (0, 1)", each=True)


def test_a_sample_is_its_own() -> None:
    check_samples_are_their_own()


def test_every_block_drops_others() -> None:
    check_dropouts_differ()


FAULTS = {
    "a skip's gradient lost": Fault(definition.backward, "dh = dh + dskips.pop()", "dskips.pop()", check_gradients),
    "skips in the wrong order": Fault(
        definition.backward, "dskips.pop()", "dskips.pop(0)", lambda: check_gradients("7 x 5, one block, one channel")
    ),
    "one block's step alone": Fault(
        definition.backward, "dtemb = dtemb + dtemb_here", "dtemb = dtemb_here", check_gradients
    ),
    "the halves of a concat swapped": Fault(
        definition.backward, "dh = dh[:, : op.inputs]", "dh = dh[:, -op.inputs :]", check_gradients
    ),
    "the embedding's SiLU forgotten": Fault(
        unet_embedding.backward, 'silu.backward(dh, caches["silu"])', "dh", check_gradients
    ),
    "one dropout for all": Fault(definition.forward, "*dropout, number)", "*dropout, 0)", check_dropouts_differ),
    "the label's place in the batch": Fault(
        unet_embedding.forward,
        "class_embedding.forward(labels,",
        "class_embedding.forward(np.arange(len(labels)),",
        check_samples_are_their_own,
    ),
    "the norm over the batch": Fault(
        residual_block.forward,
        "h + a[:, :, None, None]",
        "h + a.mean(axis=0)[:, None, None]",
        check_samples_are_their_own,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_its_check_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    fault.check()
    modules = definition, unet_embedding, residual_block
    module = next(m for m in modules if vars(m).get(fault.function.__name__) is fault.function)
    monkeypatch.setattr(module, fault.function.__name__, with_fault(fault))
    with pytest.raises(AssertionError):
        fault.check()


def test_an_edit_of_one_pixel_reaches_all_and_those_nearby_most() -> None:
    model = network(CASES["8 x 8"])
    x, t, labels = images(model, 1)
    edited = x.copy()
    edited[0, :, 0, 0] += 1.0
    change = np.abs(model(edited, t, labels) - model(x, t, labels))
    assert (change > 0).all()
    assert change[0, :, :2, :2].mean() > change[0, :, 4:, 4:].mean()


def test_steps_and_labels_matter_and_step_t_is_embedded_as_diffusers_t_minus_1() -> None:
    model = network(CASES["8 x 8"])
    x, _, _ = images(model, 2)
    assert np.abs(model(x, 1, 0) - model(x, 2, 0)).max() > 1e-3
    assert np.abs(model(x, 1, 0) - model(x, 1, 1)).max() > 1e-3
    np.testing.assert_array_equal(model(x, 7, 1), model(x, np.array([7, 7]), [1, 1]))
    row = unet_embedding.embed(model.config, np.array([1]), np.float64)
    np.testing.assert_array_equal(row, [[1.0, 1.0, 0.0, 0.0]])  # cosines first, as by default, of angle 0


def test_dropout_is_for_training_alone() -> None:
    model = network(CASES["8 x 8"])
    x, t, labels = images(model)
    without = UNet(**CASES["8 x 8"] | dict(dropout=0.0), dtype=np.float64)
    without.buffer[:] = model.buffer
    np.testing.assert_array_equal(model(x, t, labels), without(x, t, labels))
    dropped, _ = definition.forward(model.params, model.config, x, t, labels, (11, SAMPLES, 4))
    assert np.abs(dropped - model(x, t, labels)).max() > 1e-3


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_float32_is_float64_but_for_rounding(backend: Any) -> None:
    double = network(CASES["6 x 10, halved to odd sizes, pad (0, 1)"])
    single = network(CASES["6 x 10, halved to odd sizes, pad (0, 1)"], dtype=np.float32)
    x, t, labels = images(double)
    eps = single(x, t, labels, backend=backend)
    assert eps.dtype == np.float32
    np.testing.assert_allclose(eps, double(x, t, labels), rtol=0, atol=2e-5)


def test_a_new_network_answers_zero_and_its_weights_are_of_variance_one_over_inputs() -> None:
    model = UNet(
        sample_size=16, in_channels=1, out_channels=1, num_class_embeds=11, block_out_channels=(32, 64, 64, 64)
    )
    x, t, labels = images(model)
    np.testing.assert_array_equal(model(x, t, labels), np.zeros_like(x))
    for name, values in model.params.items():
        if name.endswith("bias") or name == "conv_out.weight":
            assert not values.any(), name
        elif values.ndim == 1:
            assert (values == 1.0).all(), name
        else:
            inputs = 1 if name == "class_embedding.weight" else values[0].size
            assert abs(values.std() * np.sqrt(inputs) - 1.0) < 5.0 / np.sqrt(2.0 * values.size), name  # five errors
    first, second = (model.params[f"mid_block.resnets.{k}.conv1.weight"].ravel() for k in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 5.0 / np.sqrt(first.size)


def test_the_seed_decides_the_weights() -> None:
    buffers = [UNet(**CASES["8 x 8"], seed=seed).buffer for seed in (0, 0, 1, 2**64 - 1)]
    np.testing.assert_array_equal(buffers[0], buffers[1])
    assert (buffers[0] != buffers[2]).any()
    assert (buffers[2] != buffers[3]).any()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copys_parameters_are_views_of_its_own_buffer(copied: Any) -> None:
    other = copied(network(CASES["8 x 8"]))
    for values in other.params.values():
        assert np.shares_memory(values, other.buffer)


def test_the_attributes_and_the_config_make_the_same_network_again() -> None:
    model = UNet(**CASES["6 x 10, halved to odd sizes, pad (0, 1)"])
    assert model.shape == (2, 6, 10)
    assert model.shift.shape == model.scale.shape == model.shape
    assert (model.null_label, UNet(**CASES["a variance head"]).null_label) == (2, None)
    again = UNet(**model.options)
    assert again.config == model.config
    np.testing.assert_array_equal(again.buffer, model.buffer)
    assert repr(model).startswith("UNet(sample_size=(6, 10), in_channels=2, out_channels=2, ")
    assert repr(model).endswith(f": {model.buffer.size:,} parameters")


def test_the_variance_head_is_the_second_half_of_the_outputs() -> None:
    model = network(CASES["a variance head"])
    x, t, _ = images(model)
    outputs, _ = definition.forward(model.params, model.config, x, t)
    eps, fraction = model.eps_and_fraction(x, t)
    np.testing.assert_array_equal(eps, outputs[:, :2])
    np.testing.assert_array_equal(model(x, t), eps)
    np.testing.assert_allclose(fraction, 0.5 + 0.5 * outputs[:, 2:])
    assert (model.learn_variance, UNet(**CASES["8 x 8"]).learn_variance) == (True, False)
    with pytest.raises(ValueError, match=r"^model: expected .*, got "):
        UNet(**CASES["8 x 8"]).eps_and_fraction(x, t)


GOOD: dict[str, Any] = {"x": np.zeros((3, 2, 8, 8), np.float32), "t": 5, "labels": [0, 2, 1], "backend": "numba"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", np.zeros((3, 2, 8, 9))),
        ("x", np.zeros((2, 8, 8))),
        ("x", np.zeros((0, 2, 8, 8))),
        ("x", np.full((3, 2, 8, 8), np.nan)),
        ("x", None),
        ("t", -1),
        ("t", 1.5),
        ("t", [1, 2]),
        ("labels", None),
        ("labels", 3),
        ("labels", -1),
        ("labels", 0.5),
        ("labels", [0, 1]),
        ("labels", [[0, 1, 2]]),
        ("labels", [0, 1, 3]),
        ("labels", "cat"),
        ("labels", [True, False, True]),
        ("labels", []),
        ("labels", np.nan),
        ("backend", "torch"),
    ],
    ids=lambda value: str(value)[:20].replace("\n", ""),
)
def test_a_bad_call_is_refused_in_a_sentence_that_names_the_argument(name: str, value: Any) -> None:
    call = GOOD | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        UNet(**CASES["8 x 8"])(call["x"], call["t"], call["labels"], backend=call["backend"])


def test_labels_for_a_network_without_classes_are_refused() -> None:
    model = UNet(**CASES["a variance head"])
    with pytest.raises(ValueError, match=r"^labels: expected None, .*, got "):
        model(np.zeros((1, *model.shape)), 1, 0)


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"seed": 0.5}, {"dtype": np.float16}, {"dtype": int}], ids=str)
def test_a_bad_argument_is_refused_in_a_sentence_that_names_it(arguments: dict[str, Any]) -> None:
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        UNet(**CASES["8 x 8"], **arguments)

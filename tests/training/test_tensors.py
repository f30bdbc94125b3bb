"""Named arrays in a file: what goes in comes out to the bit, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from numpy_diffusion.training import tensors

TEXT = '{"steps": 3}'
SHAPES: tensors.Shapes = {"weight": (2, 3), "losses": ("step",), "beta": (4,)}


def example() -> tensors.Tensors:
    rng = np.random.default_rng(0)
    weight, losses = rng.normal(size=(2, 3)).astype(np.float32), np.zeros(0, np.float32)
    return {"weight": weight, "losses": losses, "beta": rng.uniform(size=4)}


def test_what_is_packed_is_unpacked_to_the_bit_and_is_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(tensors.pack(example(), TEXT))
    for found in (tensors.unpack(path, TEXT), safetensors.numpy.load_file(path)):
        assert found.keys() == example().keys()
        for name, values in example().items():
            assert found[name].dtype == values.dtype
            np.testing.assert_array_equal(found[name], values)
    tensors.unpack(path, TEXT)["weight"][:] = 0.0  # it can be written to
    assert tensors.pack(example(), TEXT) == path.read_bytes()


def test_another_text_and_other_arrays_have_another_checksum(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(tensors.pack(example(), TEXT))
    with pytest.raises(ValueError, match=r"^.*x\.safetensors: the checksum is wrong: this file or config\.json was "):
        tensors.unpack(path, TEXT.replace("3", "4"))
    start = path.read_bytes().index(b'"sha256":"') + len(b'"sha256":"')
    checksum = path.read_bytes()[start : start + 64].decode()
    whole = example()
    for other in (
        whole | {"weight": whole["weight"].reshape(3, 2)},
        whole | {"losses": np.zeros(0)},
        {"weights": whole["weight"], "losses": whole["losses"], "beta": whole["beta"]},
    ):
        path.write_bytes(safetensors.numpy.save(other, metadata={"sha256": checksum}))
        with pytest.raises(ValueError, match="the checksum is wrong"):
            tensors.unpack(path, TEXT)


def test_what_cannot_be_read_is_one_sentence_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none: cannot read this file of the checkpoint: No such file or directory$"):
        tensors.unpack(tmp_path / "none", TEXT)
    for content in (b"", b"{}", tensors.pack(example(), TEXT)[:-1]):
        (tmp_path / "cut").write_bytes(content)
        with pytest.raises(ValueError, match=r"cut: expected a safetensors file, got one that was cut or altered: "):
            tensors.unpack(tmp_path / "cut", TEXT)


FORGED = {
    "missing": ({"weight": None}, "expected the arrays weight, losses, beta, got losses, beta"),
    "none at all": (dict.fromkeys(SHAPES), "expected the arrays weight, losses, beta, got none"),
    "too many": ({"extra": np.zeros(1, np.float32)}, "got weight, losses, beta, extra"),
    "shape": ({"weight": np.zeros((3, 2), np.float32)}, r"weight: expected shape \[2, 3\], got \[3, 2\]"),
    "axes": ({"losses": np.zeros((3, 1), np.float32)}, r"losses: expected shape \[step\], got \[3, 1\]"),
    "dtype": ({"weight": np.zeros((2, 3))}, "weight: expected dtype float32, got float64"),
    "the double in float32": ({"beta": np.ones(4, np.float32)}, "beta: expected dtype float64, got float32"),
    "NaN": ({"weight": np.full((2, 3), np.nan, np.float32)}, "weight: expected finite values"),
    "infinite": ({"losses": np.array([1, np.inf], np.float32)}, "losses: expected finite values"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_arrays_that_do_not_fit_are_refused_by_name(kind: str) -> None:
    changes, sentence = FORGED[kind]
    arrays = {name: values for name, values in (example() | changes).items() if values is not None}
    with pytest.raises(ValueError, match=f"^place: .*{sentence}"):
        tensors.check(Path("place"), arrays, SHAPES, double="beta")
    tensors.check(Path("place"), example(), SHAPES, double="beta")

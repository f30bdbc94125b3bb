"""The width of the vector registers: this machine's, or the one that was asked for."""

from __future__ import annotations

import pytest

from numpy_diffusion.kernels.vector import registers


def test_the_modules_own_tile_is_that_of_this_machine() -> None:
    rows, vector = registers.SHAPES[registers.register_bits()]
    assert (rows, vector) == (registers.ROWS, registers.VECTOR)
    assert registers.LANES == 2 * registers.VECTOR


def test_the_width_of_the_registers_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for width in registers.SHAPES:
        monkeypatch.setenv("NUMPY_DIFFUSION_SIMD", str(width))
        assert registers.register_bits() == width
    for wrong in ("1024", "avx2", "512 "):
        monkeypatch.setenv("NUMPY_DIFFUSION_SIMD", wrong)
        with pytest.raises(ValueError, match=r"^NUMPY_DIFFUSION_SIMD: expected one of 512, 256, 128, got "):
            registers.register_bits()

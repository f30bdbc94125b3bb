"""The width of the vector registers: this machine's, or the one that was asked for; and the tile unit."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest
from numba import config

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


def has_unit(monkeypatch: pytest.MonkeyPatch, answer: int | Exception, features: str = "+amx-bf16,+amx-tile") -> bool:
    """Whether there is a tile unit where the system answers this to the question for the permission."""

    def syscall(*asked: ctypes.c_long) -> int:
        assert [value.value for value in asked] == [158, 0x1023, 18]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(registers, "register_bits", lambda: 512)
    monkeypatch.setattr(config, "CPU_FEATURES", features)
    monkeypatch.setattr(config, "DISABLE_JIT", 0)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(syscall=syscall))
    return registers.tile_unit()


def test_the_tile_unit_is_there_where_the_system_lets_the_process_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMPY_DIFFUSION_SIMD", raising=False)
    monkeypatch.setattr(registers.sys, "platform", "linux")
    assert has_unit(monkeypatch, 0)
    for refusal in (-1, AttributeError("syscall"), OSError("no C library")):
        assert not has_unit(monkeypatch, refusal)


def test_the_system_is_not_asked_for_a_unit_that_is_not_there_or_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMPY_DIFFUSION_SIMD", raising=False)
    monkeypatch.setattr(registers.sys, "platform", "linux")
    asked = AssertionError("the system was asked")
    for features in ("+amx-tile,-amx-bf16", "+avx512f", ""):
        assert not has_unit(monkeypatch, asked, features)
    with monkeypatch.context() as other:
        other.setattr(registers.sys, "platform", "win32")
        assert not has_unit(other, asked)
    monkeypatch.setenv("NUMPY_DIFFUSION_SIMD", "512")
    assert not has_unit(monkeypatch, asked)

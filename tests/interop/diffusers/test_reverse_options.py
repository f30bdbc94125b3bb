"""What a scheduler's file says of a step down, in our words and back."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from numpy_diffusion.interop.diffusers import files, reverse_options, schedulers
from numpy_diffusion.interop.diffusers.reverse_options import Reverse
from numpy_diffusion.interop.diffusers.schedulers import Kind

HELD: dict[Kind, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "DDPMScheduler": (("eps", "x0", "v"), ("beta", "beta_tilde", "learned")),
    "UnCLIPScheduler": (("eps", "x0"), ("beta_tilde", "learned")),
}


@pytest.mark.parametrize("kind", HELD)
def test_what_is_written_is_read(kind: Kind, tmp_path: Path) -> None:
    for prediction, clip, variance in product(HELD[kind][0], (None, 0.5, 1.0), HELD[kind][1]):
        asked = Reverse(prediction, clip, variance)
        files.write_json(tmp_path, schedulers.FILE, kind, reverse_options.to_options(asked, kind))
        assert reverse_options.read(tmp_path) == asked


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("DDPMScheduler", {}, Reverse("eps", 1.0, "beta_tilde")),
        ("DDPMScheduler", {"variance_type": "fixed_small_log"}, Reverse("eps", 1.0, "beta_tilde")),
        ("DDIMScheduler", {"clip_sample_range": 2.0}, Reverse("eps", 2.0, "beta")),
        ("PNDMScheduler", {"prediction_type": "v_prediction"}, Reverse("v", None, "beta")),
        ("UnCLIPScheduler", {}, Reverse("eps", 1.0, "beta_tilde")),
        (
            "UnCLIPScheduler",
            {"clip_sample": False, "variance_type": "learned_range"},
            Reverse("eps", None, "learned"),
        ),
    ],
)
def test_what_a_file_leaves_out(kind: Kind, options: dict[str, Any], expected: Reverse, tmp_path: Path) -> None:
    files.write_json(tmp_path, schedulers.FILE, kind, options)
    assert reverse_options.read(tmp_path) == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Reverse("v", 1.0, "learned"), "prediction: expected one of 'eps', 'x0', got str 'v'"),
        (Reverse("eps", 1.0, "beta"), "variance: expected one of 'beta_tilde', 'learned', got str 'beta'"),
        (Reverse("eps", -1.0, "learned"), "clip: expected a finite number of at least 1e-06, got -1"),
    ],
)
def test_what_the_class_has_not_is_refused(asked: Reverse, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reverse_options.to_options(asked, "UnCLIPScheduler")


def test_what_unclip_s_file_has_not_is_refused(tmp_path: Path) -> None:
    files.write_json(tmp_path, schedulers.FILE, "UnCLIPScheduler", {"variance_type": "fixed_large"})
    with pytest.raises(ValueError, match=r"scheduler_config\.json: variance_type: expected one of 'fixed_small_"):
        reverse_options.read(tmp_path)

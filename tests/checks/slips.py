"""What must hold of every list of slips."""

from __future__ import annotations

from numpy_diffusion.evaluation.exercise import Exercise, check


def told_apart(exercise: Exercise) -> None:
    """The right function is right, and every slip is found under its own name, not under another's."""
    assert check(exercise, exercise.right).right
    found = {slip.name: check(exercise, slip.function) for slip in exercise.slips}
    assert {name: report.slip for name, report in found.items()} == {name: name for name in found}
    assert not any(report.right for report in found.values())
    assert len({slip.sentence for slip in exercise.slips}) == len(exercise.slips)
    for slip in exercise.slips:
        assert slip.sentence.endswith(".")

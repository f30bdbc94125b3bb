"""What a model is told beside x and t: the class, an embedding, a caption's tokens or states, a low-resolution image.

One record goes all the way: from the data, whose rows it has, through training, which draws some of the rows and
now and then leaves them out, to sampling, where `guided` asks for it.  A model takes it as arguments of the fields'
names, eps = model(x, t, labels=...), so that a plain function with such an argument is a conditional model too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from numpy_diffusion import _checks


@dataclass(frozen=True, eq=False, repr=False)
class Condition:
    """One value of a field for all samples, or one for each of N.  None is a field that the model does not take.

    To be told nothing is a value too, so that one network learns the noise with and without (classifier-free
    guidance, Ho and Salimans 2022): each network says which, by its attribute `nothing`.

    Attributes
    ----------
    labels : classes, int64 [] or [N]
    embedding : what another network made of a picture or text, float32 [E] or [N, E]
    text_embedding : what another network made of a text, beside one of a picture, float32 [E] or [N, E]
    tokens : numbers of words, int64 [L] or [N, L]
    states : what a text encoder made of the words, float32 [L, D] or [N, L, D]; they come with a mask, and if none is
        given all are there
    mask : which tokens or states are there, bool [L] or [N, L]
    low_resolution : an image to go by, float32 [C, H, W] or [N, C, H, W]

    Raises
    ------
    ValueError : a field of another number of axes or other values; samples that differ in number; a mask that differs
        in length from what it marks

    Examples
    --------
    >>> told = Condition(labels=[3, 1, 4])
    >>> told.rows(np.array([2, 2])).labels.tolist()
    [4, 4]
    >>> told.left_out(np.array([True, False, True]), Condition(labels=9)).labels.tolist()
    [9, 1, 9]
    """

    labels: Any = None
    embedding: Any = None
    text_embedding: Any = None
    tokens: Any = None
    states: Any = None
    mask: Any = None
    low_resolution: Any = None

    def __post_init__(self) -> None:
        for name, value in self.arguments().items():
            object.__setattr__(self, name, _checked(name, value))
        if self.states is not None and self.mask is None:
            object.__setattr__(self, "mask", np.ones(self.states.shape[:-1], bool))
        lengths = {name: value.shape[-AXES[name]] for name, value in self.arguments().items() if name in MARKED}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"condition: expected fields of the same length, got {lengths}")
        counts = {name: len(value) for name, value in self.arguments().items() if value.ndim > AXES[name]}
        if len(set(counts.values())) > 1:
            raise ValueError(f"condition: expected as many samples in each field, got {counts}")

    def __repr__(self) -> str:
        given = self.arguments().items()
        return f"Condition({', '.join(f'{name} {list(v.shape) if v.ndim else v}' for name, v in given)})"

    def arguments(self) -> dict[str, np.ndarray]:
        """The fields that are not None, by name: model(x, t, **condition.arguments())."""
        return {name: value for name in FIELDS if (value := getattr(self, name)) is not None}

    @property
    def rows_given(self) -> int | None:
        """For how many samples there are rows; None where each value is for all."""
        counts = [len(value) for name, value in self.arguments().items() if value.ndim > AXES[name]]
        return counts[0] if counts else None

    def check_rows(self, n: int) -> None:
        """ValueError where there are rows, and not one for each of n samples."""
        for name, value in self.arguments().items():
            if value.ndim > AXES[name] and len(value) != n:
                raise ValueError(f"{name}: expected {_WHAT[name]}, or one for each of {n} samples, got {len(value)}")

    def each(self, n: int) -> Condition:
        """The same with a row for each of n samples; errors as for `check_rows`."""
        self.check_rows(n)

        def spread(name: str, value: np.ndarray) -> np.ndarray:
            if value.ndim == AXES[name]:
                # Copied, as a kernel is compiled anew for another layout and for what is read-only.
                return np.broadcast_to(value, (n, *value.shape)).copy()
            return value

        return self._with(spread)

    def rows(self, index: np.ndarray | slice) -> Condition:
        """Some of the samples; what is the same for all of them stays."""
        return self._with(lambda name, value: value if value.ndim == AXES[name] else value[index])

    def followed_by(self, other: Condition) -> Condition:
        """The rows of both, one behind the other; both have the same fields.  Errors as for `fitted`."""
        one, two = self.fitted(other)
        return one._with(lambda name, value: np.concatenate([value, two[name]]))

    def doubled(self) -> Condition:
        """For a batch and the same once more behind it: the rows twice, where there is a row for each sample."""
        return self._with(lambda name, value: value if value.ndim == AXES[name] else np.concatenate([value, value]))

    def left_out(self, where: np.ndarray | Mapping[str, np.ndarray], nothing: Condition) -> Condition:
        """These rows [N], and where it says so [N], of all fields or by name, those of `nothing`.

        A mask goes with its tokens or states.  Errors as for `fitted`.
        """
        own, instead = self.fitted(nothing)
        marks = dict.fromkeys(FIELDS, where) if isinstance(where, np.ndarray) else dict(where)
        for name in marks.keys() & {"tokens", "states"}:
            marks["mask"] = marks[name]

        def chosen(name: str, value: np.ndarray) -> np.ndarray:
            if name not in marks:
                return value
            return np.where(marks[name].reshape(-1, *(1,) * AXES[name]), instead[name], value)

        return own._with(chosen)

    def fitted(self, other: Condition) -> tuple[Condition, dict[str, np.ndarray]]:
        """This one and the fields of the other, which has the same, both as long as the longer.

        Raises
        ------
        ValueError : values that differ in shape still, as tokens of other numbers without a mask
        """
        longest = max(self.length, other.length)
        one, two = self.lengthened(longest), other.lengthened(longest).arguments()
        for name, value in one.arguments().items():
            a, b = (list(each.shape[each.ndim - AXES[name] :]) for each in (value, two[name]))
            if a != b:
                raise ValueError(f"{name}: expected values of one shape, got {a} and {b}")
        return one, two

    @property
    def length(self) -> int:
        """How many tokens or states the mask marks; 0 where there is no mask."""
        return 0 if self.mask is None else self.mask.shape[-1]

    def lengthened(self, length: int) -> Condition:
        """The same with room for so many tokens or states, where there is a mask; what is added is not there."""
        more = length - self.length
        if self.mask is None or more == 0:
            return self

        def added(name: str, value: np.ndarray) -> np.ndarray:
            if name not in MARKED:
                return value
            widths = [(0, 0)] * value.ndim
            widths[-AXES[name]] = 0, more
            return np.pad(value, widths)

        return self._with(added)

    def _with(self, change: Callable[[str, np.ndarray], np.ndarray]) -> Condition:
        changed = object.__new__(Condition)  # the values are checked already
        for name in FIELDS:
            value = getattr(self, name)
            object.__setattr__(changed, name, None if value is None else change(name, value))
        return changed


FIELDS = tuple(field.name for field in fields(Condition))  # looked up once: each call of a network goes by them
AXES = {
    "labels": 0,
    "embedding": 1,
    "text_embedding": 1,
    "tokens": 1,
    "states": 2,
    "mask": 1,
    "low_resolution": 3,
}  # of one sample's value
MARKED = ("tokens", "states", "mask")  # the fields whose first axis of these counts tokens
_WHAT = {
    "labels": "an integer",
    "embedding": "one vector",
    "text_embedding": "one vector",
    "tokens": "one row of tokens",
    "states": "one row of states",
    "mask": "one row of marks",
    "low_resolution": "one image",
}


def _checked(name: str, value: Any) -> np.ndarray:
    """The field as an array of its dtype, one sample's value or a row for each."""
    if name == "labels":
        return _labels(value)
    if name in ("embedding", "text_embedding", "states", "low_resolution"):
        array = _checks.array(name, value, dtype=np.float32)
    else:
        array = np.asarray(_checks.unmasked(name, value))
        if array.dtype.kind not in ("b" if name == "mask" else "iu") or array.size == 0:
            expected = "True and False" if name == "mask" else "integers"
            raise ValueError(f"{name}: expected {expected}, got {array.dtype} of shape {list(array.shape)}")
        array = array.astype(bool if name == "mask" else np.int64)
    if array.ndim - AXES[name] not in (0, 1):
        raise ValueError(f"{name}: expected {_WHAT[name]}, or one for each sample, got shape {list(array.shape)}")
    return array


def _labels(labels: Any) -> np.ndarray:
    given = np.asarray(_checks.unmasked("labels", labels))
    integers = given.dtype.kind in "iu" and given.size > 0
    if not integers or given.ndim > 1 or given.min() < 0:
        got = f"{given.min()}..{given.max()}" if integers else str(given.dtype)
        raise ValueError(
            f"labels: expected an integer of at least 0, or an array [n] of them, got {got} of shape "
            f"{list(given.shape)}"
        )
    return given.astype(np.int64)

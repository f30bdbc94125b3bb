"""A line of a function made wrong, wherever the function was imported."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple


class Fault(NamedTuple):
    function: Callable[..., Any]
    right: str
    wrong: str
    check: Callable[[], None]


_passed: set[Any] = set()


def passes_without(fault: Fault) -> None:
    """Its check without the fault: once for all faults that share it, as what it draws is always the same."""
    check = fault.check
    key = (check.func, check.args, *check.keywords.items()) if isinstance(check, partial) else check
    if key not in _passed:
        check()
        _passed.add(key)


def with_fault(fault: Fault) -> Callable[..., Any]:
    """The function compiled from its source with the fault in it, among the names of its own module."""
    source = inspect.getsource(fault.function)
    assert fault.right in source, f"{fault.function.__qualname__} no longer reads {fault.right!r}"
    source = source.replace(fault.right, fault.wrong)
    defined: dict[str, Any] = {}
    exec(compile(source, "<fault>", "exec"), fault.function.__globals__, defined)
    return defined[fault.function.__name__]

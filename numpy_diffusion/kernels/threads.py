"""Work spread over threads, and kernels compiled once: both by calling machine code at its address.

Numba compiles a loop over threads (`prange`) anew for each function that has one, and with it all that is called
inside; and a kernel that calls another is compiled together with it, again for each caller.  What is called by its
address is compiled by itself, once.  So one loop over threads does for all: it calls a kernel

    kernel(thread, threads, place)

which does this thread's `share` of the work.  What the work is stands in one record.  A record cannot be carried into
a parallel loop, but the place where it is kept can: such a kernel begins with `kept(place)`.

    run(kernel, record)                            from Python: on all threads
    on_threads(address, threads, keep(record))     from a kernel that is given `address_on_threads(kernel, record)`
    call(address, (a, b))                          from a kernel that is given `address_of(other, a, b)`: other(a, b)

In a process that was forked the threads may be missing.  Then what each of them would do is done one after the other,
with the same result to the bit.  The loop over threads is told by the address: code begins at an even one, and an odd
one asks for this of the code before it.
"""

import os
import threading
from contextlib import nullcontext, suppress

from llvmlite import ir
from numba import config, get_num_threads, prange, threading_layer, typeof, types
from numba._dispatcher import compute_fingerprint
from numba.core import cgutils
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit, jit, parallel_jit


def run(kernel, record, threads=None):
    """Call kernel(thread, threads, place of the record) on each thread; they are all there are, unless given."""
    threads = get_num_threads() if threads is None else threads
    with one_at_a_time():
        _run(address_on_threads(kernel, record), threads, _unnamed(record))


def address_on_threads(kernel, record):
    """Where the code of kernel(thread, threads, place) for records of this type begins, compiled if it is not yet;
    one more where there are no threads, so that it is to be asked for anew before each call of `on_threads`."""
    address = _address(kernel, (record,), lambda kind: (types.int64, types.int64, types.CPointer(kind)))
    return address + 1 if _forked and not config.DISABLE_JIT else address


def address_of(kernel, *arguments):
    """Where the code of a kernel for arguments of these types begins; compiled if it is not yet."""
    return _address(kernel, arguments, lambda *kinds: kinds)


_forked = False  # from a process whose threads this one would wait for in vain
_turn = threading.RLock()


def one_at_a_time():
    """For a `with` around each call that goes to threads.

    Those of Numba's layer "workqueue" serve one call at a time: two at once, by two Python threads, end the process.
    """
    get_num_threads()  # starts the layer
    return _turn if threading_layer() == "workqueue" else nullcontext()


def _after_fork():
    """GNU's OpenMP does not survive a fork: what it has begun in the parent it ends in the child."""
    global _forked, _turn
    _turn = threading.RLock()  # the old one may be held by a thread that is not here
    with suppress(ValueError):  # where none has been started: this process will have its own
        _forked = threading_layer() == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_addresses = {}


def _address(kernel, arguments, signature):
    """The address, found by what Numba sees first of the arguments: their types in full take it long to tell."""
    if config.DISABLE_JIT:
        return kernel
    key = kernel, compute_fingerprint(arguments)
    if key not in _addresses:
        kinds = signature(*(_writable(typeof(value)) for value in arguments))
        kernel.compile(kinds)
        result = kernel.overloads[kinds]
        _addresses[key] = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    return _addresses[key]


def _writable(kind):
    """The type with arrays that may be written: the code for those that may not would be the same once more."""
    if isinstance(kind, types.BaseTuple):
        named = kind.instance_class if isinstance(kind, types.BaseNamedTuple) else None
        return types.BaseTuple.from_types([_writable(part) for part in kind], named)
    return kind.copy(readonly=False) if isinstance(kind, types.Array) else kind


@inline_jit
def share(n, part, parts):
    """The part-th of `parts` equal shares of 0..n - 1: low, high."""
    return part * n // parts, (part + 1) * n // parts


def _unnamed(value):
    """A record as plain tuples, which lie in memory as it does: Numba's cache on disk holds the types it was called
    with, and one with a class that cannot be imported everywhere could not be read by anyone else."""
    return tuple(_unnamed(part) for part in value) if isinstance(value, tuple) else value


@jit
def _run(address, threads, record):
    on_threads(address, threads, keep(record))


@parallel_jit
def on_threads(address, threads, place):
    """Call what stands at the address for each thread; returns when all are done."""
    if address & 1:
        for thread in range(threads):
            call(address - 1, (thread, threads, place))
    else:
        for thread in prange(threads):
            call(address, (thread, threads, place))


@intrinsic
def keep(_, record):
    """The place of a copy of the record, which stays until the kernel returns, or keeps another here: an integer."""

    def code(context, builder, signature, arguments):
        place = cgutils.alloca_once_value(builder, arguments[0])
        builder.store(arguments[0], place)
        return builder.ptrtoint(place, ir.IntType(64))

    return types.int64(record), code


@intrinsic
def kept(_, place):
    """The record that a kernel is given the place of; who called it keeps its arrays alive."""

    def code(context, builder, signature, arguments):
        kind = signature.return_type
        record = builder.load(builder.bitcast(arguments[0], context.get_value_type(kind).as_pointer()))
        return _uncounted(context, builder, kind, record)

    return place.dtype(place), code


def _uncounted(context, builder, kind, value):
    """The record with arrays whose references are not counted: the threads would wait for each other's counting."""
    if isinstance(kind, types.BaseTuple):
        for k, part in enumerate(kind):
            old = builder.extract_value(value, k)
            value = builder.insert_value(value, _uncounted(context, builder, part, old), k)
    elif isinstance(kind, types.Array):
        for name in ("meminfo", "parent"):
            at = context.data_model_manager[kind].get_field_position(name)
            value = builder.insert_value(value, cgutils.get_null_value(value.type.elements[at]), at)
    return value


@intrinsic
def call(_, address, arguments):
    """Call the kernel at the address with a tuple of arguments; an exception in it is passed on.

    Their types must be those that the address was asked for; a place is passed as an integer is.
    """

    def code(context, builder, signature, values):
        kinds = [types.int64 if isinstance(kind, types.Integer) else kind for kind in signature.args[1]]
        pointer = context.call_conv.get_function_type(types.none, kinds).as_pointer()
        kernel = builder.inttoptr(values[0], pointer)
        given = [
            context.cast(builder, builder.extract_value(values[1], k), signature.args[1][k], kind)
            for k, kind in enumerate(kinds)
        ]
        status, _ = context.call_conv.call_function(builder, kernel, types.none, kinds, given)
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(address, arguments), code


if config.DISABLE_JIT:

    def _unnamed(value):
        return value

    def keep(record):
        return record

    def kept(place):
        return place

    def call(address, arguments):
        address(*arguments)

    def on_threads(address, threads, place):
        for thread in range(threads):
            call(address, (thread, threads, place))

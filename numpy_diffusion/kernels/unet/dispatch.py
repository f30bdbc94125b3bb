"""What each kind of call does, there and back: a row of the plan's table becomes a call of a layer's kernel."""

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.layers import attention, conv, group_norm, images, resample
from numpy_diffusion.kernels.layers.images import image
from numpy_diffusion.kernels.unet.calls import CallKind
from numpy_diffusion.noise import NUMBER_SHIFT


@inline_jit
def _window(row):
    return conv.Window(row["weight"], row["squares"], row["bias"], row["window"], row["stride"], row["shift"])


@inline_jit
def _norm(row):
    return group_norm.Norm(row["weight"], row["bias"], row["groups"], row["silu"] != 0)


@jit
def forward(row, table, worker, weights, turned, norm_eps, label):
    """One forward call, or one of the backward pass that is a forward one's twin: this worker's share of it."""
    kind, arena, src, dst = row["kind"], worker.arena, image(table, row["src"]), image(table, row["dst"])
    if kind == CallKind.CONV:
        vector, residual = image(table, row["vector"]), image(table, row["residual"])
        conv.forward(worker, src, dst, turned if row["turned"] else weights, _window(row), vector, residual)
    elif kind == CallKind.NORM:
        group_norm.forward(worker, src, dst, image(table, row["stats"]).at, weights, _norm(row))
    elif kind == CallKind.CONCAT:
        resample.concat(worker, src, dst, row["channel"])
    elif kind == CallKind.UPSAMPLE:
        resample.upsample(worker, src, dst)
    elif kind == CallKind.ATTENTION:
        q, k, v = image(table, row["q"]), image(table, row["k"]), image(table, row["v"])
        attention.forward(worker, q, k, v, image(table, row["o"]), row["heads"])
    elif worker.part == 0 and kind == CallKind.STATISTICS:
        group_norm.statistics(worker, src, image(table, row["stats"]).at, row["groups"], norm_eps)
    elif worker.part == 0 and kind == CallKind.SILU:
        resample.silu(arena, src, dst)
    elif worker.part == 0 and kind == CallKind.CLASS:
        first = row["weight"] + label * dst.channels
        for i in range(dst.channels):
            arena[dst.at + i] = weights[first + i]


@jit
def backward(row, table, worker, weights, gradients, label):
    """One call of the backward pass."""
    kind, arena, src, dst = row["kind"], worker.arena, image(table, row["src"]), image(table, row["dst"])
    dy, dx, add = image(table, row["dy"]), image(table, row["dx"]), row["add"] != 0
    if kind == CallKind.CONV_WEIGHTS:
        conv.backward(worker, src, dy, gradients, _window(row), image(table, row["vector"]))
    elif kind == CallKind.DILATE:
        resample.dilate(arena, src, dst, row["shift"])
    elif kind == CallKind.NORM_BACK:
        stats = image(table, row["stats"]).at
        group_norm.backward(worker, src, dy, dx, stats, weights, gradients, _norm(row), add)
    elif kind == CallKind.SILU_BACK:
        resample.silu_backward(arena, src, dy, dx, add)
    elif kind == CallKind.SLICE:
        resample.slice_channels(arena, src, dst, row["channel"], add)
    elif kind == CallKind.UPSAMPLE_BACK:
        resample.upsample_backward(arena, dy, dx, add)
    elif kind == CallKind.ATTENTION_BACK:
        q, k, v, o = (
            image(table, row["q"]),
            image(table, row["k"]),
            image(table, row["v"]),
            image(table, row["o"]),
        )
        dq, dk, dv = image(table, row["dq"]), image(table, row["dk"]), image(table, row["dv"])
        do, matrices = image(table, row["do"]), image(table, row["matrices"]).at
        attention.backward(worker, q, k, v, o, do, dq, dk, dv, matrices, row["heads"])
    elif kind == CallKind.CLASS_BACK:
        first = row["weight"] + label * dy.channels
        for i in range(dy.channels):
            gradients[first + i] += arena[dy.at + i]


@jit
def dropout(row, table, arena, probability, key, sample, step):
    """A dropout, there or back; its stream is that of `layers/dropout.py`."""
    stream = key[2] | row["number"] << NUMBER_SHIFT
    src, dst = image(table, row["src"]), image(table, row["dst"])
    resample.dropout(arena, src, dst, probability, key, stream, sample, step)


@jit
def enter(table, x_row, embedding_row, arena, x, embedding):
    images.load(arena, image(table, x_row), x)
    at = image(table, embedding_row).at
    for i in range(embedding.shape[0]):
        arena[at + i] = embedding[i]

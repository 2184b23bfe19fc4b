"""ONNX operators in terms of tinycnn.functional: ``ADAPTERS`` maps each operator to a function.

A function takes the node's inputs in order, as Tensors (None where an optional one is missing), and the attributes as
keywords. It returns one output or a tuple of them. An attribute that the engine has no answer to is no keyword here: a
node that has it raises TypeError instead of being computed as if it had not. What is an attribute in one version of an
operator and an input in another goes by one name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn import Tensor
from tinycnn.arrays import Array

Ints = Sequence[int]


def ints(value: Any) -> list[int]:
    """Integers that come as an attribute or as an input."""
    return [int(i) for i in (value.data.ravel() if isinstance(value, Tensor) else value)]


def number(value: Any) -> float:
    """A number that comes as an attribute or as an input."""
    return float(value.item() if isinstance(value, Tensor) else value)


def sides(sizes: Ints, kernel: Ints, strides: Ints, dilations: Ints, pads: Ints | None, auto_pad: str) -> list[int]:
    """Padding as the engine takes it, before and after the first axis, then the next; ONNX has all befores first.

    SAME makes ⌈size / stride⌉ outputs; an odd cell goes to the end (SAME_UPPER) or the beginning (SAME_LOWER).
    """
    if auto_pad in ("NOTSET", "VALID"):
        n = len(sizes)
        pads = pads or [0] * 2 * n
        return [pads[i + n * after] for i in range(n) for after in (0, 1)]
    padding = []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + dilation * (k - 1) + 1 - size, 0)
        padding += halves(total, auto_pad == "SAME_UPPER")
    return padding


def halves(total: int, more_at_the_end: bool) -> list[int]:
    """Cells before and after."""
    return sorted((total // 2, total - total // 2), reverse=not more_at_the_end)


def image(x: Tensor) -> Tensor:
    """(N, C, L) -> (N, C, 1, L): a signal is an image of one row."""
    return F.reshape(x, *x.shape[:2], 1, x.shape[2]) if x.ndim == 3 else x


def restored(y: Any, x: Tensor) -> Any:
    """(N, C, 1, Q) -> (N, C, Q) where x is a signal."""
    return y.reshape(*y.shape[:2], y.shape[3]) if x.ndim == 3 else y


def conv(
    x, weight, bias=None, *, kernel_shape=None, strides=None, pads=None, dilations=None, group=1, auto_pad="NOTSET"
):
    """Convolution of images, or of signals by conv1d."""
    ones = [1] * (x.ndim - 2)
    strides, dilations = strides or ones, dilations or ones
    padding = sides(x.shape[2:], weight.shape[2:], strides, dilations, pads, auto_pad)
    if x.ndim == 3:
        return F.conv1d(x, weight, bias, strides[0], padding, dilations[0], group)
    return F.conv2d(x, weight, bias, strides, padding, dilations, group)


def conv_transpose(
    x,
    weight,
    bias=None,
    *,
    kernel_shape=None,
    strides=None,
    pads=None,
    dilations=None,
    group=1,
    auto_pad="NOTSET",
    output_padding=None,
    output_shape=None,
):
    """Transposed convolution; an output_shape, or SAME, which is size · stride, decides the padding."""
    ones = [1] * (x.ndim - 2)
    strides, dilations = strides or ones, dilations or ones
    extra = list(output_padding or [0 for _ in ones])
    if auto_pad.startswith("SAME") and output_shape is None:
        output_shape = [size * stride for size, stride in zip(x.shape[2:], strides, strict=True)]
    padding = sides(x.shape[2:], weight.shape[2:], strides, dilations, pads, "NOTSET")
    if output_shape is not None:
        padding = []
        for i, size in enumerate(x.shape[2:]):
            reach = dilations[i] * (weight.shape[2 + i] - 1) + 1
            total = (size - 1) * strides[i] + reach + extra[i] - output_shape[i]
            padding += halves(max(total, 0), auto_pad == "SAME_UPPER")
            extra[i] -= min(total, 0)
    if x.ndim == 3:
        strides, dilations, extra, padding = [1, *strides], [1, *dilations], [0, *extra], [0, 0, *padding]
    y = F.conv_transpose2d(image(x), image(weight), bias, strides, padding, extra, group, dilations)
    return restored(y, x)


def window(x: Tensor, kernel: Ints, strides: Ints | None, pads: Ints | None, auto_pad: str) -> tuple[Ints, Ints, Ints]:
    """kernel_size, stride and padding of a pooling of images, those of one row included."""
    ones = [1] * (x.ndim - 2)
    strides = strides or ones
    padding = sides(x.shape[2:], kernel, strides, ones, pads, auto_pad)
    return ([1, *kernel], [1, *strides], [0, 0, *padding]) if x.ndim == 3 else (kernel, strides, padding)


def max_pool(x, *, kernel_shape, strides=None, pads=None, auto_pad="NOTSET", ceil_mode=0, storage_order=0):
    """Max pooling and where each maximum was: in a channel here, in the whole tensor in ONNX; the vectors have one."""
    kernel, stride, padding = window(x, kernel_shape, strides, pads, auto_pad)
    y, where = F.max_pool2d(image(x), kernel, stride, padding, bool(ceil_mode), return_indices=True)
    if storage_order:  # column by column
        where = where % x.shape[-1] * x.shape[-2] + where // x.shape[-1]
    return restored(y, x), restored(where, x)


def average_pool(x, *, kernel_shape, strides=None, pads=None, auto_pad="NOTSET", ceil_mode=0, count_include_pad=0):
    """Average pooling, by default over real cells only."""
    kernel, stride, padding = window(x, kernel_shape, strides, pads, auto_pad)
    return restored(F.avg_pool2d(image(x), kernel, stride, padding, bool(ceil_mode), bool(count_include_pad)), x)


def lp_pool(x, *, kernel_shape, p=2, strides=None, pads=None, auto_pad="NOTSET", ceil_mode=0):
    """Lp pooling, over an input that is padded first."""
    kernel, stride, (top, bottom, left, right) = window(x, kernel_shape, strides, pads, auto_pad)
    padded = F.pad(image(x), (left, right, top, bottom))
    return restored(F.lp_pool2d(padded, p, kernel, stride, bool(ceil_mode)), x)


def max_unpool(x, indices, output_shape=None, *, kernel_shape, strides=None, pads=None):
    """Max unpooling; indices as in max_pool."""
    kernel, stride, padding = window(x, kernel_shape, strides, pads, "NOTSET")
    size = None if output_shape is None else ints(output_shape)
    return F.max_unpool2d(x, indices, kernel, stride, padding, size)


def lrn(x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Tensor:
    """Local response normalisation; the vectors' sizes are odd, where both windows are the same."""
    return F.local_response_norm(x, size, alpha, beta, bias)


def batch_normalization(x, scale, bias, mean, variance, *, epsilon=1e-5, momentum=0.9, training_mode=0, is_test=1):
    """Batch normalisation and the running statistics; ONNX's momentum is the weight of the old ones."""
    running = mean.data.copy(), variance.data.copy()
    training = bool(training_mode) or not is_test
    return F.batch_norm(x, *running, scale, bias, training, 1 - momentum, epsilon), *running


def dropout(x: Tensor, ratio: Any = 0.5, training_mode: Any = False, *, seed: int | None = None) -> Tensor:
    """Dropout; no seed gives the same mask in two engines."""
    return F.dropout(x, number(ratio), bool(number(training_mode)))


def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    """A matrix: the axes before ``axis`` by those from it on."""
    axis += x.ndim if axis < 0 else 0
    if axis == 0:
        x, axis = F.reshape(x, 1, *x.shape), 1
    if axis == x.ndim:
        x = F.reshape(x, *x.shape, 1)
    return F.flatten(F.flatten(x, axis), 0, axis - 1)


def gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=1):
    """alpha · A · B + beta · C: a linear layer where nothing is scaled."""
    a = F.transpose(a, 0, 1) if transA else a
    weight = b if transB else F.transpose(b, 0, 1)
    if alpha == beta == 1 and (c is None or c.shape == weight.shape[:1]):
        return F.linear(a, weight, c)
    y = F.mul(F.linear(a, weight), alpha)
    return y if c is None else F.add(y, F.mul(c, beta))


def pad(x: Tensor, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant") -> Tensor:
    """A border of a constant."""
    if mode != "constant":
        raise TypeError(f"pad pads with a constant, not by {mode}")
    axes = list(range(x.ndim)) if axes is None else ints(axes)
    widths, pads = [0, 0] * x.ndim, ints(pads)
    for i, axis in enumerate(axes):
        last_first = 2 * (x.ndim - 1 - axis % x.ndim)
        widths[last_first : last_first + 2] = pads[i], pads[i + len(axes)]
    return F.pad(x, widths, 0.0 if value is None else number(value))


def softmax_cross_entropy(scores, labels, weights=None, *, reduction="mean", ignore_index=None):
    """The loss, and the log-probabilities it is made of."""
    ignored = {} if ignore_index is None else {"ignore_index": ignore_index}
    return F.cross_entropy(scores, labels, weights, reduction=reduction, **ignored), F.log_softmax(scores, 1)


def add(a: Tensor, b: Tensor, *, axis: int | None = None, broadcast: int = 1) -> Tensor:
    """Sum; before version 7, b's axes could be lined up with a's from ``axis`` on."""
    if axis is not None:
        b = F.reshape(b, *b.shape, *[1] * (a.ndim - axis - b.ndim))
    return F.add(a, b)


def over_axes(reduction: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Sum or mean over the axes that an attribute or an input names; all by default."""

    def reduce(x: Tensor, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
        dims = () if axes is None else tuple(ints(axes))
        if not dims and noop_with_empty_axes:
            return x
        return reduction(x, dims or None, bool(keepdims))

    return reduce


def reduce_max(x: Tensor, axes: Any = None, *, keepdims: int = 1) -> Tensor:
    """The largest entry along one axis, or of all."""
    (dim,) = (None,) if axes is None else ints(axes)
    return F.max(x, dim, bool(keepdims))


def argmax(x: Tensor, *, axis: int = 0, keepdims: int = 1) -> Array:
    """Where the first of the largest entries is."""
    where = F.argmax(x, axis)
    return np.expand_dims(where, axis) if keepdims else where


def reshape(x: Tensor, shape: Tensor, *, allowzero: int = 0) -> Tensor:
    """Another shape, in which 0 stands for the size that was there."""
    return F.reshape(x, [x.shape[i] if size == 0 and not allowzero else size for i, size in enumerate(ints(shape))])


def transpose(x: Tensor, *, perm: Ints | None = None) -> Tensor:
    """The axes in another order, by default the reverse."""
    return x.T if perm is None else F.permute(x, perm)


def cut(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None) -> Tensor:
    """Slices along the axes."""
    first, last = ints(starts), ints(ends)
    index = [slice(None)] * x.ndim
    along = range(len(first)) if axes is None else ints(axes)
    strides = [1] * len(first) if steps is None else ints(steps)
    for axis, start, end, step in zip(along, first, last, strides, strict=True):
        index[axis] = slice(start, end, step)
    return F.getitem(x, tuple(index))


def gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """Entries along an axis by their numbers."""
    return F.getitem(x, (*[slice(None)] * (axis % x.ndim), indices))


def squeeze(x: Tensor, axes: Tensor) -> Tensor:
    """Drop axes of size 1."""
    dropped = [axis % x.ndim for axis in ints(axes)]
    return F.reshape(x, [size for axis, size in enumerate(x.shape) if axis not in dropped])


def unsqueeze(x: Tensor, axes: Tensor) -> Tensor:
    """Put in axes of size 1."""
    return F.reshape(x, np.expand_dims(x.data, tuple(ints(axes))).shape)


ADAPTERS: dict[str, Callable[..., Any]] = {
    "Abs": F.abs,
    "Add": add,
    "ArgMax": argmax,
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "Concat": lambda *parts, axis: F.cat(parts, axis),
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Div": F.div,
    "Dropout": dropout,
    "Exp": F.exp,
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": gemm,
    "GlobalAveragePool": F.global_avg_pool2d,
    "GlobalMaxPool": F.global_max_pool2d,
    "LRN": lrn,
    "LeakyRelu": lambda x, *, alpha=0.01: F.leaky_relu(x, alpha),
    "Log": F.log,
    "LogSoftmax": lambda x, *, axis=-1: F.log_softmax(x, axis),
    "LpPool": lp_pool,
    "MatMul": F.matmul,
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
    "Mul": F.mul,
    "Neg": F.neg,
    "Pad": pad,
    "Pow": F.pow,
    "ReduceMax": reduce_max,
    "ReduceMean": over_axes(F.mean),
    "ReduceSum": over_axes(F.sum),
    "Relu": F.relu,
    "Reshape": reshape,
    "Sigmoid": F.sigmoid,
    "Slice": cut,
    "Softmax": lambda x, *, axis=-1: F.softmax(x, axis),
    "SoftmaxCrossEntropyLoss": softmax_cross_entropy,
    "Sqrt": F.sqrt,
    "Squeeze": squeeze,
    "Sub": F.sub,
    "Tanh": F.tanh,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}

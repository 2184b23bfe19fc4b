"""Random right calls of what layers do: windows that slide over an image, matrix products, normalisation.

What `right_cases.right_case` says of its cases holds for these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.backend import able_algorithms, load_kernels
from tinycnn.geometry import Axis, ConvGeometry, PoolGeometry
from tinycnn.tensor import Tensor

if TYPE_CHECKING:
    from tests.inspect.right_cases import Case, Draw


def _small(*shapes: tuple[int, ...]) -> bool:
    """Whether these are good sizes for inputs."""
    return all(4 <= np.prod(shape) <= 60 for shape in shapes)


def _operands(draw: Draw, x_shape: tuple[int, ...], weight_shape: tuple[int, ...], channels: int) -> list[np.ndarray]:
    """Input, weight and perhaps a bias, as large as the products to which it is added, next to which it would drown."""
    x, weight = draw.data(*x_shape), draw.data(*weight_shape)
    return [x, weight, draw.data(channels) * np.abs(weight).max()] if draw.flag() else [x, weight]


# Convolution


def _conv_axis(draw: Draw, everyday: bool) -> Axis:
    kernel, stride, dilation = (3, 1, 1) if everyday else (draw.number(1, 4), draw.number(1, 3), draw.number(1, 2))
    lead, trail = draw.number(0, 2), draw.number(0, 2)
    smallest = max(1, dilation * (kernel - 1) + 1 - lead - trail)
    return Axis(draw.number(smallest, smallest + 4), kernel, stride, lead, trail, dilation)


def _conv_geometry(draw: Draw, rows: Axis | None = None) -> ConvGeometry:
    """Any small convolution, with a share of the 3x3 kernels at stride 1 that Winograd's algorithm is made for."""
    while True:
        everyday = draw.number(0, 2) == 0
        groups = draw.one_of(1, 1, 2)
        K = 2 if groups == 2 else draw.number(1, 3)
        images = draw.number(1, 3), groups * draw.number(1, 3), K, groups
        g = ConvGeometry(rows or _conv_axis(draw, everyday), _conv_axis(draw, everyday), *images)
        if g.H != g.W and _small(g.input_shape, g.weight_shape) and np.prod(g.output_shape) <= 200:
            return g


def _algorithm(draw: Draw, g: ConvGeometry) -> str:
    """An algorithm that can run the geometry.

    Where most cells are never used, such as inputs between the windows, their gradient is 0, but what has gone through
    a transform is rounded to nearly 0, which would leave most entries below the noise.
    """
    used = (rows * columns for rows, columns in zip(_used(g.rows), _used(g.columns), strict=True))
    if min(used) < 2 / 3:
        return draw.one_of("direct", "im2col")
    return draw.one_of("auto", *able_algorithms(load_kernels("numpy"), g))


def _used(axis: Axis) -> tuple[float, float, float]:
    """Which parts of the outputs, of the inputs and of the kernel's cells meet another one."""
    meetings = [axis.meet(offset) for offset in range(axis.kernel)]
    outputs = {i for met, _ in meetings for i in range(axis.out)[met]}
    inputs = {i for _, met in meetings for i in range(axis.size)[met]}
    cells = sum(met.stop > met.start for met, _ in meetings)
    return len(outputs) / axis.out, len(inputs) / axis.size, cells / axis.kernel


def _conv2d(draw: Draw) -> Case:
    g = _conv_geometry(draw)
    options = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": g.groups}
    convolve = partial(F.conv2d, **options, flip=draw.flag(), algorithm=_algorithm(draw, g))
    return convolve, _operands(draw, g.input_shape, g.weight_shape, g.K)


def _conv1d(draw: Draw) -> Case:
    g = _conv_geometry(draw, rows=Axis(1, 1))
    row = g.columns
    options = {"stride": row.stride, "padding": g.padding[2:], "dilation": row.dilation, "groups": g.groups}
    convolve = partial(F.conv1d, **options, flip=draw.flag(), algorithm=_algorithm(draw, g))
    (N, C, _, L), (K, channels, _, S) = g.input_shape, g.weight_shape
    return convolve, _operands(draw, (N, C, L), (K, channels, S), K)


def _conv_transpose2d(draw: Draw) -> Case:
    g = _conv_geometry(draw)  # of the convolution that it transposes, whose output is its input
    while not _small(g.output_shape):
        g = _conv_geometry(draw)
    options: dict[str, Any] = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": g.groups}
    options["output_padding"] = tuple(
        axis.size + axis.lead + axis.trail - axis.extent - (axis.out - 1) * axis.stride for axis in (g.rows, g.columns)
    )
    algorithm = _algorithm(draw, g)

    def conv_transpose2d(*given: Tensor) -> Tensor:
        with tc.use_algorithm(algorithm):
            return F.conv_transpose2d(*given, **options)

    return conv_transpose2d, _operands(draw, g.output_shape, g.weight_shape, g.C)


# Products


def _least_products(draw: Draw) -> int:
    """In how many products each factor must take part.

    Where its only partner is near 0 its gradient drowns in what the other products add to the same result.
    """
    return 2 if draw.regime == "near a kink" else 1


def _linear(draw: Draw) -> Case:
    least = _least_products(draw)
    while True:
        *batch, columns = draw.shape(1, 3)
        if np.prod(batch) >= least:
            break
    least_rows = max(least, -(-4 // columns))
    weight_shape = draw.number(least_rows, min(12, 60 // columns, 200 // int(np.prod(batch)))), columns
    return F.linear, _operands(draw, (*batch, columns), weight_shape, weight_shape[0])


def _matmul(draw: Draw) -> Case:
    least = _least_products(draw)
    while True:
        rows, inner, columns = draw.number(least, 5), draw.number(1, 5), draw.number(least, 5)
        batch = tuple(draw.number(1, 3) for _ in range(draw.number(0, 2)))
        partner = tuple(1 if draw.flag() else size for size in batch)[draw.number(0, len(batch)) :]
        left, right = (*batch, rows, inner), (*partner, inner, columns)
        if least == 1:  # a vector's entry meets one partner only
            left, right = draw.one_of(left, (inner,)), draw.one_of(right, (inner,))
        if all(4 <= np.prod(shape) <= 60 for shape in (left, right)) and np.prod(batch) * rows * columns <= 200:
            return F.matmul, [draw.data(*left), draw.data(*right)]


# Pooling


def _pool_axis(draw: Draw, ceil_mode: bool, padded: bool) -> Axis:
    kernel, stride = draw.number(1, 4), draw.number(1, 3)
    lead, trail = (draw.number(0, kernel - 1), draw.number(0, kernel - 1)) if padded else (0, 0)
    smallest = max(1, kernel - lead - trail - (stride - 1 if ceil_mode else 0))
    return Axis(draw.number(smallest, smallest + 4), kernel, stride, lead, trail, 1, ceil_mode)


def _pool(draw: Draw, padded: bool = True) -> tuple[tuple[int, ...], PoolGeometry, dict[str, Any]]:
    """The shape of a small image, the window that slides over it, and what the pooling is called with."""
    while True:
        ceil_mode = draw.flag()
        g = PoolGeometry(_pool_axis(draw, ceil_mode, padded), _pool_axis(draw, ceil_mode, padded))
        shape = draw.number(1, 3), draw.number(1, 3), g.H, g.W
        if g.H != g.W and min(g.P, g.Q) >= 1 and _small(shape) and shape[0] * shape[1] * g.P * g.Q <= 200:
            break
    options: dict[str, Any] = {"kernel_size": (g.R, g.S), "stride": g.stride, "ceil_mode": ceil_mode}
    return shape, g, options | {"padding": g.padding} if padded else options


def _extreme_pool2d(name: str, draw: Draw) -> Case:
    shape, _, options = _pool(draw)
    return partial(getattr(F, name), **options), [draw.data(*shape)]


def _avg_pool2d(draw: Draw) -> Case:
    shape, _, options = _pool(draw)
    return partial(F.avg_pool2d, **options, count_include_pad=draw.flag()), [draw.data(*shape)]


def _lp_pool2d(draw: Draw) -> Case:
    shape, g, options = _pool(draw, padded=False)
    x = draw.data(*shape)
    # The derivative, (|x| / y)^(norm − 1), drowns for an x that is smaller by far than others of its window.
    norms = {"near a kink": (1, 1.5), "one large entry": (1, 1.5, 2)}.get(draw.regime, (1, 1.5, 2, 3))
    pool = partial(F.lp_pool2d, norm_type=draw.one_of(*norms), **options)
    for n, c, p, q in np.argwhere(pool(Tensor(x)).data == 0):  # a norm has no derivative at the origin
        x[n, c, p * g.rows.stride, q * g.columns.stride] = draw.scale
    return pool, [x]


def _global_pool2d(name: str, draw: Draw) -> Case:
    return getattr(F, name), [draw.data(*draw.shape(4, 4))]


def _adaptive_avg_pool2d(draw: Draw) -> Case:
    shape = draw.shape(4, 4)
    while np.prod(shape[:2]) > 12:
        shape = draw.shape(4, 4)
    size = draw.number(1, min(4, shape[2] + 1)), draw.number(1, min(4, shape[3] + 1))
    return partial(F.adaptive_avg_pool2d, size=size), [draw.data(*shape)]


def _max_unpool2d(draw: Draw) -> Case:
    """Positions are those of another image's maxima: those of the same data would change with them."""
    while True:
        (N, C, H, W), g, options = _pool(draw)
        if _small((N, C, g.P, g.Q)):
            break
    image = Tensor(draw.rng.standard_normal((N, C, H, W)))
    _, indices = F.max_pool2d(image, **options, return_indices=True)
    unpool = partial(F.max_unpool2d, indices=indices, kernel_size=(g.R, g.S), stride=g.stride, output_size=(H, W))
    return unpool, [draw.data(N, C, g.P, g.Q)]


# Normalisation


def _local_response_norm(draw: Draw) -> Case:
    shape = draw.shape(2, 4)
    options = {
        "size": draw.number(1, shape[1] + 2),
        "alpha": draw.one_of(1e-4, 1e-2, 0.3, 1.0),
        "beta": draw.one_of(0.25, 0.75, 1.0),  # at 0.5 a lone large x would give sign(x), whose gradient drowns
        "k": draw.one_of(0.5, 1.0, 2.0),
        "average": draw.flag(),
    }
    return partial(F.local_response_norm, **options), [draw.data(*shape)]


def _batch_norm(draw: Draw) -> Case:
    # Of two values a channel, one always becomes 1 and the other -1: the gradient is as small as eps and drowns.
    shape = draw.shape(2, 4)
    while np.prod(shape) // shape[1] < 4:
        shape = draw.shape(2, 4)
    C, axes = shape[1], (0, *range(2, len(shape)))
    x = draw.data(*shape)
    options: dict[str, Any] = {"training": draw.flag(), "eps": draw.one_of(1e-5, 1e-3, 0.1)}
    if draw.flag():
        options |= {"running_mean": draw.data(C), "running_var": draw.positive(C), "momentum": draw.one_of(0.1, 1.0)}
    spread = (x.var(axes) > 1e-9 * (x * x).mean(axes)).all()
    if spread and draw.flag():  # a channel of equal values has no derivative without eps
        options["eps"] = 0.0
    parameters = [name for name in ("weight", "bias") if draw.flag()]

    def batch_norm(x: Tensor, *given: Tensor) -> Tensor:
        return F.batch_norm(x, **options, **dict(zip(parameters, given, strict=True)))

    return batch_norm, [x, *(draw.data(C) for _ in parameters)]


LAYERS: dict[str, Callable[[Draw], Case]] = {
    "conv2d": _conv2d,
    "conv1d": _conv1d,
    "conv_transpose2d": _conv_transpose2d,
    "max_pool2d": partial(_extreme_pool2d, "max_pool2d"),
    "min_pool2d": partial(_extreme_pool2d, "min_pool2d"),
    "avg_pool2d": _avg_pool2d,
    "lp_pool2d": _lp_pool2d,
    "global_avg_pool2d": partial(_global_pool2d, "global_avg_pool2d"),
    "global_max_pool2d": partial(_global_pool2d, "global_max_pool2d"),
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "max_unpool2d": _max_unpool2d,
    "linear": _linear,
    "matmul": _matmul,
    "local_response_norm": _local_response_norm,
    "batch_norm": _batch_norm,
}

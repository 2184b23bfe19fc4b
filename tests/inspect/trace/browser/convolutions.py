"""Convolutions: the geometries of the matrix, and the terms of each pass."""

from functools import partial

import numpy as np

import tinycnn.functional as F
from tests.inspect.trace.browser.cases import Case, halves, others
from tests.inspect.trace.browser.passes import chosen, covered, summed, swapped, window_terms

GEOMETRIES = {
    "a 3x3 window on 5x5": ((1, 1, 5, 5), (1, 1, 3, 3), {}),
    "stride 2 and padding 1, two channels": ((1, 2, 5, 5), (2, 2, 3, 3), {"stride": 2, "padding": 1}),
    "dilation 2, H ≠ W, R ≠ S": ((1, 1, 5, 7), (2, 1, 2, 3), {"dilation": 2, "padding": (0, 1)}),
    "padding on each side another": ((1, 1, 4, 5), (1, 1, 3, 2), {"stride": (1, 2), "padding": (2, 0, 1, 0)}),
    "two groups": ((1, 4, 3, 4), (2, 2, 2, 3), {"groups": 2, "padding": (1, 1)}),
    "two images": ((2, 1, 4, 4), (2, 1, 2, 2), {"stride": 2}),
    "many digits": ((1, 1, 4, 4), (1, 1, 3, 3), {"padding": 1}),
}
TRANSPOSED = {
    "a 3x3 kernel on 3x3": ((1, 1, 3, 3), (1, 1, 3, 3), {}),
    "stride 2, padding 1, two channels": ((1, 2, 3, 3), (2, 1, 3, 3), {"stride": 2, "padding": 1}),
    "output padding, H ≠ W, R ≠ S": ((1, 1, 2, 3), (1, 2, 3, 2), {"stride": (2, 3), "output_padding": 1}),
    "dilation 2 and two groups": ((1, 2, 2, 3), (2, 2, 2, 2), {"groups": 2, "dilation": 2}),
    "two images": ((2, 1, 2, 2), (1, 1, 2, 3), {"padding": (0, 1)}),
}
WINOGRAD = {
    "many digits": ((1, 1, 6, 6), (1, 1, 3, 3), {}),
    "many digits, padding 1, two channels": ((1, 2, 5, 5), (2, 2, 3, 3), {"padding": 1}),
}


def pair(given):
    return given if isinstance(given, tuple) else (given, given)


def four(padding):
    """Top, bottom, left, right."""
    by_axis = pair(padding)
    return by_axis if len(by_axis) == 4 else (by_axis[0], by_axis[0], by_axis[1], by_axis[1])


def arrays(name, x_shape, weight_shape, with_bias, kernels):
    draw = others if name.startswith("many digits") else halves
    made = draw(x_shape, 1), draw(weight_shape, 2)
    return (*made, draw((kernels,), 3)) if with_bias else made


def terms_of(case, x_shape, weight_shape, y_shape, options):
    """The terms of a convolution with these shapes."""
    sizes = dict(zip("nchw", x_shape, strict=True)) | dict(zip("kpq", y_shape[1:], strict=True))
    sizes |= dict(zip("rs", weight_shape[2:], strict=True))
    stride, dilation = pair(options.get("stride", 1)), pair(options.get("dilation", 1))
    return window_terms(sizes, stride, four(options.get("padding", 0)), dilation, options.get("groups", 1))


def direct(options, case):
    x, weight, *rest = case.arrays
    got, dy = case.results, case.upstream
    terms, is_inside = terms_of(case, x.shape, weight.shape, dy.shape, options)
    inside = chosen(terms, is_inside)
    W, X, DY = ("weight", weight, "klrs"), ("x", x, "nchw"), ("dy", dy, "nkpq")
    bias = ("bias", rest[0], "k") if rest else None
    windows = "nkpqcrs"
    made = [
        summed("forward", inside, windows, 4, ("y", dy.shape, "nkpq"), (W, X), {}, bias),
        summed("backward_input", inside, windows, 4, ("dx", x.shape, "nchw"), (W, DY), {}),
        summed("backward_weight", inside, "kcrsnpq", 4, ("dw", weight.shape, "klrs"), (DY, X), {}),
    ]
    for each in made[:2]:
        each.covered = covered(terms, is_inside, "nkpq")
    made[0].given["column"] = unfolded(case, terms, inside, x, weight, dy)[0]
    made[1].given["dcolumn"] = column_gradient(terms, x, weight, dy)
    made[2].given["column"] = made[0].given["column"]
    return made + ([bias_gradient(dy)] if "db" in got else [])


def bias_gradient(dy):
    terms = dict(zip("nkpq", np.indices(dy.shape).reshape(4, -1), strict=True))
    return summed("backward_bias", terms, "knpq", 1, ("db", dy.shape[1:2], "k"), (("dy", dy, "nkpq"),), {})


def column_shape(x, weight, dy):
    return (x.shape[1], *weight.shape[2:], dy.shape[0], *dy.shape[2:])


def unfolded(case, terms, inside, x, weight, dy):
    """The columns, and the pass that fills them."""
    first = chosen(inside, inside["k"] % (dy.shape[1] // (x.shape[1] // weight.shape[1])) == 0)  # one kernel a group
    shape = column_shape(x, weight, dy)
    made = summed("im2col", first, "npqcrs", 3, ("column", shape, "crsnpq"), (("x", x, "nchw"),), {}, adds=False)
    column = np.zeros(shape)
    column[tuple(first[letter] for letter in "crsnpq")] = x[tuple(first[letter] for letter in "nchw")]
    return column, made, first


def column_gradient(terms, x, weight, dy):
    gradient = np.zeros(column_shape(x, weight, dy))
    values = weight[tuple(terms[letter] for letter in "klrs")] * dy[tuple(terms[letter] for letter in "nkpq")]
    np.add.at(gradient, tuple(terms[letter] for letter in "crsnpq"), values)
    return gradient


def im2col(options, case):
    x, weight, *rest = case.arrays
    dy = case.upstream
    terms, is_inside = terms_of(case, x.shape, weight.shape, dy.shape, options)
    column, unfold, first = unfolded(case, terms, chosen(terms, is_inside), x, weight, dy)
    gradient = column_gradient(terms, x, weight, dy)
    W, DY, COLUMN = ("weight", weight, "klrs"), ("dy", dy, "nkpq"), ("column", column, "crsnpq")
    folded = ("dcolumn", gradient, "crsnpq")
    bias = ("bias", rest[0], "k") if rest else None
    unfold.covered = covered(terms, is_inside, "npq")
    fold = summed("col2im", first, "npqcrs", 3, ("dx", x.shape, "nchw"), (folded,), {})
    fold.covered = unfold.covered
    to_column = ("dcolumn", column.shape, "crsnpq")
    return [
        unfold,
        summed("gemm", terms, "knpqcrs", 4, ("y", dy.shape, "nkpq"), (W, COLUMN), {}, bias),
        summed("backward_weight_gemm", terms, "kcrsnpq", 4, ("dw", weight.shape, "klrs"), (DY, COLUMN), {}),
        summed("backward_column_gemm", terms, "crsnpqk", 6, to_column, (W, DY), {}),
        fold,
        *([bias_gradient(dy)] if "db" in case.results else []),
    ]


def transposed(options, case):
    x, weight, *rest = case.arrays
    dy = case.upstream
    # The convolution that this one transposes goes from the shape of y to that of x.
    terms, is_inside = terms_of(case, dy.shape, weight.shape, x.shape, options)
    inside = swapped(chosen(terms, is_inside))
    W, X, DY = ("weight", weight, "clrs"), ("x", x, "nchw"), ("dy", dy, "nkpq")
    cells = "nchwkrs"
    forward = summed("forward", inside, cells, 4, ("y", dy.shape, "nkpq"), (W, X), {})
    if rest:
        add_bias(forward, rest[0])
    return [
        forward,
        summed("backward_input", inside, cells, 4, ("dx", x.shape, "nchw"), (W, DY), {}),
        summed("backward_weight", inside, "ckrsnhw", 4, ("dw", weight.shape, "clrs"), (DY, X), {}),
        *([bias_gradient(dy)] if rest else []),
    ]


def add_bias(forward, bias):
    """All entries of an image get their bias in one stop, after the sums."""
    from tests.inspect.trace.browser.passes import Step

    state = np.nan_to_num(list(forward.states())[-1]).reshape(forward.shape)
    forward.given["bias"] = bias
    for n in range(forward.shape[0]):
        steps = []
        for index in np.ndindex(forward.shape[1:]):
            before, k = float(state[(n, *index)]), index[0]
            place = int(np.ravel_multi_index((n, *index), forward.shape))
            steps.append(Step((("bias", k),), place, float(bias[k]), before, before + float(bias[k]), False))
        forward.stops.append(steps)


def made(operation, geometries, passes, **more):
    """The cases of an operation, every other one with a bias."""
    cases = []
    for number, (name, (x_shape, weight_shape, options)) in enumerate(geometries.items()):
        is_transposed = operation == "conv_transpose2d"
        kernels = weight_shape[1] * options.get("groups", 1) if is_transposed else weight_shape[0]
        function = partial(F.conv_transpose2d if is_transposed else F.conv2d, **options, **more)
        given = arrays(name, x_shape, weight_shape, number % 2 == 1, kernels)
        cases.append(Case(f"{operation}: {name}", function, given, partial(passes, options)))
    return cases


CASES = [
    *made("conv2d", GEOMETRIES, direct, algorithm="direct"),
    *made("conv2d_im2col", GEOMETRIES, im2col, algorithm="im2col"),
    *made("conv_transpose2d", TRANSPOSED, transposed),
]

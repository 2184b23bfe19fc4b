"""What the compiled conv2d must do; all arrays are of one type, so that it is compiled once."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("conv2d",)
EARLIER = ("01_cross_correlation", "03_padding", "07_convolution_backward")
NEEDS = ("numba",)
SECONDS = 20  # it is compiled first, perhaps on a busy machine
OUTSIDE, BESIDE = 1e6, 256  # what lies before and behind the image, and how far


def cases(rng):
    """One product, channels, padding, stride, a batch; then random ones."""
    yield _case("one window", [[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 10.0]], 1, 0)
    yield _case("padding", [[1.0, 2.0], [3.0, 4.0]], [[1.0, 10.0], [100.0, 1000.0]], 1, 1)
    yield _case("stride", np.arange(1.0, 10.0).reshape(3, 3), [[1.0, 10.0]], 2, 0)
    yield Case(
        "two images, two channels, two kernels",
        x=np.arange(1.0, 9.0).reshape(2, 2, 1, 2),
        w=np.array([1.0, 10.0, 100.0, 1000.0]).reshape(2, 2, 1, 1),
        b=np.array([0.0, 0.5]),
        stride=1,
        padding=0,
    )
    for _ in range(5):
        N, C, K = rng.integers(1, 4, 3)
        (R, S), stride = rng.integers(1, 4, 2), int(rng.integers(1, 3))
        H, W = R + rng.integers(0, 5), S + rng.integers(0, 5)
        padding = int(rng.integers(0, min(2, H, W) + 1))  # no more, so that an index that wraps around hits the image
        x, w, b = _halves(rng, (N, C, H, W)), _halves(rng, (K, C, R, S)), _halves(rng, (K,))
        yield Case("a random batch", x=x, w=w, b=b, stride=stride, padding=padding)


def expected(x, w, b, stride, padding):
    """All windows at once, and a function that has been compiled."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return {"y": np.einsum("ncpqrs,kcrs->nkpq", windows, w) + b[:, None, None], "compiled": True}


def call(module, x, w, b, stride, padding):
    """Numba tells for which types it has compiled a function without Python's own objects.

    A wrong solution of ours, which comes from no file, is run as Python where that gives the same, unless an index
    would be refused: a message that compares with all of them would wait for as many compilations.
    """
    around = np.full(x.size + 2 * BESIDE, OUTSIDE)
    inside = around[BESIDE:-BESIDE].reshape(x.shape)
    inside[...] = x
    function, uncompiled = module.conv2d, getattr(module.conv2d, "py_func", None)
    if hasattr(module, "__file__"):
        y = function(inside, w, b, stride, padding)
        x[...] = inside  # so that whoever changed it is told
        return {"y": y, "compiled": bool(getattr(function, "nopython_signatures", ()))}
    try:
        y = (uncompiled or function)(inside, w, b, stride, padding)
    except IndexError:
        y = function(inside, w, b, stride, padding)
    return {"y": y, "compiled": uncompiled is not None}


def layout(arguments, name, index, expected, got):
    """The part of the sum that lies inside the image, channel by channel."""
    x, w, b = (arguments[key] for key in "xwb")
    stride, padding = arguments["stride"], arguments["padding"]
    lines = [f"x {x.shape}, w {w.shape}, stride = {stride}, padding = {padding}", ""]
    if name == "compiled":
        return "\n".join([*lines, "conv2d.nopython_signatures"])
    n, k, p, q = index
    for c, r, s in np.ndindex(*w.shape[1:]):
        h, v = p * stride + r - padding, q * stride + s - padding
        here = f"x[{n}, {c}, {h}, {v}] · w[{k}, {c}, {r}, {s}]"
        is_inside = 0 <= h < x.shape[2] and 0 <= v < x.shape[3]
        lines.append(f"{here} = {x[n, c, h, v]:g}·{w[k, c, r, s]:g}" if is_inside else f"{here}: 0")
    right = expected[index]
    return "\n".join([*lines, "", f"y[{n}, {k}, {p}, {q}] = {b[k]:g} + {right - b[k]:g} = {right:g}"])


def _case(name, image, kernel, stride, padding):
    """One image of one channel, one kernel, and a bias that is easily told from the rest."""
    x, w = np.array([[image]], np.float64), np.array([[kernel]], np.float64)
    return Case(name, x=x, w=w, b=np.array([0.5]), stride=stride, padding=padding)


def _halves(rng, shape):
    """Numbers that are easy to read and exact in floating point; none is 0, so that no term goes unseen."""
    return rng.integers(1, 9, shape) / 2 * rng.choice([-1, 1], shape)

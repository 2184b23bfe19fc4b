"""What conv2d must do once its bugs are mended."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("conv2d",)
EARLIER = ("03_padding", "05_convolution_gemm")


def cases(rng):
    """A case for each bug, the smallest that shows it and none of the others; then random ones."""
    yield Case(
        "one pixel of two channels",
        x=np.array([3.0, 4.0]).reshape(1, 2, 1, 1),
        w=np.array([1.0, 10.0]).reshape(1, 2, 1, 1),
        b=np.array([100.0]),
        stride=1,
        padding=0,
    )
    yield Case(
        "an image wider than high",
        x=np.array([[[[1.0, 2.0, 3.0]]]]),
        w=np.array([[[[10.0]]]]),
        b=np.array([0.0]),
        stride=1,
        padding=0,
    )
    yield Case(
        "every second place",
        x=np.arange(9.0).reshape(1, 1, 3, 3),
        w=np.array([[[[10.0]]]]),
        b=np.array([0.0]),
        stride=2,
        padding=0,
    )
    yield Case(
        "padding",
        x=np.array([[[[1.0, 2.0], [3.0, 4.0]]]]),
        w=np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]),
        b=np.array([5.0]),
        stride=2,
        padding=1,
    )
    for _ in range(6):
        N, C, K = rng.integers(1, 4, 3)
        (R, S), stride, padding = rng.integers(1, 4, 2), rng.integers(1, 3), rng.integers(0, 2)
        H, W = R + rng.integers(0, 5), S + rng.integers(0, 5)
        yield Case(
            "a random batch",
            x=_halves(rng, (N, C, H, W)),
            w=_halves(rng, (K, C, R, S)),
            b=_halves(rng, (K,)),
            stride=int(stride),
            padding=int(padding),
        )


def expected(x, w, b, stride, padding):
    """All windows at once, as the rows of a matrix."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return {"y": np.einsum("ncpqrs,kcrs->nkpq", windows, w) + b[:, None, None]}


def call(module, x, w, b, stride, padding):
    """Named as the formula has it."""
    return {"y": module.conv2d(x, w, b, stride, padding)}


def layout(arguments, name, index, expected, got):
    """The window of the wrong entry in each channel, the kernel, and the sum."""
    x, w, b = (arguments[key] for key in "xwb")
    stride, padding = arguments["stride"], arguments["padding"]
    (n, k, p, q), (C, R, S) = index, w.shape[1:]
    padded = np.pad(x[n], ((0, 0), (padding, padding), (padding, padding)))
    top, left = p * stride, q * stride
    lines = [f"x {x.shape}, w {w.shape}, stride = {stride}, padding = {padding}", ""]
    for c in range(C):
        window = padded[c, top : top + R, left : left + S]
        lines += [f"x[{n}, {c}] =\n{padded[c]}", f"window =\n{window}", f"w[{k}, {c}] =\n{w[k, c]}"]
        lines += [f"Σ window·w = {np.sum(window * w[k, c]):g}", ""]
    lines.append(f"y[{n}, {k}, {p}, {q}] = {expected[index] - b[k]:g} + {b[k]:g} = {expected[index]:g}")
    return "\n".join(lines)


def _halves(rng, shape):
    """Numbers that are easy to read and exact in floating point; none is 0, so that no term goes unseen."""
    return rng.integers(1, 9, shape) / 2 * rng.choice([-1, 1], shape)

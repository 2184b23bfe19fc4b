"""What conv2d must do."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("conv2d",)
EARLIER = ("04_im2col",)
TERMS = 12
"""Products of a sum that are shown."""


def cases(rng):
    """One number, then each axis by itself; then random ones."""
    yield _case("one window", (1, 1, 2, 2), (1, 1, 2, 2))
    yield _case("two kernels", (1, 1, 1, 3), (2, 1, 1, 2))
    yield _case("two channels", (1, 2, 1, 2), (1, 2, 1, 2))
    yield _case("two images and two kernels", (2, 1, 1, 2), (2, 1, 1, 1))
    yield _case("two kernels of two channels", (1, 2, 2, 2), (2, 2, 2, 2))
    yield _case("stride and padding", (1, 1, 3, 4), (1, 1, 2, 2), stride=2, padding=1)
    for _ in range(5):
        N, K, C, R, S = (int(v) for v in rng.integers((1, 2, 1, 1, 1), 4))
        stride, padding = int(rng.integers(1, 4)), int(rng.integers(0, 3))
        H, W = R + int(rng.integers(0, 5)), S + int(rng.integers(0, 5))
        x, w, b = (rng.integers(-8, 9, shape) / 2 for shape in ((N, C, H, W), (K, C, R, S), K))
        yield Case("a random batch", x=x, w=w, b=b, stride=stride, padding=padding)


def expected(x, w, b, stride, padding):
    """Window by window."""
    (N, _, H, W), (K, _, R, S) = x.shape, w.shape
    P, Q = (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1
    y = np.zeros((N, K, P, Q))
    for n, k, p, q in np.ndindex(N, K, P, Q):
        y[n, k, p, q] = np.sum(_window(x, n, p * stride - padding, q * stride - padding, R, S) * w[k]) + b[k]
    return {"y": y}


def call(module, x, w, b, stride, padding):
    """Named as the formula has it."""
    return {"y": module.conv2d(x, w, b, stride, padding)}


def layout(arguments, name, index, expected, got):
    """The window of the wrong entry, the kernel and the bias, and the sum."""
    x, w, b, stride, padding = arguments.values()
    n, k, p, q = index
    R, S = w.shape[2:]
    h, v = p * stride - padding, q * stride - padding
    window = _window(x, n, h, v, R, S)
    terms = [f"{_told(a)}·{_told(c)}" for a, c in zip(window.flat, w[k].flat, strict=True)]
    if len(terms) > TERMS:
        terms[TERMS:] = ["…"]
    return (
        f"x: {x.shape}   w: {w.shape}   b: {b.shape}   y: {expected.shape}"
        f"   stride = {stride}   padding = {padding}\n\n"
        f"x[{n}, :, {h} … {h + R - 1}, {v} … {v + S - 1}] =\n{window}\n\n"
        f"w[{k}] =\n{w[k]}\n\n"
        f"b[{k}] = {b[k]:g}\n\n"
        f"y[{n}, {k}, {p}, {q}] = {' + '.join(terms)} + {_told(b[k])} = {expected[index]:g}"
    )


def _case(name, shape, kernels, stride=1, padding=0):
    x = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    w = np.arange(2.0, np.prod(kernels) + 2).reshape(kernels)
    return Case(name, x=x, w=w, b=100.0 * np.arange(1, kernels[0] + 1), stride=stride, padding=padding)


def _window(x, n, top, left, R, S):
    """All channels of one window, 0 outside the image."""
    window = np.zeros((x.shape[1], R, S))
    for r, s in np.ndindex(R, S):
        if 0 <= top + r < x.shape[2] and 0 <= left + s < x.shape[3]:
            window[:, r, s] = x[n, :, top + r, left + s]
    return window


def _told(value):
    return f"({value:g})" if value < 0 else f"{value:g}"

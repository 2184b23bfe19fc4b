"""What convolution_backward must do."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("convolution_backward",)
EARLIER = ("04_im2col", "05_convolution_gemm", "06_col2im")
TERMS = 12
"""Products of a sum that are shown."""


def cases(rng):
    """One window, windows that overlap, then each axis by itself; then random ones. dy is never all ones."""
    yield _case("one window", (1, 1, 2, 2), (1, 1, 2, 2))
    yield _case("two windows that overlap", (1, 1, 1, 3), (1, 1, 1, 2))
    yield _case("two kernels", (1, 1, 1, 2), (2, 1, 1, 2))
    yield _case("two images", (2, 1, 1, 2), (1, 1, 1, 2))
    yield _case("two images and two kernels", (2, 1, 1, 3), (2, 1, 1, 2))
    yield _case("two channels, stride and padding", (1, 2, 2, 3), (1, 2, 2, 2), stride=2, padding=1)
    for _ in range(5):
        N, K, C, R, S = (int(v) for v in rng.integers((2, 2, 1, 1, 1), 4))
        stride, padding = int(rng.integers(1, 4)), int(rng.integers(0, 3))
        H, W = R + int(rng.integers(0, 5)), S + int(rng.integers(0, 5))
        P, Q = (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1
        dy, x, w = (rng.integers(-8, 9, shape) / 2 for shape in ((N, K, P, Q), (N, C, H, W), (K, C, R, S)))
        yield Case("a random batch", dy=dy, x=x, w=w, stride=stride, padding=padding)


def expected(dy, x, w, stride, padding):
    """Product by product: each y = x·w gives its factors their gradients."""
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(len(w))
    for (n, k, p, q), grad in np.ndenumerate(dy):
        db[k] += grad
        for c, h, v, r, s in _inside(x, w, p, q, stride, padding):
            dx[n, c, h, v] += grad * w[k, c, r, s]
            dw[k, c, r, s] += grad * x[n, c, h, v]
    return {"dx": dx, "dw": dw, "db": db}


def call(module, dy, x, w, stride, padding):
    """Each gradient by its name, or what was returned in the place of three."""
    returned = module.convolution_backward(dy, x, w, stride, padding)
    gradients = returned if isinstance(returned, (tuple, list)) else [returned]
    return dict(zip(("dx", "dw", "db"), gradients, strict=False))


def layout(arguments, name, index, expected, got):
    """The products whose sum the wrong entry is, and the whole gradient."""
    dy, x, w, stride, padding = arguments.values()
    terms = []
    for (n, k, p, q), grad in np.ndenumerate(dy):
        if name == "db":
            terms += [f"{_told(grad)}"] if (k,) == index else []
            continue
        for c, h, v, r, s in _inside(x, w, p, q, stride, padding):
            if name == "dx" and (n, c, h, v) == index:
                terms.append(f"{_told(grad)}·{_told(w[k, c, r, s])}")
            if name == "dw" and (k, c, r, s) == index:
                terms.append(f"{_told(grad)}·{_told(x[n, c, h, v])}")
    formula = {"dx": "Σ dy[n, k, p, q]·w[k, c, r, s]", "dw": "Σ dy[n, k, p, q]·x[n, c, h, w]", "db": "Σ dy[n, k, p, q]"}
    if len(terms) > TERMS:
        terms[TERMS:] = ["…"]
    return (
        f"stride = {stride}   padding = {padding}\n\n"
        f"dy: {dy.shape} =\n{dy}\n\n"
        f"x: {x.shape} =\n{x}\n\n"
        f"w: {w.shape} =\n{w}\n\n"
        f"{name}[{', '.join(map(str, index))}] = {formula[name]} = {' + '.join(terms) or 0} = {expected[index]:g}\n\n"
        f"{name} =\n{expected}\n\n"
        f"!=\n{got}"
    )


def _case(name, shape, kernels, stride=1, padding=0):
    (N, _, H, W), (K, _, R, S) = shape, kernels
    P, Q = (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1
    x = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    w = np.arange(2.0, np.prod(kernels) + 2).reshape(kernels)
    dy = 10.0 * np.arange(1, N * K * P * Q + 1).reshape(N, K, P, Q)
    return Case(name, dy=dy, x=x, w=w, stride=stride, padding=padding)


def _inside(x, w, p, q, stride, padding):
    """(c, h, v, r, s): the entries of x that the window (p, q) reads, and the weights that they meet."""
    _, C, R, S = w.shape
    for c, r, s in np.ndindex(C, R, S):
        h, v = p * stride + r - padding, q * stride + s - padding
        if 0 <= h < x.shape[2] and 0 <= v < x.shape[3]:
            yield c, h, v, r, s


def _told(value):
    return f"({value:g})" if value < 0 else f"{value:g}"

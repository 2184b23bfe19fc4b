"""What correlate2d must do."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("correlate2d",)
EARLIER = ()


def cases(rng):
    """One window, a row of windows, square and oblong kernels; then random ones."""
    yield Case("one window", x=np.array([[1.0, 2.0], [3.0, 4.0]]), w=np.array([[1.0, 0.0], [5.0, 10.0]]))
    yield Case("three windows in a row", x=np.array([[1.0, 2.0, 4.0, 8.0]]), w=np.array([[1.0, 10.0]]))
    yield Case(
        "a kernel that is not symmetric",
        x=np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 5.0], [0.0, 6.0, 7.0]]),
        w=np.array([[1.0, 10.0], [100.0, 1000.0]]),
    )
    yield Case("a kernel of one entry", x=np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), w=np.array([[2.0]]))
    yield Case(
        "a kernel higher than wide",
        x=np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [2.0, 4.0, 6.0]]),
        w=np.array([[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]]),
    )
    for _ in range(5):
        R, S = rng.integers(1, 4, 2)
        H, W = R + rng.integers(0, 5), S + rng.integers(0, 5)
        yield Case("a random image", x=_halves(rng, (H, W)), w=_halves(rng, (R, S)))


def expected(x, w):
    """Each window at once."""
    R, S = w.shape
    rows, columns = x.shape[0] - R + 1, x.shape[1] - S + 1
    return {
        "y": np.array([[np.sum(x[p : p + R, q : q + S] * w) for q in range(columns)] for p in range(rows)]),
    }


def call(module, x, w):
    """Named as the formula has it."""
    return {"y": module.correlate2d(x, w)}


def layout(arguments, name, index, expected, got):
    """The window of the wrong entry, the kernel, and their products."""
    x, w = arguments["x"], arguments["w"]
    (p, q), (R, S) = index, w.shape
    window = x[p : p + R, q : q + S]
    products = " + ".join(f"{_told(a)}·{_told(b)}" for a, b in zip(window.flat, w.flat, strict=True))
    return (
        f"x =\n{x}\n\n"
        f"x[{p}:{p + R}, {q}:{q + S}] =\n{window}\n\n"
        f"w =\n{w}\n\n"
        f"y[{p}, {q}] = {products} = {expected[p, q]:g}"
    )


def _halves(rng, shape):
    """Numbers that are easy to read and exact in floating point."""
    return rng.integers(-8, 9, shape) / 2


def _told(value):
    return f"({value:g})" if value < 0 else f"{value:g}"

"""What im2col must do."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("im2col",)
EARLIER = ("01_cross_correlation", "02_output_size", "03_padding")


def cases(rng):
    """One window, then each axis by itself; then random ones."""
    yield _case("one window", (1, 1, 2, 2), 2, 2)
    yield _case("four windows", (1, 1, 3, 3), 2, 2)
    yield _case("stride 2", (1, 1, 3, 5), 1, 3, stride=2)
    yield _case("padding", (1, 1, 2, 2), 2, 2, padding=1)
    yield _case("two channels", (1, 2, 1, 3), 1, 2)
    yield _case("two images", (2, 1, 1, 3), 1, 2)
    yield _case("two images of two channels", (2, 2, 2, 3), 2, 2)
    for _ in range(4):
        N, C, R, S = (int(v) for v in rng.integers(1, 4, 4))
        stride, padding = int(rng.integers(1, 4)), int(rng.integers(0, 3))
        H, W = R + int(rng.integers(0, 5)), S + int(rng.integers(0, 5))
        x = rng.integers(-8, 9, (N, C, H, W)) / 2
        yield Case("a random batch", x=x, R=R, S=S, stride=stride, padding=padding)


def expected(x, R, S, stride, padding):
    """Entry by entry, as the formula has it."""
    N, C, H, W = x.shape
    P, Q = (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1
    columns = np.zeros((C * R * S, N * P * Q))
    for row, (c, r, s) in enumerate(np.ndindex(C, R, S)):
        for column, (n, p, q) in enumerate(np.ndindex(N, P, Q)):
            h, w = p * stride + r - padding, q * stride + s - padding
            if 0 <= h < H and 0 <= w < W:
                columns[row, column] = x[n, c, h, w]
    return {"columns": columns}


def call(module, x, R, S, stride, padding):
    """Named as the formula has it."""
    return {"columns": module.im2col(x, R, S, stride, padding)}


def layout(arguments, name, index, expected, got):
    """Which entry of x belongs to the wrong place."""
    x, R, S, stride, padding = arguments.values()
    (N, C, H, W), (row, column) = x.shape, index
    P, Q = (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1
    c, r, s = (int(i) for i in np.unravel_index(row, (C, R, S)))
    n, p, q = (int(i) for i in np.unravel_index(column, (N, P, Q)))
    h, w = p * stride + r - padding, q * stride + s - padding
    inside = 0 <= h < H and 0 <= w < W
    return (
        f"N, C, H, W = {N}, {C}, {H}, {W}   R, S = {R}, {S}   P, Q = {P}, {Q}"
        f"   stride = {stride}   padding = {padding}\n\n"
        f"columns[{row}, {column}] = columns[(c, r, s), (n, p, q)] = columns[({c}, {r}, {s}), ({n}, {p}, {q})]\n"
        f"h = p·stride + r − padding = {p}·{stride} + {r} − {padding} = {h}\n"
        f"w = q·stride + s − padding = {q}·{stride} + {s} − {padding} = {w}\n"
        f"x[n, c, h, w] = x[{n}, {c}, {h}, {w}] {'=' if inside else '∉ x:'} {expected[row, column]:g}\n\n"
        f"x[{n}, {c}] =\n{x[n, c]}\n\n"
        f"columns =\n{expected}\n\n"
        f"!=\n{got}"
    )


def _case(name, shape, R, S, stride=1, padding=0):
    x = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    return Case(name, x=x, R=R, S=S, stride=stride, padding=padding)

"""What col2im must do."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("col2im",)
EARLIER = ("04_im2col",)


def cases(rng):
    """Windows side by side, windows that overlap, then each axis by itself; then random ones."""
    yield _case("one window", (1, 1, 2, 2), 2, 2)
    yield _case("two windows that overlap", (1, 1, 1, 3), 1, 2)
    yield _case("windows that overlap both ways", (1, 1, 3, 3), 2, 2)
    yield _case("stride 2, and an entry in no window", (1, 1, 1, 4), 1, 1, stride=2)
    yield _case("padding", (1, 1, 2, 3), 2, 2, stride=2, padding=1)
    yield _case("two images of two channels", (2, 2, 1, 3), 1, 2)
    yield _case("3x3 windows two apart", (1, 1, 5, 7), 3, 3, stride=2)
    for _ in range(4):
        N, C, R, S = (int(v) for v in rng.integers(1, 4, 4))
        stride, padding = int(rng.integers(1, 4)), int(rng.integers(0, 3))
        shape = (N, C, R + int(rng.integers(0, 5)), S + int(rng.integers(0, 5)))
        rows, places, _ = _sizes(shape, R, S, stride, padding)
        columns = rng.integers(-8, 9, (rows, places)) / 2
        yield Case("random columns", columns=columns, shape=shape, R=R, S=S, stride=stride, padding=padding)


def expected(columns, shape, R, S, stride, padding):
    """Entry by entry: each number of the columns goes where im2col would have read it."""
    N, C, H, W = shape
    P, Q = _sizes(shape, R, S, stride, padding)[2]
    x = np.zeros(shape)
    for row, (c, r, s) in enumerate(np.ndindex(C, R, S)):
        for column, (n, p, q) in enumerate(np.ndindex(N, P, Q)):
            h, w = p * stride + r - padding, q * stride + s - padding
            if 0 <= h < H and 0 <= w < W:
                x[n, c, h, w] += columns[row, column]
    return {"x": x}


def call(module, columns, shape, R, S, stride, padding):
    """Named as the formula has it."""
    return {"x": module.col2im(columns, shape, R, S, stride, padding)}


def layout(arguments, name, index, expected, got):
    """The columns, and those of their numbers that belong to the wrong entry."""
    columns, (N, C, H, W), R, S, stride, padding = arguments.values()
    P, Q = _sizes((N, C, H, W), R, S, stride, padding)[2]
    n, c, h, w = index
    places, numbers = [], []
    for r, s, p, q in np.ndindex(R, S, P, Q):
        if (p * stride + r - padding, q * stride + s - padding) == (h, w):
            row, column = (c * R + r) * S + s, (n * P + p) * Q + q
            places.append(f"columns[{row}, {column}]: (c, r, s) = ({c}, {r}, {s}), (n, p, q) = ({n}, {p}, {q})")
            numbers.append(columns[row, column])
    total = " + ".join(f"({v:g})" if v < 0 else f"{v:g}" for v in numbers)
    told = f"{total} = {expected[index]:g}" if len(numbers) > 1 else f"{expected[index]:g}"
    return "\n".join(
        [
            f"N, C, H, W = {N}, {C}, {H}, {W}   R, S = {R}, {S}   P, Q = {P}, {Q}"
            f"   stride = {stride}   padding = {padding}",
            f"\ncolumns =\n{columns}\n",
            *places,
            f"\nx[{n}, {c}, {h}, {w}] = {told}",
            f"\nx[{n}, {c}] =\n{expected[n, c]}",
            f"\n!=\n{got[n, c]}",
        ]
    )


def _case(name, shape, R, S, stride=1, padding=0):
    rows, places, _ = _sizes(shape, R, S, stride, padding)
    columns = np.arange(1.0, rows * places + 1).reshape(rows, places)
    return Case(name, columns=columns, shape=shape, R=R, S=S, stride=stride, padding=padding)


def _sizes(shape, R, S, stride, padding):
    """Rows and columns of the matrix, and (P, Q)."""
    N, C, H, W = shape
    P, Q = (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1
    return C * R * S, N * P * Q, (P, Q)

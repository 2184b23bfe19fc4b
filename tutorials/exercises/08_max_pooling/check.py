"""What max pooling must do."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("max_pool2d", "max_pool2d_backward")
EARLIER = ("02_output_size", "03_padding", "06_col2im")


def cases(rng):
    """Forward, then backward; small ones first, then drawn ones with ties, overlap and padding."""
    one = {"kernel_size": 2, "stride": 2, "padding": 0}
    yield _case("forward, one window", "max_pool2d", [[1, 3], [2, 4]], **one)
    yield _case("forward, two windows", "max_pool2d", [[1, 3, 5, 6], [2, 9, 8, 7]], **one)
    yield _case("forward, negative and padded", "max_pool2d", [[-1, -2], [-3, -4]], **{**one, "padding": 1})
    yield _case("backward, one window", "max_pool2d_backward", [[1, 3], [2, 4]], [[10]], **one)
    yield _case("backward, a tie", "max_pool2d_backward", [[1, 7], [7, 2]], [[10]], **one)
    yield _case(
        "backward, windows that overlap",
        "max_pool2d_backward",
        [[1, 2, 3], [4, 9, 5], [6, 7, 8]],
        [[1, 10], [100, 1000]],
        **{**one, "stride": 1},
    )
    yield _case(
        "backward, negative and padded",
        "max_pool2d_backward",
        [[-1, -2], [-3, -4]],
        [[1, 2], [3, 4]],
        **{**one, "padding": 1},
    )
    for number, (function, kernel_size, stride) in enumerate(
        [(FUNCTIONS[0], 3, 2), (FUNCTIONS[0], 2, 3), (FUNCTIONS[1], 3, 2), (FUNCTIONS[1], 3, 1)]
    ):
        padding = 1 - number % 2
        N, C, H, W = (int(size) for size in rng.integers((2, 2, 5, 5), (4, 4, 9, 9)))
        x = rng.integers(-9, 1, size=(N, C, H, W)).astype(float)
        arguments = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
        if function == FUNCTIONS[1]:
            shape = max_pool(x, None, **arguments)["y"].shape
            arguments = {"grad": rng.normal(size=shape), "x": x, **arguments}
        else:
            arguments = {"x": x, **arguments}
        yield Case(f"{function}, drawn {number % 2 + 1}", function=function, **arguments)


def _case(name, function, x, grad=None, **window):
    """A case of one image with one channel."""
    image = {"x": np.array([[x]], dtype=float)}
    upstream = {} if grad is None else {"grad": np.array([[grad]], dtype=float)}
    return Case(name, function=function, **upstream, **image, **window)


def call(module, function, **arguments):
    """Forward gives y, backward dx."""
    return {"dx" if "grad" in arguments else "y": getattr(module, function)(*arguments.values())}


def expected(function, x, kernel_size, stride, padding, grad=None):
    """Window by window, without a padded copy."""
    found = max_pool(x, grad, kernel_size, stride, padding)
    return {name: found[name] for name in (("y",) if grad is None else ("dx",))}


def max_pool(x, grad, kernel_size, stride, padding):
    """Both ways, from the cells of each window that lie inside the image."""
    N, C, H, W = x.shape
    P, Q = ((size + 2 * padding - kernel_size) // stride + 1 for size in (H, W))
    y, dx = np.zeros((N, C, P, Q)), np.zeros(x.shape)
    for n, c, p, q in np.ndindex(N, C, P, Q):
        best = None
        for h, w in _cells(p, q, H, W, kernel_size, stride, padding):
            if best is None or x[n, c, h, w] > x[n, c][best]:
                best = (h, w)
        y[n, c, p, q] = x[n, c][best]
        if grad is not None:
            dx[n, c][best] += grad[n, c, p, q]
    return {"y": y, "dx": dx}


def _cells(p, q, H, W, kernel_size, stride, padding):
    """The places (h, w) of one window, row by row."""
    for r, s in np.ndindex(kernel_size, kernel_size):
        h, w = p * stride + r - padding, q * stride + s - padding
        if 0 <= h < H and 0 <= w < W:
            yield h, w


def layout(arguments, name, index, expected, got):
    """The window behind an entry of y; for an entry of dx, each window that holds it and its winner."""
    x, (n, c) = arguments["x"], index[:2]
    H, W = x.shape[2:]
    window = tuple(arguments[key] for key in ("kernel_size", "stride", "padding"))
    lines = ["kernel_size = {}, stride = {}, padding = {}".format(*window), f"x[{n}, {c}] =", str(x[n, c])]
    if name == "y":
        cells = list(_cells(*index[2:], H, W, *window))
        numbers = ", ".join(f"x[{h}, {w}] = {x[n, c, h, w]:g}" for h, w in cells)
        return "\n".join([*lines, "", f"y{list(index)} = max({numbers}) = {expected[index]:g}"])
    grad = arguments["grad"]
    lines += [f"grad[{n}, {c}] =", str(grad[n, c].round(4)), ""]
    terms = []
    for p, q in np.ndindex(grad.shape[2:]):
        cells = list(_cells(p, q, H, W, *window))
        if index[2:] in cells:
            winner = max(cells, key=lambda cell: x[n, c][cell])
            is_won = winner == index[2:]
            terms += [f"{grad[n, c, p, q]:g}"] if is_won else []
            numbers = ", ".join(f"x[{h}, {w}] = {x[n, c, h, w]:g}" for h, w in cells)
            lines.append(f"y[{p}, {q}] = max({numbers}) = x{list(winner)}" + (f": + grad[{p}, {q}]" if is_won else ""))
    total = dict.fromkeys([" + ".join(terms) or "0", f"{expected[index]:g}"])
    return "\n".join([*lines, f"dx{list(index)} = {' = '.join(total)}"])

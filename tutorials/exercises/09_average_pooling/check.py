"""What average pooling must do."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("avg_pool2d", "avg_pool2d_backward", "global_avg_pool2d", "global_avg_pool2d_backward")
EARLIER = ("08_max_pooling",)


def cases(rng):
    """Each function with an image of one channel, then drawn ones with overlap and padding."""
    forward, backward, global_forward, global_backward = FUNCTIONS
    one = {"kernel_size": 2, "stride": 2, "padding": 0}
    yield Case("forward, one window", function=forward, x=_image([[4, 8], [0, 16]]), **one)
    yield Case("forward, padded", function=forward, x=_image([[4, 8], [12, 16]]), **{**one, "padding": 1})
    yield Case("backward, one window", function=backward, grad=_image([[4]]), shape=(1, 1, 2, 2), **one)
    yield Case(
        "backward, windows that overlap",
        function=backward,
        grad=_image([[4, 40], [400, 4000]]),
        shape=(1, 1, 3, 3),
        **{**one, "stride": 1},
    )
    yield Case(
        "backward, padded",
        function=backward,
        grad=_image([[4, 8], [12, 16]]),
        shape=(1, 1, 2, 2),
        **{**one, "padding": 1},
    )
    x = np.array([[[[1, 3]], [[2, 6]]], [[[10, 30]], [[20, 60]]]], dtype=float)
    yield Case("global, forward", function=global_forward, x=x)
    yield Case("global, backward", function=global_backward, grad=x[..., :1], shape=(2, 2, 1, 2))
    N, C, H = rng.integers((2, 2, 5), (4, 4, 9))
    x = rng.normal(size=(N, C, H, H + 1))
    window = {"kernel_size": 3, "stride": 2, "padding": 1}
    yield Case("forward, drawn", function=forward, x=x, **window)
    window = {"kernel_size": 3, "stride": int(rng.integers(1, 3)), "padding": int(rng.integers(2))}
    grad = rng.normal(size=(N, C, len(_means(H, **window)), len(_means(H + 1, **window))))
    yield Case("backward, drawn", function=backward, grad=grad, shape=x.shape, **window)
    yield Case("global forward, drawn", function=global_forward, x=x)
    yield Case("global backward, drawn", function=global_backward, grad=rng.normal(size=(N, C, 1, 1)), shape=x.shape)


def _image(rows):
    """One image with one channel."""
    return np.array([[rows]], dtype=float)


def call(module, function, **arguments):
    """Forward gives y, backward dx."""
    return {"dx" if "grad" in arguments else "y": getattr(module, function)(*arguments.values())}


def expected(function, x=None, grad=None, shape=None, **window):
    """By the matrices that take rows and columns to their windows' means: y = A x B^T, dx = A^T grad B."""
    H, W = (shape or x.shape)[2:]
    rows, columns = _means(H, **window), _means(W, **window)
    if grad is None:
        return {"y": np.einsum("ph,nchw,qw->ncpq", rows, x, columns)}
    return {"dx": np.einsum("ph,ncpq,qw->nchw", rows, grad, columns)}


def _means(size, kernel_size=0, stride=1, padding=0):
    """One row for each window along an axis, which holds the share of each of its entries; (P, size)."""
    if not kernel_size:
        return np.full((1, size), 1 / size)
    count = (size + 2 * padding - kernel_size) // stride + 1
    offsets = np.arange(size) + padding - stride * np.arange(count)[:, None]
    return ((offsets >= 0) & (offsets < kernel_size)) / kernel_size


def layout(arguments, name, index, expected, got):
    """The window behind an entry of y; for an entry of dx, each window that it lies in."""
    window = {key: arguments[key] for key in ("kernel_size", "stride", "padding") if key in arguments}
    (n, c), place = index[:2], list(index)
    given = "grad" if name == "dx" else "x"
    lines = [f"{key} = {value}" for key, value in arguments.items() if key != given]
    lines += [f"{given}[{n}, {c}] =", str(arguments[given][n, c].round(4)), ""]
    H, W = (arguments.get("shape") or arguments["x"].shape)[2:]
    rows, columns = _means(H, **window), _means(W, **window)
    share = window["kernel_size"] ** 2 if window else H * W
    p, q = (rows, columns) if name == "y" else (rows.T, columns.T)
    cells = [(h, w) for h in np.flatnonzero(p[index[2]]) for w in np.flatnonzero(q[index[3]])]
    terms = " + ".join(f"{given}[{h}, {w}]" for h, w in cells) or "0"
    numbers = " + ".join(f"{arguments[given][n, c, h, w]:g}" for h, w in cells) or "0"
    if len(cells) > 1:
        terms, numbers = f"({terms})", f"({numbers})"
    return "\n".join([*lines, f"{name}{place} = {terms} / {share} = {numbers} / {share} = {expected[index]:g}"])

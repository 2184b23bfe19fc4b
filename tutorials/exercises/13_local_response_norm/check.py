"""What local response normalisation must do."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("local_response_norm", "local_response_norm_backward")
EARLIER = ("09_average_pooling", "10_activations")


def cases(rng):
    """One place with three channels, odd and even sizes, both ways, at alpha = 1; then drawn ones."""
    forward, backward = FUNCTIONS
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    grad = np.array([100.0, 10.0, 1000.0]).reshape(1, 3, 1, 1)
    constants = {"alpha": 1.0, "beta": 1.0, "k": 3.0}
    yield Case("forward, three channels", function=forward, x=x, size=3, **constants)
    yield Case("forward, an even size", function=forward, x=x, size=2, **constants)
    yield Case("forward, the window is wider than x", function=forward, x=x, size=7, **constants)
    yield Case("backward, a window of one channel", function=backward, grad=grad, x=x, size=1, **constants)
    yield Case("backward, three channels", function=backward, grad=grad, x=x, size=3, **constants)
    yield Case("backward, an even size", function=backward, grad=grad, x=x, size=2, **constants)
    for function, size in ((forward, 5), (forward, 4), (backward, 3), (backward, 5), (backward, 4)):
        shape = tuple(rng.integers((2, 5, 2, 3), (4, 8, 4, 5)))
        drawn = {"grad": rng.normal(size=shape)} if function == backward else {}
        constants = {"alpha": 1.0, "beta": float(rng.choice([0.5, 0.75])), "k": float(rng.choice([1, 2]))}
        drawn["x"] = rng.normal(size=shape)
        yield Case(
            f"{'backward' if 'grad' in drawn else 'forward'}, drawn, size {size}",
            function=function,
            **drawn,
            size=size,
            **constants,
        )


def call(module, function, **arguments):
    """Forward gives y, backward dx."""
    return {"dx" if "grad" in arguments else "y": getattr(module, function)(*arguments.values())}


def expected(function, x, size, alpha, beta, k, grad=None):
    """By the table of which channel stands in whose window: d = k + alpha * window x²."""
    window = _window(x.shape[1], size)
    d = k + alpha * np.einsum("ci,nihw->nchw", window, x**2)
    if grad is None:
        return {"y": x / d**beta}
    through_d = np.einsum("ci,nchw->nihw", window, grad * x / d ** (beta + 1))
    return {"dx": grad / d**beta - 2 * alpha * beta * x * through_d}


def _window(channels, size):
    """1 where channel i (column) stands in the window of channel c (row)."""
    offset = np.arange(channels) - np.arange(channels)[:, None]
    return ((offset >= -(size // 2)) & (offset <= (size - 1) // 2)).astype(float)


def layout(arguments, name, index, expected, got):
    """The channels at the place, their sums, and the terms of the place's number."""
    x, (n, c, h, w) = arguments["x"], index
    size, alpha, beta, k = (arguments[key] for key in ("size", "alpha", "beta", "k"))
    window = _window(x.shape[1], size)
    d = k + alpha * window @ x[n, :, h, w] ** 2
    lines = [
        f"size = {size}, alpha = {alpha:g}, beta = {beta:g}, k = {k:g}",
        f"x[{n}, :, {h}, {w}] = {x[n, :, h, w].round(4)}",
    ]
    own = range(c, c + 1) if name == "y" else np.flatnonzero(window[:, c])
    for i in own:
        squares = " + ".join(f"x[{j}]²" for j in np.flatnonzero(window[i]))
        lines.append(f"d[{i}] = {k:g} + {alpha:g} * ({squares}) = {d[i]:.6g}")
    if name == "y":
        return "\n".join([*lines, f"y{list(index)} = x[{c}] / d[{c}]^{beta:g} = {expected[index]:.6g}"])
    lines.insert(2, f"grad[{n}, :, {h}, {w}] = {arguments['grad'][n, :, h, w].round(4)}")
    terms = " + ".join(f"grad[{i}] * x[{i}] / d[{i}]^{beta + 1:g}" for i in own)
    formula = f"grad[{c}] / d[{c}]^{beta:g} - 2 * {alpha:g} * {beta:g} * x[{c}] * ({terms})"
    return "\n".join([*lines, f"dx{list(index)} = {formula} = {expected[index]:.6g}"])

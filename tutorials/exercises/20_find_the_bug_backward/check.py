"""What conv2d_backward and max_pool2d_backward must do once their bugs are mended."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("conv2d_backward", "max_pool2d_backward")
EARLIER = ("07_convolution_backward", "08_max_pooling", "14_numerical_gradient")
SHOWN = 40  # entries of an array that a message prints in full


def cases(rng):
    """The smallest case for each bug, then random ones of both; pooling windows overlap, kernels are not symmetric."""
    yield Case(
        "convolution: one output",
        grad=np.array([[[[1.0]]]]),
        x=np.array([[[[5.0, 7.0]]]]),
        w=np.array([[[[2.0, 3.0]]]]),
    )
    yield Case(
        "convolution: two outputs",
        grad=np.array([[[[1.0, 10.0]]]]),
        x=np.array([[[[5.0, 7.0, 9.0]]]]),
        w=np.array([[[[2.0, 3.0]]]]),
    )
    yield Case(
        "pooling: windows side by side",
        grad=np.array([[[[5.0]], [[7.0]]]]),
        x=np.array([[[[1.0, 2.0], [4.0, 3.0]], [[8.0, 6.0], [5.0, 7.0]]]]),
        kernel=2,
        stride=2,
    )
    yield Case(
        "pooling: two windows with one winner",
        grad=np.array([[[[1.0, 10.0]]]]),
        x=np.array([[[[1.0, 9.0, 2.0], [3.0, 4.0, 5.0]]]]),
        kernel=2,
        stride=1,
    )
    for least in (2, 1, 1, 1):
        N, C, K = rng.integers(least, 4, 3)
        R, S = rng.integers(2, 4, 2)
        P, Q = rng.integers(1, 5, 2)
        yield Case(
            "convolution: a random batch",
            grad=_halves(rng, (N, K, P, Q)),
            x=_halves(rng, (N, C, P + R - 1, Q + S - 1)),
            w=_halves(rng, (K, C, R, S)),
        )
        kernel, (P, Q) = int(rng.integers(2, 4)), rng.integers(2, 4, 2)
        shape = (N, C, P + kernel - 1, Q + kernel - 1)
        yield Case(
            "pooling: a random batch",
            grad=_halves(rng, (N, C, P, Q)),
            x=rng.permutation(int(np.prod(shape))).reshape(shape) / 2,
            kernel=kernel,
            stride=1,
        )


def expected(grad, x, w=None, kernel=None, stride=None):
    """Output by output: what each one read gets its part of the gradient."""
    dx = np.zeros(x.shape)
    if w is None:
        for n, c, p, q in np.ndindex(*grad.shape):
            window = x[n, c, p * stride : p * stride + kernel, q * stride : q * stride + kernel]
            dx[n, c, p * stride : p * stride + kernel, q * stride : q * stride + kernel] += (
                window == window.max()
            ) * grad[n, c, p, q]
        return {"dx": dx}
    dw, (R, S) = np.zeros(w.shape), w.shape[2:]
    for n, k, p, q in np.ndindex(*grad.shape):
        dx[n, :, p : p + R, q : q + S] += grad[n, k, p, q] * w[k]
        dw[k] += grad[n, k, p, q] * x[n, :, p : p + R, q : q + S]
    return {"dx": dx, "dw": dw, "db": np.array([np.sum(grad[:, k]) for k in range(len(w))])}


def call(module, grad, x, w=None, kernel=None, stride=None):
    """The pass that the arguments are for."""
    if w is None:
        return {"dx": module.max_pool2d_backward(grad, x, kernel, stride)}
    found = module.conv2d_backward(grad, x, w)
    return dict(zip(("dx", "dw", "db"), found, strict=False)) if isinstance(found, tuple) else {"dx": found}


def layout(arguments, name, index, expected, got):
    """The outputs that read the wrong entry, and what comes back from each."""
    grad = arguments["grad"]
    lines = [f"{key} = {_array(value) if isinstance(value, np.ndarray) else value}" for key, value in arguments.items()]
    lines.append("")
    if name == "dx":
        terms = _shares(index, **arguments)
        lines += [f"{place} → {share:g}" for place, share in terms]
        lines += ["", f"dx[{_places(index)}] = {_sum([share for _, share in terms])}"]
    elif name == "dw":
        (k, c, r, s), (P, Q) = index, grad.shape[2:]
        product = f"grad[:, {k}] · x[:, {c}, {r}:{r + P}, {s}:{s + Q}]"
        lines.append(f"dw[{_places(index)}] = Σ {product} = {expected[index]:g}")
    else:
        lines.append(f"db[{_places(index)}] = {_sum(grad[:, index[0]].ravel().tolist())}")
    return "\n".join(lines)


def _shares(index, grad, x, w=None, kernel=None, stride=None):
    """For an entry of x: the outputs whose windows hold it, and what each of them sends back."""
    n, c, h, v = index
    step, (R, S) = stride or 1, (kernel, kernel) if w is None else w.shape[2:]
    found = []
    for k, p, q in np.ndindex(*grad.shape[1:]):
        r, s = h - p * step, v - q * step
        if not (0 <= r < R and 0 <= s < S) or (w is None and k != c):
            continue
        upstream, place = grad[n, k, p, q], f"grad[{n}, {k}, {p}, {q}]"
        if w is None:
            window = x[n, c, p * step : p * step + R, q * step : q * step + S]
            won = bool(x[n, c, h, v] == window.max())
            found.append((f"{place}, max {window.max():g} {'=' if won else '≠'} {x[index]:g}", upstream * won))
        else:
            weight, its_place = w[k, c, r, s], f"w[{k}, {c}, {r}, {s}]"
            found.append((f"{place} · {its_place} = {upstream:g}·{_told(weight)}", upstream * weight))
    return found


def _halves(rng, shape):
    """Numbers that are easy to read and exact in floating point; none is 0, so that no term goes unseen."""
    return rng.integers(1, 9, shape) / 2 * rng.choice([-1, 1], shape)


def _array(value):
    return f"{value.shape}\n{value}" if value.size <= SHOWN else str(value.shape)


def _sum(terms):
    total = f"{sum(terms):g}"
    return f"{' + '.join(map(_told, terms))} = {total}" if len(terms) > 1 else total


def _places(index):
    return ", ".join(map(str, index))


def _told(value):
    return f"({value:g})" if value < 0 else f"{value:g}"

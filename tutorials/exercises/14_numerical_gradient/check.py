"""What a numerical gradient must be."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("numerical_gradient",)
EARLIER = ("10_activations",)

F = {
    "x ** 2": lambda x: x**2,
    "x ** 3": lambda x: x**3,
    "x[:-1] * x[1:]": lambda x: x[:-1] * x[1:],
    "x.reshape(-1)": lambda x: x.reshape(-1),
    "x @ x.T": lambda x: x @ x.T,
    "exp(x) / exp(x).sum()": lambda x: np.exp(x) / np.exp(x).sum(),
    "(x ** 3).sum()": lambda x: (x**3).sum(keepdims=True),
}
"""What f does, by its formula."""


def cases(rng):
    """Large steps, where each difference can be followed by hand; then drawn points and small steps."""
    yield _case("three cubes", "x ** 3", [1, 2, 3], [1, 10, 100], 1.0)
    yield _case("a smaller step", "x ** 3", [1, 2], [1, 10], 0.5)
    yield _case("each result depends on two entries", "x[:-1] * x[1:]", [1, 2, 3], [1, 10], 1.0)
    yield Case("x holds integers", f="x ** 2", x=np.array([3, 4]), grad=np.array([1.0, 10.0]), h=0.25)
    yield _case("f returns a view", "x.reshape(-1)", [[1, 2], [3, 4]], [1, 10, 100, 1000], 0.5)
    for formula in ("x ** 3", "x @ x.T", "exp(x) / exp(x).sum()", "(x ** 3).sum()"):
        x = rng.normal(size=rng.integers(2, 5, size=2))
        yield Case(f"drawn, {formula}", f=formula, x=x, grad=rng.normal(size=F[formula](x).shape), h=2.0**-10)


def _case(name, formula, x, grad, h):
    return Case(name, f=formula, x=np.array(x, dtype=float), grad=np.array(grad, dtype=float), h=h)


def call(module, f, x, grad, h):
    """The formula stands for the function."""
    return {"dx": module.numerical_gradient(F[f], x, grad, h)}


def expected(f, x, grad, h):
    """One entry of x after the other, one entry of the result after the other."""
    dx = np.zeros(x.size)
    for i in range(x.size):
        step = h * np.eye(x.size)[i].reshape(x.shape)
        results = zip(grad.flat, F[f](x + step).flat, F[f](x - step).flat, strict=True)
        dx[i] = sum(g * (high - low) / (2 * h) for g, high, low in results)
    return {"dx": dx.reshape(x.shape)}


def layout(arguments, name, index, expected, got):
    """Both results of f at the place, and what is made of them."""
    f, x, grad, h = (arguments[key] for key in ("f", "x", "grad", "h"))
    step = np.zeros(x.shape)
    step[index] = h
    high, low = F[f](x + step), F[f](x - step)
    place = f"x{list(index)}"
    parts = (
        (f"f(x) = {f}, h = {h:g}, x", x),
        ("grad", grad),
        (f"f(x) at {place} + h", high),
        (f"f(x) at {place} - h", low),
        ("grad * difference / (2 * h)", grad * (high - low) / (2 * h)),
    )
    lines = [f"{title} =\n{values.round(4)}" if values.ndim > 1 else f"{title} = {values}" for title, values in parts]
    return "\n".join([*lines, f"d{place} = sum = {expected[index]:.6g}"])

"""What dropout must do."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("dropout", "dropout_backward")
EARLIER = ("10_activations",)


def cases(rng):
    """Four numbers in training and at evaluation, both ways, then drawn shapes and probabilities."""
    numbers, u = np.array([1.0, 2.0, -3.0, 4.0]), np.array([0.25, 0.875, 0.75, 0.5])
    for function, given in zip(FUNCTIONS, ("x", "grad"), strict=True):
        yield Case(f"{function}, training", function=function, **{given: numbers}, u=u, p=0.75, training=True)
        yield Case(f"{function}, evaluation", function=function, **{given: numbers}, u=u, p=0.75, training=False)
    yield Case(
        "nothing is dropped", function="dropout", x=numbers, u=np.array([0.0, 0.5, 0.25, 0.9]), p=0.0, training=True
    )
    for number in range(4):
        shape = tuple(rng.integers(2, 5, size=rng.integers(2, 5)))
        yield Case(
            f"{FUNCTIONS[number % 2]}, drawn",
            function=FUNCTIONS[number % 2],
            **{("x", "grad")[number % 2]: rng.normal(size=shape)},
            u=rng.random(shape),
            p=float(rng.uniform(0.1, 0.4)),
            training=number < 2,
        )


def call(module, function, **arguments):
    """Forward gives y, backward dx."""
    return {"dx" if "grad" in arguments else "y": getattr(module, function)(*arguments.values())}


def expected(function, u, p, training, x=None, grad=None):
    """Each number times its factor."""
    given = x if grad is None else grad
    factors = np.array([1.0 if not training else 0.0 if number < p else 1 / (1 - p) for number in u.flat])
    return {"y" if grad is None else "dx": given * factors.reshape(u.shape)}


def layout(arguments, name, index, expected, got):
    """The numbers at the place, for all else is of no account."""
    place, given = list(index), "x" if name == "y" else "grad"
    p, training = arguments["p"], arguments["training"]
    lines = [f"function = {arguments['function']}", f"training = {training}", f"p = {p:g}"]
    lines += [f"{key} = {arguments[key].round(4)}" for key in (given, "u") if arguments[key].ndim == 1]
    number, u = arguments[given][index], arguments["u"][index]
    lines += [f"{given}{place} = {number:g}", f"u{place} = {u:g} {'<' if u < p else '>='} p"]
    factor = " * 0" if training and u < p else f" / (1 - {p:g})" if training else ""
    total = dict.fromkeys([f"{number:g}{factor}", f"{expected[index]:g}"])
    return "\n".join([*lines, f"{name}{place} = {' = '.join(total)}"])

"""What ReLU and tanh must do."""

import math

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("relu", "relu_backward", "tanh", "tanh_backward")
EARLIER = ()


def cases(rng):
    """Both sides of 0 and 0 itself, then drawn shapes."""
    yield Case("relu", function="relu", x=np.array([-2.0, 0.0, 3.0]))
    x, grad = np.array([-1.0, 0.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0, -40.0])
    yield Case("relu, backward", function="relu_backward", grad=grad, x=x)
    yield Case("tanh", function="tanh", x=np.array([-1.0, 0.0, 1.0]))
    yield Case("tanh, far from 0", function="tanh", x=np.array([-1000.0, 1000.0]))
    grad, y = np.array([8.0, 8.0, -8.0, 8.0]), np.array([0.0, 0.5, -0.5, 1.0])
    yield Case("tanh, backward", function="tanh_backward", grad=grad, y=y)
    for function in FUNCTIONS:
        shape = tuple(rng.integers(2, 5, size=rng.integers(2, 5)))
        given = rng.integers(-3, 4, size=shape) + rng.choice([0.0, 0.25], size=shape)
        if function == "tanh_backward":
            arguments = {"grad": rng.normal(size=shape), "y": np.tanh(given)}
        elif function == "relu_backward":
            arguments = {"grad": rng.normal(size=shape), "x": given}
        else:
            arguments = {"x": given}
        yield Case(f"{function}, drawn", function=function, **arguments)


def call(module, function, **arguments):
    """Forward gives y, backward dx."""
    return {"dx" if "grad" in arguments else "y": getattr(module, function)(*arguments.values())}


def expected(function, x=None, y=None, grad=None):
    """Number by number."""
    if function == "relu":
        return {"y": np.array([max(number, 0.0) for number in x.flat]).reshape(x.shape)}
    if function == "tanh":
        return {"y": np.array([math.tanh(number) for number in x.flat]).reshape(x.shape)}
    if function == "relu_backward":
        return {
            "dx": np.array([g if number > 0 else 0.0 for g, number in zip(grad.flat, x.flat, strict=True)]).reshape(
                x.shape
            )
        }
    return {"dx": np.array([g - g * number**2 for g, number in zip(grad.flat, y.flat, strict=True)]).reshape(y.shape)}


def layout(arguments, name, index, expected, got):
    """The numbers at the place, for all else is of no account."""
    place = list(index)
    given = {key: value for key, value in arguments.items() if isinstance(value, np.ndarray)}
    lines = [f"function = {arguments['function']}"]
    lines += [f"{key} = {value.round(4)}" for key, value in given.items() if value.ndim == 1]
    lines += [f"{key}{place} = {value[index]:g}" for key, value in given.items()]
    return "\n".join([*lines, f"{name}{place} = {expected[index]:g}"])

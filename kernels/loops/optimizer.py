"""A step of stochastic gradient descent, entry by entry, whatever the shape."""

import numpy as np

from tinycnn.arrays import Array


def sgd_step(
    parameter: Array,
    grad: Array,
    velocity: Array | None,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> Array:
    """Move the parameter by −lr · step, in place, and return it.

    g = grad + weight_decay · parameter; v = momentum · v + g; step = v, or g + momentum · v with Nesterov, or g without
    a velocity.
    """
    g = np.zeros(parameter.shape, parameter.dtype)
    for i in np.ndindex(parameter.shape):
        g[i] = grad[i] + weight_decay * parameter[i]
        if velocity is None:
            parameter[i] -= lr * g[i]
            continue
        velocity[i] = momentum * velocity[i] + g[i]
        if nesterov:
            parameter[i] -= lr * (g[i] + momentum * velocity[i])
        else:
            parameter[i] -= lr * velocity[i]
    return parameter

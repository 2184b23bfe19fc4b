"""A numerical gradient by central differences.

dx[i] = sum of grad * (f(x with x[i] + h) - f(x with x[i] - h)) / (2 * h), for each index i of x.
f takes an array and gives an array, perhaps of another shape; grad has the shape of its result.
x may hold integers and must come out as it went in.
"""

import numpy as np


def numerical_gradient(f, x, grad, h):
    """A function, x of any shape, grad of the shape of f(x), a small number -> dx of the shape of x."""
    # --- solution
    dx = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.astype(float), x.astype(float)
        up[i] += h
        down[i] -= h
        dx[i] = (grad * (f(up) - f(down))).sum() / (2 * h)
    return dx
    # --- stub
    # raise NotImplementedError("write numerical_gradient")
    # --- end

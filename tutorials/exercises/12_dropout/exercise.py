"""Inverted dropout.

dropout drops each entry with probability p in training: it is kept where its uniform number u >= p,
and what is kept is divided by 1 - p. At evaluation x passes as it is.
dropout_backward does to the gradient what dropout did to x.
"""

import numpy as np


def dropout(x, u, p, training):
    """x and u of one shape, p from 0 to below 1, training True or False -> the same shape."""
    # --- solution
    if not training:
        return x.copy()
    return np.where(u >= p, x / (1 - p), 0)
    # --- stub
    # raise NotImplementedError("write dropout")
    # --- end


def dropout_backward(grad, u, p, training):
    """Grad and u of one shape -> dx of that shape."""
    # --- solution
    if not training:
        return grad.copy()
    return np.where(u >= p, grad / (1 - p), 0)
    # --- stub
    # raise NotImplementedError("write dropout_backward")
    # --- end

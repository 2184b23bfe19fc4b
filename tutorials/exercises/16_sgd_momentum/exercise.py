"""SGD with momentum and weight decay.

Write a class SGD. It keeps a list of arrays, the parameters, and a velocity of the same shape for each, 0 at first.
step(grads) gets one gradient per parameter and changes the parameters in place:

    g = grad + weight_decay · p
    v ← momentum · v + g
    p ← p − lr · v
"""

import numpy as np


class SGD:
    """Stochastic gradient descent; ``lr`` may be set to another number between steps."""

    def __init__(self, params, lr, momentum, weight_decay):
        """``params`` is a list of arrays, which ``step`` changes."""
        self.params, self.lr, self.momentum, self.weight_decay = params, lr, momentum, weight_decay
        # --- solution
        self.velocities = [np.zeros_like(p) for p in params]
        # --- stub
        # # what must be kept from step to step goes here
        # --- end

    def step(self, grads):
        """One step; ``grads`` is a list of arrays, which stay as they are."""
        # --- solution
        for i, p in enumerate(self.params):
            g = grads[i] + self.weight_decay * p
            self.velocities[i] = self.momentum * self.velocities[i] + g
            p -= self.lr * self.velocities[i]
        # --- stub
        # raise NotImplementedError("write SGD.step")
        # --- end

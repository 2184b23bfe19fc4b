"""A small autograd.

Write a class Value: a number that knows how it was computed, and from that its derivatives.

    z = x + y        dz/dx = 1           dz/dy = 1
    z = x · y        dz/dx = y           dz/dy = x
    z = tanh(x)      dz/dx = 1 − z²

out.backward() adds d(out)/d(value) to the grad of every value that out depends on, each value after all that use it.
"""

import math


class Value:
    """A number, its gradient, and the values it was computed from, each with the derivative by it."""

    def __init__(self, data, parents=()):
        """``parents`` holds pairs (value, derivative of this number by that value)."""
        self.data = float(data)
        self.grad = 0.0
        self.parents = parents

    def __add__(self, other):
        """Sum of two values."""
        # --- solution
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))
        # --- stub
        # raise NotImplementedError("write Value.__add__")
        # --- end

    def __mul__(self, other):
        """Product of two values."""
        # --- solution
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))
        # --- stub
        # raise NotImplementedError("write Value.__mul__")
        # --- end

    def tanh(self):
        """Hyperbolic tangent of a value."""
        # --- solution
        t = math.tanh(self.data)
        return Value(t, ((self, 1.0 - t * t),))
        # --- stub
        # raise NotImplementedError("write Value.tanh")
        # --- end

    def backward(self):
        """Add the derivative of this number by each value it depends on, itself too, to that value's grad."""
        # --- solution
        order, seen = [], set()

        def visit(value):
            if value in seen:
                return
            seen.add(value)
            for parent, _ in value.parents:
                visit(parent)
            order.append(value)

        visit(self)
        flow = dict.fromkeys(order, 0.0)
        flow[self] = 1.0
        for value in reversed(order):
            value.grad += flow[value]
            for parent, derivative in value.parents:
                flow[parent] += derivative * flow[value]
        # --- stub
        # raise NotImplementedError("write Value.backward")
        # --- end

"""What learners write in the place of Value."""

from tinycnn.learn.case import Mutant

MUTANTS = (
    Mutant("overwritten", "flow[parent] += derivative", "flow[parent] = derivative"),
    Mutant("no_topological_order", (
        ("            seen.add(value)\n", "            seen.add(value)\n            order.append(value)\n"),
        ("                visit(parent)\n            order.append(value)\n", "                visit(parent)\n"),
        ("in reversed(order)", "in order"),
    )),
    Mutant("grad_replaced", "value.grad += flow[value]", "value.grad = flow[value]"),
    Mutant("leftovers_passed_on", (
        ("value.grad += flow[value]", "value.grad += flow[value]; flow[value] = value.grad"),
    )),
    Mutant("own_factor", "((self, other.data), (other, self.data))", "((self, self.data), (other, other.data))"),
    Mutant("tanh_of_the_input", "1.0 - t * t", "1.0 - self.data * self.data"),
    Mutant("tanh_not_squared", "1.0 - t * t", "1.0 - t"),
    Mutant("upstream_ignored", "+= derivative * flow[value]", "+= derivative"),
)  # fmt: skip

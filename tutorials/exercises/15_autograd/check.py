"""What Value must do: the gradients of small programs."""

import math

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("Value",)
EARLIER = ("10_activations", "14_numerical_gradient")
LEAVES = "abc"


def cases(rng):
    """One operation each, a value used twice, a diamond, a second backward, a long chain; then random programs."""
    yield _case("a sum", "out = a + b", 2.0, 3.0)
    yield _case("a product", "out = a * b", 2.0, 3.0)
    yield _case("tanh", "out = a.tanh()", 0.5)
    yield _case("a value added to itself", "out = a + a", 3.0)
    yield _case("a diamond", "b = a * a\nout = b + b * a", 3.0)
    yield _case("a second backward", "c = a * b\nout = c * c", 2.0, 3.0, times=2)
    yield _case("doubled forty times", "\n".join(["out = a + a", *["out = out + out"] * 39]), 1.0)
    for _ in range(5):
        leaves = rng.choice([-0.5, -0.25, 0.25, 0.5], rng.integers(1, 4))
        yield _case("a random program", _program(rng, len(leaves)), *leaves, times=int(rng.integers(1, 3)))


def expected(program, values, times):
    """Each derivative by itself, carried along from the inputs to the result."""
    grads = []
    for by in range(len(values)):
        names = {name: Dual(v, float(i == by)) for i, (name, v) in enumerate(zip(LEAVES, values, strict=False))}
        exec(program, {}, names)
        grads.append(times * names["out"].slope)
    return {"out": names["out"].number, "grad": np.array(grads)}


def call(module, program, values, times):
    """Run the program on values, walk back, and read the gradients of its inputs."""
    leaves = [module.Value(number) for number in values.tolist()]
    names = dict(zip(LEAVES, leaves, strict=False))
    exec(program, {}, names)
    for _ in range(times):
        names["out"].backward()
    return {"out": names["out"].data, "grad": np.array([leaf.grad for leaf in leaves])}


def layout(arguments, name, index, expected, got):
    """The program, and what all gradients are and should be."""
    values = arguments["values"]
    lines = [f"{leaf} = Value({value:g})" for leaf, value in zip(LEAVES, values, strict=False)]
    lines += _shortened(arguments["program"].splitlines()) + ["out.backward()"] * arguments["times"]
    if name == "out":
        lines += ["", f"out.data: {expected:.6g} ≠ {float(got):.6g}"]
    else:
        rows = zip(LEAVES, expected, got, strict=False)
        lines += ["", *(f"{leaf}.grad: {right:.6g} {_sign(right, mine)} {mine:.6g}" for leaf, right, mine in rows)]
    return "\n".join(lines)


class Dual:
    """A number and its slope along one input."""

    def __init__(self, number, slope):
        self.number, self.slope = float(number), slope

    def __add__(self, other):
        return Dual(self.number + other.number, self.slope + other.slope)

    def __mul__(self, other):
        return Dual(self.number * other.number, self.slope * other.number + self.number * other.slope)

    def tanh(self):
        """The chain rule for tanh, by 1 / cosh²."""
        return Dual(math.tanh(self.number), self.slope / math.cosh(self.number) ** 2)


def _case(name, program, *values, times=1):
    return Case(name, program=program, values=np.array(values), times=times)


def _program(rng, leaves):
    """Five lines, each from the line before and from one more value; no number grows beyond 8."""
    names, lines = list(LEAVES[:leaves]), []
    for number in range(5):
        newest, leaf, other = names[-1], LEAVES[rng.integers(leaves)], names[rng.integers(len(names))]
        names.append("out" if number == 4 else f"v{number}")
        word = rng.choice(["add", "add turned", "multiply", "multiply turned", "tanh"])
        made = {
            "add": f"{newest} + {other}",
            "add turned": f"{other} + {newest}",
            "multiply": f"{newest} * {leaf}",
            "multiply turned": f"{leaf} * {newest}",
            "tanh": f"{newest}.tanh() + {other}",
        }
        lines.append(f"{names[-1]} = {made[word]}")
    return "\n".join(lines)


def _sign(right, mine):
    return "=" if math.isclose(right, mine, rel_tol=1e-9, abs_tol=1e-12) else "≠"


def _shortened(lines):
    return lines if len(lines) <= 8 else [*lines[:2], f"…  # {len(lines) - 3}", lines[-1]]

"""A step of an optimiser, entry by entry."""

from __future__ import annotations

import numpy as np

from tinycnn.arrays import Array
from tinycnn.backend import available_backends, use_backend
from tinycnn.inspect.trace.lesson import Lesson, Phase, View
from tinycnn.inspect.trace.lessons.activation import entries
from tinycnn.kernels.loops import optimizer as loops
from tinycnn.optim import SGD
from tinycnn.tensor import Tensor


def sgd(
    parameter: Array,
    grad: Array,
    velocity: Array | None = None,
    lr: float = 0.1,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> Lesson:
    """One step of `tinycnn.optim.SGD`; the arrays that are given stay as they are.

    Parameters
    ----------
    parameter, grad
        Of one shape.
    velocity
        That of the steps before, of the same shape; None for zeros. Unused without a momentum.
    lr, momentum, nesterov, weight_decay
        As for `tinycnn.optim.SGD`.

    Raises
    ------
    ValueError
        For other shapes, and what SGD refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from tinycnn.inspect.trace.record import run_lesson
    >>> record = run_lesson(sgd(np.array([1.0]), np.array([2.0]), lr=0.25))
    >>> record["tensors"]["parameter"]["values"]
    [0.5]
    """
    parameter, grad = np.asarray(parameter, np.float64), np.asarray(grad, np.float64)
    velocity = np.zeros_like(parameter) if velocity is None else np.asarray(velocity, np.float64)
    for name, array in (("grad", grad), ("velocity", velocity)):
        if array.shape != parameter.shape:
            raise ValueError(f"sgd: {name} of shape {array.shape} does not fit a parameter {parameter.shape}")
    options = {"momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}

    def stepped() -> Array:
        tensor = Tensor(parameter.copy(), requires_grad=True)
        tensor.grad = grad.copy()
        optimizer = SGD([tensor], lr, **options)  # type: ignore[arg-type]
        if momentum:
            optimizer.buffer("velocity", 0)[...] = velocity
        optimizer.step()
        return tensor.data

    expected = {}
    for backend in sorted(set(available_backends()) - {"cupy"}, reverse=True):
        with use_backend(backend):
            expected[backend] = stepped()
    given = {"parameter": parameter, "grad": grad, "velocity": velocity if momentum else None}
    tensors = ("grad", "g", *(("velocity",) if momentum else ()), "parameter")
    step = Phase(
        "step",
        loops.sgd_step,
        {**given, "lr": lr, **options},
        "parameter",
        expected,
        stops=entries(parameter),
        views=tuple(View(tensor) for tensor in tensors),
        size=(3 if momentum else 2) * parameter.size,
    )
    roles = {"parameter": "parameter", "grad": "gradient"}
    return Lesson("sgd", {"lr": lr, **options}, {}, roles, (step,))

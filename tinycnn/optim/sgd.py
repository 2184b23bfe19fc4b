"""Stochastic gradient descent, with momentum and weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinycnn import checks
from tinycnn.arrays import Array
from tinycnn.backend import kernels_for
from tinycnn.optim.optimizer import Optimizer
from tinycnn.tensor import Tensor


class SGD(Optimizer):
    """Stochastic gradient descent: p ← p − lr · v, with v = momentum · v + g and g = ∂L/∂p + weight_decay · p.

    With Nesterov's momentum the step is lr · (g + momentum · v). The velocity v starts at 0 and does not contain the
    learning rate, as in PyTorch: a change of ``lr`` acts on all of the next step.

    Parameters
    ----------
    params
        Tensors, usually ``model.parameters()``.
    lr
        Learning rate, positive.
    momentum
        Part of the velocity that is kept, in [0, 1); without it no velocity is stored.
    nesterov
        Whether to take the gradient's own look ahead; needs a momentum.
    weight_decay
        Strength of the L2 penalty weight_decay/2 · p², whose gradient is added to that of the loss.

    Raises
    ------
    TypeError, ValueError
        Naming the argument and the nearest fix; see also `Optimizer`.

    Notes
    -----
    Polyak (1964), Some Methods of Speeding up the Convergence of Iteration Methods. Sutskever, Martens, Dahl, Hinton
    (2013), On the Importance of Initialization and Momentum in Deep Learning, equations 1 to 4.

    Examples
    --------
    >>> import tinycnn as tc
    >>> w = tc.Tensor([1.0], requires_grad=True)
    >>> optimizer = tc.optim.SGD([w], lr=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.data  # 1 − 0.25 · 2, then 0.5 − 0.25 · (0.5 · 2 + 1)
    array([0.], dtype=float32)
    """

    momentum: float
    nesterov: bool
    weight_decay: float

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)

    def checked(self, momentum: Any, nesterov: Any, weight_decay: Any) -> dict[str, Any]:
        """The hyper-parameters as Python numbers, or a sentence on what is wrong with them."""
        options = {
            "momentum": checks.fraction("SGD", "momentum", momentum, "0.9 is usual"),
            "nesterov": checks.truth("SGD", "nesterov", nesterov),
            "weight_decay": checks.not_negative("SGD", "weight_decay", weight_decay, "5e-4 is usual"),
        }
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov=True needs a momentum, got momentum=0: use momentum=0.9, or nesterov=False")
        return options

    @property
    def slots(self) -> tuple[str, ...]:
        """The velocity, where there is a momentum."""
        return ("velocity",) if self.momentum else ()

    def update(self, index: int, parameter: Array, grad: Array) -> None:
        """Move one parameter."""
        kernels_for((parameter, grad)).sgd_step(
            parameter,
            grad,
            self.buffer("velocity", index) if self.momentum else None,
            self.lr,
            self.momentum,
            self.nesterov,
            self.weight_decay,
        )

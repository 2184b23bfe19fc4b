"""Adam, and AdamW, which decays weights apart from the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinycnn import checks
from tinycnn.arrays import Array
from tinycnn.backend import kernels_for
from tinycnn.optim.optimizer import Optimizer
from tinycnn.tensor import Tensor


class Adam(Optimizer):
    """Gradient descent with a step size for each entry: p ← p − lr · m̂ / (√ŝ + eps).

    m and s are running means of the gradient and of its square, m = β₁·m + (1 − β₁)·g and s = β₂·s + (1 − β₂)·g²; both
    start at 0, and m̂ = m / (1 − β₁ᵗ), ŝ = s / (1 − β₂ᵗ) make up for it, where t counts a parameter's own updates.

    Parameters
    ----------
    params
        Tensors, usually ``model.parameters()``.
    lr
        Learning rate, positive: about the most that an entry moves in a step.
    betas
        β₁ and β₂, both in [0, 1).
    eps
        Keeps the division finite, positive.
    weight_decay
        Strength of the L2 penalty weight_decay/2 · p², whose gradient is added to that of the loss, and so divided by
        √ŝ too; `AdamW` does without that.

    Raises
    ------
    TypeError, ValueError
        Naming the argument and the nearest fix; see also `Optimizer`.

    Notes
    -----
    Kingma, Ba (2015), Adam: A Method for Stochastic Optimization, Algorithm 1.

    Examples
    --------
    >>> import tinycnn as tc
    >>> w = tc.Tensor([5.0, -0.5], requires_grad=True)
    >>> optimizer = tc.optim.Adam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(4)  # the first step is lr against the gradient's sign, whatever its size
    array([ 4.75, -0.25], dtype=float32)
    """

    betas: tuple[float, float]
    eps: float
    weight_decay: float
    slots = ("mean", "square")
    decoupled = False
    """Whether weight decay acts on the weights by itself instead of through the gradient."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def checked(self, betas: Any, eps: Any, weight_decay: Any) -> dict[str, Any]:
        """The hyper-parameters as Python numbers, or a sentence on what is wrong with them."""
        owner = type(self).__name__
        usual = "(0.9, 0.999) is usual"
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{owner}: betas must be two numbers, got {betas!r}: {usual}")
        first, second = (checks.fraction(owner, f"betas[{i}]", beta, usual) for i, beta in enumerate(betas))
        return {
            "betas": (first, second),
            "eps": checks.positive(owner, "eps", eps, "1e-8 is usual"),
            "weight_decay": checks.not_negative(owner, "weight_decay", weight_decay, "0.01 is usual"),
        }

    def update(self, index: int, parameter: Array, grad: Array) -> None:
        """Move one parameter."""
        kernels_for((parameter, grad)).adam_step(
            parameter,
            grad,
            self.buffer("mean", index),
            self.buffer("square", index),
            self.lr,
            self.betas,
            self.eps,
            self.weight_decay,
            self.decoupled,
            self.updates[index],
        )


class AdamW(Adam):
    """`Adam` with weight decay apart from the gradient: p ← p · (1 − lr · weight_decay) before each step.

    Parameters
    ----------
    params
        Tensors, usually ``model.parameters()``.
    lr
        Learning rate, positive: about the most that an entry moves in a step.
    betas
        β₁ and β₂, both in [0, 1).
    eps
        Keeps the division finite, positive.
    weight_decay
        Part of each weight that is taken off per step and unit of learning rate.

    Raises
    ------
    TypeError, ValueError
        Naming the argument and the nearest fix; see also `Optimizer`.

    Notes
    -----
    Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization, Algorithm 2. As in PyTorch, the decay is scaled by
    the learning rate itself, not by the schedule's multiplier alone.

    Examples
    --------
    >>> import numpy as np, tinycnn as tc
    >>> w = tc.Tensor([8.0], requires_grad=True)
    >>> w.grad = np.zeros(1, np.float32)
    >>> tc.optim.AdamW([w], lr=0.5, weight_decay=0.5).step()
    >>> w.data
    array([6.], dtype=float32)
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)

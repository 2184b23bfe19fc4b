"""A schedule that lowers the learning rate when progress stops."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, ClassVar

from tinycnn import checks
from tinycnn.optim.optimizer import Optimizer
from tinycnn.optim.schedule import Schedule


def _finite_or_none(owner: str, argument: str, value: Any) -> float | None:
    return None if value is None else checks.finite(owner, argument, value)


class ReduceLROnPlateau(Schedule):
    """Multiplies the rate by ``factor`` whenever a metric has not improved for more than ``patience`` steps.

    The rate is base · factor^reductions, not below ``min_lr``. A metric that is infinite or NaN is no improvement.

    Parameters
    ----------
    optimizer
        The optimizer whose learning rate is set.
    mode
        ``"min"`` where lower is better, as for a loss; ``"max"`` where higher is, as for an accuracy.
    factor
        Factor of a reduction, above 0 and below 1.
    patience
        Steps without improvement that are let pass.
    threshold
        Smallest improvement that counts, as a part of the best value's magnitude. PyTorch takes it of the signed value,
        so that a negative loss that stands still would count as improving.
    cooldown
        Steps after a reduction that do not count as bad.
    min_lr
        The rate is not reduced below this.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.

    Examples
    --------
    >>> import tinycnn as tc
    >>> optimizer = tc.optim.SGD([tc.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = tc.optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0, 1.0):
    ...     schedule.step(loss)
    ...     print(optimizer.lr)
    1.0
    1.0
    1.0
    0.5
    0.5
    """

    progress: ClassVar[dict[str, Callable[[str, str, Any], Any]]] = {
        **Schedule.progress,
        "reductions": checks.count,
        "bad_steps": checks.count,
        "cooldown_left": checks.count,
        "best": _finite_or_none,
    }
    known_beforehand = False

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        owner = "ReduceLROnPlateau"
        if mode not in ("min", "max"):
            raise ValueError(f'{owner}: mode must be "min" or "max", got {mode!r}: "min" suits a loss')
        self.mode = mode
        self.factor = checks.fraction(owner, "factor", checks.positive(owner, "factor", factor))
        self.patience = checks.count(owner, "patience", patience)
        self.threshold = checks.not_negative(owner, "threshold", threshold)
        self.cooldown = checks.count(owner, "cooldown", cooldown)
        self.min_lr = checks.not_negative(owner, "min_lr", min_lr)
        self.reductions = self.bad_steps = self.cooldown_left = 0
        self.best: float | None = None
        super().__init__(optimizer)

    def rate(self, base_lr: float, step: int) -> float:
        """The learning rate after the reductions so far, at whatever step."""
        return min(base_lr, max(base_lr * self.factor**self.reductions, self.min_lr))

    def step(self, metric: Any = None) -> None:
        """Take note of the metric and set the learning rate for the next epoch.

        Parameters
        ----------
        metric
            The watched value: a number, or a Tensor with one entry.

        Raises
        ------
        TypeError
            When there is none.
        """
        if metric is None:
            raise TypeError("ReduceLROnPlateau: step takes the value to watch, as in schedule.step(validation_loss)")
        metric = float(metric)
        if self._improves(metric):
            self.best, self.bad_steps = metric, 0
        else:
            self.bad_steps += 1
        if self.cooldown_left:
            self.cooldown_left, self.bad_steps = self.cooldown_left - 1, 0
        if self.bad_steps > self.patience:
            self.reductions, self.cooldown_left, self.bad_steps = self.reductions + 1, self.cooldown, 0
        super().step()

    def _improves(self, metric: float) -> bool:
        if not isfinite(metric) or self.best is None:
            return isfinite(metric)
        gain = self.best - metric if self.mode == "min" else metric - self.best
        return gain > self.threshold * abs(self.best)

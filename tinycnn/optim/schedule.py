"""Learning-rate schedules: each a closed form in the number of steps, so that nothing drifts and a run can resume."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from math import cos, pi
from typing import Any, ClassVar

from tinycnn import checks
from tinycnn.optim.optimizer import Optimizer


class Schedule:
    """Sets ``optimizer.lr`` to ``rate(base_lr, step)``; subclass it and define ``rate``. By itself, a constant rate.

    The rate of step 0 is set at once: a subclass first sets what its ``rate`` reads, then calls ``super().__init__``.

    Parameters
    ----------
    optimizer
        The optimizer whose learning rate is set.
    base_lr
        What the schedule starts from; where None, the optimizer's learning rate.

    Attributes
    ----------
    steps : int
        Number of calls of `step`.
    last_lr : float
        The rate that was set last.

    Raises
    ------
    TypeError
        When ``optimizer`` is none.

    Examples
    --------
    >>> import tinycnn as tc
    >>> class InverseTime(tc.optim.Schedule):
    ...     def rate(self, base_lr, step):
    ...         return base_lr / (1 + step)
    >>> optimizer = tc.optim.SGD([tc.Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = InverseTime(optimizer)
    >>> schedule.step()
    >>> optimizer.lr
    0.25
    """

    progress: ClassVar[dict[str, Callable[[str, str, Any], Any]]] = {
        "base_lr": checks.not_negative,
        "steps": checks.count,
    }
    """The attributes that a saved state consists of, and how each is checked. The curve's shape is no part of it."""
    known_beforehand: ClassVar[bool] = True
    """Whether ``rate`` depends on its arguments alone, not on what was measured meanwhile."""

    def __init__(self, optimizer: Optimizer, base_lr: float | None = None):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self._name} takes an optimizer such as SGD, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.base_lr = optimizer.lr if base_lr is None else checks.not_negative(self._name, "base_lr", base_lr)
        self.steps = 0
        self._set_rate()

    def rate(self, base_lr: float, step: int) -> float:
        """The learning rate after ``step`` steps of a run that starts from ``base_lr``."""
        return base_lr

    def step(self, metric: Any = None) -> None:
        """Set the learning rate for the next epoch.

        Parameters
        ----------
        metric
            What `ReduceLROnPlateau` watches; the others let it pass, so that a training loop can treat all alike.
        """
        self.steps += 1
        self._set_rate()

    def state_dict(self) -> dict[str, Any]:
        """Where on its curve the run stands, in numbers for JSON."""
        return {name: getattr(self, name) for name in self.progress}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, and set the learning rate that belongs to it.

        The shape of the curve stays as this schedule was made: a longer ``T_max``, say, stretches the rest of a run.

        Parameters
        ----------
        state
            What `state_dict` of the same class returned.

        Raises
        ------
        ValueError, TypeError
            Naming the first entry that is missing, or else unexpected, or else of a value that does not fit. Nothing
            has changed.
        """
        owner = f"{self._name}.load_state_dict"
        checks.keys(owner, state, self.progress)
        vars(self).update({name: check(owner, name, state[name]) for name, check in self.progress.items()})
        self._set_rate()

    def _set_rate(self) -> None:
        self.optimizer.lr = self.rate(self.base_lr, self.steps)
        self.last_lr = self.optimizer.lr

    @property
    def _name(self) -> str:
        return type(self).__name__


class StepLR(Schedule):
    """Multiplies the rate by ``gamma`` every ``step_size`` steps: lr = base · gamma^⌊step / step_size⌋.

    Parameters
    ----------
    optimizer
        The optimizer whose learning rate is set.
    step_size
        Steps between two drops.
    gamma
        Factor of a drop, positive.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.

    Examples
    --------
    >>> import tinycnn as tc
    >>> optimizer = tc.optim.SGD([tc.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = tc.optim.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [schedule.rate(1.0, step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        self.step_size = checks.count("StepLR", "step_size", step_size, least=1)
        self.gamma = checks.positive("StepLR", "gamma", gamma)
        super().__init__(optimizer)

    def rate(self, base_lr: float, step: int) -> float:
        """The learning rate after ``step`` steps."""
        return base_lr * self.gamma ** (step // self.step_size)


class MultiStepLR(Schedule):
    """Multiplies the rate by ``gamma`` at each of the milestones: lr = base · gamma^(milestones passed).

    Parameters
    ----------
    optimizer
        The optimizer whose learning rate is set.
    milestones
        Steps at which the rate drops, each 1 or more; one that is named twice counts twice.
    gamma
        Factor of a drop, positive.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.

    Examples
    --------
    >>> import tinycnn as tc
    >>> optimizer = tc.optim.SGD([tc.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = tc.optim.MultiStepLR(optimizer, milestones=[1, 4], gamma=0.5)
    >>> [schedule.rate(1.0, step) for step in range(5)]
    [1.0, 0.5, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1):
        if not isinstance(milestones, Iterable):
            raise TypeError(
                f"MultiStepLR: milestones must be a list of steps, got {milestones!r}: write [{milestones}]"
            )
        self.milestones = sorted(checks.count("MultiStepLR", "a milestone", step, least=1) for step in milestones)
        self.gamma = checks.positive("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer)

    def rate(self, base_lr: float, step: int) -> float:
        """The learning rate after ``step`` steps."""
        return base_lr * self.gamma ** bisect_right(self.milestones, step)


class CosineAnnealingLR(Schedule):
    """Half a cosine from the base rate to ``eta_min``: lr = eta_min + (base − eta_min) · (1 + cos(π · step/T_max)) / 2.

    Parameters
    ----------
    optimizer
        The optimizer whose learning rate is set.
    T_max
        Steps until ``eta_min`` is reached. After it the rate rises again along the cosine, as in PyTorch.
    eta_min
        The lowest rate, 0 or above.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.

    Notes
    -----
    Loshchilov, Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts, equation 5, without the restarts.

    Examples
    --------
    >>> import tinycnn as tc
    >>> optimizer = tc.optim.SGD([tc.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = tc.optim.CosineAnnealingLR(optimizer, T_max=4)
    >>> [round(schedule.rate(1.0, step), 2) for step in range(5)]
    [1.0, 0.85, 0.5, 0.15, 0.0]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        self.T_max = checks.count("CosineAnnealingLR", "T_max", T_max, least=1)
        self.eta_min = checks.not_negative("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer)

    def rate(self, base_lr: float, step: int) -> float:
        """The learning rate after ``step`` steps."""
        return self.eta_min + (base_lr - self.eta_min) * (1 + cos(pi * step / self.T_max)) / 2


class WarmupLR(Schedule):
    """Rises in a straight line for ``warmup_steps`` steps to where another schedule starts, then follows that one.

    It is the outer schedule that is stepped, and saved; the inner one gives its curve only.

    Parameters
    ----------
    schedule
        The schedule to follow; or an optimizer, to stay at its learning rate.
    warmup_steps
        Steps of the rise: step 0 has ``start_factor`` times the rate that step ``warmup_steps`` reaches.
    start_factor
        Part of the rate to start from, in [0, 1].

    Raises
    ------
    TypeError
        When ``schedule`` is neither, or is a `ReduceLROnPlateau`, which has no curve to follow.
    ValueError
        Naming the argument.

    Notes
    -----
    Goyal et al. (2017), Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, section 2.2.

    Examples
    --------
    >>> import tinycnn as tc
    >>> optimizer = tc.optim.SGD([tc.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> cosine = tc.optim.CosineAnnealingLR(optimizer, T_max=4)
    >>> schedule = tc.optim.WarmupLR(cosine, warmup_steps=2, start_factor=0.5)
    >>> [round(schedule.rate(1.0, step), 2) for step in range(7)]
    [0.5, 0.75, 1.0, 0.85, 0.5, 0.15, 0.0]
    """

    def __init__(self, schedule: Schedule | Optimizer, warmup_steps: int, start_factor: float = 1 / 3):
        if isinstance(schedule, Schedule) and not schedule.known_beforehand:
            raise TypeError(f"WarmupLR cannot follow {type(schedule).__name__}: its rates are not known beforehand")
        if not isinstance(schedule, (Schedule, Optimizer)):
            raise TypeError(f"WarmupLR takes a schedule or an optimizer, got {type(schedule).__name__}")
        self.schedule = schedule if isinstance(schedule, Schedule) else Schedule(schedule)
        self.warmup_steps = checks.count("WarmupLR", "warmup_steps", warmup_steps, least=1)
        self.start_factor = checks.not_negative("WarmupLR", "start_factor", start_factor, "0.1 is usual")
        if self.start_factor > 1:
            raise ValueError(f"WarmupLR: start_factor must be at most 1, got {start_factor!r}: 0.1 is usual")
        super().__init__(self.schedule.optimizer, self.schedule.base_lr)

    def rate(self, base_lr: float, step: int) -> float:
        """The learning rate after ``step`` steps."""
        if step >= self.warmup_steps:
            return self.schedule.rate(base_lr, step - self.warmup_steps)
        factor = self.start_factor + (1 - self.start_factor) * step / self.warmup_steps
        return factor * self.schedule.rate(base_lr, 0)

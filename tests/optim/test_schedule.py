"""Schedules: their curves, written out; resuming; and what is refused."""

import json
import math
import re

import numpy as np
import pytest

import tinycnn as tc

MAKERS = {
    "constant": tc.optim.Schedule,
    "steps": lambda optimizer: tc.optim.StepLR(optimizer, 3, gamma=0.7),
    "milestones": lambda optimizer: tc.optim.MultiStepLR(optimizer, [4, 9]),
    "cosine": lambda optimizer: tc.optim.CosineAnnealingLR(optimizer, 20, eta_min=0.01),
    "warm-up": lambda optimizer: tc.optim.WarmupLR(tc.optim.CosineAnnealingLR(optimizer, 15), 5),
    "plateau": lambda optimizer: tc.optim.ReduceLROnPlateau(optimizer, patience=1, cooldown=2, factor=0.7),
}
every_schedule = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def sgd(lr: float = 1.0) -> tc.optim.SGD:
    return tc.optim.SGD([tc.Tensor([1.0], requires_grad=True)], lr=lr)


def rates(schedule: tc.optim.Schedule, metrics) -> list[float]:
    """The optimiser's rate before each step and after the last."""
    seen = [schedule.optimizer.lr]
    for metric in metrics:
        schedule.step(metric)
        assert schedule.last_lr == schedule.optimizer.lr
        seen.append(schedule.optimizer.lr)
    return seen


def assert_rates(schedule, expected, metrics=None):
    assert rates(schedule, metrics or [None] * (len(expected) - 1)) == pytest.approx(expected, rel=1e-14, abs=1e-16)


def test_step():
    assert_rates(tc.optim.StepLR(sgd(2.0), 3), [2, 2, 2, 0.2, 0.2, 0.2, 0.02])


def test_milestones():
    assert_rates(tc.optim.MultiStepLR(sgd(), (3, 1), gamma=0.5), [1, 0.5, 0.5, 0.25, 0.25])
    assert_rates(tc.optim.MultiStepLR(sgd(), [2, 2], gamma=0.5), [1, 1, 0.25])
    assert_rates(tc.optim.MultiStepLR(sgd(), []), [1, 1, 1])


def test_cosine():
    half = math.sqrt(0.5)
    assert_rates(tc.optim.CosineAnnealingLR(sgd(), 4), [1, (1 + half) / 2, 0.5, (1 - half) / 2, 0, (1 - half) / 2, 0.5])
    assert_rates(tc.optim.CosineAnnealingLR(sgd(1.0), 2, eta_min=0.2), [1, 0.6, 0.2])


def test_warm_up_is_a_straight_line_to_the_rate_it_then_keeps():
    assert_rates(tc.optim.WarmupLR(sgd(2.0), 4, start_factor=0), [0, 0.5, 1, 1.5, 2, 2, 2])
    assert_rates(tc.optim.WarmupLR(sgd(3.0), 2), [1, 2, 3, 3])


def test_warm_up_is_followed_by_the_other_schedule_from_its_start():
    optimizer = sgd()
    schedule = tc.optim.WarmupLR(tc.optim.StepLR(optimizer, 2), 2, start_factor=0.5)
    assert_rates(schedule, [0.5, 0.75, 1, 1, 0.1, 0.1, 0.01])


def test_a_warm_up_in_front_of_a_warm_up_starts_from_the_optimizer_s_own_rate():
    inner = tc.optim.WarmupLR(sgd(), 2, start_factor=0.5)
    assert_rates(tc.optim.WarmupLR(inner, 2, start_factor=0.5), [0.25, 0.375, 0.5, 0.75, 1, 1])


def test_a_thousand_steps_do_not_drift():
    schedule = tc.optim.StepLR(sgd(0.1), 1, gamma=0.999)
    assert rates(schedule, range(1000))[-1] == 0.1 * 0.999**1000


def test_plateau():
    def plateau(lr=1.0, factor=0.5, **options):
        return tc.optim.ReduceLROnPlateau(sgd(lr), factor=factor, **options)

    # patience=2: the third step without improvement reduces, and the count starts again
    assert_rates(plateau(patience=2), [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25], [5] * 7)
    # an improvement in between starts it again, too
    assert_rates(plateau(patience=1), [1, 1, 1, 1, 1, 0.5], [5, 6, 4, 4, 4])
    # what is below the threshold is none: 5 · (1 − 0.1) = 4.5
    assert_rates(plateau(patience=0, threshold=0.1), [1, 1, 0.5, 0.5], [5, 4.6, 4.4])
    assert_rates(plateau(patience=0, mode="max"), [1, 1, 1, 0.5], [5, 6, 5.9])
    # two steps of cooldown are not counted
    assert_rates(plateau(patience=0, cooldown=2), [1, 1, 0.5, 0.5, 0.5, 0.25], [5] * 5)
    assert_rates(plateau(patience=0, min_lr=0.3), [1, 1, 0.5, 0.3, 0.3], [5] * 4)
    assert_rates(plateau(patience=0, lr=0.1, min_lr=0.3), [0.1, 0.1, 0.1], [5] * 2)


def test_a_negative_loss_that_stands_still_is_a_plateau():
    schedule = tc.optim.ReduceLROnPlateau(sgd(), factor=0.5, patience=0)
    assert_rates(schedule, [1, 1, 0.5, 0.5, 0.25], [-100, -100, -101, -100])


@pytest.mark.parametrize("first", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_is_never_the_best(first):
    schedule = tc.optim.ReduceLROnPlateau(sgd(), factor=0.5, patience=1)
    assert_rates(schedule, [1, 1, 1, 1, 0.5], [first, 5, first, 5])
    assert schedule.best == 5


def test_plateau_takes_a_loss_as_it_comes():
    schedule = tc.optim.ReduceLROnPlateau(sgd())
    schedule.step(tc.Tensor([3.0]).sum())
    schedule.step(np.float32(2.5))
    assert schedule.best == 2.5
    assert type(schedule.best) is float


@every_schedule
@pytest.mark.parametrize("stop", [0, 3, 11])
def test_a_run_goes_on_where_it_stopped(make, stop):
    metrics = list(np.random.default_rng(3).uniform(1, 2, 24))
    whole = rates(make(sgd(0.3)), metrics)
    first = make(sgd(0.3))
    rates(first, metrics[:stop])
    second = make(sgd(first.optimizer.lr))  # made from an optimiser that had been restored before it
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    assert rates(second, metrics[stop:]) == whole[stop:]


@every_schedule
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(make):
    schedule = make(sgd(0.3))
    rates(schedule, [1.0, 2.0])
    before, lr = schedule.state_dict(), schedule.optimizer.lr
    spoiled = {
        "the state has no 'base_lr'": {k: v for k, v in before.items() if k != "base_lr"},
        "the state has an unexpected 'gamma'": before | {"gamma": 0.1},
        "base_lr must be 0 or a positive number, got nan": before | {"base_lr": math.nan},
        "steps must be a whole number, 0 or more, got -1": before | {"base_lr": 0.5, "steps": -1},
        "a state is what state_dict() returns, got int": 7,
    }
    if "best" in before:
        spoiled["best must be a finite number, got inf"] = before | {"steps": 3, "best": math.inf}
    for message, state in spoiled.items():
        with pytest.raises((ValueError, TypeError), match=rf"^{type(schedule).__name__}\.load.*{re.escape(message)}"):
            schedule.load_state_dict(state)
        assert schedule.state_dict() == before
        assert schedule.optimizer.lr == lr


def test_a_cosine_made_longer_stretches_the_rest_of_the_run():
    schedule = tc.optim.CosineAnnealingLR(sgd(), 4)
    rates(schedule, range(4))
    longer = tc.optim.CosineAnnealingLR(sgd(), 8)
    longer.load_state_dict(schedule.state_dict())
    assert longer.optimizer.lr == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: tc.optim.StepLR(tc.nn.ReLU(), 3), "StepLR takes an optimizer such as SGD, got ReLU"),
        (lambda o: tc.optim.StepLR(o, 0), "StepLR: step_size must be a whole number, 1 or more, got 0"),
        (lambda o: tc.optim.StepLR(o, 2.5), "StepLR: step_size must be a whole number, 1 or more, got 2.5"),
        (lambda o: tc.optim.StepLR(o, True), "StepLR: step_size must be a whole number, 1 or more, got True"),
        (lambda o: tc.optim.StepLR(o, 3, gamma=0), "StepLR: gamma must be a positive number, got 0"),
        (lambda o: tc.optim.MultiStepLR(o, 30), "MultiStepLR: milestones must be a list of steps, got 30: write [30]"),
        (
            lambda o: tc.optim.MultiStepLR(o, [0, 3]),
            "MultiStepLR: a milestone must be a whole number, 1 or more, got 0",
        ),
        (lambda o: tc.optim.MultiStepLR(o, [3], gamma=-1), "MultiStepLR: gamma must be a positive number, got -1"),
        (lambda o: tc.optim.CosineAnnealingLR(o, 0), "CosineAnnealingLR: T_max must be a whole number, 1 or more"),
        (lambda o: tc.optim.CosineAnnealingLR(o, 9, -0.1), "CosineAnnealingLR: eta_min must be 0 or a positive number"),
        (lambda o: tc.optim.WarmupLR([o], 3), "WarmupLR takes a schedule or an optimizer, got list"),
        (
            lambda o: tc.optim.WarmupLR(MAKERS["plateau"](o), 3),
            "WarmupLR cannot follow ReduceLROnPlateau: its rates are",
        ),
        (lambda o: tc.optim.WarmupLR(o, 0), "WarmupLR: warmup_steps must be a whole number, 1 or more, got 0"),
        (lambda o: tc.optim.WarmupLR(o, 3, 1.5), "WarmupLR: start_factor must be at most 1, got 1.5: 0.1 is usual"),
        (lambda o: tc.optim.WarmupLR(o, 3, -1), "WarmupLR: start_factor must be 0 or a positive number, got -1"),
        (lambda o: tc.optim.ReduceLROnPlateau(o, "low"), 'ReduceLROnPlateau: mode must be "min" or "max", got \'low\''),
        (
            lambda o: tc.optim.ReduceLROnPlateau(o, factor=1),
            "factor must be a number from 0 up to, but not including, 1",
        ),
        (lambda o: tc.optim.ReduceLROnPlateau(o, factor=0), "factor must be a positive number, got 0"),
        (lambda o: tc.optim.ReduceLROnPlateau(o, patience=-1), "patience must be a whole number, 0 or more, got -1"),
        (lambda o: tc.optim.ReduceLROnPlateau(o, threshold=-1), "threshold must be 0 or a positive number, got -1"),
        (lambda o: tc.optim.ReduceLROnPlateau(o, cooldown=1.0), "cooldown must be a whole number, 0 or more, got 1.0"),
        (lambda o: tc.optim.ReduceLROnPlateau(o, min_lr=[0]), "min_lr must be 0 or a positive number, got [0]"),
        (
            lambda o: tc.optim.ReduceLROnPlateau(o).step(),
            "step takes the value to watch, as in schedule.step(validation",
        ),
    ],
)
def test_bad_arguments_are_told_in_one_sentence(make, message):
    optimizer = sgd(0.3)
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        make(optimizer)
    assert optimizer.lr == 0.3

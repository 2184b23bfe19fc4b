"""Optimisers and schedules against PyTorch's, over many steps."""

import itertools

import numpy as np
import pytest

import tinycnn as tc
from tests.numeric import assert_close
from tests.optim.problems import Problem, problem, run, solve
from tests.oracles import oracle

torch = oracle("torch")

TOLERANCE = {"float64": 1e-12, "float32": 1e-6}
EPOCHS = 60


def torch_solve(make, given: Problem):
    tensors = [torch.tensor(array, requires_grad=True) for array in given.start]
    optimizer = make(tensors)
    for step in given.gradients:
        for tensor, gradient in zip(tensors, step, strict=True):
            tensor.grad = None if gradient is None else torch.tensor(gradient)
        optimizer.step()
    return [tensor.detach().numpy() for tensor in tensors]


def assert_same_path(name: str, options: dict, given: Problem, dtype: str) -> None:
    ours = solve(lambda params: getattr(tc.optim, name)(params, **options), given)
    theirs = torch_solve(lambda params: getattr(torch.optim, name)(params, **options), given)
    for i, (actual, expected) in enumerate(zip(ours, theirs, strict=True)):
        assert_close(actual, expected, TOLERANCE[dtype], f"parameter {i}")


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.5, False), (0.95, False), (0.95, True)])
def test_sgd(momentum, nesterov, weight_decay, dtype):
    options = {"lr": 0.03, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
    assert_same_path("SGD", options, problem(dtype, frozen=7), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lr": 0.05, "weight_decay": 0.1},
        {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-2, "weight_decay": 0.0},
        {"lr": 0.05, "betas": (0.0, 0.9)},
    ],
)
def test_adam(name, options, dtype):
    assert_same_path(name, options, problem(dtype, frozen=7), dtype)


@pytest.mark.parametrize(
    ("name", "options"),
    [("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}), ("AdamW", {"lr": 0.1, "weight_decay": 0.2})],
)
def test_a_learning_rate_that_changes_from_step_to_step(name, options):
    def torch_make(params):
        optimizer = getattr(torch.optim, name)(params, **options)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
        optimizer.register_step_post_hook(lambda *_: schedule.step())
        return optimizer

    given = problem()
    theirs = torch_solve(torch_make, given)
    optimizer = getattr(tc.optim, name)([tc.Tensor(array, requires_grad=True) for array in given.start], **options)
    schedule = tc.optim.StepLR(optimizer, 3, 0.5)
    for step in given.gradients:
        ours = run(optimizer, [step])
        schedule.step()
    for actual, expected in zip(ours, theirs, strict=True):
        assert_close(actual, expected, 1e-12)


def torch_warmup(optimizer, then):
    return torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.2, total_iters=7), then(optimizer)],
        milestones=[7],
    )


TORCH = torch.optim.lr_scheduler
SCHEDULES = {
    "step": lambda o: (tc.optim.StepLR(o, 7), lambda o: TORCH.StepLR(o, 7)),
    "step, gamma": lambda o: (tc.optim.StepLR(o, 1, 0.97), lambda o: TORCH.StepLR(o, 1, 0.97)),
    "milestones": lambda o: (tc.optim.MultiStepLR(o, [30, 45]), lambda o: TORCH.MultiStepLR(o, [30, 45])),
    "milestones, one of them twice": lambda o: (
        tc.optim.MultiStepLR(o, [5, 20, 20, 21], 0.5),
        lambda o: TORCH.MultiStepLR(o, [5, 20, 20, 21], 0.5),
    ),
    "cosine": lambda o: (tc.optim.CosineAnnealingLR(o, EPOCHS), lambda o: TORCH.CosineAnnealingLR(o, EPOCHS)),
    "cosine, up again": lambda o: (
        tc.optim.CosineAnnealingLR(o, 25, eta_min=0.01),
        lambda o: TORCH.CosineAnnealingLR(o, 25, eta_min=0.01),
    ),
    "warm-up": lambda o: (
        tc.optim.WarmupLR(o, 9, start_factor=0.25),
        lambda o: TORCH.LinearLR(o, start_factor=0.25, total_iters=9),
    ),
    "warm-up by default": lambda o: (tc.optim.WarmupLR(o, 5), lambda o: TORCH.LinearLR(o, total_iters=5)),
    "warm-up, then steps": lambda o: (
        tc.optim.WarmupLR(tc.optim.StepLR(o, 10), 7, start_factor=0.2),
        lambda o: torch_warmup(o, lambda o: TORCH.StepLR(o, 10)),
    ),
    "warm-up, then cosine": lambda o: (
        tc.optim.WarmupLR(tc.optim.CosineAnnealingLR(o, 53), 7, start_factor=0.2),
        lambda o: torch_warmup(o, lambda o: TORCH.CosineAnnealingLR(o, 53)),
    ),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # SequentialLR of PyTorch uses it itself
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    ours = tc.optim.SGD([tc.Tensor([1.0], requires_grad=True)], lr=0.4)
    theirs = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.4)
    schedule, torch_make = SCHEDULES[name](ours)
    torch_schedule = torch_make(theirs)
    for epoch in range(EPOCHS):
        expected = theirs.param_groups[0]["lr"]
        assert ours.lr == pytest.approx(expected, rel=1e-9, abs=1e-15), epoch
        assert schedule.last_lr == ours.lr
        theirs.step()
        schedule.step()
        torch_schedule.step()


PLATEAU_OPTIONS = [
    dict(zip(("mode", "patience", "cooldown", "min_lr", "threshold"), values, strict=True))
    for values in itertools.product(("min", "max"), (0, 3), (0, 4), (0.0, 0.01), (1e-4, 0.1))
]


@pytest.mark.parametrize("options", PLATEAU_OPTIONS, ids=lambda options: " ".join(map(str, options.values())))
def test_reduce_on_plateau(options):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        metrics = 2 + rng.normal(size=EPOCHS) * 0.3 + (1 if options["mode"] == "min" else -1) / np.arange(1, EPOCHS + 1)
        metrics[rng.integers(0, EPOCHS, 5)] = np.nan
        ours = tc.optim.SGD([tc.Tensor([1.0], requires_grad=True)], lr=0.4)
        theirs = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.4)
        schedule = tc.optim.ReduceLROnPlateau(ours, factor=0.5, **options)
        torch_schedule = TORCH.ReduceLROnPlateau(theirs, factor=0.5, eps=0.0, **options)
        for metric in metrics:
            schedule.step(metric)
            torch_schedule.step(metric)
            assert ours.lr == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)
        assert 0 < ours.lr < 0.4

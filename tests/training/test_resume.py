"""A training that is saved, built anew and loaded goes on bit for bit as one that was never stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinycnn as tc
from tests.training.few import StopAfter, timeless
from tinycnn.data import DataLoader, RandomAffine
from tinycnn.optim import (
    SGD,
    Adam,
    AdamW,
    CosineAnnealingLR,
    MultiStepLR,
    Optimizer,
    ReduceLROnPlateau,
    Schedule,
    StepLR,
    WarmupLR,
)
from tinycnn.training import Recipe, Trainer, load_checkpoint
from tinycnn.training.checkpoint import save_training

EPOCHS, BATCHES = 4, 3
OPTIMIZERS = {
    "momentum": lambda params: SGD(params, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "Adam": lambda params: Adam(params, lr=0.01),
    "AdamW": lambda params: AdamW(params, lr=0.01, weight_decay=0.1),
}
SCHEDULES = {
    "none": lambda optimizer: None,
    "constant": Schedule,
    "step": lambda optimizer: StepLR(optimizer, 1, 0.5),
    "milestones": lambda optimizer: MultiStepLR(optimizer, [1, 3], 0.5),
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, EPOCHS),
    # With a threshold that no epoch reaches, so that it counts bad epochs, cools down and reduces.
    "plateau": lambda optimizer: ReduceLROnPlateau(optimizer, factor=0.5, patience=1, threshold=0.9),
    "plateau that cools down": lambda optimizer: ReduceLROnPlateau(
        optimizer, factor=0.5, patience=0, threshold=0.9, cooldown=1
    ),
    "warmup": lambda optimizer: WarmupLR(CosineAnnealingLR(optimizer, EPOCHS), 2, 0.1),
}
RECIPE = Recipe.of("lenet5", "digits")  # a checkpoint needs one; what is trained here is no recipe's model


def trainer(optimizer: str, schedule: str, seed: int) -> Trainer:
    nn = tc.nn
    tc.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.4), nn.Linear(64, 3)
    )
    moves: Optimizer = OPTIMIZERS[optimizer](model.parameters())
    return Trainer(model, moves, SCHEDULES[schedule](moves))


def loader(workers: int = 0) -> DataLoader:
    generator = np.random.default_rng(0)
    images = generator.normal(size=(22, 1, 6, 6)).astype(np.float32)
    augment = RandomAffine(degrees=20, translate=0.1)
    return DataLoader(images, generator.integers(0, 3, 22), 8, shuffle=True, transform=augment, seed=2, workers=workers)


def fit(trained: Trainer, workers: int = 0, stop: int | None = None) -> None:
    generator = np.random.default_rng(1)
    held = DataLoader(generator.normal(size=(10, 1, 6, 6)).astype(np.float32), generator.integers(0, 3, 10), 10)
    trained.callbacks = [] if stop is None else [StopAfter(stop)]
    trained.fit(loader(workers), held, EPOCHS)


def everything(trained: Trainer) -> str:
    """All of a trainer's state that no clock writes, as text that is equal only where every bit is."""
    state = trained.state_dict()
    state["position"] = state["position"] | {"seconds": 0, "history": timeless(trained.history)}
    return json.dumps(state, default=lambda array: [array.dtype.str, array.shape, array.tobytes().hex()])


def through_a_file(trained: Trainer, path: Path) -> None:
    save_training(path, RECIPE, trained.state_dict())


def from_a_file(into: Trainer, path: Path) -> Trainer:
    state = load_checkpoint(path).state
    assert state is not None
    into.load_state_dict(state)
    return into


def assert_goes_on(path: Path, optimizer: str, schedule: str, stops: tuple[int, ...], workers: int = 0) -> None:
    never = trainer(optimizer, schedule, seed=1)
    fit(never)
    expected = everything(never)
    resumed = trainer(optimizer, schedule, seed=1)
    for number, stop in enumerate(stops):
        fit(resumed, workers, stop)
        assert resumed.epoch * BATCHES + resumed.batch == stop
        through_a_file(resumed, path)
        resumed = from_a_file(trainer(optimizer, schedule, seed=100 + number), path)
    fit(resumed, workers)
    assert everything(resumed) == expected


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_goes_on_as_if_it_had_never_been_stopped(optimizer, schedule, tmp_path):
    assert_goes_on(tmp_path / "state", optimizer, schedule, (1, 3, 8))


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("stop", range(1, EPOCHS * BATCHES))
def test_wherever_it_was_stopped_and_with_any_number_of_workers(stop, workers, tmp_path):
    assert_goes_on(tmp_path / "state", "momentum", "plateau", (stop,), workers)


def test_stopped_after_each_batch(tmp_path):
    assert_goes_on(tmp_path / "state", "AdamW", "plateau that cools down", tuple(range(1, EPOCHS * BATCHES)))


@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name not in ("none", "constant")])
def test_the_schedules_of_these_tests_do_move_the_rate(schedule):
    moved = trainer("momentum", schedule, seed=1)
    fit(moved)
    assert len({row["lr"] for row in moved.history}) > 1


def test_a_state_saved_after_the_last_batch_and_before_the_validation(tmp_path):
    class Save(StopAfter):
        def on_batch_end(self, trainer: Trainer) -> None:
            if (trainer.epoch, trainer.batch) == (1, BATCHES):
                through_a_file(trainer, tmp_path / "state")

    never = trainer("Adam", "plateau", seed=1)
    never.callbacks = [Save(0)]
    held = DataLoader(np.zeros((4, 1, 6, 6), np.float32), [0, 1, 2, 0])
    never.fit(loader(), held, EPOCHS)
    expected = everything(never)
    resumed = from_a_file(trainer("Adam", "plateau", seed=9), tmp_path / "state")
    assert (resumed.epoch, resumed.batch) == (1, BATCHES)
    resumed.fit(loader(), held, EPOCHS)
    assert everything(resumed) == expected


PROGRAM = """
import hashlib, sys
from pathlib import Path
from tests.training import test_resume as t
path, optimizer, schedule, workers, seed, stop = Path(sys.argv[1]), *sys.argv[2:4], *map(int, sys.argv[4:])
trained = t.trainer(optimizer, schedule, seed)
if path.exists():
    t.from_a_file(trained, path)
t.fit(trained, workers, stop or None)
t.through_a_file(trained, path)
print(hashlib.sha256(t.everything(trained).encode()).hexdigest())
"""


def in_a_process(path: Path, *arguments: Any) -> str:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", PROGRAM, path, *arguments]
    return subprocess.check_output([*map(str, command)], text=True, env=environment)


@pytest.mark.parametrize(("optimizer", "schedule", "stop"), [("Adam", "plateau", 4), ("momentum", "warmup", 8)])
def test_in_another_process(optimizer, schedule, stop, tmp_path):
    expected = in_a_process(tmp_path / "never", optimizer, schedule, 1, 1, 0)
    in_a_process(tmp_path / "resumed", optimizer, schedule, 3, 1, stop)
    assert in_a_process(tmp_path / "resumed", optimizer, schedule, 1, 77, 0) == expected

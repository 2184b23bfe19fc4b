"""The loop: what it computes, what it writes down, whom it tells, and that validation leaves no trace."""

from typing import Any

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.training.few import StopAfter, timeless
from tinycnn.data import DataLoader
from tinycnn.random import default_generator
from tinycnn.training import Callback, Trainer, evaluate

UNEVEN = 23  # images; batches of 8, 8 and 7


def images_and_labels(count: int = UNEVEN, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 1, 6, 6)).astype(np.float32), generator.integers(0, 3, count)


def loader(**options: Any) -> DataLoader:
    return DataLoader(*images_and_labels(), 8, shuffle=True, seed=3, **options)


def validation() -> DataLoader:
    return DataLoader(*images_and_labels(10, seed=1), 4)


def network() -> tc.nn.Sequential:
    tc.manual_seed(5)
    nn = tc.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 3)
    )


def trainer(*callbacks: Callback, schedule: bool = False) -> Trainer:
    model = network()
    optimizer = tc.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    return Trainer(model, optimizer, tc.optim.StepLR(optimizer, 1, 0.5) if schedule else None, callbacks)


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.tobytes() == other[name].tobytes(), name


class Log(Callback):
    def __init__(self, name: str, lines: list[Any]):
        self.name, self.lines = name, lines

    def on_fit_start(self, trainer: Trainer) -> None:
        self.lines.append((self.name, "fit starts", trainer.epoch, trainer.batch))

    def on_batch_end(self, trainer: Trainer) -> None:
        self.lines.append((self.name, "batch", trainer.epoch, trainer.batch))

    def on_epoch_end(self, trainer: Trainer) -> None:
        self.lines.append(
            (self.name, "epoch", trainer.epoch, trainer.batch, len(trainer.history), trainer.optimizer.lr)
        )

    def on_fit_end(self, trainer: Trainer) -> None:
        self.lines.append((self.name, "fit ends", trainer.epoch, trainer.batch))


def test_it_does_what_a_loop_written_out_does():
    trained = trainer(schedule=True)
    history = trained.fit(loader(), epochs=3)

    model = network()
    optimizer = tc.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    expected = []
    for epoch in range(3):
        optimizer.lr = 0.1 * 0.5**epoch
        total, right = 0.0, 0
        for images, labels in loader().batches(epoch):
            optimizer.zero_grad()
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            right += int((logits.data.argmax(axis=1) == labels).sum())
        expected.append({"epoch": epoch + 1, "lr": optimizer.lr, "loss": total / UNEVEN, "accuracy": right / UNEVEN})
    assert timeless(history) == expected
    assert_same(trained.model.state_dict(), model.state_dict())


def test_the_loss_of_an_epoch_is_the_mean_over_images_not_over_batches():
    images, labels = images_and_labels()
    model = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(36, 3))
    losses = F.cross_entropy(model(images), labels, reduction="none").data
    row = Trainer(model, tc.optim.SGD(model.parameters(), lr=1e-30)).fit(DataLoader(images, labels, 8), epochs=1)[0]
    assert row["loss"] == pytest.approx(losses.mean(), rel=1e-6)
    batch_means = [losses[start : start + 8].mean() for start in (0, 8, 16)]
    assert abs(np.mean(batch_means) - losses.mean()) > 1e-4  # or the last assertion could not tell


def test_a_row_tells_all_of_an_epoch():
    trained = trainer(schedule=True)
    first, second = trained.fit(loader(), validation(), epochs=2)
    names = [
        "epoch",
        "lr",
        "loss",
        "accuracy",
        "validation_loss",
        "validation_accuracy",
        "seconds",
        "images_per_second",
    ]
    assert list(first) == list(second) == names
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert (first["lr"], second["lr"]) == (0.1, 0.05)  # the one that the epoch was trained with
    result = evaluate(trained.model, validation())
    assert (second["validation_loss"], second["validation_accuracy"]) == (result.loss, result.accuracy)
    assert first["images_per_second"] == UNEVEN / first["seconds"] > 0


def test_callbacks_are_told_in_their_order_of_what_is_done():
    lines: list[Any] = []
    trainer(Log("a", lines), Log("b", lines), schedule=True).fit(loader(), validation(), epochs=2)
    of_one = [
        ("fit starts", 0, 0),
        ("batch", 0, 1),
        ("batch", 0, 2),
        ("batch", 0, 3),
        ("epoch", 1, 0, 1, 0.05),
        ("batch", 1, 1),
        ("batch", 1, 2),
        ("batch", 1, 3),
        ("epoch", 2, 0, 2, 0.025),
        ("fit ends", 2, 0),
    ]
    assert lines == [(name, *line) for line in of_one for name in "ab"]


@pytest.mark.parametrize("batches", [1, 2, 4, 5])
def test_stop_ends_after_the_batch_and_a_second_fit_goes_on_as_if_nothing_had_been(batches):
    never = trainer(schedule=True)
    never.fit(loader(), validation(), epochs=3)

    stopped = trainer(StopAfter(batches), schedule=True)
    stopped.fit(loader(), validation(), epochs=3)
    assert (stopped.epoch, stopped.batch, stopped.stop_reason) == (batches // 3, batches % 3, "enough")
    stopped.callbacks = []
    stopped.fit(loader(), validation(), epochs=3)
    assert stopped.stop_reason is None
    assert timeless(stopped.history) == timeless(never.history)
    assert_same(stopped.model.state_dict(), never.model.state_dict())


def test_stop_in_the_last_batch_of_an_epoch_ends_the_epoch_too():
    lines: list[Any] = []
    stopped = trainer(StopAfter(3), Log("", lines))
    stopped.fit(loader(), validation(), epochs=3)
    assert (stopped.epoch, stopped.batch, len(stopped.history)) == (1, 0, 1)
    assert [line[1] for line in lines[-2:]] == ["epoch", "fit ends"]


def test_a_callback_that_stops_before_the_first_batch_is_obeyed():
    class Refuse(Callback):
        def on_fit_start(self, trainer: Trainer) -> None:
            trainer.stop("no")

    refused = trainer(Refuse())
    assert refused.fit(loader(), epochs=3) == []
    assert refused.batch == 0


@pytest.mark.parametrize("validated", [True, False])
def test_the_schedule_is_stepped_once_an_epoch_with_the_loss_to_watch(validated):
    class Spy(tc.optim.Schedule):
        def step(self, metric: Any = None) -> None:
            told.append(metric)
            super().step(metric)

    told: list[float] = []
    model = network()
    optimizer = tc.optim.SGD(model.parameters(), lr=0.1)
    rows = Trainer(model, optimizer, Spy(optimizer)).fit(loader(), validation() if validated else None, epochs=3)
    assert told == [row["validation_loss" if validated else "loss"] for row in rows]


def test_a_plateau_of_the_validation_loss_lowers_the_rate():
    model = network()
    optimizer = tc.optim.SGD(model.parameters(), lr=1e-12)  # stands still, so the loss does
    schedule = tc.optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    images, labels = images_and_labels()
    rows = Trainer(model, optimizer, schedule).fit(loader(), DataLoader(images, labels), epochs=4)
    assert rows[3]["lr"] < rows[0]["lr"]


def test_validation_leaves_no_trace_in_the_training():
    plain, validated = trainer(), trainer()
    plain.fit(loader(), epochs=2)
    calls = default_generator.calls
    validated = trainer()
    validated.fit(loader(), validation(), epochs=2)
    assert default_generator.calls == calls
    assert_same(validated.model.state_dict(), plain.model.state_dict())
    assert all(module.training for module in validated.model.modules())


def test_a_model_in_eval_mode_is_trained_in_train_mode():
    evaluating = trainer()
    evaluating.model.eval()
    evaluating.fit(loader(), epochs=1)
    training = trainer()
    training.fit(loader(), epochs=1)
    assert_same(evaluating.model.state_dict(), training.model.state_dict())


def test_a_model_with_a_loss_and_logits_of_its_own():
    images, labels = tc.data.digits("train")
    transform = tc.data.DATA_SETS["digits"].transform((1, 32, 32))
    few = DataLoader(images[:40], labels[:40], 40, transform=transform)
    tc.manual_seed(0)
    model = tc.models.lenet5("1998")
    batch, targets = next(few.batches(0))
    distances = model(batch)
    row = Trainer(model, tc.optim.SGD(model.parameters(), lr=0.005)).fit(few, few, epochs=1)[0]
    assert row["loss"] == pytest.approx(model.loss(distances, targets).item())
    assert row["accuracy"] == (model.classify(distances) == targets).mean()
    assert row["validation_loss"] < row["loss"]


def test_an_epoch_counts_with_those_before():
    twice = trainer()
    twice.fit(loader(), epochs=1)
    assert len(twice.fit(loader(), epochs=3)) == 3
    assert len(twice.fit(loader(), epochs=2)) == 3


def test_what_was_saved_is_not_changed_by_what_is_trained_later():
    trained = trainer()
    trained.fit(loader(), epochs=1)
    state = trained.state_dict()
    rows, weights = repr(state["position"]), state["model"]["0.weight"].copy()
    trained.fit(loader(), epochs=2)
    trained.history[0]["loss"] = -1.0
    again = trainer()
    again.load_state_dict(state)
    again.fit(loader(), epochs=2)
    again.history[0]["loss"] = -1.0
    assert repr(state["position"]) == rows
    assert (state["model"]["0.weight"] == weights).all()


@pytest.mark.parametrize("name", Trainer.STATE)
def test_a_state_with_a_part_missing_is_refused(name):
    state = trainer().state_dict()
    del state[name]
    with pytest.raises(ValueError, match=f"Trainer.load_state_dict: the state has no '{name}'"):
        trainer().load_state_dict(state)


def test_a_state_of_another_training_is_refused():
    state = trainer(schedule=True).state_dict()
    with pytest.raises(ValueError, match="of a training with a schedule, and this one has none"):
        trainer().load_state_dict(state)
    with pytest.raises(ValueError, match="of a training with no schedule, and this one has one"):
        trainer(schedule=True).load_state_dict(trainer().state_dict())
    other = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(36, 3))
    with pytest.raises(ValueError, match=r"mis-shaped 1\.weight"):
        Trainer(other, tc.optim.SGD(other.parameters(), lr=1.0)).load_state_dict(trainer().state_dict())
    model = network()
    with pytest.raises(ValueError, match="saved by another class"):
        Trainer(model, tc.optim.Adam(model.parameters(), lr=1.0)).load_state_dict(trainer().state_dict())
    del state["position"]["batch"]
    with pytest.raises(ValueError, match="no 'batch'"):
        trainer(schedule=True).load_state_dict(state)


@pytest.mark.parametrize(("said", "told"), [((), "memory is used up"), (("no room",), "no room")])
def test_memory_that_is_used_up_is_told_with_the_batch_that_needs_half(said, told):
    class Greedy(tc.nn.Module):
        def __init__(self) -> None:
            self.weight = tc.nn.Parameter(np.ones(3, np.float32))

        def forward(self, x: Any) -> tc.Tensor:
            raise MemoryError(*said)

    model = Greedy()
    trained = Trainer(model, tc.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(MemoryError, match=f"^{told}; this was a batch of 8 images: --batch-size 4 needs about half$"):
        trained.fit(loader(), epochs=1)
    with pytest.raises(MemoryError, match=f"^{told}; this was a batch of 1 image: a smaller model needs less$"):
        trained.fit(DataLoader(*images_and_labels(3), 1), epochs=1)
    with pytest.raises(MemoryError, match=f"^{told}; .* 4 images: a loader with batch_size=2 needs about half$"):
        evaluate(model, validation())

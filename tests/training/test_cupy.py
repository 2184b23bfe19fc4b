"""Training on a GPU is training in main memory, but for rounding; batches travel meanwhile, and none is mixed up."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.numeric import assert_close
from tests.training import few
from tests.training.few import BATCHES, StopAfter, metrics, timeless
from tinycnn import gpu
from tinycnn.arrays import is_cupy, to_numpy
from tinycnn.data import DATA_SETS, DataLoader, digits
from tinycnn.storage import load_arrays
from tinycnn.training import Diverged, Recipe, Run, Trainer, evaluate, load_checkpoint
from tinycnn.training.batches import NotEnoughMemory, is_on_gpu, on_side_of
from tinycnn.training.divergence import fault_in_state

EMULATED = os.environ.get("TINYCNN_TEST_CUDA") == "emulated"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(gpu.problem()), reason=gpu.problem())]
looks_behind = pytest.mark.skipif(not EMULATED, reason="asks the stand-in for CuPy: TINYCNN_TEST_CUDA=emulated")

ROUNDING = 2e-5  # of the largest: sums of float32 in another order, over a few steps


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    """What a run sets for the whole process is as before."""
    with tc.use_backend(tc.backend.current_backend()), tc.allow_tf32(False):
        yield


def images_and_labels(count: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 1, 6, 6)).astype(np.float32), generator.integers(0, 3, count)


def loader(count: int = 10, batch_size: int = 4) -> DataLoader:
    return DataLoader(*images_and_labels(count), batch_size, shuffle=True, seed=3)


def network(side: str = "cupy") -> tc.nn.Sequential:
    tc.manual_seed(5)
    nn = tc.nn
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3)
    return nn.Sequential(*layers, nn.Linear(16, 3)).to(side)


def trainer(model: tc.nn.Module, lr: float = 0.1) -> Trainer:
    return Trainer(model, tc.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-3))


def assert_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert_close(to_numpy(array), to_numpy(other[name]), ROUNDING, name)


def assert_rows_alike(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    for row, other in zip(timeless(rows), timeless(others), strict=True):
        assert row == pytest.approx(other, rel=ROUNDING)


def lenet5(side: str) -> tc.nn.Module:
    return tc.models.lenet5().to(side)


@pytest.mark.parametrize("make", [network, lenet5])
def test_it_trains_as_in_main_memory(make):
    size = 6 if make is network else 32
    images = np.random.default_rng(0).normal(size=(10, 1, size, size)).astype(np.float32)
    labels = np.arange(10) % 3
    trained = {}
    for side in ("numpy", "cupy"):
        tc.manual_seed(0)
        with tc.use_backend("numpy"):
            trained[side] = trainer(make(side), lr=0.05)
            held_out = DataLoader(images[:3], labels[:3], 2)
            trained[side].fit(DataLoader(images, labels, 4, shuffle=True), held_out, epochs=2)
    here, there = trained["numpy"], trained["cupy"]
    assert all(is_cupy(parameter.data) for parameter in there.model.parameters())
    assert_rows_alike(there.history, here.history)
    assert_alike(there.model.state_dict(), here.model.state_dict())
    json.dumps(there.state_dict()["position"])  # plain numbers, whatever counted them


def test_an_evaluation_is_in_main_memory():
    data = DataLoader(*images_and_labels(), 4)
    there, here = evaluate(network("cupy"), data), evaluate(network("numpy"), data)
    assert type(there.labels) is type(there.probabilities) is np.ndarray
    assert (there.labels == here.labels).all()
    assert_close(there.probabilities, here.probabilities, ROUNDING)
    assert there.loss == pytest.approx(here.loss, rel=ROUNDING)


def test_a_loader_keeps_nothing_on_the_gpu():
    images, labels = images_and_labels()
    for given in ((tc.Tensor(images).to("cupy").data, labels), (images, tc.Tensor(labels).to("cupy").data)):
        with pytest.raises(TypeError, match=r"DataLoader keeps .* in main memory: pass images.get\(\)"):
            DataLoader(*given)


# Batches on their way


def numbered(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches that are all different, of different sizes, and of types that are no GPU's."""
    for number in range(count):
        size = 3 + number % 2
        yield np.full((size, 2, 5), number, np.float32), np.arange(size, dtype=">i2") + 100 * number


def taken(batches: Iterator[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each as it was when it was handed over."""
    return [(to_numpy(images), to_numpy(labels)) for images, labels in batches]


def assert_numbered(batches: list[Any]) -> None:
    for (images, labels), (expected, expected_labels) in zip(batches, numbered(len(batches)), strict=True):
        assert np.array_equal(images, expected)
        assert np.array_equal(labels, expected_labels)
        assert (images.dtype, labels.dtype) == (np.float32, np.int16)


def test_batches_arrive_in_their_order_and_whole():
    batches = taken(on_side_of(network(), numbered(7)))
    assert len(batches) == 7
    assert_numbered(batches)


def test_batches_that_are_kept_are_not_overwritten():
    batches = list(on_side_of(network(), numbered(7)))
    assert all(is_cupy(array) for batch in batches for array in batch)
    assert_numbered(taken(iter(batches)))


def test_in_main_memory_nothing_is_done_to_them():
    batches = numbered(3)
    assert on_side_of(network("numpy"), batches) is batches


def test_a_batch_is_on_its_way_when_the_one_before_is_handed_over():
    told: list[str] = []

    def made() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number, batch in enumerate(numbered(3)):
            told.append(f"made {number}")
            yield batch

    for number, _ in enumerate(on_side_of(network(), made())):
        told.append(f"got {number}")
    assert told == ["made 0", "made 1", "got 0", "made 2", "got 1", "got 2"]


@looks_behind
def test_the_program_never_waits_for_the_copy_that_it_has_just_asked_for(monkeypatch):
    from tests.cupy_streams import Event

    waiting, waited = Event.synchronize, []

    def synchronize(event: Any) -> None:
        waited.append(event.stream is not None and event.stream.done < event.place)
        waiting(event)

    monkeypatch.setattr(Event, "synchronize", synchronize)
    assert_numbered(taken(on_side_of(network(), numbered(7))))
    assert waited == [False] * 7


@looks_behind
@pytest.mark.parametrize("left", [0, 1, 5])
def test_who_leaves_early_leaves_no_copy_behind(left):
    from tests.cupy_streams import unfinished

    batches = on_side_of(network(), numbered(7))
    for _ in range(left):
        next(batches)
    assert bool(unfinished()) == (left > 0)  # one is on its way
    batches.close()  # type: ignore[attr-defined]
    assert not unfinished()


def not_waiting_for_the_copy(monkeypatch: pytest.MonkeyPatch, streams: Any) -> None:
    monkeypatch.setattr(streams.Event, "synchronize", lambda self: None)


def not_waiting_before_computing(monkeypatch: pytest.MonkeyPatch, streams: Any) -> None:
    waiting = streams.Stream.wait_event
    monkeypatch.setattr(streams.Stream, "wait_event", lambda self, event: self is streams.NULL or waiting(self, event))


def not_waiting_before_copying(monkeypatch: pytest.MonkeyPatch, streams: Any) -> None:
    waiting = streams.Stream.wait_event
    monkeypatch.setattr(streams.Stream, "wait_event", lambda self, event: self is streams.NULL and waiting(self, event))


@looks_behind
@pytest.mark.parametrize(
    ("spoil", "at_once"),
    [(not_waiting_for_the_copy, False), (not_waiting_before_computing, True), (not_waiting_before_copying, True)],
)
def test_each_wait_is_needed(spoil: Callable[..., None], at_once: bool, monkeypatch):
    from tests import cupy_streams

    spoil(monkeypatch, cupy_streams)
    batches = on_side_of(network(), numbered(7))
    with pytest.raises(AssertionError):
        assert_numbered(taken(batches if at_once else iter(list(batches))))


# Runs


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(split: str) -> tuple[np.ndarray, np.ndarray]:
        images, labels = digits(split)
        chosen = np.concatenate([np.flatnonzero(labels == digit)[:4] for digit in range(3)])
        return images[chosen], labels[chosen]

    monkeypatch.setitem(DATA_SETS, "few", replace(few.FEW, read=read))


def recipe(**chosen: Any) -> Recipe:
    return few.recipe(**{"epochs": 2, "batch_size": 3, "backend": "cupy"} | chosen)


def numbers(path: Path) -> dict[str, np.ndarray]:
    return load_arrays(path)[0]


def test_a_run_is_kept_in_main_memory_and_tells_the_gpu(few_digits, tmp_path, monkeypatch):
    run = Run.start(recipe(epochs=1, tf32=True), tmp_path / "run")
    run.fit()
    with tc.use_backend("numpy"):
        checkpoint = load_checkpoint(tmp_path / "run")
        assert not any(is_cupy(parameter.data) for parameter in checkpoint.build().parameters())
    environment = checkpoint.notes["environment"]
    assert {"gpu", "cupy", "cuda"} <= environment.keys()
    assert environment["tf32"] == "allowed"
    assert checkpoint.recipe.tf32
    assert load_checkpoint(tmp_path / "run" / "last.safetensors").state is not None
    tested: list[bool] = []

    def evaluated(model: Any, loader: DataLoader) -> Any:
        tested.append(is_on_gpu(model))
        return evaluate(model, loader)

    monkeypatch.setattr("tinycnn.training.run.evaluate", evaluated)
    with tc.allow_tf32(False):
        there, here = run.test()[1], evaluate(checkpoint.build(), run.test_data)
    assert_close(there.probabilities, here.probabilities, ROUNDING)
    assert tested == [True]


@pytest.mark.parametrize(("first", "second"), [("cupy", "numpy"), ("numpy", "cupy")])
def test_a_run_goes_on_on_the_other_side(first, second, few_digits, tmp_path):
    never = Run.start(recipe(backend="numpy"), tmp_path / "never")
    never.fit()
    Run.start(recipe(backend=first), tmp_path / "run").fit(StopAfter(BATCHES + 1))
    resumed = Run.resume(tmp_path / "run", backend=second)
    assert resumed.changes == [f"backend was {first} and is {second}"]
    assert (resumed.trainer.epoch, resumed.trainer.batch) == (1, 1)
    resumed.fit()
    resumed.test()
    never.test()
    assert_rows_alike(metrics(tmp_path / "run"), metrics(tmp_path / "never"))
    assert_alike(numbers(tmp_path / "run" / "last.safetensors"), numbers(tmp_path / "never" / "last.safetensors"))
    assert load_checkpoint(tmp_path / "run" / "last.safetensors").recipe.backend == second
    assert Run.resume(tmp_path / "run").changes == []


def test_on_the_same_side_a_run_goes_on_bit_for_bit(few_digits, tmp_path):
    Run.start(recipe(), tmp_path / "never").fit()
    Run.start(recipe(), tmp_path / "run").fit(StopAfter(BATCHES + 1))
    Run.resume(tmp_path / "run").fit()
    assert few.outcome(tmp_path / "run") == few.outcome(tmp_path / "never")


# What goes wrong


def test_a_layer_that_diverges_is_named_and_nothing_moved():
    class DivideByZero(tc.nn.Module):
        def forward(self, x: Any) -> tc.Tensor:
            return x / (x * 0)

    model = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(36, 3), DivideByZero()).to("cupy")
    before = {name: to_numpy(array) for name, array in model.state_dict().items()}
    told = r"the loss is nan in epoch 1, batch 1: layer 2 \(DivideByZero\) made (NaN|infinity) of finite inputs"
    with pytest.raises(Diverged, match=told):
        trainer(model).fit(loader(), epochs=1)
    assert all((to_numpy(array) == before[name]).all() for name, array in model.state_dict().items())


def test_a_batch_that_is_not_finite_is_told():
    images, labels = images_and_labels()
    images[5, 0, 2, 3] = np.inf
    with pytest.raises(Diverged, match="in epoch 1, batch 2: the batch itself holds infinity, first in image 1"):
        trainer(network()).fit(DataLoader(images, labels, 4), epochs=1)


def test_weights_on_the_gpu_that_are_not_finite_are_told():
    model = network()
    assert fault_in_state(model) is None
    model[1].running_var[1] = np.nan
    assert fault_in_state(model) == "layer 1 (BatchNorm2d) has NaN in its running_var; try a lower lr"


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let no array of the stand-in have more than so many bytes."""
    from tests.cupy_streams import LIMIT

    return lambda size: monkeypatch.setitem(LIMIT, "bytes", size)


WIDEST = 4 * 4 * 4 * 4 * 4  # bytes of the convolution's output for a batch of four: 4 images, 4 channels of 4 x 4


@looks_behind
def test_a_batch_that_needs_too_much_memory_says_how_large_one_may_be(little_memory):
    trained = trainer(network())
    little_memory(WIDEST - 1)
    told = (
        r"^the GPU has too little memory: 1\.0 KB asked for, 1\.0 KB of 2\.1 GB free; "
        r"this was a batch of 4 images, and [\d.]+ [KM]B were in use: --batch-size 2 needs about half$"
    )
    with pytest.raises(NotEnoughMemory, match=told):
        trained.fit(loader(), epochs=1)
    trained.fit(loader(batch_size=2), epochs=1)


@looks_behind
def test_one_image_that_needs_too_much_memory(little_memory):
    trained = trainer(network())
    little_memory(WIDEST // 4 - 1)
    with pytest.raises(NotEnoughMemory, match=r"this was a batch of 1 image, .*: a smaller model needs less$"):
        trained.fit(loader(batch_size=1), epochs=1)


@looks_behind
def test_an_evaluation_that_needs_too_much_memory(little_memory):
    model = network()
    little_memory(WIDEST - 1)
    with pytest.raises(NotEnoughMemory, match=r"a batch of 4 images, .*: a loader with batch_size=2 needs about half$"):
        evaluate(model, DataLoader(*images_and_labels(), 4))


@looks_behind
def test_what_cupy_itself_asks_for_is_told_alike(little_memory):
    class Twice(tc.nn.Module):
        """By CuPy's own arithmetic: (N, 36) -> (N, 72)."""

        def __init__(self) -> None:
            self.weight = tc.nn.Parameter(np.ones(2, np.float32))

        def forward(self, x: tc.Tensor) -> tc.Tensor:
            return F.flatten(x.reshape(-1, 36, 1) * self.weight, 1)

    model = tc.nn.Sequential(tc.nn.Flatten(), Twice(), tc.nn.Linear(72, 3)).to("cupy")
    little_memory(4 * 72 * 4 - 1)
    with pytest.raises(NotEnoughMemory, match=r"^the GPU has too little memory: 1\.2 KB asked for"):
        trainer(model).fit(loader(), epochs=1)

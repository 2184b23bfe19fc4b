"""Runs in their folders: what a resumed one leaves equals, bit for bit, what an uninterrupted one leaves."""

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import tinycnn as tc
from tests.training import few
from tests.training.few import BATCHES, EPOCHS, StopAfter, metrics, outcome, recipe
from tests.tuned import own_table
from tinycnn import tuning
from tinycnn.backend import forget_choices
from tinycnn.data import DATA_SETS
from tinycnn.geometry import conv_geometry
from tinycnn.random import default_generator
from tinycnn.threads import threads_of
from tinycnn.training import Callback, EarlyStopping, Recipe, Run, Trainer, load_checkpoint
from tinycnn.training import run as run_module
from tinycnn.training.environment import differences, environment


@pytest.fixture(autouse=True)
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA_SETS, "few", few.FEW)


@pytest.fixture(autouse=True)
def settings_restored() -> Any:
    backend, algorithm = tc.use_backend("numpy"), tc.use_algorithm("auto")
    yield
    with backend, algorithm:
        pass


class Fail(Callback):
    """Raises when so many batches are done, those before it was resumed included."""

    def __init__(self, batches: int):
        self.count = batches

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.epoch * trainer.batches + trainer.batch == self.count:
            raise RuntimeError("the power is out")


@cache
def uninterrupted(made: Recipe) -> dict[str, Any]:
    """What a run leaves that nothing disturbs."""
    with TemporaryDirectory() as place:
        run = Run.start(made, Path(place) / "run")
        run.fit()
        run.test()
        return outcome(run.folder)


def epochs_done(folder: Path) -> int:
    return len([row for row in metrics(folder) if "epoch" in row])


def test_what_a_run_leaves(tmp_path):
    folder = tmp_path / "run"
    run = Run.start(recipe(), folder)
    assert run.images == (43, 17)
    assert not (folder / "best.safetensors").exists()
    run.fit()
    checkpoint, result = run.test()
    left = {path.name for path in folder.iterdir()}
    assert left == {".lock", "config.json", "metrics.jsonl", "best.safetensors", "last.safetensors"}
    config = json.loads((folder / "config.json").read_text())
    assert config == {"recipe": recipe().as_dict(), "environment": environment()}
    rows = metrics(folder)
    assert [row.get("epoch") for row in rows] == [1, 2, 3, None]
    assert rows[:-1] == few.timeless(run.trainer.history)
    assert rows[-1] == {"test_loss": result.loss, "test_accuracy": result.accuracy}
    ranks = [(row["validation_accuracy"], -row["validation_loss"]) for row in rows[:-1]]
    assert checkpoint.notes["row"]["epoch"] == 1 + ranks.index(max(ranks))
    assert load_checkpoint(folder / "last.safetensors").recipe == recipe()


@pytest.mark.parametrize("stop", range(1, EPOCHS * BATCHES))
@pytest.mark.parametrize("interruption", [StopAfter, Fail])
def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(interruption, stop, tmp_path):
    expected = uninterrupted(recipe())
    folder = tmp_path / "run"
    run = Run.start(recipe(), folder)
    if interruption is Fail:
        with pytest.raises(RuntimeError, match="the power is out"):
            run.fit(Fail(stop))
    else:
        run.fit(StopAfter(stop))
    default_generator.calls += 7
    resumed = Run.resume(folder)
    assert (resumed.trainer.epoch, resumed.trainer.batch) == (
        divmod(stop, BATCHES) if interruption is StopAfter else ((stop - 1) // BATCHES, 0)
    )
    assert resumed.changes == []
    resumed.fit()
    resumed.test()
    assert outcome(folder) == expected


@pytest.mark.parametrize("chosen", [{"augment": False, "validation": 0.0}, {"model": "lenet5-1998", "lr": 0.005}])
def test_other_recipes_saved_after_each_batch(chosen, tmp_path, monkeypatch):
    made = Recipe(**recipe().as_dict() | chosen)
    expected = uninterrupted(made)
    monkeypatch.setattr(run_module, "SAVE_EVERY", 0)
    folder = tmp_path / "run"
    Run.start(made, folder)
    batches = len(Run.resume(folder).train)
    for stop in range(1, EPOCHS * batches):
        run = Run.resume(folder)
        with pytest.raises(RuntimeError, match="the power is out"):
            run.fit(Fail(stop))
        position = Run.resume(folder).trainer
        assert position.epoch * batches + position.batch == stop
        assert position.batch > 0  # at the end of an epoch too, which is not validated yet
    run = Run.resume(folder)
    run.fit()
    run.test()
    assert outcome(folder) == expected


def test_the_same_run_object_goes_on_too_and_may_be_tested_meanwhile(tmp_path):
    expected = uninterrupted(recipe())
    run = Run.start(recipe(), tmp_path / "run")
    run.fit(StopAfter(BATCHES + 2))
    run.test()
    run.fit()
    run.test()
    assert outcome(tmp_path / "run") == expected


WILD = {"epochs": 6, "lr": 0.6, "augment": False, "seed": 4}  # the third epoch is worse than the second
PATIENT = WILD | {"epochs": 10, "patience": 2}


def ends(run: Run, epochs: int) -> list[dict[str, Any]]:
    """States at the end of each of so many epochs, while it is trained."""
    seen: list[dict[str, Any]] = []

    class Look(Callback):
        def on_epoch_end(self, trainer: Trainer) -> None:
            seen.append(trainer.model.state_dict())

    run.fit(Look(), StopAfter(epochs * BATCHES))
    return seen


def test_best_holds_the_weights_of_the_best_epoch_though_later_ones_were_saved(tmp_path):
    made = recipe(**WILD)
    seen = ends(Run.start(made, tmp_path / "run"), 3)
    best = load_checkpoint(tmp_path / "run")
    epoch = best.notes["row"]["epoch"]
    assert epoch < 3, "choose a recipe whose third epoch is worse than one before"
    assert all((array == seen[epoch - 1][name]).all() for name, array in best.weights.items())


def test_an_interruption_after_an_epoch_that_was_not_the_best_leaves_best_alone(tmp_path):
    made = recipe(**WILD)
    Run.start(made, tmp_path / "whole").fit()
    rows = metrics(tmp_path / "whole")
    ranks = [(row["validation_accuracy"], -row["validation_loss"]) for row in rows]
    worse = next(n for n in range(1, 5) if ranks[n] < max(ranks[:n]))  # epoch n + 1 is not the best so far
    folder = tmp_path / "run"
    Run.start(made, folder).fit(StopAfter((worse + 1) * BATCHES))
    best = (folder / "best.safetensors").read_bytes()
    assert load_checkpoint(folder).notes["row"]["epoch"] == 1 + ranks.index(max(ranks[: worse + 1]))
    Run.resume(folder).save()  # at the start of an epoch, with no batch of it done
    assert (folder / "best.safetensors").read_bytes() == best
    Run.resume(folder).fit(StopAfter((worse + 1) * BATCHES + 2))
    assert (folder / "best.safetensors").read_bytes() == best
    Run.resume(folder).save()  # in the middle of one
    assert (folder / "best.safetensors").read_bytes() == best
    Run.resume(folder).fit()
    whole, resumed = outcome(tmp_path / "whole"), outcome(folder)
    assert resumed == whole


def test_killed_between_best_and_last_the_epoch_is_run_again_to_the_same_end(tmp_path, monkeypatch):
    expected = uninterrupted(recipe())
    run = Run.start(recipe(), tmp_path / "run")
    run.fit(StopAfter(BATCHES - 1))
    save_training = run_module.save_training

    def interrupted(path: Path, *arguments: Any, **notes: Any) -> None:
        if (path.parent / "best.safetensors").exists():
            raise KeyboardInterrupt
        save_training(path, *arguments, **notes)

    monkeypatch.setattr(run_module, "save_training", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Run.resume(tmp_path / "run").fit()
    monkeypatch.undo()
    monkeypatch.setitem(DATA_SETS, "few", few.FEW)
    assert load_checkpoint(tmp_path / "run").notes["row"]["epoch"] == 1
    resumed = Run.resume(tmp_path / "run")
    assert (resumed.trainer.epoch, resumed.trainer.batch) == (0, BATCHES - 1)
    resumed.fit()
    resumed.test()
    assert outcome(tmp_path / "run") == expected


def test_metrics_beyond_the_checkpoint_are_mended(tmp_path):
    run = Run.start(recipe(), tmp_path / "run")
    run.fit(StopAfter(2 * BATCHES))
    path = tmp_path / "run" / "metrics.jsonl"
    kept = metrics(tmp_path / "run")
    path.write_text(path.read_text() + json.dumps({"epoch": 3, "loss": 0.0}) + '\n{"epoch": 4, "lo')
    Run.resume(tmp_path / "run").fit(StopAfter(2 * BATCHES + 1))
    assert metrics(tmp_path / "run") == kept
    path.unlink()
    Run.resume(tmp_path / "run").fit(StopAfter(2 * BATCHES + 2))
    assert metrics(tmp_path / "run") == kept


def test_metrics_of_a_run_that_was_killed_when_all_but_them_was_saved(tmp_path):
    Run.start(recipe(), tmp_path / "run").fit()
    path = tmp_path / "run" / "metrics.jsonl"
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    Run.resume(tmp_path / "run").fit()
    assert path.read_text() == whole


def test_early_stopping_survives_being_resumed(tmp_path):
    expected = uninterrupted(recipe(**PATIENT))
    stopped = len(expected["metrics"]) - 1
    assert 3 < stopped < 10, "choose a recipe that stops early, but not at once"
    folder = tmp_path / "run"
    Run.start(recipe(**PATIENT), folder).fit(StopAfter((stopped - 2) * BATCHES + 1))
    Run.resume(folder).fit(StopAfter((stopped - 1) * BATCHES))
    run = Run.resume(folder)
    run.fit()
    assert run.trainer.stop_reason == "the validation loss has not fallen for 2 epochs"
    run.test()
    assert outcome(folder) == expected


@pytest.mark.parametrize("chosen", [PATIENT, {}])
def test_a_run_that_has_ended_does_nothing_but_can_be_tested_again(chosen, tmp_path):
    expected = uninterrupted(recipe(**chosen))
    Run.start(recipe(**chosen), tmp_path / "run").fit()
    last, best = ((tmp_path / "run" / f"{name}.safetensors").read_bytes() for name in ("last", "best"))
    run = Run.resume(tmp_path / "run")
    told: list[int] = []

    class Count(Callback):
        def on_batch_end(self, trainer: Trainer) -> None:
            told.append(trainer.batch)

    run.fit(Count())
    assert told == []
    assert bool(run.trainer.stop_reason) is bool(chosen)
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == last
    assert (tmp_path / "run" / "best.safetensors").read_bytes() == best
    run.test()
    assert outcome(tmp_path / "run") == expected


def test_a_test_before_the_first_epoch_is_done(tmp_path):
    run = Run.start(recipe(), tmp_path / "run")
    run.fit(StopAfter(2))
    with pytest.raises(FileNotFoundError, match=r"there is no .*best.safetensors: no epoch is done yet"):
        run.test()


def test_callbacks_are_told_after_the_run_is_saved_and_for_one_fit_alone(tmp_path):
    class Look(Callback):
        def on_epoch_end(self, trainer: Trainer) -> None:
            state = load_checkpoint(tmp_path / "run" / "last.safetensors").state
            assert state is not None
            seen.append((trainer.epoch, state["position"]["epoch"], epochs_done(tmp_path / "run")))

    seen: list[tuple[int, ...]] = []
    run = Run.start(recipe(patience=3), tmp_path / "run")
    run.fit(Look(), StopAfter(2 * BATCHES))
    assert seen == [(1, 1, 1), (2, 2, 2)]
    assert [type(callback).__name__ for callback in run.trainer.callbacks] == ["EarlyStopping", "_Saving"]
    assert isinstance(run.trainer.callbacks[0], EarlyStopping)


def test_what_has_changed_since_is_told(tmp_path, monkeypatch):
    Run.start(recipe(), tmp_path / "run")
    assert Run.resume(tmp_path / "run").changes == []
    now = environment() | {"numpy": "9.9", "threads": 64}
    monkeypatch.setattr(run_module, "environment", lambda: now)
    changes = Run.resume(tmp_path / "run").changes
    assert changes == [f"numpy was {np.__version__} and is 9.9", "threads was 1 and is 64"]


def test_differences_are_told_of_what_is_new_too():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ["b was 2 and is 3", "c was None and is 4"]
    assert differences(environment(), environment()) == []


def test_that_other_algorithms_are_chosen_is_told(tmp_path):
    layer = conv_geometry("conv2d", (32, 1, 32, 32), (6, 1, 5, 5))
    with own_table():
        Run.start(recipe(backend="numpy"), tmp_path / "run")
        assert Run.resume(tmp_path / "run").changes == []
        tuning.store("numpy", threads_of("numpy"), {("forward", layer): "direct"})
        forget_choices()
        (change,) = Run.resume(tmp_path / "run").changes
    assert change.startswith("algorithms was rules and is tuned ")


def test_the_environment_goes_into_json_as_it_is():
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert {"tinycnn", "python", "numpy", "blas", "threads", "machine", "algorithms"} == found.keys()
    tc.set_num_threads(1)
    assert environment()["threads"] == 1


def test_settings_of_the_recipe_are_in_force(tmp_path):
    Run.start(recipe(algorithm="direct", seed=11), tmp_path / "run")
    assert tc.backend.current_algorithm() == "direct"
    assert default_generator.seed == 11
    Run.start(recipe(), tmp_path / "other")
    tc.manual_seed(5)
    Run.resume(tmp_path / "run")
    assert tc.backend.current_algorithm() == "direct"
    assert default_generator.seed == 11


@pytest.mark.parametrize("done", [2, EPOCHS])
@pytest.mark.parametrize("put", ["another run's", "last", "nothing"])
def test_a_best_model_that_is_not_this_runs_is_not_tested(put, done, tmp_path):
    folder, other = tmp_path / "run", tmp_path / "other"
    Run.start(recipe(), folder).fit(StopAfter(done * BATCHES))
    Run.start(recipe(seed=9), other).fit(StopAfter(done * BATCHES))
    best = folder / "best.safetensors"
    best.unlink()
    if put != "nothing":
        shutil.copy((folder / "last.safetensors") if put == "last" else (other / "best.safetensors"), best)
    told = "there is no .*best.safetensors" if put == "nothing" else "is not this run's best model: put that back"
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        Run.resume(folder)

"""Checkpoints give back what was saved, and refuse in one sentence what is damaged, foreign, or of a later version."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import tinycnn as tc
from tinycnn.random import default_generator
from tinycnn.storage import load_arrays, save_arrays
from tinycnn.training import Recipe, Trainer, load_checkpoint
from tinycnn.training.checkpoint import save_model, save_training
from tinycnn.training.recipe import LATER
from tinycnn.version import __version__

RECIPE = Recipe.of("lenet5", "digits")


def trainer(optimizer: Callable[..., Any] = tc.optim.SGD, **options: Any) -> Trainer:
    """One that has taken a step, so that the optimizer has arrays to save."""
    tc.manual_seed(0)
    model = tc.models.lenet5()
    made = Trainer(model, optimizer(model.parameters(), lr=0.01, **options))
    images = np.random.default_rng(0).normal(size=(4, 1, 32, 32)).astype(np.float32)
    made.fit(tc.data.DataLoader(images, [0, 1, 2, 3]), epochs=1)
    return made


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_training(tmp_path / "last.safetensors", RECIPE, trainer(momentum=0.9).state_dict())
    return tmp_path / "last.safetensors"


def alter(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
    """Change arrays and description and write them again, with a checksum that holds."""
    arrays, description = load_arrays(path)
    change(arrays, description)
    save_arrays(path, arrays, description)


def test_it_gives_back_what_was_saved(saved):
    state, loaded = trainer(momentum=0.9).state_dict(), load_checkpoint(saved)
    assert loaded.path == saved
    assert loaded.recipe == RECIPE
    assert loaded.state is not None
    assert loaded.notes["environment"]["tinycnn"] == __version__
    for name in ("schedule", "random"):
        assert loaded.state[name] == state[name]
    assert loaded.state["position"]["epoch"] == 1
    for group in ("model", "optimizer"):
        assert loaded.state[group].keys() == state[group].keys()
        assert all(np.array_equal(loaded.state[group][name], value) for name, value in state[group].items())
    assert loaded.weights.keys() == state["model"].keys()


def test_a_model_alone_has_no_state(tmp_path):
    model = tc.models.lenet5()
    save_model(tmp_path / "best.safetensors", RECIPE, model.state_dict(), row={"epoch": 3})
    for path in (tmp_path, tmp_path / "best.safetensors", str(tmp_path)):
        loaded = load_checkpoint(path)
        assert loaded.state is None
        assert loaded.notes["row"] == {"epoch": 3}
    built = loaded.build()
    assert not built.training
    assert all((array == model.state_dict()[name]).all() for name, array in built.state_dict().items())


def test_building_takes_no_random_numbers_from_a_training(saved):
    calls = default_generator.calls
    load_checkpoint(saved).build()
    assert default_generator.calls == calls


def test_weights_of_another_model(tmp_path):
    path = tmp_path / "best.safetensors"
    state = tc.models.lenet5().state_dict()
    state["odd.weight"] = state.pop("output.weight")
    state["c1.weight"] = state["c1.weight"][:3]
    save_model(path, RECIPE, state)
    with pytest.raises(ValueError, match="does not fit its recipe, lenet5: ") as caught:
        load_checkpoint(path).build()
    told = str(caught.value)
    assert told.startswith(str(path))
    for part in ("missing output.weight", "unexpected odd.weight", "mis-shaped c1.weight, (3, 1, 5, 5)"):
        assert part in told
    save_model(path, RECIPE, tc.models.lenet5("1998").state_dict())
    with pytest.raises(ValueError, match=r"missing c3\.bias|missing \w+\.\w+.*unexpected"):
        load_checkpoint(path).build()


def forget(*path: str) -> Callable[[Any, Any], Any]:
    def change(arrays: Any, description: Any) -> None:
        for name in path[:-1]:
            description = description[name]
        del description[path[-1]]

    return change


def put(value: Any, *path: str) -> Callable[[Any, Any], Any]:
    def change(arrays: Any, description: Any) -> None:
        for name in path[:-1]:
            description = description[name]
        description[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (forget("kind"), "is no checkpoint of a training"),
        (put("model zoo", "kind"), "is no checkpoint of a training"),
        (forget("recipe"), "another version of tinycnn than this one, .*, where a recipe has 'algorithm'"),
        (put([1], "recipe"), "another version of tinycnn than this one, .*, where a recipe has 'algorithm'"),
        (put("half", "recipe", "precision"), f"another version .*, {__version__}, where a recipe has no 'precision'"),
        (forget("recipe", "epochs"), "another version .*, where a recipe has 'epochs'"),
        (put("lenet6", "recipe", "model"), "cannot be followed here: unknown model 'lenet6': did you mean lenet5"),
        (put("12", "recipe", "epochs"), "cannot be followed here: epochs must be a whole number, at least 1, got '12'"),
        (put(None, "recipe", "model"), "cannot be followed here: model must be a name"),
        (forget("notes"), "another version .*, where its notes tell its environment"),
        (put([], "notes"), "another version .*, where its notes tell its environment"),
        (forget("notes", "environment"), "another version .*, where its notes tell its environment"),
        (put("moved", "state"), "another version .*, where its state has an optimizer"),
        (forget("state", "optimizer"), "another version .*, where its state has an optimizer"),
        (lambda arrays, description: arrays.update({"ema/x": np.zeros(2)}), "where no array is called 'ema/x'"),
    ],
)
def test_what_another_version_might_write_is_refused_in_one_sentence(saved, change, sentence):
    alter(saved, change)
    with pytest.raises(ValueError, match=sentence) as caught:
        load_checkpoint(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_description_that_is_no_object(saved):
    arrays, _ = load_arrays(saved)
    save_arrays(saved, arrays, [1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is no checkpoint of a training"):
        load_checkpoint(saved)


@pytest.mark.parametrize("change", ["one bit", "cut", "empty", "text", "recipe"])
def test_damage_is_refused_wherever_it_is(saved, change):
    data = bytearray(saved.read_bytes())
    if change == "one bit":
        data[-1000] ^= 1
    elif change == "recipe":
        data = data.replace(b"lenet5", b"lenet6", 1)
    saved.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "text": b"weights"}.get(change, data))
    with pytest.raises(ValueError, match=r"last\.safetensors (is no file of tinycnn|was altered)") as caught:
        load_checkpoint(saved)
    assert "\n" not in str(caught.value)


def test_a_plain_file_of_safetensors(tmp_path):
    save_file({"x": np.zeros(3)}, tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match="was not written by this tinycnn"):
        load_checkpoint(tmp_path / "plain.safetensors")


def test_nothing_there(tmp_path, saved):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_checkpoint(tmp_path / "absent.safetensors")
    with pytest.raises(
        FileNotFoundError,
        match=r"there is no .*best\.safetensors: no epoch is done yet, .*; .*last\.safetensors is the model",
    ):
        load_checkpoint(tmp_path)
    saved.unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no run: there is no best\.safetensors in it"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("saver", "loader"),
    [
        ((tc.optim.SGD, {"momentum": 0.9}), (tc.optim.Adam, {})),
        ((tc.optim.Adam, {}), (tc.optim.SGD, {"momentum": 0.9})),
        ((tc.optim.AdamW, {}), (tc.optim.SGD, {})),
    ],
)
def test_the_state_of_another_optimizer(saver, loader, tmp_path):
    save_training(tmp_path / "state", RECIPE, trainer(saver[0], **saver[1]).state_dict())
    state = load_checkpoint(tmp_path / "state").state
    assert state is not None
    with pytest.raises(ValueError, match=f"{loader[0].__name__}.load_state_dict: .*saved by another class"):
        trainer(loader[0], **loader[1]).load_state_dict(state)


def test_floats_come_back_exactly(saved):
    history = trainer(momentum=0.9).history
    state = load_checkpoint(saved).state
    assert state is not None
    for name in ("loss", "accuracy", "lr"):
        assert state["position"]["history"][0][name] == history[0][name]
    json.dumps(state["position"], allow_nan=False)


def test_a_recipe_of_a_version_that_had_fewer_choices(saved):
    alter(saved, lambda arrays, description: [description["recipe"].pop(name) for name in LATER])
    assert load_checkpoint(saved).recipe == RECIPE


def test_a_model_trained_on_a_backend_that_is_missing_here_can_still_be_used(saved):
    alter(saved, put("quantum", "recipe", "backend"))
    checkpoint = load_checkpoint(saved)
    assert checkpoint.recipe.backend == "quantum"
    assert checkpoint.build()(np.zeros((1, 1, 32, 32), np.float32)).shape == (1, 10)

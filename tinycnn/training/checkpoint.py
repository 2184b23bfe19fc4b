"""Checkpoints: a model with the recipe it was made by, and, to go on from, the state of its training; one file each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tinycnn.arrays import Array, is_array, to_numpy
from tinycnn.nn import Module
from tinycnn.random import default_generator
from tinycnn.storage import load_arrays, save_arrays
from tinycnn.training.environment import environment
from tinycnn.training.recipe import LATER, Recipe
from tinycnn.version import __version__

KIND = "checkpoint"
GROUPS = ("model", "optimizer")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds. Its arrays are in main memory, wherever they were when it was saved.

    Attributes
    ----------
    path
        Where it was read from.
    recipe
        What was trained and how.
    weights
        The model's state by key.
    state
        What `Trainer.load_state_dict` takes; None in a file that only keeps a model.
    notes
        What else was written down: ``environment``, and the ``row`` of metrics it was saved with.
    """

    path: Path
    recipe: Recipe
    weights: dict[str, Array]
    state: dict[str, Any] | None
    notes: dict[str, Any]

    def build(self) -> Module:
        """The model with its weights, in main memory and ``eval`` mode.

        It takes no random numbers from a training that goes on later.

        Raises
        ------
        ValueError
            When the weights are not of the model that the recipe names.
        """
        calls = default_generator.calls
        model = self.recipe.build()
        default_generator.calls = calls
        try:
            model.load_state_dict(self.weights)
        except ValueError as error:
            raise ValueError(f"{self.path} does not fit its recipe, {self.recipe.model}: {error}") from None
        return model.eval()


def save_model(path: Path, recipe: Recipe, weights: Mapping[str, Array], **notes: Any) -> None:
    """Write a checkpoint to evaluate and predict with."""
    _save(path, recipe, {"model": weights}, None, notes)


def save_training(path: Path, recipe: Recipe, state: Mapping[str, Any], **notes: Any) -> None:
    """Write a checkpoint to go on from: ``state`` is what `Trainer.state_dict` returned."""
    optimizer = {name: value for name, value in state["optimizer"].items() if is_array(value)}
    numbers = {name: value for name, value in state["optimizer"].items() if name not in optimizer}
    rest = {name: value for name, value in state.items() if name != "model"} | {"optimizer": numbers}
    _save(path, recipe, {"model": state["model"], "optimizer": optimizer}, rest, notes)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint; of a run's folder, the best one.

    Raises
    ------
    FileNotFoundError
        When there is none.
    ValueError
        When it is damaged, no checkpoint, or of a version of tinycnn that has what this one has not.
    """
    path = Path(path)
    if path.is_dir():
        folder, path = path, path / "best.safetensors"
        if not path.is_file():
            last = folder / "last.safetensors"
            raise FileNotFoundError(
                f"there is no {path}: no epoch is done yet, or it was removed; {last} is the model as it was last"
                if last.is_file()
                else f"{folder} holds no run: there is no best.safetensors in it"
            )
    arrays, description = load_arrays(path)
    if not isinstance(description, dict) or description.get("kind") != KIND:
        raise ValueError(f"{path} is no checkpoint of a training")
    groups: dict[str, dict[str, Array]] = {group: {} for group in GROUPS}
    for key, array in arrays.items():
        group, _, name = key.partition("/")
        if group not in GROUPS:
            raise _another_version(path, f"no array is called {key!r}")
        groups[group][name] = array
    state, notes = description.get("state"), description.get("notes")
    if not isinstance(notes, dict) or not isinstance(notes.get("environment"), dict):
        raise _another_version(path, "its notes tell its environment")
    if state is not None:
        if not isinstance(state, dict) or not isinstance(state.get("optimizer"), dict):
            raise _another_version(path, "its state has an optimizer")
        state |= {"model": groups["model"], "optimizer": state["optimizer"] | groups["optimizer"]}
    return Checkpoint(path, _recipe(path, description.get("recipe")), groups["model"], state, notes)


def _recipe(path: Path, parts: Any) -> Recipe:
    if isinstance(parts, dict):
        parts = LATER | parts
    names = {field.name for field in fields(Recipe)}
    given = set(parts) if isinstance(parts, dict) else set[str]()
    if given != names:
        name = min(given ^ names)
        raise _another_version(path, f"a recipe has {'no ' if name in given else ''}{name!r}")
    try:
        return Recipe(**parts)
    except ValueError as error:
        raise ValueError(f"the recipe in {path} cannot be followed here: {error}") from None


def _another_version(path: Path, expected: str) -> ValueError:
    return ValueError(f"{path} is of another version of tinycnn than this one, {__version__}, where {expected}")


def _save(
    path: Path,
    recipe: Recipe,
    groups: Mapping[str, Mapping[str, Array]],
    state: Mapping[str, Any] | None,
    notes: Mapping[str, Any],
) -> None:
    arrays = {
        f"{group}/{name}": to_numpy(array) for group, members in groups.items() for name, array in members.items()
    }
    notes = {"environment": environment(), **notes}
    save_arrays(path, arrays, {"kind": KIND, "recipe": recipe.as_dict(), "state": state, "notes": notes})

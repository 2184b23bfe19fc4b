"""Checkpoints: a model with the recipe it was made by, and, to go on from, the state of its training; one file each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinycnn.arrays import Array, is_array
from tinycnn.nn import Module
from tinycnn.storage import load_arrays, save_arrays
from tinycnn.training.environment import environment
from tinycnn.training.recipe import Recipe

KIND = "checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

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
        """The model with its weights, in ``eval`` mode.

        Raises
        ------
        ValueError
            When the weights are not of the model that the recipe names.
        """
        model = self.recipe.architecture.build(num_classes=len(self.recipe.data_set.classes))
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
        When it is damaged, or no checkpoint.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "best.safetensors").is_file():
            raise FileNotFoundError(f"{path} holds no run: there is no best.safetensors in it")
        path = path / "best.safetensors"
    arrays, description = load_arrays(path)
    if description.get("kind") != KIND:
        raise ValueError(f"{path} is no checkpoint of a training")
    groups: dict[str, dict[str, Array]] = {"model": {}, "optimizer": {}}
    for key, array in arrays.items():
        group, _, name = key.partition("/")
        groups[group][name] = array
    state = description["state"]
    if state is not None:
        state |= {"model": groups["model"], "optimizer": state["optimizer"] | groups["optimizer"]}
    return Checkpoint(path, Recipe(**description["recipe"]), groups["model"], state, description["notes"])


def _save(
    path: Path,
    recipe: Recipe,
    groups: Mapping[str, Mapping[str, Array]],
    state: Mapping[str, Any] | None,
    notes: Mapping[str, Any],
) -> None:
    arrays = {f"{group}/{name}": array for group, members in groups.items() for name, array in members.items()}
    notes = {"environment": environment(), **notes}
    save_arrays(path, arrays, {"kind": KIND, "recipe": recipe.as_dict(), "state": state, "notes": notes})

"""The model that a word on the command line stands for."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tinycnn.data import DATA_SETS
from tinycnn.models import ARCHITECTURES, architecture, pretrained_path
from tinycnn.models.pretrained import FILES as PRETRAINED
from tinycnn.nn import Module
from tinycnn.training import Checkpoint, Recipe, load_checkpoint


class Network(NamedTuple):
    """A model, the (C, H, W) of its input, and the recipes that it is trained by where nothing else is said."""

    model: Module
    input_shape: tuple[int, int, int]
    recipes: tuple[Recipe, ...]


def trained(model: Path | None) -> Checkpoint:
    """The trained model of this name that comes with tinycnn, or else the one at this place; LeNet-5 for None.

    Raises
    ------
    ValueError, OSError
        When there is none.
    """
    name = "lenet5" if model is None else str(model)
    return load_checkpoint(pretrained_path(name) if name in PRETRAINED else name)


def network_of(name: str) -> Network:
    """The model called ``name``, or the one of the run in a folder, or file, of that name.

    Raises
    ------
    ValueError, OSError
        When there is none.
    """
    if name not in ARCHITECTURES and Path(name).exists():
        checkpoint = load_checkpoint(name)
        return Network(checkpoint.build(), checkpoint.recipe.architecture.input_shape, (checkpoint.recipe,))
    found = architecture(name)
    return Network(found.build(), found.input_shape, tuple(Recipe.of(name, data) for data in DATA_SETS))

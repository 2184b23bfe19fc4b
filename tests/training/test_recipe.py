"""Recipes refuse what cannot be trained, in a sentence that names the part, and survive JSON."""

import json
import re
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from tinycnn.data import DATA_SETS
from tinycnn.models import ARCHITECTURES
from tinycnn.training import Recipe
from tinycnn.training.recipe import DEFAULTS, OTHERS

NAN, INFINITY = float("nan"), float("inf")
OUT_OF_RANGE: dict[str, list[Any]] = {
    "epochs": [0, -1],
    "batch_size": [0, -3],
    "lr": [0, 0.0, -0.1, NAN, INFINITY],
    "momentum": [-0.1, 1, 1.5, NAN],
    "weight_decay": [-1e-9, NAN, INFINITY],
    "validation": [-0.1, 1, 1.0, 5, NAN],
    "patience": [-1],
    "seed": [-1, 2**64],
    "threads": [0, -2],
}
WHOLE = ("epochs", "batch_size", "patience", "seed", "threads")


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in OUT_OF_RANGE.items() for value in values]
)
def test_a_number_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be .*, got {value}$"):
        Recipe.of(**{name: value})


SWITCHES = ("augment", "tf32", "cuda_graph")


@pytest.mark.parametrize("name", [*OUT_OF_RANGE, *SWITCHES])
@pytest.mark.parametrize("value", [True, "1", "yes", [1], {}, b"1", 1j])
def test_anything_else_in_the_place_of_a_number_is_refused(name, value):
    if name in SWITCHES and value is True:
        return
    with pytest.raises(ValueError, match=rf"^{name} must be .*, got "):
        Recipe.of(**{name: value})


@pytest.mark.parametrize("name", WHOLE)
def test_a_part_is_no_whole_number(name):
    with pytest.raises(ValueError, match=rf"^{name} must be .*whole.*, got 1.0$"):
        Recipe.of(**{name: 1.0})


def test_limits_belong_to_what_is_allowed():
    allowed = {"epochs": 1, "batch_size": 1, "momentum": 0.0, "weight_decay": 0.0, "validation": 0.0, "threads": 1}
    for seed in (0, 2**64 - 1):
        assert Recipe.of(seed=seed, lr=1e-300, **allowed).seed == seed


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("model", "lenet-5", "unknown model 'lenet-5': did you mean lenet5?"),
        ("model", "LeNet5", "unknown model 'LeNet5': did you mean lenet5?"),
        ("data", "mnits", "unknown data set 'mnits': did you mean mnist?"),
        ("algorithm", "im2cool", "unknown algorithm 'im2cool': did you mean im2col?"),
        ("epoch", 3, "unknown part of a recipe 'epoch': did you mean epochs?"),
        ("backend", 3, "backend must be a name, got 3"),
        ("data", ["digits"], "data must be a name, got ['digits']"),
        ("model", None, "model must be a name, got None"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest_or_with_what_there_is(name, value, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        replace(Recipe.of(), **{name: value}) if name != "epoch" else Recipe.of(**{name: value})


def test_patience_needs_validation():
    with pytest.raises(ValueError, match="patience needs held-out images to watch: give validation a part above 0"):
        Recipe.of(patience=3, validation=0.0)
    assert Recipe.of(patience=3, validation=0.1).patience == 3


@pytest.mark.parametrize(
    ("model", "data"), [("lenet5", "digits"), *OTHERS, ("alexnet", "mnist"), ("vgg16-bn", "digits")]
)
def test_it_is_the_same_after_json(model, data):
    recipe = Recipe.of(model, data, seed=2**64 - 1, lr=0.1 + 0.2)
    assert Recipe(**json.loads(json.dumps(recipe.as_dict()))) == recipe
    assert recipe.as_dict() == asdict(recipe)


def test_numbers_of_numpy_become_plain_ones():
    recipe = Recipe.of(epochs=np.int64(3), lr=np.float32(0.5), augment=np.bool_(True), momentum=0)
    assert recipe == Recipe.of(epochs=3, lr=0.5, augment=True, momentum=0.0)
    assert [type(value) for value in (recipe.epochs, recipe.lr, recipe.augment)] == [int, float, bool]
    json.dumps(recipe.as_dict())


@pytest.mark.parametrize("data", DATA_SETS)
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_there_is_a_recipe_for_each_model_and_data_set(model, data):
    recipe = Recipe.of(model, data)
    assert (recipe.architecture, recipe.data_set) == (ARCHITECTURES[model], DATA_SETS[data])
    assert recipe == Recipe.of(model, data, epochs=None, lr=None)  # None chooses nothing


@pytest.mark.parametrize(("model", "data"), OTHERS)
def test_the_exceptions_are_of_things_that_exist_and_are_followed(model, data):
    recipe = Recipe.of(model, data).as_dict()
    assert {name: recipe[name] for name in DEFAULTS} == DEFAULTS | OTHERS[model, data]
    assert Recipe.of(model, data).architecture.build(num_classes=len(DATA_SETS[data].classes))


def test_a_graph_is_for_a_gpu():
    with pytest.raises(
        ValueError, match="cuda_graph is for a GPU, and the backend is numpy: choose backend cupy as well"
    ):
        Recipe.of(backend="numpy", cuda_graph=True)
    recipe = Recipe.of(backend="cupy", cuda_graph=True, tf32=True)
    assert recipe.on("cupy") == recipe
    assert recipe.on("numpy") == replace(recipe, backend="numpy", cuda_graph=False)


def test_what_is_chosen_wins():
    assert Recipe.of("lenet5-1998", "digits", lr=0.25, augment=False).lr == 0.25
    assert Recipe.of("lenet5", "digits", augment=False).augment is False

"""Recipe: all the choices that make a training what it is, and what they are where nothing is chosen.

The defaults of both LeNets were tried on digits and MNIST (``benchmarks/results``), and those of vgg-small on CIFAR-10
made the model that comes with tinycnn. Those of AlexNet and VGG follow their papers, and those for Fashion-MNIST follow
MNIST's: neither was trained to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from math import inf
from numbers import Integral, Real
from typing import Any

import numpy as np

from tinycnn.backend import ALGORITHMS, current_backend
from tinycnn.choices import look_up
from tinycnn.data import DATA_SETS, DataSet
from tinycnn.models import Architecture, architecture
from tinycnn.nn import Module
from tinycnn.threads import MOST, cores

DEFAULTS: dict[str, Any] = {
    "epochs": 12,
    "batch_size": 64,
    "lr": 0.05,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "validation": 1 / 12,
    "patience": 0,
    "augment": False,
    "seed": 0,
    "backend": current_backend(),
    "algorithm": "auto",
    "threads": 1,
    "tf32": False,
    "cuda_graph": False,
}
"""Where nothing else is said: chosen for LeNet-5 on MNIST."""

LATER: dict[str, Any] = {"tf32": False, "cuda_graph": False}
"""Choices that recipes did not always have, and what was done then."""

FEW_IMAGES: dict[str, Any] = {"epochs": 30, "batch_size": 32, "validation": 0.1, "augment": True}

DEEP: dict[str, Any] = {"lr": 0.01, "batch_size": 128, "threads": cores()}
"""What differs for AlexNet and VGG; the rate is the papers', for 128 and 256 images in a batch."""

OTHERS: dict[tuple[str, str], dict[str, Any]] = {
    ("lenet5", "digits"): FEW_IMAGES,
    ("lenet5-1998", "digits"): FEW_IMAGES | {"lr": 0.005},
    ("lenet5-1998", "mnist"): {"lr": 0.005},
    ("lenet5-1998", "fashion-mnist"): {"lr": 0.005},
    ("vgg-small", "cifar10"): DEEP | {"epochs": 30, "batch_size": 64, "lr": 0.05, "augment": True},
}
"""What differs for a model and a data set."""

NUMBERS: dict[str, tuple[type, Callable[[Any], bool], str]] = {
    "epochs": (int, lambda value: value >= 1, "a whole number, at least 1"),
    "batch_size": (int, lambda value: value >= 1, "a whole number, at least 1"),
    "lr": (float, lambda value: 0 < value <= 1e6, "above 0 and at most 1e6; 0.05 is the default for LeNet-5"),
    "momentum": (float, lambda value: 0 <= value < 1, "from 0 up to, not including, 1; 0.9 is usual"),
    "weight_decay": (float, lambda value: 0 <= value < inf, "0 or positive; 5e-4 is usual"),
    "validation": (float, lambda value: 0 <= value < 1, "a part from 0 up to, not including, 1; 0.1 is a tenth"),
    "patience": (int, lambda value: value >= 0, "0 (never stop early) or a whole number of epochs"),
    "augment": (bool, lambda value: True, "True or False"),
    "seed": (int, lambda value: 0 <= value < 2**64, "a whole number from 0 to 2**64 - 1"),
    "threads": (
        int,
        lambda value: 1 <= value <= MOST,
        f"a whole number from 1 to {MOST}; more than there are cores does not help",
    ),
    "tf32": (bool, lambda value: True, "True or False"),
    "cuda_graph": (bool, lambda value: True, "True or False"),
}
"""Of what kind the fields that are no names must be, what else must hold for them, and both in words."""


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what, and how. SGD, with a rate that falls along half a cosine to 0.

    Attributes
    ----------
    model, data
        Names from `tinycnn.models.ARCHITECTURES` and `tinycnn.data.DATA_SETS`.
    epochs, batch_size, lr, momentum, weight_decay
        Of the optimisation.
    validation
        Part of the training images that is held out to watch the training by, from 0 up to, not including, 1.
    patience
        Epochs without a lower validation loss after which it stops early; 0 for never.
    augment
        Whether images are changed a little at random, anew in each epoch: as ``data_set.changed`` says.
    seed
        Of first weights, order, augmentation, dropout and the choice of the held-out images.
    backend, algorithm, threads
        As for `tinycnn.use_backend`, `tinycnn.use_algorithm` and `tinycnn.set_num_threads`.
    tf32, cuda_graph
        On a GPU, as for `tinycnn.allow_tf32` and `Trainer`.

    Raises
    ------
    ValueError
        For unknown names, numbers out of range, and anything else in the place of a number.
    """

    model: str
    data: str
    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    validation: float
    patience: int
    augment: bool
    seed: int
    backend: str
    algorithm: str
    threads: int
    tf32: bool
    cuda_graph: bool

    def __post_init__(self) -> None:
        for name in ("model", "data", "backend", "algorithm"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a name, got {getattr(self, name)!r}")
        architecture(self.model)
        look_up("data set", self.data, DATA_SETS)
        look_up("algorithm", self.algorithm, dict.fromkeys(ALGORITHMS))
        for name, (kind, holds, expected) in NUMBERS.items():
            value = getattr(self, name)
            if not _is_a(kind, value) or not holds(value):
                raise ValueError(f"{name} must be {expected}, got {value!r}")
            object.__setattr__(self, name, kind(value))  # a number of NumPy's would not go into JSON
        if self.patience and not self.validation:
            raise ValueError("patience needs held-out images to watch: give validation a part above 0")
        if self.cuda_graph and self.backend != "cupy":
            raise ValueError(f"cuda_graph is for a GPU, and the backend is {self.backend}: choose backend cupy as well")

    @property
    def architecture(self) -> Architecture:
        """How the model is built."""
        return architecture(self.model)

    @property
    def data_set(self) -> DataSet:
        """The data set."""
        return DATA_SETS[self.data]

    def build(self) -> Module:
        """A new model, in main memory on every backend."""
        return self.architecture.build(num_classes=len(self.data_set.classes)).to("numpy")

    def on(self, backend: str) -> Recipe:
        """The same on another backend; without a graph where there is no GPU to repeat it."""
        return replace(self, backend=backend, cuda_graph=self.cuda_graph and backend == "cupy")

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, model: str = "lenet5", data: str = "digits", **chosen: Any) -> Recipe:
        """The default recipe for a model and a data set, with what was chosen otherwise; None chooses nothing.

        Examples
        --------
        >>> Recipe.of("lenet5", "mnist", epochs=2).batch_size
        64
        """
        for name in chosen:
            look_up("part of a recipe", name, {field.name: field for field in fields(cls)})
        deep = {} if str(model).startswith("lenet5") else DEEP
        given = {name: value for name, value in chosen.items() if value is not None}
        return cls(model, data, **(DEFAULTS | deep | OTHERS.get((model, data), {}) | given))


def _is_a(kind: type, value: Any) -> bool:
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, (bool, np.bool_))
    return isinstance(value, Integral if kind is int else Real)

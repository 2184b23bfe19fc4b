"""Recipe: all the choices that make a training what it is, and the defaults that were measured to work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from tinycnn.backend import ALGORITHMS, available_backends
from tinycnn.choices import look_up
from tinycnn.data import DATA_SETS, DataSet
from tinycnn.models import Architecture, architecture
from tinycnn.threads import cores

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
    "backend": "numpy",
    "algorithm": "auto",
    "threads": 1,
}
"""Where nothing else is said: chosen for LeNet-5 on MNIST."""

OTHERS: dict[tuple[str, str], dict[str, Any]] = {
    ("lenet5", "digits"): {"epochs": 30, "batch_size": 32, "validation": 0.1},
    ("lenet5-1998", "digits"): {"epochs": 30, "batch_size": 32, "validation": 0.1, "lr": 0.005},
    ("lenet5-1998", "mnist"): {"lr": 0.005},
    ("lenet5-1998", "fashion-mnist"): {"lr": 0.005},
}
"""What differs for a model and a data set."""

DEEP = {"lr": 0.01, "batch_size": 128, "threads": cores()}
"""What differs for AlexNet and VGG; the rate is the papers', for 128 and 256 images in a batch."""


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
        Whether images are turned, scaled, sheared and shifted a little, anew in each epoch.
    seed
        Of first weights, order, augmentation, dropout and the choice of the held-out images.
    backend, algorithm, threads
        As for `tinycnn.use_backend`, `tinycnn.use_algorithm` and `tinycnn.set_num_threads`.

    Raises
    ------
    ValueError
        For unknown names and numbers out of range.
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

    def __post_init__(self) -> None:
        architecture(self.model)
        look_up("data set", self.data, DATA_SETS)
        look_up("backend", self.backend, dict.fromkeys(available_backends()))
        look_up("algorithm", self.algorithm, dict.fromkeys(ALGORITHMS))
        within: dict[str, tuple[Callable[[Any], bool], str]] = {
            "epochs": (lambda value: value >= 1, "at least 1"),
            "batch_size": (lambda value: value >= 1, "at least 1"),
            "lr": (lambda value: 0 < value < float("inf"), "positive; 0.05 is the default for LeNet-5"),
            "momentum": (lambda value: 0 <= value < 1, "from 0 up to, not including, 1; 0.9 is usual"),
            "weight_decay": (lambda value: 0 <= value < float("inf"), "0 or positive; 5e-4 is usual"),
            "validation": (lambda value: 0 <= value < 1, "a part from 0 up to, not including, 1; 0.1 is a tenth"),
            "patience": (lambda value: value >= 0, "0 (never stop early) or a number of epochs"),
            "threads": (lambda value: value >= 1, "at least 1; the number of cores is the most that helps"),
            "seed": (lambda value: 0 <= value < 2**64, "an integer from 0 to 2**64 - 1"),
        }
        for name, (holds, expected) in within.items():
            if not holds(getattr(self, name)):
                raise ValueError(f"{name} must be {expected}, got {getattr(self, name)}")
        if self.patience and not self.validation:
            raise ValueError("patience needs held-out images to watch: give validation a part above 0")

    @property
    def architecture(self) -> Architecture:
        """How the model is built."""
        return architecture(self.model)

    @property
    def data_set(self) -> DataSet:
        """The data set."""
        return DATA_SETS[self.data]

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
        unknown = set(chosen) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"a recipe has no {min(unknown)!r}")
        deep = {} if model.startswith("lenet5") else DEEP
        given = {name: value for name, value in chosen.items() if value is not None}
        return cls(model, data, **(DEFAULTS | deep | OTHERS.get((model, data), {}) | given))

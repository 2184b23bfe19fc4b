"""Trainer: the loop over epochs and batches, and the state from which it goes on exactly where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from math import isfinite
from time import perf_counter
from typing import Any, ClassVar

import numpy as np

from tinycnn import checks
from tinycnn.arrays import Array
from tinycnn.data import DataLoader
from tinycnn.function import no_grad
from tinycnn.nn import Module, evaluating
from tinycnn.optim import Optimizer, Schedule
from tinycnn.random import default_generator
from tinycnn.tensor import Tensor
from tinycnn.training.batches import on_side_of, room_for
from tinycnn.training.divergence import ADVICE, Diverged, fault_in_batch, fault_in_state, first_cause
from tinycnn.training.evaluation import evaluate, logits_of, loss_of
from tinycnn.training.graph import StepGraph

Row = dict[str, Any]
"""What is written down of an epoch."""


class Callback:
    """Told what happens in a training; subclass it and define what shall be done.

    A callback keeps nothing that a resumed training would miss: what it decides on, it reads off ``trainer.history``.
    """

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first batch."""

    def on_batch_end(self, trainer: Trainer) -> None:
        """After a step."""

    def on_validation_start(self, trainer: Trainer) -> None:
        """After the last batch of an epoch, where there is a validation."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After validation and after the schedule's step: the trainer stands at the start of the next epoch."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last batch, also when it was stopped early."""


class Trainer:
    """Trains a model: forward, loss, backward, step, batch by batch and epoch by epoch.

    Parameters
    ----------
    model
        From a batch of images to outputs. Its method ``loss(outputs, targets)`` is used where it has one, else
        cross-entropy. Where it is on the GPU, each batch is copied there while the one before is computed on.
    optimizer
        Moves the model's parameters.
    schedule
        Stepped after each epoch, with the validation loss (or the training loss where there is no validation).
    callbacks
        Told in this order.
    cuda_graph
        Whether the GPU repeats a recorded step by itself, with the same results and less to do for Python: for models
        on the GPU, without dropout, trained by `SGD`, and so small that no product is left to cuBLAS, which CuPy does
        not record. Code in the model, and hooks, runs only in steps that are recorded, or are not like the recorded
        one: a batch of another size, the first two after a hyper-parameter has changed. Gradients are the graph's own
        arrays, which the next step overwrites. The step of a batch whose loss is not finite is taken, for the loss is
        read after it.

    Raises
    ------
    ValueError
        When the optimizer moves none of the model's parameters, or ``cuda_graph`` is asked of what it cannot repeat.
    TypeError
        For a schedule that is none.

    Attributes
    ----------
    epoch, batch
        Whole epochs done, and batches of the next one.
    history : list of dict
        For each epoch: ``epoch``, ``lr``, ``loss``, ``accuracy``, with validation ``validation_loss`` and
        ``validation_accuracy``, ``seconds``, ``images_per_second``.
    stop_reason : str or None
        Why it was stopped early.

    Examples
    --------
    >>> import tinycnn as tc
    >>> images, labels = tc.data.digits("train")
    >>> transform = tc.data.DATA_SETS["digits"].transform((1, 32, 32))
    >>> loader = tc.data.DataLoader(images, labels, shuffle=True, transform=transform)
    >>> model = tc.models.lenet5()
    >>> trainer = tc.training.Trainer(model, tc.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))
    >>> history = trainer.fit(loader, epochs=2)
    >>> history[1]["loss"] < history[0]["loss"]
    True
    """

    STATE: ClassVar[tuple[str, ...]] = ("model", "optimizer", "schedule", "random", "position")
    POSITION: ClassVar[tuple[str, ...]] = ("epoch", "batch", "images", "loss_sum", "right", "seconds", "history")

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        schedule: Schedule | None = None,
        callbacks: Sequence[Callback] = (),
        cuda_graph: bool = False,
    ):
        if {id(tensor) for tensor in optimizer.params}.isdisjoint(id(parameter) for parameter in model.parameters()):
            raise ValueError("Trainer: the optimizer moves none of the model's parameters: give it model.parameters()")
        if schedule is not None and not isinstance(schedule, Schedule):
            raise TypeError(f"Trainer: schedule must be one such as StepLR, got {type(schedule).__name__}")
        self.model, self.optimizer = model, optimizer
        self.schedule, self.callbacks = schedule, list(callbacks)
        self._graph = StepGraph(model, optimizer) if cuda_graph else None
        self.epoch, self.history = 0, list[Row]()
        self.epochs = 0
        self.batches = self._batch_size = 0
        self.stop_reason: str | None = None
        self._start_epoch()

    def fit(self, train: DataLoader, validation: DataLoader | None = None, epochs: int = 1) -> list[Row]:
        """Train until ``epochs`` epochs are done, those before included, or until `stop`.

        Returns
        -------
        list of dict
            The history.

        Raises
        ------
        Diverged
            When the loss of a batch or of the validation, or a weight, is NaN or infinite, naming the first layer that
            made it so, unless a CUDA graph has spoilt it meanwhile. The step of such a batch is not taken, but with
            a graph, and such an epoch is not written down.
        MemoryError
            When a batch needs more memory than there is, with the size of one that needs half.
        TypeError, ValueError
            For ``epochs`` below 1.
        """
        self.epochs = checks.count("Trainer.fit", "epochs", epochs, least=1)
        self.batches, self._batch_size, self.stop_reason = len(train), train.batch_size, None
        self._tell("on_fit_start")
        with self._graph or nullcontext():
            while self.epoch < epochs and not self.stop_reason:
                self._run_epoch(train, validation)
        self._tell("on_fit_end")
        return self.history

    def stop(self, reason: str) -> None:
        """Stop after the batch that is running; the first reason stands."""
        self.stop_reason = self.stop_reason or reason

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on exactly here, the model's arrays and the optimizer's under their own names.

        Returns
        -------
        dict
            ``model``, ``optimizer`` (which `Module.state_dict` and `Optimizer.state_dict` describe), ``schedule``,
            ``random`` (seed and calls of the generator that dropout draws from) and ``position``.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else None,
            "random": [default_generator.seed, default_generator.calls],
            "position": {name: deepcopy(getattr(self, name)) for name in self.POSITION},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned.

        Raises
        ------
        ValueError, TypeError
            Naming what is missing, or of another model, optimizer or schedule.
        """
        owner = "Trainer.load_state_dict"
        checks.keys(owner, state, self.STATE)
        checks.keys(owner, state["position"], self.POSITION)
        if (state["schedule"] is None) != (self.schedule is None):
            there, here = ("no", "one") if self.schedule else ("a", "none")
            raise ValueError(f"{owner}: the state is of a training with {there} schedule, and this one has {here}")
        seed, calls = (checks.count(owner, f"random[{i}]", number) for i, number in enumerate(state["random"]))
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule:
            self.schedule.load_state_dict(state["schedule"])
        default_generator.seed, default_generator.calls = seed, calls
        vars(self).update(deepcopy({name: state["position"][name] for name in self.POSITION}))

    def _run_epoch(self, train: DataLoader, validation: DataLoader | None) -> None:
        self.model.train()
        start = perf_counter()
        for images, targets in on_side_of(self.model, train.batches(self.epoch, self.batch)):
            with room_for(images, "--batch-size {half}"):
                self._step(images, targets)
            self.batch += 1
            self.seconds += perf_counter() - start  # the wait for the loader counts, what callbacks do does not
            self._tell("on_batch_end")
            start = perf_counter()
            if self.stop_reason and self.batch < self.batches:
                return
        row: Row = {
            "epoch": self.epoch + 1,
            "lr": self.optimizer.lr,
            "loss": self.loss_sum / self.images,
            "accuracy": self.right / self.images,
        }
        if fault := fault_in_state(self.model):
            raise Diverged(f"after epoch {self.epoch + 1}, {fault}")
        if validation is not None:
            row |= self._validate(validation)
        row |= {"seconds": self.seconds, "images_per_second": self.images / self.seconds}
        self.history.append(row)
        self.epoch += 1
        self._start_epoch()
        if self.schedule:
            self.schedule.step(row.get("validation_loss", row["loss"]))
        self._tell("on_epoch_end")

    @np.errstate(all="ignore")  # what is not finite is looked for, and told by the layer's name
    def _validate(self, validation: DataLoader) -> Row:
        self._tell("on_validation_start")
        result = evaluate(self.model, validation)
        if not isfinite(result.loss):
            with evaluating(self.model):
                batches = on_side_of(self.model, validation.batches(0))
                cause = first_cause(self.model, (images for images, _ in batches))
            raise Diverged(f"the validation loss is {result.loss} after epoch {self.epoch + 1}: {cause}")
        return {"validation_loss": result.loss, "validation_accuracy": result.accuracy}

    @np.errstate(all="ignore")
    def _step(self, images: Array, targets: Array) -> None:
        loss, right = self._repeated_step(images, targets) or self._ordinary_step(images, targets)
        self.images += len(targets)
        self.loss_sum += loss * len(targets)
        self.right += right

    def _ordinary_step(self, images: Array, targets: Array) -> tuple[float, int]:
        """Move the model: gives the loss of the batch before that, and how many of its images were right."""
        calls = default_generator.calls
        self.optimizer.zero_grad()
        outputs = self.model(images)
        loss = loss_of(self.model)(outputs, targets)
        if not isfinite(value := loss.item()):
            default_generator.calls = calls  # dropout drops the same once more
            raise Diverged(f"the loss is {value} in {self._place}: {first_cause(self.model, [images])}")
        loss.backward()
        self.optimizer.step()
        return value, count_right(self.model, outputs, targets)

    def _repeated_step(self, images: Array, targets: Array) -> tuple[float, int] | None:
        """Move the model by a CUDA graph; None where there is none that does."""
        if self._graph is None or len(targets) < self._batch_size:  # of which there is one an epoch
            return None
        results = self._graph.run(images, targets)
        if results is None:
            return None
        if not isfinite(value := results.loss.item()):
            raise Diverged(f"the loss is {value} in {self._place}: {self._cause_after_step(images, targets)}")
        return value, int(results.right)

    def _cause_after_step(self, images: Array, targets: Array) -> str:
        """What can still be told of a loss that is not finite when its step has spoilt the weights."""
        if fault := fault_in_batch(images):
            return fault
        with no_grad():
            loss_of(self.model)(self.model(images), targets)  # raises where a target is no class
        if fault_in_state(self.model) is None:
            return first_cause(self.model, [images])
        return (
            "the graph took the step before the loss was read, and which layer made it so cannot be told any more: "
            f"train without cuda_graph to see it, or {ADVICE}"
        )

    @property
    def _place(self) -> str:
        return f"epoch {self.epoch + 1}, batch {self.batch + 1}"

    def _start_epoch(self) -> None:
        self.batch = self.images = self.right = 0
        self.loss_sum = self.seconds = 0.0

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            method: Callable[[Trainer], None] = getattr(callback, event)
            method(self)


def count_right(model: Module, outputs: Tensor, targets: Array) -> int:
    """How many of a batch's likeliest classes are right."""
    return int((logits_of(model, outputs).data.argmax(axis=1) == targets).sum())

"""A training step as a CUDA graph: forward, loss, backward and the optimizer's step, recorded once and then repeated.

A small network's step is some hundred kernels of a few microseconds each, and Python takes longer to ask for one than
the GPU to run it. A graph asks for all of them at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tinycnn.arrays import Array
from tinycnn.backend import current_algorithm
from tinycnn.gpu import tf32_allowed
from tinycnn.nn import Dropout, Module
from tinycnn.optim import SGD, Optimizer
from tinycnn.random import default_generator
from tinycnn.training.batches import is_on_gpu
from tinycnn.training.evaluation import logits_of, loss_of

ALONE = "or leave out cuda_graph"


class Results(NamedTuple):
    """Arrays on the GPU that hold what a step came to: its loss, how many images were right, and the gradients."""

    loss: Array
    right: Array
    gradients: list[Array | None]


class StepGraph:
    """Repeats the training steps that are alike.

    A graph holds the numbers that its kernels were given and the places of the arrays that they read and write. So a
    step is repeated only where all of these are as they were; where they are not, steps run the ordinary way until two
    in a row are alike, and the second of these is recorded. The first has then compiled what must be compiled, and
    made the arrays that are kept. Steps are taken in a ``with`` block.

    Parameters
    ----------
    model, optimizer
        On the GPU; the model without dropout, the optimizer `SGD`.

    Raises
    ------
    ValueError
        For others.
    """

    def __init__(self, model: Module, optimizer: Optimizer):
        if not is_on_gpu(model):
            raise ValueError(
                f'Trainer: a CUDA graph is of work on the GPU: model.to("cupy") before the optimizer is made, {ALONE}'
            )
        if any(isinstance(module, Dropout) and module.p for module in model.modules()):
            raise ValueError(
                f"Trainer: a CUDA graph would drop the same in each step: use a model without Dropout, {ALONE}"
            )
        if not isinstance(optimizer, SGD):
            raise ValueError(
                f"Trainer: a CUDA graph would freeze the number of the step, which {type(optimizer).__name__} needs: "
                f"use SGD, {ALONE}"
            )
        self._model, self._optimizer = model, optimizer
        self._modules = list(model.modules())
        self._last: tuple[Any, ...] | None = None
        self._recorded: tuple[Any, ...] | None = None
        self._graph: Any = None
        self._inputs: tuple[Array, Array]
        self._arrays: list[Array]

    def run(self, images: Array, targets: Array) -> Results | None:
        """Take the step on a batch; or nothing, where it must run the ordinary way.

        Raises
        ------
        ValueError
            When something in the step cannot be recorded.
        """
        arrays = self._kept_arrays()
        kind = self._kind(images, targets, arrays)
        if kind != self._recorded:
            if kind != self._last:
                self._last = kind
                return None
            self._record(images, targets)
            self._recorded, self._arrays = kind, arrays
            self._graph.launch()
            return self._graph.made
        for fixed, array in zip(self._inputs, (images, targets), strict=True):
            fixed[...] = array
        self._graph.launch()
        self._count()
        return self._graph.made

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Leave no gradient to others in the graph's memory, which ends with it."""
        for tensor in self._optimizer.params:
            tensor.grad = None if kind or tensor.grad is None else tensor.grad.copy()

    def _record(self, images: Array, targets: Array) -> None:
        from tinycnn.kernels.cuda.stream import Graph

        self._optimizer.zero_grad()  # the step makes gradients anew, in the graph's memory
        self._graph = self._recorded = None  # and the last graph's is free for it
        self._inputs = images, targets  # which nobody else has; later batches are copied into them
        calls = default_generator.calls
        try:
            self._graph = Graph(lambda: self._step(*self._inputs))
        except RuntimeError as error:
            raise ValueError(
                f"Trainer: this model's step fits in no CUDA graph ({error}): leave out cuda_graph"
            ) from error
        if default_generator.calls != calls:
            raise ValueError(
                "Trainer: this model draws random numbers, which a CUDA graph would freeze: leave out cuda_graph"
            )

    def _step(self, images: Array, targets: Array) -> Results:
        model, optimizer = self._model, self._optimizer
        outputs = model(images)
        loss = loss_of(model)(outputs, targets)
        loss.backward()
        optimizer.step()
        right = (logits_of(model, outputs).data.argmax(axis=1) == targets).sum()
        return Results(loss.data, right, [tensor.grad for tensor in optimizer.params])

    def _count(self) -> None:
        """What Python does in a step, and the graph does not."""
        optimizer = self._optimizer
        optimizer.steps += 1
        for index, (tensor, gradient) in enumerate(zip(optimizer.params, self._graph.made.gradients, strict=True)):
            tensor.grad = gradient
            if gradient is not None:
                optimizer.updates[index] += 1
                tensor.changes[0] += 1

    def _kept_arrays(self) -> list[Array]:
        """Those that live from step to step."""
        optimizer = self._optimizer
        moved = [index for index, updates in enumerate(optimizer.updates) if updates]
        return [
            *(tensor.data for tensor in optimizer.params),
            *(parameter.data for parameter in self._model.parameters()),
            *(buffer for _, buffer in self._model.named_buffers()),
            *(optimizer.buffer(slot, index) for slot in optimizer.slots for index in moved),
        ]

    def _kind(self, images: Array, targets: Array, arrays: list[Array]) -> tuple[Any, ...]:
        """All that a graph has frozen: steps with the same are alike."""
        optimizer = self._optimizer
        return (
            *((array.shape, array.dtype) for array in (images, targets)),
            *(getattr(optimizer, name) for name in ("lr", "momentum", "nesterov", "weight_decay")),
            *(tensor.requires_grad for tensor in optimizer.params),
            *(module.training for module in self._modules),
            *(id(array) for array in arrays),
            current_algorithm(),
            tf32_allowed(),
        )

"""Function: one operation, forward and backward, and the walk back through the graph that Functions make.

A Function's call makes the output Tensor remember its Function, and the Function its input Tensors: that is the graph.
`backward` counts, for each Function on the way, how many others use its output, then visits a Function when the last
of them has sent its gradient. That is a topological order, and why one is needed: a Function that runs before all of
its output's gradient has arrived would pass on a part of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn.arrays import Array, beside, is_array, on_gpu, owner, owns_memory
from tinycnn.backend import Kernels, kernels_for
from tinycnn.hooks import watched

if TYPE_CHECKING:
    from tinycnn.tensor import Tensor


class Function:
    """One node of the graph; subclass it to add an operation.

    Hyper-parameters go to ``__init__``. ``forward(self, *arrays)`` takes and returns arrays and keeps on ``self`` what
    backward needs. ``backward(self, grad)`` takes the gradient of the output and returns one gradient per input (a bare
    array for a single input), None where ``self.needs_input_grad[i]`` is false; it does not write to ``grad``, which
    other nodes may share. Calling the instance on Tensors runs
    forward; an instance is one node and is called once.

    Attributes
    ----------
    inputs
        The Tensors it was called on, while a gradient may still be asked for.
    needs_input_grad
        For each input, whether its gradient will be used.
    kernels
        The kernels of the backend that forward ran on.

    Examples
    --------
    >>> import tinycnn as tc
    >>> class Square(tc.function.Function):
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x * x
    ...     def backward(self, grad):
    ...         return 2 * self.x * grad
    >>> x = tc.Tensor([3.0], requires_grad=True)
    >>> Square()(x).backward()
    >>> x.grad
    array([6.], dtype=float32)
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]

    inputs: tuple[Tensor, ...] = ()
    needs_input_grad: tuple[bool, ...] = ()
    kernels: Kernels
    _state = "new"  # then "called", then "freed"
    _met: Sequence[tuple[int, list[int], int]] = ()  # memory of inputs and output, its changes, how many at forward

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the forward pass, where they dominate the cost; zero for cheap operations."""
        return 0

    def branches(self) -> Any:
        """Which formula each entry took in forward, where there are several: array of signs, of winners; else None."""

    def __call__(self, *tensors: Any) -> Tensor:
        if self._state != "new":
            raise RuntimeError(
                f"this {_name(self)} was called before: an instance is one node of the graph; make a new one per call"
            )
        core = _core()
        inputs, recording = tuple(map(core.as_tensor, tensors)), is_grad_enabled()
        arrays = tuple([tensor.data for tensor in inputs])
        self.needs_input_grad = tuple([recording and tensor.requires_grad for tensor in inputs])
        self.kernels = kernels_for(arrays)
        array = watched(self, "forward", self.forward, arrays)
        if not is_array(array):
            if not isinstance(array, np.generic):
                raise TypeError(f"{_name(self)}.forward returned {type(array).__name__}: return one array")
            array = np.asarray(array)
        output, owners = core.Tensor(array), [id(owner(each)) for each in (*arrays, array)]
        for tensor, memory in zip(inputs, owners[:-1], strict=True):
            if memory == owners[-1]:  # a view: to change one is to change the other
                output.changes = tensor.changes
        self._state = "called"
        if any(self.needs_input_grad):
            met = zip(owners, (*inputs, output), strict=True)
            self._met = [(memory, t.changes, t.changes[0]) for memory, t in met]
            self.inputs = inputs
            output.requires_grad, output.creator = True, self
        return output

    def check_intact(self) -> None:
        """Refuse a backward that would be wrong: what it needs was freed, or overwritten since forward."""
        if self._state == "freed":
            raise RuntimeError(
                f"backward went through this {_name(self)} before, and what it had kept was freed: "
                "add the losses and call backward once, or run the forward pass again"
            )
        for index, (memory, changes, at_forward) in enumerate(self._met):
            if changes[0] != at_forward and memory in {id(owner(v)) for v in vars(self).values() if is_array(v)}:
                name = f"input {index}" if index < len(self.inputs) else "the output"
                raise RuntimeError(
                    f"{name} of {_name(self)} was changed in place after the forward pass, but its backward needs the "
                    "old values: change a copy, or change it after backward"
                )

    def input_gradients(self, grad: Array) -> list[Array | None]:
        """Run backward and hold its result against the contract: one gradient per input, of the input's shape."""
        returned = watched(self, "backward", self.backward, (grad,))
        grads = returned if isinstance(returned, tuple) else (returned,)
        if len(grads) != len(self.inputs):
            raise ValueError(f"{_name(self)}.backward returned {len(grads)} gradients for {len(self.inputs)} inputs")
        kept = set(map(id, vars(self).values()))
        return [self._checked(index, gradient, kept) for index, gradient in enumerate(grads)]

    def _checked(self, index: int, gradient: Any, kept: set[int]) -> Array | None:
        if not self.needs_input_grad[index]:
            return None
        tensor = self.inputs[index]
        if gradient is None:
            raise ValueError(
                f"{_name(self)}.backward returned None for input {index}, which requires a gradient: "
                "return an array, zeros where the output does not depend on it"
            )
        if isinstance(gradient, (np.generic, float, int)):
            gradient = beside(np.asarray(gradient), tensor.data)
        on_gpu((tensor.data, gradient))
        if gradient.shape != tensor.shape:
            raise ValueError(
                f"{_name(self)}.backward returned a gradient of shape {gradient.shape} for input {index} of shape "
                f"{tensor.shape}: a gradient has its input's shape (sum over the axes that were broadcast)"
            )
        # A copy of what is kept: data and a gradient change at different times.
        return gradient.astype(tensor.dtype, copy=gradient is tensor.data or id(gradient) in kept)

    def free(self) -> None:
        """Drop the inputs and all that forward kept."""
        vars(self).clear()
        self._state = "freed"


def backward(root: Tensor, grad: Array) -> None:
    """Walk back from ``root`` and add to ``.grad`` of every leaf that requires it.

    Each Function is freed as soon as it has run. Where anything raises, no ``.grad`` has changed.

    Parameters
    ----------
    root
        The Tensor to differentiate.
    grad
        Gradient of the final result with respect to ``root``, of its shape.
    """
    waiting = _consumers(root)
    sums: dict[Tensor | Function, Array] = {root.creator or root: grad}
    finished: dict[Tensor, Array] = {root: grad} if root.retains_grad else {}
    ready = [root.creator] if root.creator else []
    while ready:
        function = ready.pop()
        gradients = function.input_gradients(sums.pop(function))
        for tensor, gradient in zip(function.inputs, gradients, strict=True):
            if gradient is None:
                continue
            node = tensor.creator or tensor
            sums[node] = sums[node] + gradient if node in sums else gradient
            if tensor.creator is None:
                continue
            waiting[tensor.creator] -= 1
            if waiting[tensor.creator] == 0:
                ready.append(tensor.creator)
                if tensor.retains_grad:
                    finished[tensor] = sums[tensor.creator]
        function.free()
    _store(finished | {node: total for node, total in sums.items() if not isinstance(node, Function)})


def _consumers(root: Tensor) -> dict[Function, int]:
    """For each Function that ``root`` came from, how many uses of its output lie in between; all checked intact."""
    consumers: dict[Function, int] = {}
    pending = [root.creator] if root.creator else []
    while pending:
        function = pending.pop()
        function.check_intact()
        for tensor, needed in zip(function.inputs, function.needs_input_grad, strict=True):
            if needed and tensor.creator is not None:
                if tensor.creator not in consumers:
                    pending.append(tensor.creator)
                consumers[tensor.creator] = consumers.get(tensor.creator, 0) + 1
    return consumers


def _store(gradients: dict[Tensor, Array]) -> None:
    """Add each gradient to its Tensor's, copying one that is a view or that two Tensors would share."""
    taken: set[int] = set()
    for tensor, gradient in gradients.items():
        if id(gradient) in taken or not owns_memory(gradient):
            gradient = gradient.copy()
        taken.add(id(gradient))
        tensor.grad = gradient if tensor.grad is None else tensor.grad + gradient


_mode = threading.local()


def is_grad_enabled() -> bool:
    """Whether Functions called in this thread are recorded for a backward pass."""
    return bool(vars(_mode).get("recording", True))  # a quarter of the time of getattr, whose default is an exception


@contextmanager
def no_grad() -> Iterator[None]:
    """Run without recording a graph, as a ``with`` block or a decorator: results need no memory for backward.

    Examples
    --------
    >>> import tinycnn as tc
    >>> w = tc.Tensor([2.0], requires_grad=True)
    >>> with tc.no_grad():
    ...     y = w * 3
    >>> y.requires_grad
    False
    """
    previous = is_grad_enabled()
    _mode.recording = False
    try:
        yield
    finally:
        _mode.recording = previous


@cache
def _core() -> Any:
    """The module of Tensor: its methods need Function, so it is met at run time."""
    import tinycnn.tensor

    return tinycnn.tensor


def _name(function: Function) -> str:
    return type(function).__name__

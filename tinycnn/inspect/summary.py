"""What a model is made of and what it costs: sizes, parameters, multiply-adds, receptive field, memory, layer by layer.

The figures are read off one forward pass of one image, so they are what the engine does and not a second description.
Layers are run one by one for it; what `tinycnn.nn.Sequential` otherwise runs as one Function keeps less than the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil
from typing import Any

from tinycnn.arrays import Array, is_array, owner
from tinycnn.functional.convolution import ConvTranspose2d
from tinycnn.functional.shape import Pad
from tinycnn.geometry import Axis, WindowGeometry
from tinycnn.hooks import Call, watch
from tinycnn.inspect.convolutions import blank_image
from tinycnn.nn import Module, Parameter, evaluating
from tinycnn.tensor import Tensor
from tinycnn.wording import readable_bytes, table


@dataclass(frozen=True)
class Field:
    """What one output cell sees of the input, along one axis.

    Attributes
    ----------
    size
        Input cells it depends on, counting padding.
    jump
        Input cells between neighbouring outputs.
    """

    size: float
    jump: float

    def through(self, axis: Axis, transposed: bool) -> Field:
        """Apply a window: the size grows by extent − 1 jumps, and the jump by the stride."""
        if transposed:
            return Field(self.size + (-(-axis.extent // axis.stride) - 1) * self.jump, self.jump / axis.stride)
        return Field(self.size + (axis.extent - 1) * self.jump, self.jump * axis.stride)


@dataclass(frozen=True)
class Layer:
    """One row of a `Summary`, for one image.

    Attributes
    ----------
    name, kind
        Dotted name in the model and class.
    output_shape
        Without the batch.
    parameters
        Trained and frozen numbers of its own, where they first occur.
    multiply_adds
        Of the forward pass, counted as direct convolution.
    receptive_field
        (down, across): input cells that one output depends on; None where it sees everything.
    kept_bytes
        What backward needs kept, beyond the parameters and the model's input.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, int] | None
    kept_bytes: int


@dataclass(frozen=True)
class Memory:
    """Bytes of a training step, without the scratch memory of kernels.

    Attributes
    ----------
    parameters, gradients, optimizer, activations
        Weights and buffers; a gradient per trained weight; the optimiser's state; what backward needs kept of a batch.
    """

    parameters: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.parameters + self.gradients + self.optimizer + self.activations


@dataclass(frozen=True)
class Summary:
    """Rows for the layers, in the order they ran, and the sums over them.

    Attributes
    ----------
    layers
        One row for each layer that ran, and for operations between layers under the name of the module they stand in.
    parameters, parameter_bytes
        Of the whole model, each counted once; bytes with the buffers.
    trained_bytes
        Of the parameters that require a gradient.
    """

    layers: tuple[Layer, ...]
    parameters: int
    parameter_bytes: int
    trained_bytes: int

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the forward pass of one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def receptive_field(self) -> tuple[int, int] | None:
        """Of the last layer that does not see everything, (down, across)."""
        fields = [layer.receptive_field for layer in self.layers if layer.receptive_field is not None]
        return fields[-1] if fields else None

    def memory(self, batch_size: int, states: int = 1) -> Memory:
        """Memory of a training step.

        Parameters
        ----------
        batch_size
            Images at a time.
        states
            Arrays the optimiser keeps per weight: 1 for SGD with momentum, 2 for Adam, 0 for plain SGD.

        Examples
        --------
        >>> import tinycnn as tc
        >>> tc.inspect.summary(tc.models.lenet5(), (1, 32, 32)).memory(batch_size=64).parameters
        246824
        """
        kept = batch_size * sum(layer.kept_bytes for layer in self.layers)
        return Memory(self.parameter_bytes, self.trained_bytes, states * self.trained_bytes, kept)

    def __str__(self) -> str:
        header = ("layer", "kind", "output", "parameters", "multiply-adds", "field", "kept")
        rows = [header, *(_cells(layer) for layer in self.layers)]
        total = f"{self.parameters:,} parameters, {self.multiply_adds:,} multiply-adds an image"
        return f"{table(rows, right={3, 4, 5, 6})}\n{total}"

    __repr__ = __str__


def summary(model: Module, input_shape: Sequence[int]) -> Summary:
    """Describe a model layer by layer.

    Parameters
    ----------
    model
        Any Module; run once, in ``eval`` mode, and left as it was.
    input_shape
        Of one image, (C, H, W), without the batch.

    Returns
    -------
    Summary
        Printable; its ``layers`` hold the numbers.

    Raises
    ------
    ValueError
        What the model says of a shape that does not fit.

    Notes
    -----
    Receptive field: Araujo, Norris, Sim (2019), Computing Receptive Fields of Convolutional Neural Networks, eq. 2.

    Examples
    --------
    >>> import tinycnn as tc
    >>> net = tc.nn.Sequential(tc.nn.Conv2d(1, 2, 3), tc.nn.ReLU(), tc.nn.MaxPool2d(2))
    >>> tc.inspect.summary(net, (1, 8, 8))
    layer  kind       output     parameters  multiply-adds  field   kept
    0      Conv2d     2 x 6 x 6          20            648  3 x 3    0 B
    1      ReLU       2 x 6 x 6           0              0  3 x 3  288 B
    2      MaxPool2d  2 x 3 x 3           0              0  4 x 4   18 B
    20 parameters, 648 multiply-adds an image
    """
    image = blank_image(model, input_shape)
    image.requires_grad = True
    recorder = _Recorder(image, model)
    with ExitStack() as stack, evaluating(model):
        stack.enter_context(watch(recorder.function_ran))
        for name, module in model.named_modules():
            stack.enter_context(module.register_forward_pre_hook(recorder.module_starts(name)))
            stack.enter_context(module.register_forward_hook(recorder.module_ended))
        model(image)
    arrays = [parameter.data for parameter in model.parameters()]
    count = sum(array.size for array in arrays)
    trained = sum(parameter.data.nbytes for parameter in model.parameters() if parameter.requires_grad)
    buffers = [array for _, array in model.named_buffers()]
    return Summary(tuple(recorder.layers), count, sum(array.nbytes for array in arrays + buffers), trained)


class _Recorder:
    """Collects what Functions do and makes a row of it when a module ends, or when one inside it starts."""

    def __init__(self, image: Tensor, model: Module):
        self.layers: list[Layer] = []
        self._running: list[tuple[str, Module]] = []
        self._calls: list[Call] = []
        self._seen: list[Array] = [image.data]  # alive, so that no id is used twice
        self._fields: dict[int, tuple[Field, ...] | None] = {id(image.data): (Field(1, 1), Field(1, 1))}
        self._counted = {id(owner(array)) for array in (image.data, *(p.data for p in model.parameters()))}

    def function_ran(self, call: Call) -> None:
        """Follow the receptive field through one Function."""
        self._calls.append(call)
        (output,) = call.outputs
        assert output is not None
        self._seen.append(output)
        seeing = [array for array in call.inputs if id(array) in self._fields]
        if seeing:  # else it was computed from weights alone
            self._fields[id(output)] = self._field_after(call, seeing, output)

    def module_starts(self, name: str) -> Any:
        """A hook that gives what ran so far to the module around the one called ``name``."""

        def hook(module: Module, inputs: tuple[Any, ...]) -> None:
            if self._calls:
                self._add_row(*self._running[-1], self._calls[-1].outputs[0])
            self._running.append((name, module))

        return hook

    def module_ended(self, module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        """A hook that makes the row of a layer, and of a module around layers where it did something itself."""
        name, _ = self._running.pop()
        if self._calls or not any(module.children()) or self._new_parameters(module):
            tensor = output[0] if isinstance(output, tuple) else output
            self._add_row(name, module, tensor.data)

    def _add_row(self, name: str, module: Module, output: Any) -> None:
        field = self._fields.get(id(output))
        parameters = self._new_parameters(module)
        self._counted.update(id(parameter) for parameter in parameters)
        self.layers.append(
            Layer(
                name,
                type(module).__name__,
                output.shape[1:],
                sum(parameter.size for parameter in parameters),
                sum(call.function.multiply_adds for call in self._calls),
                (ceil(field[0].size), ceil(field[1].size)) if field else None,
                self._newly_kept(call.function for call in self._calls),
            )
        )
        self._calls.clear()

    def _new_parameters(self, module: Module) -> list[Parameter]:
        """The module's own parameters, not those of modules inside it, that no row has counted."""
        inside = {id(p) for _, child in module.children() for p in child.parameters()}
        return [p for p in module.parameters() if id(p) not in inside and id(p) not in self._counted]

    def _newly_kept(self, functions: Iterable[Any]) -> int:
        total = 0
        for function in functions:
            for array in filter(is_array, vars(function).values()):
                if id(owner(array)) not in self._counted:
                    self._counted.add(id(owner(array)))
                    self._seen.append(array)
                    total += array.nbytes
        return total

    def _field_after(self, call: Call, seeing: list[Any], output: Array) -> tuple[Field, ...] | None:
        known = [self._fields[id(array)] for array in seeing]
        if None in known:
            return None
        widest = tuple(max(axes, key=lambda f: f.size) for axes in zip(*(k for k in known if k), strict=True))
        geometry = getattr(call.function, "geometry", None)
        if isinstance(geometry, WindowGeometry):
            transposed = isinstance(call.function, ConvTranspose2d)
            axes = (geometry.rows, geometry.columns)
            return tuple(field.through(axis, transposed) for field, axis in zip(widest, axes, strict=True))
        same_image = output.ndim > 2 and _extent(output.shape) == _extent(seeing[0].shape)
        return widest if same_image or isinstance(call.function, Pad) else None


def _extent(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Spatial sizes, without the axis of one that conv1d puts in."""
    return tuple(size for size in shape[2:] if size != 1)


def _cells(layer: Layer) -> tuple[str, ...]:
    field = "all" if layer.receptive_field is None else " x ".join(map(str, layer.receptive_field))
    shape = " x ".join(map(str, layer.output_shape))
    counts = f"{layer.parameters:,}", f"{layer.multiply_adds:,}", field, readable_bytes(layer.kept_bytes)
    return layer.name, layer.kind, shape, *counts

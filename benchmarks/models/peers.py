"""The same models in PyTorch, ONNX Runtime and DeZero, each made from tinycnn's, layer by layer, with its weights.

What one of them lacks is said, and not replaced by something that is nearly the same. ONNX Runtime infers and does not
train. DeZero's convolutions have no groups, and its momentum gets its weight decay from a hook, in a pass of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

import tinycnn as tc
from tinycnn.arrays import Array
from tinycnn.benchmarks.conv.peers import MKLDNN_OFF, onnx_session
from tinycnn.benchmarks.models.layers import Layer
from tinycnn.benchmarks.models.worker import (
    INFERENCE,
    LEARNING_RATE,
    MOMENTUM,
    WEIGHT_DECAY,
    WORKS,
    Lacks,
    Side,
)
from tinycnn.geometry import conv_geometry, pads, pair
from tinycnn.nn import Module

NCHW, CHANNELS_LAST = "nchw", "channels_last"
Made = TypeVar("Made")


class Window(NamedTuple):
    """Settings of a convolution or a pooling, as pairs (down, across); the padding is of both ends."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    @classmethod
    def of(cls, layer: Layer) -> Window:
        """Those of a layer.

        Raises
        ------
        Lacks
            For padding that differs at the two ends.
        """
        m, name, dilation = layer.module, layer.name, (1, 1)
        if layer.type == "Conv2d":
            g = conv_geometry(name, (1, *layer.input_shape), m.weight.shape, m.stride, m.padding, m.dilation, m.groups)
            kernel, stride, padding, dilation = (g.R, g.S), g.stride, g.padding, g.dilation
        else:
            kernel, padding = pair(name, "kernel_size", m.kernel_size), pads(name, m.padding)
            stride = kernel if m.stride is None else pair(name, "stride", m.stride)
        top, bottom, left, right = padding
        if (top, left) != (bottom, right):
            raise Lacks(f"peers pad both ends alike, {name} does not")
        return cls(kernel, stride, (top, left), dilation)


def translated(peer: str, layers: Sequence[Layer], table: Mapping[str, Callable[[Layer], Made]]) -> list[Made]:
    """What the peer has for each layer that does something.

    Parameters
    ----------
    peer
        Its name, for messages.
    layers
        tinycnn's.
    table
        For the name of each class that the peer has as well, what makes a layer of its own.

    Raises
    ------
    Lacks
        For a class that is not in the table.
    """
    made = []
    for layer in layers:
        idle = layer.type == "AdaptiveAvgPool2d" and layer.input_shape == layer.output_shape
        if idle or layer.type == "Identity":
            continue
        if layer.type not in table:
            raise Lacks(f"{peer} has no {layer.type}")
        made.append(table[layer.type](layer))
    return made


class TorchModel(Side):
    """PyTorch: images in two layouts by oneDNN, and without oneDNN by other kernels."""

    def load(self) -> None:
        """See `Side.load`."""
        import torch

        tc.use_backend("numpy")  # Numba's threads are not started
        torch.set_num_threads(self.threads)
        if self.variant == MKLDNN_OFF:
            torch.backends.mkldnn.set_flags(False)

    def build(self, model: Module, layers: Sequence[Layer], images: Array, labels: Array) -> None:
        """See `Side.build`."""
        import torch

        self._net = torch.nn.Sequential(*translated("torch", layers, _torch_table(torch.nn)))
        arrays = [array for layer in layers for array in layer.module.state_dict().values()]
        names = self._net.state_dict()
        held = {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}
        self._net.load_state_dict(held, assign=True)
        self._images, self._labels = torch.from_numpy(images), torch.from_numpy(labels)
        if self.variant == CHANNELS_LAST:
            self._net = self._net.to(memory_format=torch.channels_last)
            self._images = self._images.contiguous(memory_format=torch.channels_last)
        self._net.train(self.trains)
        settings = {"lr": LEARNING_RATE, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY}
        self._optimizer = torch.optim.SGD(self._net.parameters(), **settings, fused=True)  # in one pass

    def logits(self) -> Array:
        """See `Side.logits`."""
        import torch

        self._net.eval()
        with torch.no_grad():
            found: Array = self._net(self._images).numpy()
        self._net.train(self.trains)
        return found

    def step(self) -> None:
        """See `Side.step`."""
        import torch

        if self.trains:
            self._optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self._net(self._images), self._labels).backward()
            self._optimizer.step()
        else:
            with torch.inference_mode():
                self._net(self._images)


def _torch_table(nn: Any) -> dict[str, Callable[[Layer], Any]]:
    """PyTorch's layers, without numbers in them yet."""

    def convolution(layer: Layer) -> Any:
        m, (kernel, stride, padding, dilation) = layer.module, Window.of(layer)
        settings = stride, padding, dilation, m.groups, m.bias is not None
        return nn.Conv2d(m.in_channels, m.out_channels, kernel, *settings, device="meta")

    def max_pool(layer: Layer) -> Any:
        kernel, stride, padding, _ = Window.of(layer)
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=layer.module.ceil_mode)

    def average_pool(layer: Layer) -> Any:
        kernel, stride, padding, _ = Window.of(layer)
        return nn.AvgPool2d(kernel, stride, padding, layer.module.ceil_mode, layer.module.count_include_pad)

    def full(layer: Layer) -> Any:
        m = layer.module
        return nn.Linear(m.in_features, m.out_features, m.bias is not None, device="meta")

    def response_norm(layer: Layer) -> Any:
        m = layer.module
        return nn.LocalResponseNorm(m.size, _alpha_of_mean(m), m.beta, m.k)

    return {
        "Conv2d": convolution,
        "MaxPool2d": max_pool,
        "AvgPool2d": average_pool,
        "Linear": full,
        "LocalResponseNorm": response_norm,
        "BatchNorm2d": lambda layer: nn.BatchNorm2d(
            layer.module.num_features, layer.module.eps, layer.module.momentum, device="meta"
        ),
        "ReLU": lambda layer: nn.ReLU(),
        "Tanh": lambda layer: nn.Tanh(),
        "Dropout": lambda layer: nn.Dropout(layer.module.p),
        "Flatten": lambda layer: nn.Flatten(layer.module.start_dim, layer.module.end_dim),
    }


class OnnxModel(Side):
    """ONNX Runtime on the CPU, with all that it does to a graph before it runs it."""

    def load(self) -> None:
        """See `Side.load`."""
        import onnxruntime  # noqa: F401 - what it takes to load counts as the start

        tc.use_backend("numpy")

    def build(self, model: Module, layers: Sequence[Layer], images: Array, labels: Array) -> None:
        """See `Side.build`."""
        nodes = translated("onnxruntime", [layer for layer in layers if layer.type != "Dropout"], ONNX)
        self._session = onnx_session(nodes, images.shape, self.threads)
        self._images = images

    def logits(self) -> Array:
        """See `Side.logits`."""
        found: Array = self._session.run(["y"], {"x": self._images})[0]
        return found

    def step(self) -> None:
        """See `Side.step`."""
        self.logits()


Node = tuple[str, dict[str, Any], list[Array]]


def _onnx_convolution(layer: Layer) -> Node:
    kernel, stride, padding, dilation = Window.of(layer)
    attributes = {"strides": stride, "pads": padding * 2, "dilations": dilation, "group": layer.module.groups}
    return "Conv", attributes, _weights(layer)


def _onnx_pool(layer: Layer) -> tuple[dict[str, Any], list[Array]]:
    kernel, stride, padding, _ = Window.of(layer)
    return {
        "kernel_shape": kernel,
        "strides": stride,
        "pads": padding * 2,
        "ceil_mode": int(layer.module.ceil_mode),
    }, []


def _onnx_average(layer: Layer) -> Node:
    attributes, none = _onnx_pool(layer)
    return "AveragePool", attributes | {"count_include_pad": int(layer.module.count_include_pad)}, none


def _onnx_response_norm(layer: Layer) -> Node:
    m = layer.module
    if m.size % 2 == 0:
        raise Lacks(f"onnxruntime has {layer.type} over odd numbers of channels alone")
    return "LRN", {"size": m.size, "alpha": _alpha_of_mean(m), "beta": m.beta, "bias": m.k}, []


def _onnx_batch_norm(layer: Layer) -> Node:
    m = layer.module
    return "BatchNormalization", {"epsilon": m.eps}, [m.weight.data, m.bias.data, m.running_mean, m.running_var]


ONNX: dict[str, Callable[[Layer], Node]] = {
    "Conv2d": _onnx_convolution,
    "MaxPool2d": lambda layer: ("MaxPool", *_onnx_pool(layer)),
    "AvgPool2d": _onnx_average,
    "Linear": lambda layer: ("Gemm", {"transB": 1}, _weights(layer)),
    "LocalResponseNorm": _onnx_response_norm,
    "BatchNorm2d": _onnx_batch_norm,
    "ReLU": lambda layer: ("Relu", {}, []),
    "Tanh": lambda layer: ("Tanh", {}, []),
    "Flatten": lambda layer: ("Flatten", {"axis": layer.module.start_dim}, []),
}


class DezeroModel(Side):
    """DeZero, on the BLAS of NumPy."""

    def load(self) -> None:
        """See `Side.load`."""
        np.int = int  # type: ignore[attr-defined]  # noqa: NPY001 - dropped by NumPy 1.24, used by DeZero 0.0.13

        import dezero

        self._dezero = dezero
        tc.use_backend("numpy")

    def build(self, model: Module, layers: Sequence[Layer], images: Array, labels: Array) -> None:
        """See `Side.build`."""
        self._net = self._dezero.Layer()
        table = {
            "Conv2d": self._convolution,
            "MaxPool2d": lambda layer: self._pool(layer, self._dezero.functions.pooling),
            "AvgPool2d": lambda layer: self._pool(layer, self._dezero.functions.average_pooling),
            "Linear": self._full,
            "ReLU": lambda layer: self._dezero.functions.relu,
            "Tanh": lambda layer: self._dezero.functions.tanh,
            "Dropout": lambda layer: lambda x, p=layer.module.p: self._dezero.functions.dropout(x, p),
            "Flatten": lambda layer: self._dezero.functions.flatten,
        }
        self._functions = translated("dezero", layers, table)
        self._images, self._labels = images, labels
        self._optimizer = self._dezero.optimizers.MomentumSGD(LEARNING_RATE, MOMENTUM).setup(self._net)
        self._optimizer.add_hook(self._dezero.optimizers.WeightDecay(WEIGHT_DECAY))

    def logits(self) -> Array:
        """See `Side.logits`."""
        with self._dezero.test_mode(), self._dezero.no_grad():
            found: Array = self._forward().data
        return found

    def step(self) -> None:
        """See `Side.step`."""
        if self.trains:
            loss = self._dezero.functions.softmax_cross_entropy(self._forward(), self._labels)
            self._net.cleargrads()
            loss.backward()
            self._optimizer.update()
        else:
            self.logits()

    def _forward(self) -> Any:
        x: Any = self._images
        for function in self._functions:
            x = function(x)
        return x

    def _parameters(self, layer: Layer, transposed: bool = False) -> list[Any]:
        """Weight and bias as DeZero's, which the optimiser then finds."""
        arrays = [np.ascontiguousarray(array.T if transposed else array) for array in _weights(layer)]
        made = [self._dezero.Parameter(array.copy()) for array in arrays]
        for i, parameter in enumerate(made):
            setattr(self._net, f"{layer.name}.{i}", parameter)
        return made

    def _convolution(self, layer: Layer) -> Callable[[Any], Any]:
        _, stride, padding, dilation = Window.of(layer)
        if layer.module.groups > 1 or dilation != (1, 1):
            raise Lacks("dezero has no convolution with groups or dilation")
        parameters = self._parameters(layer)
        return lambda x: self._dezero.functions.conv2d(x, *parameters, stride=stride, pad=padding)

    def _pool(self, layer: Layer, function: Callable[..., Any]) -> Callable[[Any], Any]:
        kernel, stride, padding, _ = Window.of(layer)
        if padding != (0, 0) or layer.module.ceil_mode:
            raise Lacks("dezero has no pooling with padding or ceil_mode")
        return lambda x: function(x, kernel, stride)

    def _full(self, layer: Layer) -> Callable[[Any], Any]:
        parameters = self._parameters(layer, transposed=True)  # (out, in) -> (in, out)
        return lambda x: self._dezero.functions.linear(x, *parameters)


def _weights(layer: Layer) -> list[Array]:
    """Weight, and bias where there is one."""
    m = layer.module
    return [parameter.data for parameter in (m.weight, m.bias) if parameter is not None]


def _alpha_of_mean(module: Any) -> float:
    """What alpha is where the mean of the squares is taken, not their sum."""
    return float(module.alpha if module.average else module.alpha * module.size)


class Peer(NamedTuple):
    """A library: what makes its side, its ways of doing the same, and the works that it does."""

    make: Callable[..., Side]
    variants: tuple[str, ...] = ("",)
    works: tuple[str, ...] = WORKS


PEERS = {
    "torch": Peer(TorchModel, (NCHW, CHANNELS_LAST, MKLDNN_OFF)),
    "onnxruntime": Peer(OnnxModel, works=(INFERENCE,)),
    "dezero": Peer(DezeroModel),
}

"""The same convolutions in PyTorch and in ONNX Runtime, each in the ways that it has, for whichever is the fastest."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from tinycnn.arrays import Array
from tinycnn.benchmarks.conv.worker import Turns, error, operands
from tinycnn.benchmarks.timing import Run
from tinycnn.geometry import ConvGeometry

MKLDNN_OFF = "mkldnn off"


class TorchConvolutions(Turns):
    """PyTorch: images in two layouts by oneDNN, and without oneDNN by other kernels, NNPACK's Winograd among them."""

    def __init__(self, threads: int):
        import torch

        super().__init__()
        warnings.filterwarnings("ignore", "TF32 acceleration")  # said wherever oneDNN is turned off or on
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, phase: str, geometry: ConvGeometry) -> dict[str, Any]:
        """Seconds of a call in each way, or why there is none."""
        import torch

        tensors = [torch.from_numpy(array) for array in operands(geometry)]
        last = [t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for t in tensors]
        try:
            plain = torch_run(phase, geometry, tensors)
            return self.begin({"nchw": plain, "channels_last": torch_run(phase, geometry, last), MKLDNN_OFF: plain})
        except ValueError as refusal:
            return {"cannot": str(refusal)}

    def error(self, phase: str, geometry: ConvGeometry, name: str) -> float:
        """See `tinycnn.benchmarks.conv.worker.error`."""
        with self.setting(name):
            return error(self.runs[name]().numpy(), phase, geometry)

    def setting(self, name: str) -> AbstractContextManager[Any]:
        """With oneDNN or without."""
        import torch

        flags: AbstractContextManager[Any] = torch.backends.mkldnn.flags(enabled=name != MKLDNN_OFF)
        return flags


def torch_run(phase: str, geometry: ConvGeometry, tensors: Sequence[Any]) -> Run:
    """One pass in PyTorch as a function without arguments; the tensors are `tinycnn.benchmarks.timing.Operands`.

    Raises
    ------
    ValueError
        For padding that PyTorch has not: other at the end than at the start.
    """
    import torch

    top, bottom, left, right = geometry.padding
    if (top, left) != (bottom, right):
        raise ValueError("PyTorch pads both ends alike")
    x, weight, bias, grad = tensors
    stride, padding, dilation = geometry.stride, (top, left), geometry.dilation
    if phase == "forward":
        return lambda: torch.nn.functional.conv2d(x, weight, bias, stride, padding, dilation, geometry.groups)
    wanted = [phase == "backward_input", phase == "backward_weight", False]
    settings = (stride, padding, dilation, False, (0, 0), geometry.groups, wanted)
    which = wanted.index(True)
    return lambda: torch.ops.aten.convolution_backward(grad, x, weight, None, *settings)[which]


class OnnxConvolutions(Turns):
    """ONNX Runtime, which infers and does not train."""

    def __init__(self, threads: int):
        super().__init__()
        self.threads = threads

    def prepare(self, phase: str, geometry: ConvGeometry) -> dict[str, Any]:
        """Seconds of a call, or why there is none."""
        if phase != "forward":
            return {"cannot": "ONNX Runtime has no backward pass"}
        x, weight, bias, _ = operands(geometry)
        g, (top, bottom, left, right) = geometry, geometry.padding
        attributes = {
            "strides": g.stride,
            "pads": (top, left, bottom, right),
            "dilations": g.dilation,
            "group": g.groups,
        }
        session = onnx_session([("Conv", attributes, [weight, bias])], x.shape, self.threads)
        self._binding = session.io_binding()
        self._binding.bind_cpu_input("x", x)
        self._binding.bind_output("y")
        return self.begin({"": lambda: session.run_with_iobinding(self._binding)})

    def error(self, phase: str, geometry: ConvGeometry, name: str) -> float:
        """See `tinycnn.benchmarks.conv.worker.error`."""
        self.runs[name]()
        result: Array = self._binding.copy_outputs_to_cpu()[0]
        return error(result, phase, geometry)


def onnx_session(
    nodes: Sequence[tuple[str, dict[str, Any], Sequence[Array]]], input_shape: Sequence[int], threads: int
) -> Any:
    """A chain of operators in ONNX Runtime on the CPU, from ``x`` to ``y``.

    Parameters
    ----------
    nodes
        Of each operator the name, the attributes, and the inputs beside what comes from the one before.
    input_shape
        Of ``x``.
    threads
        That one operator may use.
    """
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    operators, constants, last = [], [], "x"
    for i, (name, attributes, arrays) in enumerate(nodes):
        held = [numpy_helper.from_array(array, f"{i}.{j}") for j, array in enumerate(arrays)]
        made = "y" if i == len(nodes) - 1 else f"{i}"
        operators.append(helper.make_node(name, [last, *(array.name for array in held)], [made], **attributes))
        constants += held
        last = made
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(operators, "chain", [x], [y], constants)
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


PEERS: dict[str, Callable[[int], Turns]] = {"torch": TorchConvolutions, "onnxruntime": OnnxConvolutions}

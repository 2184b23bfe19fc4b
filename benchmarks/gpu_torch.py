"""The same convolutions in PyTorch, by cuDNN, in a process of its own that is asked through a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from tinycnn.benchmarks.gpu_timing import torch_clock
from tinycnn.benchmarks.timing import Operands
from tinycnn.geometry import ConvGeometry


class Torch:
    """PyTorch, from the side of the one who asks.

    Attributes
    ----------
    about
        Its version, and those of its CUDA and cuDNN; or what is ``missing``.
    """

    def __init__(self, pipe: Connection):
        self._pipe = pipe
        self.about: dict[str, str] = self._ask("about")

    def prepare(self, phase: str, geometry: ConvGeometry, tf32: bool) -> str:
        """Get ready for samples of one pass, cuDNN's choice by measuring included; or why that cannot be."""
        return self.about.get("missing") or str(self._ask("prepare", phase, geometry, tf32))

    def samples(self, count: int) -> list[float]:
        """Seconds of each of so many calls."""
        return list(self._ask("samples", count))

    def _ask(self, *question: Any) -> Any:
        self._pipe.send(question)
        return self._pipe.recv()


@contextmanager
def torch_beside() -> Iterator[Torch]:
    """PyTorch until the end of the block."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=answer, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Torch(ours)
    finally:
        with suppress(BrokenPipeError):
            ours.send(None)
        process.join()


def answer(pipe: Connection) -> None:
    """PyTorch's side: its versions, then samples of what is asked for."""
    about = versions()
    clock = None if "missing" in about else torch_clock()
    run: Callable[[], Any] = int
    while question := pipe.recv():
        if question[0] == "about":
            pipe.send(about)
        elif question[0] == "prepare":
            try:
                run = bind(*question[1:])
                assert clock is not None
                clock.warm_up(run)
                pipe.send("")
            except (RuntimeError, ValueError) as error:
                pipe.send(str(error))
        else:
            assert clock is not None
            pipe.send(clock.samples(run, question[1]))


def versions() -> dict[str, str]:
    """Of PyTorch, its CUDA and its cuDNN; or what is ``missing``."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return {"missing": f"PyTorch cannot be imported: {error}"}
    if not torch.cuda.is_available():
        return {"missing": f"PyTorch {torch.__version__} finds no GPU"}
    return {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version())}


def bind(phase: str, geometry: ConvGeometry, tf32: bool, device: str = "cuda") -> Callable[[], Any]:
    """One pass of a convolution as a function without arguments.

    Raises
    ------
    ValueError
        For padding that PyTorch has not: other at the end than at the start.
    """
    import torch

    top, bottom, left, right = geometry.padding
    if (top, left) != (bottom, right):
        raise ValueError("PyTorch pads both ends alike")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    x, weight, bias, grad = operands(geometry, device)
    stride, padding, dilation = geometry.stride, (top, left), geometry.dilation
    if phase == "forward":
        return lambda: torch.nn.functional.conv2d(x, weight, bias, stride, padding, dilation, geometry.groups)
    wanted = [phase == "backward_input", phase == "backward_weight", False]
    settings = (stride, padding, dilation, False, (0, 0), geometry.groups, wanted)
    which = wanted.index(True)
    return lambda: torch.ops.aten.convolution_backward(grad, x, weight, None, *settings)[which]


@lru_cache(maxsize=1)
def operands(geometry: ConvGeometry, device: str) -> Any:
    """The same random arrays as for tinycnn, kept for the next pass."""
    import torch

    return tuple(torch.from_numpy(array).to(device) for array in Operands.of(geometry))

"""The same convolutions in PyTorch, by cuDNN, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from tinycnn.benchmarks.conv.peers import torch_run
from tinycnn.benchmarks.gpu.timing import torch_clock
from tinycnn.benchmarks.processes import Worker, worker
from tinycnn.benchmarks.timing import Operands, Run
from tinycnn.geometry import ConvGeometry
from tinycnn.threads import cores


class Torch:
    """PyTorch, from the side of the one who asks.

    Attributes
    ----------
    about
        Its version, and those of its CUDA and cuDNN; or what is ``missing``.
    """

    def __init__(self, asked: Worker):
        self._asked = asked
        self.about: dict[str, str] = asked.ask("about")

    def prepare(self, phase: str, geometry: ConvGeometry, tf32: bool) -> str:
        """Get ready for samples of one pass, cuDNN's choice by measuring included; or why that cannot be."""
        return self.about.get("missing") or str(self._asked.ask("prepare", phase, geometry, tf32))

    def samples(self, count: int) -> list[float]:
        """Seconds of each of so many calls."""
        return list(self._asked.ask("samples", count))


@contextmanager
def torch_beside() -> Iterator[Torch]:
    """PyTorch until the end of the block."""
    with worker("PyTorch", TorchOnGpu, threads=cores()) as asked:
        yield Torch(asked)


class TorchOnGpu:
    """PyTorch's side."""

    def __init__(self) -> None:
        self._clock = None if "missing" in self.about() else torch_clock()
        self._run: Run = int

    def about(self) -> dict[str, str]:
        """Versions of PyTorch, its CUDA and its cuDNN; or what is ``missing``."""
        try:
            import torch
        except (ImportError, OSError) as error:
            return {"missing": f"PyTorch cannot be imported: {error}"}
        if not torch.cuda.is_available():
            return {"missing": f"PyTorch {torch.__version__} finds no GPU"}
        return {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version())}

    def prepare(self, phase: str, geometry: ConvGeometry, tf32: bool) -> str:
        """See `Torch.prepare`."""
        assert self._clock is not None
        try:
            self._run = bind(phase, geometry, tf32)
            self._clock.warm_up(self._run)
        except (RuntimeError, ValueError) as error:
            return str(error)
        return ""

    def samples(self, count: int) -> list[float]:
        """See `Torch.samples`."""
        assert self._clock is not None
        return self._clock.samples(self._run, count)


def bind(phase: str, geometry: ConvGeometry, tf32: bool, device: str = "cuda") -> Run:
    """One pass of a convolution as a function without arguments.

    Raises
    ------
    ValueError
        As `tinycnn.benchmarks.conv.peers.torch_run`.
    """
    import torch

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    return torch_run(phase, geometry, operands(geometry, device))


@lru_cache(maxsize=1)
def operands(geometry: ConvGeometry, device: str) -> Any:
    """The same random arrays as for tinycnn, kept for the next pass."""
    import torch

    return tuple(torch.from_numpy(array).to(device) for array in Operands.of(geometry))

"""tinycnn: a convolutional network engine to read, to step through and to measure."""

from pathlib import Path as _Path

_root = _Path(__file__).resolve().parent.parent
if (_root / "setup.cfg").is_file() and (_root / "kernels").is_dir():
    # Run from a clone: kernels/, tutorials/ and benchmarks/ stand beside this folder and are imported as parts of it.
    __path__.append(str(_root))

from tinycnn import data, function, functional, gpu, hooks, inspect, models, nn, optim, plot, training  # noqa: E402
from tinycnn.backend import available_backends, use_algorithm, use_backend  # noqa: E402
from tinycnn.function import no_grad  # noqa: E402
from tinycnn.functional.shape import cat  # noqa: E402
from tinycnn.gpu import allow_tf32  # noqa: E402
from tinycnn.inspect.gradcheck import gradcheck  # noqa: E402
from tinycnn.inspect.trace import trace  # noqa: E402
from tinycnn.random import manual_seed  # noqa: E402
from tinycnn.tensor import Tensor  # noqa: E402
from tinycnn.threads import set_num_threads  # noqa: E402
from tinycnn.version import __version__  # noqa: E402

__all__ = [
    "Tensor",
    "__version__",
    "allow_tf32",
    "available_backends",
    "cat",
    "data",
    "function",
    "functional",
    "gpu",
    "gradcheck",
    "hooks",
    "inspect",
    "manual_seed",
    "models",
    "nn",
    "no_grad",
    "optim",
    "plot",
    "set_num_threads",
    "trace",
    "training",
    "use_algorithm",
    "use_backend",
]

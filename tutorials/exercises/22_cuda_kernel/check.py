"""What the CUDA kernel must do, on the CPU: g++ compiles it, and its threads run one after the other."""

import os
import re
import tempfile
from functools import cache

import numpy as np

from tinycnn.kernels.cuda import emulate
from tinycnn.learn.case import Case

FUNCTIONS = ("KERNEL",)
EARLIER = ("08_max_pooling", "21_numba_kernel")
NEEDS = ("g++",)
SECONDS = 20  # it is compiled first, perhaps on a busy machine
THREADS = 32  # of a block
OUTSIDE = np.float32(1e9)  # what lies before and behind the image


def cases(rng):
    """One window, negative numbers, several blocks, a stride, planes; then random ones."""
    yield Case("one window", x=_floats([[[1, 2], [4, 3]]]), kernel=2, stride=2)
    yield Case("negative numbers", x=_floats([[[-1, -2], [-4, -3]]]), kernel=2, stride=2)
    yield Case("two windows that overlap", x=_floats([[[1, 2, 5], [4, 3, 0]]]), kernel=2, stride=1)
    yield Case("an image higher than wide", x=_floats(np.arange(12).reshape(1, 4, 3)), kernel=2, stride=1)
    yield Case("two planes", x=_floats([[[1, 2], [4, 3]], [[7, 6], [8, 9]]]), kernel=2, stride=2)
    yield Case("more entries than a block has threads", x=_shuffled(rng, (1, 7, 8)), kernel=2, stride=1)
    yield Case("as many entries as two blocks have threads", x=_shuffled(rng, (4, 8, 8)), kernel=2, stride=2)
    for _ in range(4):
        planes, kernel, stride = rng.integers(1, 5), int(rng.integers(1, 4)), int(rng.integers(1, 4))
        H, W = kernel + rng.integers(0, 8, 2)
        yield Case("random planes", x=_shuffled(rng, (planes, H, W)), kernel=kernel, stride=stride)


def expected(x, kernel, stride):
    """Window by window, and not a number beside them."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
    return {"y": windows.max(axis=(3, 4)), "outside": 0}


def call(module, x, kernel, stride):
    """Launch it with as many blocks as it takes; x and y lie in the middle of larger arrays."""
    planes, H, W = x.shape
    P, Q = (H - kernel) // stride + 1, (W - kernel) // stride + 1
    size = planes * P * Q
    blocks = -(-size // THREADS)
    beside = THREADS * blocks * H * W  # as far as a thread without an entry may read
    around_x = np.full(beside + x.size + beside, OUTSIDE)
    around_y = np.full(beside + size + beside, np.nan, np.float32)
    around_x[beside:-beside] = x.ravel()
    y = around_y[beside:-beside]
    sizes = (np.int32(number) for number in (planes, H, W, kernel, stride, P, Q))
    try:
        launch = _compiled(module.KERNEL).get_function("max_pool2d")
        launch((blocks,), (THREADS,), (around_x[beside:-beside], y, *sizes))
    except ValueError as error:
        _raise_at_its_line(error, module)
    outside = np.concatenate([around_y[:beside], around_y[-beside:]])
    return {"y": y.reshape(planes, P, Q), "outside": int(np.sum(~np.isnan(outside)))}


def layout(arguments, name, index, expected, got):
    """The thread of the wrong entry and its window."""
    x, kernel, stride = (arguments[key] for key in ("x", "kernel", "stride"))
    planes, H, W = x.shape
    P, Q = (H - kernel) // stride + 1, (W - kernel) // stride + 1
    blocks = -(-planes * P * Q // THREADS)
    lines = [
        f"x =\n{x}" if x.size <= 64 else f"x {x.shape}",
        f"kernel = {kernel}, stride = {stride}, planes = {planes}, P = {P}, Q = {Q}",
        f"gridDim.x = {blocks}, blockDim.x = {THREADS}, planes·P·Q = {planes * P * Q}",
    ]
    if name == "outside":
        return "\n".join([*lines, "", f"0 … {planes * P * Q - 1}   ←   0 … {blocks * THREADS - 1}"])
    plane, p, q = index
    i = (plane * P + p) * Q + q
    window = x[plane, p * stride : p * stride + kernel, q * stride : q * stride + kernel]
    lines += [
        "",
        f"blockIdx.x = {i // THREADS}, threadIdx.x = {i % THREADS}: i = {i}",
        f"plane = {plane}, p = {p}, q = {q}",
    ]
    return "\n".join([*lines, f"max of\n{window}\n= {expected[index]:g}"])


def _compiled(source):
    made, error = _compilation(source)
    if error:
        raise error
    return made


@cache
def _compilation(source):
    """A library made of a string, or why there is none."""
    try:
        return _made(source), None
    except emulate.CompileError as error:
        return None, error


def _made(source):
    """In a folder of its own where the user's cache cannot be written."""
    try:
        return emulate.RawModule(source)
    except (OSError, RuntimeError):
        cache_then = os.environ.get("XDG_CACHE_HOME")
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = folder
            try:
                return emulate.RawModule(source)
            finally:
                del os.environ["XDG_CACHE_HOME"]
                if cache_then is not None:
                    os.environ["XDG_CACHE_HOME"] = cache_then


def _raise_at_its_line(error, module):
    """Let what g++ or the launch says come from the learner's own file, at the line of the kernel that it is about."""
    file = getattr(module, "__file__", None)
    if file is None:
        raise error
    with open(file, encoding="utf-8") as opened:
        above = opened.read().partition(module.KERNEL)[0].count("\n")
    told = re.search(r"kernel\.cu:(\d+)", str(error))
    exec(compile("\n" * (above + int(told[1] if told else 1) - 1) + "raise error", file, "exec"), {"error": error})


def _floats(numbers):
    return np.array(numbers, np.float32)


def _shuffled(rng, shape):
    """Whole numbers around 0, each once."""
    size = int(np.prod(shape))
    return _floats(rng.permutation(size) - size // 2).reshape(shape)

"""Products of matrices for the fully connected layer: BLAS on one thread, called by as many threads as there are.

BLAS multiplies matrices of any size near the processor's peak; its threads are what does not fit here. After each call
they wait for the next one, awake for a while, on the cores that Numba's threads need, and Numba's likewise. So BLAS is
held at one thread (`tinycnn.threads`), and large products are cut along the longer side of the weight, a share for each
thread. Results go to recycled memory.

Plain twin: `tinycnn.kernels.numpy.linear`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np

from tinycnn.arrays import Array
from tinycnn.kernels.numba.threads import limit
from tinycnn.kernels.numba.workspace import empty

SHARE = 1 << 22  # multiply-adds of a share: 0.1 ms at 80 GFLOP/s; not tuned


def linear_forward(x: Array, weight: Array, bias: Array | None) -> Array:
    """Y = X · Wᵀ + b: (…, in), (out, in), (out,) -> (…, out)."""
    y = _multiply(x, weight.T, (*x.shape[:-1], weight.shape[0]))
    if bias is not None:
        y += bias
    return y


def linear_backward_input(grad: Array, weight: Array) -> Array:
    """dX = dY · W: (…, out), (out, in) -> (…, in)."""
    return _multiply(grad, weight, (*grad.shape[:-1], weight.shape[1]))


def linear_backward_weight(grad: Array, x: Array) -> Array:
    """dW = dYᵀ · X: (rows, out), (rows, in) -> (out, in)."""
    return _multiply(grad.T, x, (grad.shape[1], x.shape[1]))


def _multiply(a: Array, b: Array, shape: tuple[int, ...]) -> Array:
    """A · B: (…, L), (L, N) -> (…, N)."""
    out = empty(shape, a.dtype)
    threads = min(limit(), a.size * b.shape[1] // SHARE)
    if threads < 2:
        return _product(a, b, out)
    along_rows = a.ndim == 2 and a.shape[0] > b.shape[1]
    length = a.shape[0] if along_rows else b.shape[1]
    bounds = [thread * length // threads for thread in range(threads + 1)]
    shares = []
    for start, stop in pairwise(bounds):
        if along_rows:
            shares.append((a[start:stop], b, out[start:stop]))
        else:
            shares.append((a, b[:, start:stop], out[..., start:stop]))
    waiting = [_others().submit(_product, *other) for other in shares[1:]]
    _product(*shares[0])
    for other in waiting:
        other.result()
    return out


def _product(a: Array, b: Array, out: Array) -> Array:
    """A · B, without a word on NaN, as compiled loops are: some BLAS warn of what was in ``out`` before."""
    with np.errstate(all="ignore"):
        return np.matmul(a, b, out=out)


@cache
def _others() -> ThreadPoolExecutor:
    """The threads beside the one that asks; they live as long as the process."""
    return ThreadPoolExecutor(max(1, limit() - 1), thread_name_prefix="tinycnn-linear")

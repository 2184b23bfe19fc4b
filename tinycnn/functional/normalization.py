"""Local response normalisation and batch normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tinycnn.arrays import Array, is_array
from tinycnn.backend import kernels_for
from tinycnn.function import Function
from tinycnn.functional import checks
from tinycnn.functional.shape import reshape
from tinycnn.geometry import positive
from tinycnn.tensor import Tensor


class LocalResponseNorm(Function):
    """y = x · d^−β, d = k + scale · Σ x² over neighbouring channels."""

    def __init__(self, size: int, scale: float, beta: float, k: float):
        self.size, self.scale, self.beta, self.k = size, scale, beta, k

    def forward(self, x: Array) -> Array:
        self.x = x
        y, self.d = self.kernels.lrn_forward(x, self.size, self.scale, self.beta, self.k)
        return y

    def backward(self, grad: Array) -> Array:
        return self.kernels.lrn_backward(grad, self.x, self.d, self.size, self.scale, self.beta)


class BatchNorm(Function):
    """(x − mean) / √(variance + eps): with statistics of the batch, or with given ones, which are constants."""

    def __init__(self, eps: float, running: tuple[Array, Array] | None = None):
        self.eps, self.running = eps, running

    def forward(self, x: Array) -> Array:
        self.mean: Array
        self.variance: Array
        self.mean, self.variance = self.running or self.kernels.batch_statistics(x)
        self.normalised, self.inverse_std = self.kernels.batch_norm_forward(x, self.mean, self.variance, self.eps)
        return self.normalised

    def backward(self, grad: Array) -> Array:
        if self.running is not None:
            return grad * self.inverse_std.reshape(1, -1, *(1,) * (grad.ndim - 2))
        return self.kernels.batch_norm_backward(grad, self.normalised, self.inverse_std)


_moves_statistics = ContextVar("moves_statistics", default=True)


def moves_statistics() -> bool:
    """Whether a layer in training mode moves its running statistics: not inside `frozen_statistics`."""
    return _moves_statistics.get()


@contextmanager
def frozen_statistics() -> Iterator[None]:
    """Leave running statistics as they are: to run a layer in training mode again and again, as a gradient check does.

    Examples
    --------
    >>> import tinycnn as tc
    >>> layer = tc.nn.BatchNorm1d(1)
    >>> with frozen_statistics():
    ...     y = layer(tc.Tensor([[1.0], [3.0]]))
    >>> layer.running_mean
    array([0.], dtype=float32)
    """
    token = _moves_statistics.set(False)
    try:
        yield
    finally:
        _moves_statistics.reset(token)


def local_response_norm(
    x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, average: bool = True
) -> Tensor:
    """Divide each entry by a power of the energy of its neighbours across channels: y = x / (k + alpha' · Σ x²)^beta.

    The window is c − size//2 … c + (size − 1)//2, for even sizes as in PyTorch (ONNX mirrors it, Caffe refuses them).

    Parameters
    ----------
    x
        (N, C, …), floating point.
    size
        Channels in the window, the paper's n.
    alpha, beta, k
        Constants of the formula.
    average
        True: alpha' = alpha / size, as in PyTorch, Caffe and ONNX. False: alpha' = alpha, as in the AlexNet paper.

    Raises
    ------
    ValueError
        For a size below 1, fewer than two axes, or a negative k or alpha.
    TypeError
        For integers.

    Notes
    -----
    Krizhevsky, Sutskever, Hinton (2012), section 3.3.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x = tc.Tensor([[3.0, 4.0]])
    >>> tc.functional.local_response_norm(x, 3, alpha=1.0, beta=0.5, k=0.0, average=False).data
    array([[0.6, 0.8]], dtype=float32)
    """
    x = checks.channel_batch("local_response_norm", x)
    size = positive("local_response_norm", "size", size)
    if k < 0 or alpha < 0:
        raise ValueError(f"local_response_norm: k and alpha must not be negative, got k={k}, alpha={alpha}")
    return LocalResponseNorm(size, float(alpha / size if average else alpha), float(beta), float(k))(x)


def batch_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel to mean 0 and variance 1, then scale by ``weight`` and shift by ``bias``.

    Parameters
    ----------
    x
        (N, C, …), floating point.
    running_mean, running_var
        (C,) floating-point arrays or Tensors, or None. In training they are moved, in place, a step of ``momentum``
        towards the batch's mean and unbiased variance; otherwise they are what x is normalised with.
    weight, bias
        (C,) or None.
    training
        Whether to use the batch's own statistics; so also where there are no running ones.
    momentum
        Weight of the new batch in the running statistics.
    eps
        Added to the variance.

    Raises
    ------
    ValueError
        For shapes that do not fit, or a batch of one value per channel in training.
    TypeError
        For integers.

    Notes
    -----
    Ioffe, Szegedy (2015), Batch Normalization, algorithms 1 and 2. As in PyTorch the running variance is the unbiased
    one, the variance in the formula the biased one.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.batch_norm(tc.Tensor([[1.0], [3.0]]), training=True, eps=0.0).data
    array([[-1.],
           [ 1.]], dtype=float32)
    """
    x = checks.channel_batch("batch_norm", x)
    N, C = x.shape[:2]
    if eps < 0:
        raise ValueError(f"batch_norm: eps is added to the variance and must not be negative, got {eps}")
    weight = checks.per_channel("batch_norm", "weight", weight, C, x)
    bias = checks.per_channel("batch_norm", "bias", bias, C, x)
    checks.same_dtype("batch_norm", input=x, weight=weight, bias=bias)
    running_mean = _statistics("running_mean", running_mean, x)
    running_var = _statistics("running_var", running_var, x)
    count = x.size // C if C else 0
    if training or running_mean is None or running_var is None:
        if count < 2:
            raise ValueError(f"batch_norm in training needs two values or more in each channel, got input {x.shape}")
        normalise = BatchNorm(eps)
        y = normalise(x)
        moves = training and moves_statistics()
        if moves and running_mean is not None:
            running_mean += momentum * (normalise.mean - running_mean)
        if moves and running_var is not None:
            running_var += momentum * (normalise.variance * (count / (count - 1)) - running_var)
    else:
        y = BatchNorm(eps, (running_mean.astype(x.dtype), running_var.astype(x.dtype)))(x)
    shape = (1, C, *(1,) * (x.ndim - 2))
    if weight is not None:
        y = y * reshape(weight, *shape)
    return y if bias is None else y + reshape(bias, *shape)


def _statistics(name: str, value: Any, x: Tensor) -> Array | None:
    channels = x.shape[1]
    if value is None:
        return None
    array = value.data if isinstance(value, Tensor) else value
    if not is_array(array):
        raise TypeError(
            f"batch_norm moves {name} in place, so it must be an array or a Tensor, got {type(value).__name__}"
        )
    if array.shape != (channels,) or array.dtype.kind != "f":
        raise ValueError(
            f"batch_norm: {name} must be floating-point of shape ({channels},), got {array.dtype} of {array.shape}"
        )
    kernels_for((x.data, array))  # refuses arrays of two sides
    return array

"""The kernels as loops that Numba compiles for this processor: the same names as in NumPy, and faster.

What is not here, the FFT among it, is the NumPy kernel of the same name. Each module points at its plain twin there.
"""

from functools import partial

from tinycnn.kernels.choice import choose
from tinycnn.kernels.numba import (
    compile,  # noqa: F401 - before Numba, which reads its settings once
    conv_direct,
    conv_im2col,
    conv_winograd,
)
from tinycnn.kernels.numba.activation import relu_backward, relu_forward, tanh_backward, tanh_forward
from tinycnn.kernels.numba.dropout import dropout_backward, dropout_forward, dropout_mask
from tinycnn.kernels.numba.linear import linear_backward_input, linear_backward_weight, linear_forward
from tinycnn.kernels.numba.loss import cross_entropy_backward, cross_entropy_forward, cross_entropy_target
from tinycnn.kernels.numba.normalization import (
    batch_norm_backward,
    batch_norm_forward,
    batch_statistics,
    lrn_backward,
    lrn_forward,
)
from tinycnn.kernels.numba.optimizer import adam_step, sgd_step
from tinycnn.kernels.numba.pooling import (
    avg_pool2d_backward,
    avg_pool2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
)

DTYPES = "fd"  # float32 and float64
choose_convolution = partial(choose, "numba", {"winograd": conv_winograd.refusal})

__all__ = [
    "DTYPES",
    "adam_step",
    "avg_pool2d_backward",
    "avg_pool2d_forward",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_statistics",
    "choose_convolution",
    "conv_direct",
    "conv_im2col",
    "conv_winograd",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "cross_entropy_target",
    "dropout_backward",
    "dropout_forward",
    "dropout_mask",
    "linear_backward_input",
    "linear_backward_weight",
    "linear_forward",
    "lrn_backward",
    "lrn_forward",
    "max_pool2d_backward",
    "max_pool2d_forward",
    "relu_backward",
    "relu_forward",
    "sgd_step",
    "tanh_backward",
    "tanh_forward",
]

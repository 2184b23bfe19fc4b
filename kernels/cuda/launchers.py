"""All that the cupy backend has, gathered from the families' launchers."""

from functools import partial

from tinycnn.kernels.choice import choose
from tinycnn.kernels.cuda import conv_direct, conv_im2col, conv_implicit_gemm, conv_winograd
from tinycnn.kernels.cuda.activation import (
    leaky_relu_backward,
    leaky_relu_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    tanh_backward,
    tanh_forward,
)
from tinycnn.kernels.cuda.dropout import dropout_backward, dropout_forward, dropout_mask
from tinycnn.kernels.cuda.loss import cross_entropy_backward, cross_entropy_forward
from tinycnn.kernels.cuda.normalization import (
    batch_norm_backward,
    batch_norm_forward,
    batch_statistics,
    lrn_backward,
    lrn_forward,
)
from tinycnn.kernels.cuda.optimizer import adam_step, sgd_step
from tinycnn.kernels.cuda.pooling import (
    avg_pool2d_backward,
    avg_pool2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
    max_pool2d_indices,
)
from tinycnn.kernels.cuda.product import linear_backward_input, linear_backward_weight, linear_forward
from tinycnn.kernels.cuda.softmax import log_softmax_backward, log_softmax_forward, softmax_backward, softmax_forward
from tinycnn.kernels.cuda.unpooling import max_unpool2d_backward, max_unpool2d_forward

DTYPES = "fd"  # float32 and float64
choose_convolution = partial(choose, "cupy", {"winograd": conv_winograd.refusal})

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
    "conv_implicit_gemm",
    "conv_winograd",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "dropout_backward",
    "dropout_forward",
    "dropout_mask",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "linear_backward_input",
    "linear_backward_weight",
    "linear_forward",
    "log_softmax_backward",
    "log_softmax_forward",
    "lrn_backward",
    "lrn_forward",
    "max_pool2d_backward",
    "max_pool2d_forward",
    "max_pool2d_indices",
    "max_unpool2d_backward",
    "max_unpool2d_forward",
    "relu_backward",
    "relu_forward",
    "sgd_step",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_backward",
    "softmax_forward",
    "tanh_backward",
    "tanh_forward",
]

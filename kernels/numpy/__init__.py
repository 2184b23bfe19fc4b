"""The reference kernels in NumPy: complete, and written to be read.

Convolution has a module per algorithm, each with forward, backward_input and backward_weight. Its definition in seven
loops, the ground truth of the tests, is `tinycnn.kernels.loops.convolution`.
"""

from functools import partial

from tinycnn.kernels.choice import choose
from tinycnn.kernels.numpy import conv_direct, conv_fft, conv_im2col, conv_winograd
from tinycnn.kernels.numpy.activation import (
    leaky_relu_backward,
    leaky_relu_forward,
    log_softmax_backward,
    log_softmax_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    softmax_backward,
    softmax_forward,
    tanh_backward,
    tanh_forward,
)
from tinycnn.kernels.numpy.dropout import dropout_backward, dropout_forward, dropout_mask
from tinycnn.kernels.numpy.linear import linear_backward_input, linear_backward_weight, linear_forward
from tinycnn.kernels.numpy.loss import (
    bce_with_logits_backward,
    bce_with_logits_forward,
    cross_entropy_backward,
    cross_entropy_forward,
    cross_entropy_target,
    kl_div_backward,
    kl_div_forward,
)
from tinycnn.kernels.numpy.normalization import (
    batch_norm_backward,
    batch_norm_forward,
    batch_statistics,
    lrn_backward,
    lrn_forward,
)
from tinycnn.kernels.numpy.optimizer import adam_step, sgd_step
from tinycnn.kernels.numpy.pooling import (
    adaptive_avg_pool2d_backward,
    adaptive_avg_pool2d_forward,
    avg_pool2d_backward,
    avg_pool2d_forward,
    lp_pool2d_backward,
    lp_pool2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
    max_pool2d_indices,
    max_unpool2d_backward,
    max_unpool2d_forward,
)

choose_convolution = partial(choose, "numpy", {"winograd": conv_winograd.refusal})

__all__ = [
    "adam_step",
    "adaptive_avg_pool2d_backward",
    "adaptive_avg_pool2d_forward",
    "avg_pool2d_backward",
    "avg_pool2d_forward",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_statistics",
    "bce_with_logits_backward",
    "bce_with_logits_forward",
    "choose_convolution",
    "conv_direct",
    "conv_fft",
    "conv_im2col",
    "conv_winograd",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "cross_entropy_target",
    "dropout_backward",
    "dropout_forward",
    "dropout_mask",
    "kl_div_backward",
    "kl_div_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "linear_backward_input",
    "linear_backward_weight",
    "linear_forward",
    "log_softmax_backward",
    "log_softmax_forward",
    "lp_pool2d_backward",
    "lp_pool2d_forward",
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

"""Operations on Tensors, named as in torch.nn.functional; each is a Function class and its lower-case function."""

from tinycnn.functional.activation import leaky_relu, log_softmax, relu, sigmoid, softmax, tanh
from tinycnn.functional.arithmetic import abs, add, astype, div, exp, log, mul, neg, pow, sqrt, sub
from tinycnn.functional.convolution import conv1d, conv2d, conv_transpose2d
from tinycnn.functional.device import to
from tinycnn.functional.dropout import dropout
from tinycnn.functional.linear import linear, matmul
from tinycnn.functional.loss import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    kl_div,
    mse_loss,
    multilabel_soft_margin_loss,
)
from tinycnn.functional.normalization import batch_norm, local_response_norm
from tinycnn.functional.pooling import (
    adaptive_avg_pool2d,
    avg_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    lp_pool2d,
    max_pool2d,
    max_unpool2d,
    min_pool2d,
)
from tinycnn.functional.reduction import argmax, max, mean, sum
from tinycnn.functional.shape import cat, flatten, getitem, pad, permute, reshape, transpose

__all__ = [
    "abs",
    "adaptive_avg_pool2d",
    "add",
    "argmax",
    "astype",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "cat",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "div",
    "dropout",
    "exp",
    "flatten",
    "getitem",
    "global_avg_pool2d",
    "global_max_pool2d",
    "kl_div",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log",
    "log_softmax",
    "lp_pool2d",
    "matmul",
    "max",
    "max_pool2d",
    "max_unpool2d",
    "mean",
    "min_pool2d",
    "mse_loss",
    "mul",
    "multilabel_soft_margin_loss",
    "neg",
    "pad",
    "permute",
    "pow",
    "relu",
    "reshape",
    "sigmoid",
    "softmax",
    "sqrt",
    "sub",
    "sum",
    "tanh",
    "to",
    "transpose",
]

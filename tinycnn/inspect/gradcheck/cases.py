"""Small inputs for every operation, away from kinks and ties, on which `gradcheck` can judge its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array, beside
from tinycnn.backend import on_chosen_side
from tinycnn.tensor import Tensor

LABELS = np.array([0, 3, 1])
ZERO_ONE = np.array([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
IMAGES = (2, 4, 6, 5)  # (N, C, H, W), H ≠ W


@dataclass(frozen=True)
class Case:
    """An operation with its arguments bound, and inputs to check it on.

    Attributes
    ----------
    operation
        Name in `tinycnn.functional`.
    function
        From the inputs to a Tensor.
    shapes
        Of the inputs.
    note
        What is special about it.
    positive
        Whether the inputs must be above 0, as for a logarithm.
    """

    operation: str
    function: Callable[..., Tensor]
    shapes: tuple[tuple[int, ...], ...]
    note: str = ""
    positive: bool = False

    def inputs(self) -> list[Array]:
        """Distinct float64 values, none within 0.05 of 0: no kink and no tie is within a step of the check.

        They lie where `tinycnn.use_backend` says that new arrays are made.
        """
        rng = np.random.default_rng(0)
        arrays = []
        for shape in self.shapes:
            size = int(np.prod(shape))
            values = np.linspace(0.05, 2.0, size)
            signs = np.ones(size) if self.positive else rng.choice([-1.0, 1.0], size)
            arrays.append(on_chosen_side(rng.permutation(values * signs).reshape(shape)))
        return arrays


def _batch_norm(x: Any, weight: Any, bias: Any) -> Tensor:
    return F.batch_norm(x, None, None, weight, bias, training=True)


def _unpool(x: Any) -> Tensor:
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(pooled, indices, 2, output_size=x.shape)


def _labels(x: Tensor) -> Array:
    return beside(LABELS, x.data)


def _zero_one(x: Tensor) -> Array:
    return beside(ZERO_ONE.astype(x.dtype), x.data)


CASES: tuple[Case, ...] = (
    Case("conv2d", F.conv2d, (IMAGES, (3, 4, 3, 2), (3,)), "plain, with bias"),
    Case(
        "conv2d",
        lambda x, w: F.conv2d(x, w, stride=2, padding=(1, 2, 0, 1), algorithm="direct"),
        (IMAGES, (3, 4, 3, 2)),
        "stride 2, another padding on each side, direct",
    ),
    Case(
        "conv2d",
        lambda x, w: F.conv2d(x, w, padding="same", dilation=2, groups=2, algorithm="im2col"),
        (IMAGES, (6, 2, 3, 2)),
        "dilation 2, two groups, im2col",
    ),
    Case("conv2d", lambda x, w: F.conv2d(x, w, padding="full", flip=True), (IMAGES, (2, 4, 2, 3)), "flipped kernel"),
    Case(
        "conv2d",
        lambda x, w: F.conv2d(x, w, stride=(1, 2), dilation=(2, 1), algorithm="direct"),
        (IMAGES, (4, 4, 3, 3)),
        "as many channels out as in, another stride and dilation down and across, direct",
    ),
    Case(
        "conv2d",
        lambda x, w: F.conv2d(x, w, padding=1, algorithm="winograd"),
        (IMAGES, (3, 4, 3, 3)),
        "winograd, tiles that overlap",
    ),
    Case(
        "conv2d",
        lambda x, w: F.conv2d(x, w, stride=2, padding=(1, 0, 2, 1), algorithm="fft"),
        (IMAGES, (3, 4, 3, 2)),
        "fft, stride 2",
    ),
    Case("conv1d", lambda x, w, b: F.conv1d(x, w, b, 2, 1), ((2, 3, 9), (4, 3, 3), (4,)), "stride 2, padding 1"),
    Case(
        "conv_transpose2d",
        lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1),
        ((2, 3, 3, 4), (3, 2, 3, 3), (2,)),
        "stride 2, padding 1",
    ),
    Case("max_pool2d", lambda x: F.max_pool2d(x, 3, 2, 1), (IMAGES,), "overlapping windows, padded"),
    Case("min_pool2d", lambda x: F.min_pool2d(x, 2, 1), (IMAGES,), "overlapping windows"),
    Case("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), (IMAGES,), "overlapping, padding not counted"),
    Case("lp_pool2d", lambda x: F.lp_pool2d(x, 3, 2, 1), (IMAGES,), "norm 3, overlapping windows"),
    Case("global_avg_pool2d", F.global_avg_pool2d, (IMAGES,)),
    Case("global_max_pool2d", F.global_max_pool2d, (IMAGES,)),
    Case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (4, 3)), (IMAGES,), "bins that overlap"),
    Case("max_unpool2d", _unpool, (IMAGES,), "after max_pool2d"),
    Case("relu", F.relu, ((3, 5),)),
    Case("leaky_relu", lambda x: F.leaky_relu(x, 0.1), ((3, 5),), "slope 0.1"),
    Case("tanh", F.tanh, ((3, 5),)),
    Case("sigmoid", F.sigmoid, ((3, 5),)),
    Case("softmax", F.softmax, ((3, 5),)),
    Case("log_softmax", lambda x: F.log_softmax(x, 1), (IMAGES,), "over channels"),
    Case("dropout", lambda x: F.dropout(x, 0.4), ((4, 6),), "the mask is replayed"),
    Case("linear", F.linear, ((3, 4), (5, 4), (5,)), "with bias"),
    Case("matmul", F.matmul, ((2, 3, 4), (4, 5)), "a batch of matrices with one"),
    Case("matmul", F.matmul, ((3, 3), (3, 3)), "square"),
    Case("flatten", F.flatten, (IMAGES,)),
    Case(
        "local_response_norm",
        lambda x: F.local_response_norm(x, 3, alpha=1.0, k=2.0, average=False),
        (IMAGES,),
        "size 3, alpha 1 on the sum",
    ),
    Case("local_response_norm", lambda x: F.local_response_norm(x, 4, alpha=1.0), (IMAGES,), "size 4, on the mean"),
    Case("batch_norm", _batch_norm, (IMAGES, (4,), (4,)), "training, with scale and shift"),
    Case("cross_entropy", lambda x: F.cross_entropy(x, _labels(x)), ((3, 4),)),
    Case(
        "cross_entropy",
        lambda x: F.cross_entropy(x, _labels(x), [1.0, 2.0, 0.5, 3.0], label_smoothing=0.1),
        ((3, 4),),
        "class weights, smoothed labels",
    ),
    Case("mse_loss", F.mse_loss, ((3, 4), (3, 4)), "both sides"),
    Case("binary_cross_entropy_with_logits", lambda x: F.binary_cross_entropy_with_logits(x, _zero_one(x)), ((3, 4),)),
    Case("multilabel_soft_margin_loss", lambda x: F.multilabel_soft_margin_loss(x, _zero_one(x)), ((3, 4),)),
    Case("kl_div", lambda x: F.kl_div(F.log_softmax(x), F.softmax(Tensor(_zero_one(x)))), ((3, 4),), "of log_softmax"),
    Case("add", F.add, ((3, 4), (4,)), "broadcast"),
    Case("sub", F.sub, ((3, 4), (3, 1)), "broadcast"),
    Case("mul", F.mul, ((3, 4), (4,)), "broadcast"),
    Case("div", F.div, ((3, 4), (1, 4)), "broadcast", positive=True),
    Case("pow", F.pow, ((3, 4), (4,)), "both sides", positive=True),
    Case("neg", F.neg, ((3, 4),)),
    Case("abs", F.abs, ((3, 4),)),
    Case("exp", F.exp, ((3, 4),)),
    Case("log", F.log, ((3, 4),), positive=True),
    Case("sqrt", F.sqrt, ((3, 4),), positive=True),
    Case("sum", lambda x: F.sum(x, (0, 2)), (IMAGES,), "over two axes"),
    Case("mean", lambda x: F.mean(x, 1, True), (IMAGES,), "over one axis"),
    Case("max", lambda x: F.max(x, 1), ((3, 4),), "over one axis"),
    Case("reshape", lambda x: F.reshape(x, 4, 3), ((3, 4),)),
    Case("permute", lambda x: F.permute(x, 3, 0, 2, 1), (IMAGES,)),
    Case("permute", lambda x: F.permute(x, 1, 2, 0), ((3, 3, 3),), "a cube, in an order that is not its own inverse"),
    Case("transpose", lambda x: F.transpose(x, 0, 1), ((3, 4),)),
    Case("getitem", lambda x: F.getitem(x, ([0, 2, 0], slice(1, None))), ((3, 4),), "a row taken twice"),
    Case("cat", lambda a, b: F.cat([a, b, a], 1), ((3, 2), (3, 4)), "one tensor twice"),
    Case("pad", lambda x: F.pad(x, (1, 0, 2, 3)), (IMAGES,), "another width on each side"),
)

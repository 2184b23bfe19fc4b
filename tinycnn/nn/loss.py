"""Losses as modules; arguments as for the functions in `tinycnn.functional`."""

from __future__ import annotations

from typing import Any

import tinycnn.functional as F
from tinycnn.nn.module import Module
from tinycnn.tensor import Tensor


class CrossEntropyLoss(Module):
    """Cross-entropy of logits (N, C, …) against class numbers, softmax included."""

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ):
        self.weight, self.ignore_index = weight, ignore_index
        self.reduction, self.label_smoothing = reduction, label_smoothing

    def forward(self, logits: Any, targets: Any) -> Tensor:
        """(N, C, …) and (N, …) -> a scalar, or (N, …)."""
        return F.cross_entropy(logits, targets, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class MSELoss(Module):
    """Mean squared error."""

    def __init__(self, reduction: str = "mean"):
        self.reduction = reduction

    def forward(self, x: Any, target: Any) -> Tensor:
        """Two tensors of one shape -> a scalar, or that shape."""
        return F.mse_loss(x, target, self.reduction)


class BCEWithLogitsLoss(Module):
    """Binary cross-entropy of logits, sigmoid included."""

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None):
        self.weight, self.reduction, self.pos_weight = weight, reduction, pos_weight

    def forward(self, x: Any, target: Any) -> Tensor:
        """Two tensors of one shape -> a scalar, or that shape."""
        return F.binary_cross_entropy_with_logits(x, target, self.weight, self.reduction, self.pos_weight)


class MultiLabelSoftMarginLoss(Module):
    """Binary cross-entropy averaged over classes, for images with several labels."""

    def __init__(self, weight: Any = None, reduction: str = "mean"):
        self.weight, self.reduction = weight, reduction

    def forward(self, x: Any, target: Any) -> Tensor:
        """(N, C) and (N, C) -> a scalar, or (N,)."""
        return F.multilabel_soft_margin_loss(x, target, self.weight, self.reduction)


class KLDivLoss(Module):
    """Kullback-Leibler divergence of log-probabilities from a target distribution."""

    def __init__(self, reduction: str = "mean", log_target: bool = False):
        self.reduction, self.log_target = reduction, log_target

    def forward(self, x: Any, target: Any) -> Tensor:
        """Two tensors of one shape -> a scalar, or that shape."""
        return F.kl_div(x, target, self.reduction, self.log_target)

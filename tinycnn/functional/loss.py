"""Losses: cross-entropy over classes, squared error, binary and multi-label cross-entropy, KL divergence."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinycnn.arrays import Array, beside, is_array, to_numpy
from tinycnn.backend import kernels_for
from tinycnn.function import Function
from tinycnn.functional import checks
from tinycnn.functional.arithmetic import mul
from tinycnn.functional.reduction import mean, sum
from tinycnn.gpu import is_capturing
from tinycnn.tensor import Tensor, as_tensor

REDUCTIONS = ("none", "mean", "sum")


class CrossEntropy(Function):
    """−Σ_c q_c · log softmax(logits)_c of each row, for a fixed q; the gradient is Σ q · softmax(logits) − q."""

    def __init__(self, q: Array):
        self.q = q

    def forward(self, logits: Array) -> Array:  # (N, C, …) -> (N, …)
        loss, self.log_p = self.kernels.cross_entropy_forward(logits, self.q)
        return loss

    def backward(self, grad: Array) -> Array:  # (N, …) -> (N, C, …)
        return self.kernels.cross_entropy_backward(grad, self.log_p, self.q)


class SquaredError(Function):
    """(x − t)²; the gradient is 2 · (x − t), and its negative for t."""

    def forward(self, x: Array, target: Array) -> Array:
        self.difference = x - target
        return self.difference * self.difference

    def backward(self, grad: Array) -> tuple[Array, Array]:
        dx = 2 * grad * self.difference
        return dx, -dx


class BCEWithLogits(Function):
    """−(w·t·log σ(x) + (1 − t)·log(1 − σ(x))) for logits x, answers t, and the weight w of the yes part."""

    def __init__(self, pos_weight: Array | float):
        self.pos_weight = pos_weight

    def forward(self, x: Array, target: Array) -> Array:
        self.x, self.target = x, target
        return self.kernels.bce_with_logits_forward(x, target, self.pos_weight)

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        dx, dt = self.kernels.bce_with_logits_backward(grad, self.x, self.target, self.pos_weight)
        return dx, dt


class KLDivergence(Function):
    """t · (log t − x) for log-probabilities x, 0 where t is 0; with ``log_target``, e^t · (t − x)."""

    def __init__(self, log_target: bool):
        self.log_target = log_target

    def forward(self, x: Array, target: Array) -> Array:
        self.x, self.target = x, target
        return self.kernels.kl_div_forward(x, target, self.log_target)

    def backward(self, grad: Array) -> tuple[Array, Array]:
        dx, dt = self.kernels.kl_div_backward(grad, self.x, self.target, self.log_target)
        return dx, dt


def cross_entropy(
    logits: Any,
    targets: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy between softmax(logits) and the right classes, fused with the softmax and stable for any logits.

    Parameters
    ----------
    logits
        (N, C) or (N, C, …), floating point: scores before softmax.
    targets
        Class numbers 0 … C − 1, an integer array or Tensor of shape (N,) or (N, …).
    weight
        (C,) weights of the classes, or None.
    ignore_index
        A target that costs nothing and is not counted.
    reduction
        ``"mean"`` (over the weights of the targets counted), ``"sum"`` or ``"none"``.
    label_smoothing
        Part of each target, 0 to 1, that is spread evenly over all classes.

    Returns
    -------
    Tensor
        A scalar, or the shape of ``targets`` for ``"none"``.

    Raises
    ------
    ValueError
        For labels out of range, shapes that do not fit, a mean over nothing.
    TypeError
        For targets that are no integers.

    Notes
    -----
    Label smoothing: Szegedy et al. (2015), Rethinking the Inception Architecture, section 7.

    Examples
    --------
    A network that knows nothing is off by the logarithm of the number of classes:

    >>> import numpy as np
    >>> import tinycnn as tc
    >>> loss = tc.functional.cross_entropy(tc.Tensor(np.zeros((2, 10), np.float32)), np.array([3, 7]))
    >>> round(loss.item(), 4), round(float(np.log(10)), 4)
    (2.3026, 2.3026)
    """
    name = "cross_entropy"
    logits = checks.channel_batch(name, logits)
    checks.one_of(name, "reduction", reduction, REDUCTIONS)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing is a part, from 0 to 1, got {label_smoothing}")
    C = logits.shape[1]
    if C == 0:
        raise ValueError(f"{name}: logits of shape {logits.shape} have no classes")
    labels, counted = _labels(name, targets, logits.data, ignore_index)
    class_weight = checks.per_channel(name, "weight", weight, C, logits)
    weights = np.ones_like(logits.data, shape=C) if class_weight is None else class_weight.data
    weights = weights.astype(logits.dtype, copy=False)
    kernels = kernels_for((logits.data, labels, weights))  # refuses arrays of two sides
    if is_capturing():  # a graph can refuse nothing, so there a target that is no class makes the loss NaN
        is_class = (labels >= 0) & (labels < C)
        refused = counted & ~is_class
        labels = np.where(is_class, labels, 0)
        counted = np.where(refused, logits.dtype.type(np.nan), counted.astype(logits.dtype))
    q, label_weights = kernels.cross_entropy_target(labels, counted, weights, label_smoothing)
    if reduction == "mean":
        total = label_weights.sum()
        if not is_capturing() and not total and not label_weights.any():
            raise ValueError(f'{name}: {_emptiness(counted, ignore_index)}, so there is no mean; reduction="sum" is 0')
        q /= total
    losses = CrossEntropy(q)(logits)
    return losses if reduction == "none" else sum(losses)


def mse_loss(x: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Squared error (x − target)².

    Parameters
    ----------
    x, target
        Floating point, of one shape: (N, 1) against (N,) would broadcast to N · N pairs, so it is refused.
    reduction
        ``"mean"`` over all entries, ``"sum"`` or ``"none"``.

    Raises
    ------
    ValueError
        For different shapes, or a mean over nothing.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.mse_loss(tc.Tensor([1.0, 2.0]), tc.Tensor([1.0, 4.0])).item()
    2.0
    """
    return _reduced(SquaredError()(*_alike("mse_loss", x, target)), reduction, "mse_loss")


def binary_cross_entropy_with_logits(
    x: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """Cross-entropy of yes-or-no answers, fused with the sigmoid and stable for any x.

    Parameters
    ----------
    x
        Logits, floating point, any shape.
    target
        Probabilities of yes, of the same shape.
    weight
        Weights that broadcast to the shape, or None.
    reduction
        ``"mean"`` over all entries, ``"sum"`` or ``"none"``.
    pos_weight
        Weight of the yes part, broadcast to the shape, or None for 1.

    Raises
    ------
    ValueError
        For different shapes, or a mean over nothing.

    Examples
    --------
    >>> import tinycnn as tc
    >>> round(tc.functional.binary_cross_entropy_with_logits(tc.Tensor([0.0]), tc.Tensor([1.0])).item(), 4)
    0.6931
    """
    name = "binary_cross_entropy_with_logits"
    logits, answers = _alike(name, x, target)
    positive = 1.0 if pos_weight is None else _weights(name, "pos_weight", pos_weight, logits).data
    losses = BCEWithLogits(positive)(logits, answers)
    if weight is not None:
        losses = mul(losses, _weights(name, "weight", weight, logits))
    return _reduced(losses, reduction, name)


def multilabel_soft_margin_loss(x: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """Mean over classes of the binary cross-entropy: each image may have several labels.

    Parameters
    ----------
    x
        Logits (N, C), floating point.
    target
        1 for each label that holds, else 0: (N, C).
    weight
        (C,) weights of the classes, or None.
    reduction
        ``"mean"`` over the batch, ``"sum"``, or ``"none"`` for (N,).

    Raises
    ------
    ValueError
        For different shapes, or a mean over nothing.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x, labels = tc.Tensor([[0.0, 0.0]]), tc.Tensor([[1.0, 1.0]])
    >>> round(tc.functional.multilabel_soft_margin_loss(x, labels).item(), 4)
    0.6931
    """
    losses = binary_cross_entropy_with_logits(x, target, weight, reduction="none")
    return _reduced(mean(losses, dim=-1), reduction, "multilabel_soft_margin_loss")


def kl_div(x: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence from the distribution e^x to ``target``, entry by entry: t · (log t − x).

    Parameters
    ----------
    x
        Log-probabilities, floating point, any shape.
    target
        Probabilities, or log-probabilities with ``log_target``, of the same shape.
    reduction
        ``"batchmean"`` (the definition: summed, over the first axis' size), ``"mean"`` over all entries (the default,
        as in PyTorch), ``"sum"`` or ``"none"``.
    log_target
        Whether ``target`` holds logarithms.

    Raises
    ------
    ValueError
        For different shapes, negative probabilities, or a mean over nothing.

    Notes
    -----
    Cross-entropy is the entropy of the target plus this divergence; for fixed targets both have the same gradient. The
    gradient for a target of 0, where t · log t has none, is that of −t · x alone plus 1.

    Examples
    --------
    >>> import tinycnn as tc
    >>> p = tc.Tensor([[0.5, 0.5]])
    >>> tc.functional.kl_div(p.log(), p, reduction="batchmean").item()
    0.0
    """
    x, target = _alike("kl_div", x, target)
    if not log_target and (target.data < 0).any():
        smallest = to_numpy(target.data.min())
        raise ValueError(f"kl_div: a target of {smallest} is no probability; log_target=True if targets are logarithms")
    losses = KLDivergence(log_target)(x, target)
    if reduction == "batchmean":
        if losses.ndim == 0 or losses.shape[0] == 0:
            raise ValueError(f"kl_div: a tensor of shape {losses.shape} has no batch to average over")
        return mul(sum(losses), 1 / losses.shape[0])
    return _reduced(losses, reduction, "kl_div", (*REDUCTIONS, "batchmean"))


def _labels(name: str, targets: Any, logits: Array, ignore_index: int) -> tuple[Array, Array]:
    """The class of each row, and whether it counts."""
    labels = targets.data if isinstance(targets, Tensor) else targets
    if not is_array(labels):
        labels = beside(np.asarray(labels), logits)
    shape, expected = logits.shape, (logits.shape[0], *logits.shape[2:])
    if labels.dtype.kind not in "iu" and labels.size:
        hint = "targets.astype(np.int64) if they are class numbers"
        if labels.shape == shape:
            hint = "for probabilities use kl_div(log_softmax(logits), targets), for one-hot rows targets.argmax(axis=1)"
        raise TypeError(f"{name} expected integer targets, got {labels.dtype}: {hint}")
    if labels.shape != expected:
        hint = ": one-hot rows become labels with targets.argmax(axis=1)" if labels.shape == shape else ""
        if labels.ndim == 2 and labels.shape == (shape[0], 1):
            hint = ": targets.reshape(-1) drops the extra axis"
        raise ValueError(f"{name} with logits {shape} expected targets {expected}, got {labels.shape}{hint}")
    labels = labels.astype(np.int64, copy=False)
    counted = labels != ignore_index
    wrong = counted & (labels.view(np.uint64) >= shape[1])  # without a sign, what is below 0 is large
    if not is_capturing() and np.count_nonzero(wrong):
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = where[0] if len(where) == 1 else where
        raise ValueError(
            f"{name}: target {int(labels[where])} at index {place} is no class: "
            f"with {shape[1]} logits the classes are 0 to {shape[1] - 1}"
        )
    return labels, counted


def _emptiness(counted: Array, ignore_index: int) -> str:
    """Why no target has a weight."""
    if not counted.size:
        return "the batch is empty"
    return "every target has a class of weight 0" if counted.any() else f"every target is ignore_index ({ignore_index})"


def _alike(name: str, x: Any, target: Any) -> tuple[Tensor, Tensor]:
    x = checks.floating(name, "input", x)
    target = as_tensor(target, x)
    if target.dtype.kind != "f":
        target = Tensor(target.data.astype(x.dtype))
    if x.shape != target.shape:
        hint = ""
        if x.size == target.size:
            hint = f": target.reshape({', '.join(map(str, x.shape))}) lines them up"
        raise ValueError(f"{name} expected input and target of one shape, got {x.shape} and {target.shape}{hint}")
    checks.same_dtype(name, input=x, target=target)
    return x, target


def _weights(name: str, argument: str, value: Any, like: Tensor) -> Tensor:
    weights = checks.floating(name, argument, as_tensor(value, like)).astype(like.dtype)
    kernels_for((like.data, weights.data))  # refuses arrays of two sides
    try:
        fits = np.broadcast_shapes(weights.shape, like.shape) == like.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: {argument} must broadcast to the input's shape {like.shape}, got {weights.shape}")
    return weights


def _reduced(losses: Tensor, reduction: str, name: str, allowed: tuple[str, ...] = REDUCTIONS) -> Tensor:
    checks.one_of(name, "reduction", reduction, allowed)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum(losses)
    if losses.size == 0:
        raise ValueError(f'{name}: there is nothing to average; reduction="sum" is 0')
    return mean(losses)

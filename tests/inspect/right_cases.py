"""Random right calls of every operation: what the gradient checker holds against one of them is a false alarm.

A seed stands for a regime of the data, a shape, hyper-parameters and the data themselves. A case may lie on a kink
between two finite one-sided derivatives, but never where there is no derivative at all, such as that of a square root
at 0; and it stays away from data with which most entries of an input drown in rounding, of which nobody can judge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import tinycnn.functional as F
from tests.inspect.right_windows import LAYERS
from tinycnn.tensor import Tensor

Array = np.ndarray
Case = tuple[Callable[..., Tensor], list[Array]]
Regime = Callable[[np.random.Generator, tuple[int, ...]], Array]


def _near_a_kink(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.where(rng.random(shape) < 0.5, rng.choice([-3e-6, 3e-6], shape), rng.standard_normal(shape))


def _one_large_entry(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    x = rng.standard_normal(shape)
    x.flat[rng.integers(x.size)] *= 1e4
    return x


REGIMES: dict[str, Regime] = {
    "standard normal": lambda rng, shape: rng.standard_normal(shape),
    "scaled by 1e-6": lambda rng, shape: rng.standard_normal(shape) * 1e-6,
    "scaled by 1e6": lambda rng, shape: rng.standard_normal(shape) * 1e6,
    "near a kink": _near_a_kink,
    "at a kink": lambda rng, shape: np.where(rng.random(shape) < 0.25, 0.0, rng.standard_normal(shape)),
    "ties": lambda rng, shape: rng.integers(-2, 3, shape).astype(np.float64),
    "tiny spread": lambda rng, shape: 1 + 1e-3 * rng.standard_normal(shape),
    "one large entry": _one_large_entry,
}
SCALES = {"scaled by 1e-6": 1e-6, "scaled by 1e6": 1e6}


@dataclass
class Draw:
    """Draws what a case is made of; all of its data are of one regime."""

    rng: np.random.Generator
    regime: str
    has_large_entry: bool = False

    @property
    def scale(self) -> float:
        """The size of most data."""
        return SCALES.get(self.regime, 1.0)

    def data(self, *shape: int) -> Array:
        """Float64 data of the regime.

        Only the first of a case's inputs gets the one large entry: a second one elsewhere could make an output so large
        that the gradients of all the others drown in its rounding.
        """
        regime = "standard normal" if self.has_large_entry else self.regime
        self.has_large_entry = self.regime == "one large entry"
        return np.asarray(REGIMES[regime](self.rng, shape), np.float64)

    def positive(self, *shape: int) -> Array:
        """Data above 0, at a distance from it."""
        return np.abs(self.data(*shape)) + 0.1 * self.scale

    def away_from_zero(self, *shape: int) -> Array:
        """Data at a distance from 0 on either side."""
        x = self.data(*shape)
        return x + np.copysign(0.1 * self.scale, x)

    def bounded(self, largest: float, *shape: int) -> Array:
        """Data of which none is larger; all are made smaller alike."""
        x = self.data(*shape)
        return x * (largest / max(largest, np.abs(x).max()))

    def number(self, least: int, most: int) -> int:
        """An integer from ``least`` to ``most``."""
        return int(self.rng.integers(least, most + 1))

    def flag(self) -> bool:
        """One time in two."""
        return bool(self.rng.random() < 0.5)

    def one_of(self, *choices: Any) -> Any:
        """Each as often as the others."""
        return choices[self.number(0, len(choices) - 1)]

    def shape(self, least_ndim: int, most_ndim: int, smallest: int = 1) -> tuple[int, ...]:
        """Sizes from ``smallest``, of 4 to 60 entries together."""
        while True:
            shape = tuple(self.number(smallest, 6) for _ in range(self.number(least_ndim, most_ndim)))
            if 4 <= np.prod(shape) <= 60:
                return shape

    def axis(self, ndim: int) -> int:
        """An axis, counted from the front or from the end."""
        return self.number(-ndim, ndim - 1)


def regime_of(seed: int) -> str:
    """The regime that a seed stands for, for any operation.

    Each occurs in any eight seeds from a multiple of eight on; one step further from eight to eight, so that it meets
    even and odd seeds.
    """
    names = tuple(REGIMES)
    return names[(seed + seed // len(names)) % len(names)]


def right_case(operation: str, seed: int) -> Case:
    """A function that calls ``tinycnn.functional.OPERATION``, and float64 inputs at which its gradients are right."""
    draw = Draw(np.random.default_rng([seed, *operation.encode()]), regime_of(seed))
    return OPERATIONS[operation](draw)


# Entry by entry


def _entrywise(name: str, draw: Draw) -> Case:
    return getattr(F, name), [draw.data(*draw.shape(1, 4))]


def _leaky_relu(draw: Draw) -> Case:
    return partial(F.leaky_relu, negative_slope=draw.one_of(0.0, 0.01, 0.1, 0.5)), [draw.data(*draw.shape(1, 4))]


def _exp(draw: Draw) -> Case:
    # e^x overflows above 709 and is 0 below -745: of data scaled by 1e6, half would be infinite and half 0.
    return F.exp, [draw.bounded(20.0, *draw.shape(1, 4))]


def _of_positive(name: str, draw: Draw) -> Case:
    return getattr(F, name), [draw.positive(*draw.shape(1, 4))]


def _dropout(draw: Draw) -> Case:
    options = {"p": draw.one_of(0.0, 0.1, 0.4, 0.5, 0.8), "training": draw.number(0, 4) > 0}
    return partial(F.dropout, **options), [draw.data(*draw.shape(1, 4))]


def _broadcast_shapes(draw: Draw) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape, and one that broadcasts to it: leading axes left out, others of size 1; or both the other way round."""
    shape = draw.shape(1, 3)
    part = tuple(1 if draw.number(0, 3) == 0 else size for size in shape)[draw.number(0, len(shape) - 1) :]
    return (shape, part) if draw.flag() else (part, shape)


def _of_two(name: str, draw: Draw) -> Case:
    return getattr(F, name), [draw.data(*shape) for shape in _broadcast_shapes(draw)]


def _div(draw: Draw) -> Case:
    numerator, denominator = _broadcast_shapes(draw)
    return F.div, [draw.data(*numerator), draw.away_from_zero(*denominator)]


def _pow(draw: Draw) -> Case:
    # A power of 1e6 would overflow; and a negative number, or 0, has no derivative for every power.
    base, exponent = _broadcast_shapes(draw)
    return F.pow, [draw.positive(*base), draw.bounded(3.0, *exponent)]


# Reductions


def _over_axes(name: str, draw: Draw) -> Case:
    shape = draw.shape(1, 4)
    several = tuple(int(d) for d in draw.rng.permutation(len(shape))[: draw.number(1, len(shape))])
    dim = draw.one_of(None, draw.axis(len(shape)), several)
    return partial(getattr(F, name), dim=dim, keepdim=draw.flag()), [draw.data(*shape)]


def _max(draw: Draw) -> Case:
    shape = draw.shape(1, 4)
    dim = draw.one_of(None, draw.axis(len(shape)), draw.axis(len(shape)))
    return partial(F.max, dim=dim, keepdim=draw.flag()), [draw.data(*shape)]


def _over_classes(name: str, draw: Draw) -> Case:
    shape = draw.shape(1, 4, smallest=2)
    return partial(getattr(F, name), dim=draw.axis(len(shape))), [draw.data(*shape)]


# Losses: the mean, the sum or all of them

REDUCTIONS = ("mean", "sum", "none")


def _mse_loss(draw: Draw) -> Case:
    shape = draw.shape(1, 3)
    x, target, reduction = draw.data(*shape), draw.data(*shape), draw.one_of(*REDUCTIONS)
    if draw.flag():
        return partial(F.mse_loss, reduction=reduction), [x, target]
    return partial(F.mse_loss, target=target, reduction=reduction), [x]


def _cross_entropy(draw: Draw) -> Case:
    shape = draw.shape(2, 3, smallest=2)
    C = shape[1]
    targets = draw.rng.integers(0, C, (shape[0], *shape[2:]))
    options = {
        "targets": targets,
        "weight": draw.one_of(None, draw.rng.uniform(0.5, 3.0, C)),
        "ignore_index": draw.one_of(-100, draw.number(0, C - 1)),
        "reduction": draw.one_of(*REDUCTIONS),
        "label_smoothing": draw.one_of(0.0, 0.1, 0.5),
    }
    targets.flat[0] = 1 if options["ignore_index"] == 0 else 0  # one that counts: there is no mean over nothing
    if options["ignore_index"] == -100:
        targets.flat[1:][draw.rng.random(targets.size - 1) < 0.2] = -100
    return partial(F.cross_entropy, **options), [draw.data(*shape)]


def _answers(draw: Draw, shape: tuple[int, ...]) -> Array:
    """Yes or no, or probabilities of yes."""
    hard = draw.rng.integers(0, 2, shape).astype(np.float64)
    return hard if draw.flag() else draw.rng.uniform(0.05, 0.95, shape)


def _binary_cross_entropy_with_logits(draw: Draw) -> Case:
    shape = draw.shape(1, 3)
    x, answers = draw.data(*shape), _answers(draw, shape)
    options = {
        "weight": draw.one_of(None, draw.rng.uniform(0.5, 2.0, shape[-1])),
        "pos_weight": draw.one_of(None, draw.rng.uniform(0.5, 3.0, shape)),
        "reduction": draw.one_of(*REDUCTIONS),
    }
    if draw.flag():
        return partial(F.binary_cross_entropy_with_logits, **options), [x, answers]
    return partial(F.binary_cross_entropy_with_logits, target=answers, **options), [x]


def _multilabel_soft_margin_loss(draw: Draw) -> Case:
    shape = draw.shape(2, 2)
    x, answers = draw.data(*shape), _answers(draw, shape)
    weight = draw.one_of(None, draw.rng.uniform(0.5, 2.0, shape[1]))
    options = {"weight": weight, "reduction": draw.one_of(*REDUCTIONS)}
    if draw.flag():
        return partial(F.multilabel_soft_margin_loss, **options), [x, answers]
    return partial(F.multilabel_soft_margin_loss, target=answers, **options), [x]


def _kl_div(draw: Draw) -> Case:
    shape = draw.shape(1, 3, smallest=2)
    logits = draw.bounded(100.0, *shape)  # a log-probability of -1e6 would drown all the others
    x = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = draw.positive(*shape)
    target /= target.sum(-1, keepdims=True)
    log_target = draw.flag()
    options = {"reduction": draw.one_of(*REDUCTIONS, "batchmean"), "log_target": log_target}
    given = np.log(target) if log_target else target
    if draw.flag():
        return partial(F.kl_div, **options), [x, given]
    if not log_target:  # t · log t has no derivative at 0, but there is one for x
        given = np.where(draw.rng.random(shape) < 0.2, 0.0, given)
    return partial(F.kl_div, target=given, **options), [x]


# Shapes


def _flatten(draw: Draw) -> Case:
    shape = draw.shape(1, 4)
    first, last = sorted((draw.number(0, len(shape) - 1), draw.number(0, len(shape) - 1)))
    return partial(F.flatten, start_dim=first, end_dim=draw.one_of(last, last - len(shape))), [draw.data(*shape)]


def _reshape(draw: Draw) -> Case:
    shape = draw.shape(1, 4)
    size = int(np.prod(shape))
    rows = draw.one_of(*(count for count in range(1, size + 1) if size % count == 0))
    to = draw.one_of((rows, size // rows), (-1, rows), (rows, 1, -1), (size,))
    return lambda x: F.reshape(x, *to), [draw.data(*shape)]


def _permute(draw: Draw) -> Case:
    shape = draw.shape(1, 4)
    axes = [int(axis) - draw.one_of(0, len(shape)) for axis in draw.rng.permutation(len(shape))]
    return lambda x: F.permute(x, *axes), [draw.data(*shape)]


def _transpose(draw: Draw) -> Case:
    shape = draw.shape(1, 4)
    return partial(F.transpose, dim0=draw.axis(len(shape)), dim1=draw.axis(len(shape))), [draw.data(*shape)]


def _getitem(draw: Draw) -> Case:
    shape = draw.shape(1, 4)
    return partial(F.getitem, index=_index(draw, shape)), [draw.data(*shape)]


def _index(draw: Draw, shape: tuple[int, ...]) -> Any:
    """A mask, or for some axes an integer, a slice with any step, or, for one of them, integers that repeat."""
    if draw.number(0, 4) == 0:
        mask = draw.rng.random(shape) < 0.6
        mask.flat[0] = True
        return mask
    parts: list[Any] = []
    for size in shape[: draw.number(1, len(shape))]:
        start = draw.number(0, size - 1)
        parts.append(
            draw.one_of(start - draw.one_of(0, size), slice(start, None, draw.number(1, 2)), slice(None, None, -1))
        )
    if draw.flag():
        axis = draw.number(0, len(parts) - 1)
        parts[axis] = draw.rng.integers(-shape[axis], shape[axis], min(2 * shape[axis], 6))
    return draw.one_of(tuple(parts), (*parts, ...), (None, *parts))


def _cat(draw: Draw) -> Case:
    outline = [draw.number(1, 3) for _ in range(draw.number(0, 2))]
    axis = draw.axis(len(outline) + 1)
    place, across = axis % (len(outline) + 1), int(np.prod(outline))
    sizes = [draw.number(-(-4 // across), 5) for _ in range(draw.number(1, 3))]
    shapes = [(*outline[:place], size, *outline[place:]) for size in sizes]
    order = [*range(len(shapes)), draw.number(0, len(shapes) - 1)]  # one of them twice
    return lambda *parts: F.cat([parts[i] for i in order], axis), [draw.data(*shape) for shape in shapes]


def _pad(draw: Draw) -> Case:
    shape = draw.shape(1, 3)
    most = 1 if len(shape) > 2 else 2  # so that the output stays small
    widths = [draw.number(0, most) for _ in range(2 * draw.number(1, min(2, len(shape))))]
    return partial(F.pad, pad=widths, value=draw.one_of(0.0, 1.5, -7.0)), [draw.data(*shape)]


OPERATIONS: dict[str, Callable[[Draw], Case]] = {
    **LAYERS,
    **{name: partial(_entrywise, name) for name in ("relu", "tanh", "sigmoid", "neg", "abs")},
    **{name: partial(_of_positive, name) for name in ("log", "sqrt")},
    **{name: partial(_of_two, name) for name in ("add", "sub", "mul")},
    **{name: partial(_over_axes, name) for name in ("sum", "mean")},
    **{name: partial(_over_classes, name) for name in ("softmax", "log_softmax")},
    "leaky_relu": _leaky_relu,
    "exp": _exp,
    "dropout": _dropout,
    "div": _div,
    "pow": _pow,
    "max": _max,
    "mse_loss": _mse_loss,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy_with_logits": _binary_cross_entropy_with_logits,
    "multilabel_soft_margin_loss": _multilabel_soft_margin_loss,
    "kl_div": _kl_div,
    "flatten": _flatten,
    "reshape": _reshape,
    "permute": _permute,
    "transpose": _transpose,
    "getitem": _getitem,
    "cat": _cat,
    "pad": _pad,
}

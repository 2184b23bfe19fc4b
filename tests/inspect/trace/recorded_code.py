"""Functions of the many kinds that learners write, each with the arrays that it is called with."""

import collections
import functools
import math

import numpy
import numpy as np
from numpy import zeros

A = np.arange(12.0).reshape(3, 4) + 0.5
B = np.arange(4.0) * 0.3
CASES = {}


def case(*arrays):
    def put(function):
        CASES[getattr(function, "__name__", str(len(CASES)))] = (function, arrays)
        return function

    return put


@case(A)
def views(x):
    y = x.T[::2, 1:]
    return y.reshape(-1), x.swapaxes(0, 1).ravel(), x.squeeze(), x[None], x[..., 0], x[1, ...], x.view()[::-1], x.real


@case(A)
def entries_without_axes(x):
    v = x[1, 2, ...]
    v += 1
    return x, float(v), int(v), bool(v), v


@case(A)
def padding(x):
    sides = ((0, 1), (2, 0))
    return np.pad(x, 1), np.pad(x, 1, mode="edge"), np.pad(x, sides, constant_values=7.0), np.pad(x, 1, mode="mean")


@case(A)
def fancy_and_boolean_indices(x):
    y = x.copy()
    y[[0, 0, 2]] += 1
    y[y > 3] = 0
    y[x > 5] *= 2
    y[np.array([0, 1]), np.array([2, 3])] = x[0, :2]
    return y, x[x > 2], x[[2, 0]], x[np.ix_([0, 1], [1, 2])], x[np.nonzero(x > 8)]


@case(A)
def in_place(x):
    y = zeros(x.shape)
    y[1:] += x[1:]
    y[:, ::2] -= x[:, ::2] * 2
    y *= 3
    y[0] = y[1]
    y[:] = y
    y[0, 1:] = y[0, :-1]
    x += 1
    x **= 2
    return y, x


@case(A)
def out(x):
    y, z, w = np.empty(x.shape), np.zeros(4), np.zeros((3, 3))
    np.multiply(x, 2, out=y)
    np.sum(x, axis=0, out=z)
    np.dot(x, x.T, out=w)
    np.add.reduce(x, axis=0, out=z)
    whole, rest = np.divmod(x, 2.0, out=(y, None))
    return y, z, w, np.add(x, 1, out=x) is x, whole is y, rest


@case(A)
def reductions(x):
    first = (
        x.sum(),
        x.max(axis=1),
        x.mean(0),
        x.std(),
        x.prod(),
        x.any(),
        x.all(),
        x.min(),
        x.argmax(),
        x.argmin(axis=0),
    )
    second = x.cumsum(), np.median(x), np.ptp(x), x.var(axis=1), x.trace(), x.round(1), x.clip(1, 3), x.argsort()
    return *first, *second, np.sum(x, where=x > 3), np.add.accumulate(x), np.linalg.norm(x), x.nonzero()


@case(A, B)
def products(x, b):
    first = x @ b, np.dot(x, b), x.dot(b), np.einsum("ij,j->i", x, b), np.tensordot(x, b, 1), np.matmul(x, b)
    return *first, np.inner(x, b), np.outer(b, b), b @ b, np.vdot(b, b), x * b + 2 * b[0] * x[1, 1] - b[1] ** 2


@case(A)
def iteration(x):
    total = 0.0
    for row in x:
        for v in row:
            total += v * v
    first = total, [float(v) for v in x[0]], list(x[0]), [*x.flat], sum(x[1]), max(x[2]), min(x[2]), len(x)
    return *first, sorted(x[0], reverse=True), 3.5 in x, x.tolist(), dict(enumerate(x[0])), [*map(max, x[0], x[1])]


@case(A)
def scalars(x):
    a, b = x[0, 1], x[1, 2]
    first = float(a), int(b), a < b, math.exp(a), round(a, 1), abs(-a), a // 2, a % 2, divmod(b, 2), a * b, 3 * a, a * 3
    second = a * np.float32(2), np.float64(3) * a, a.item(), str(a), a * A, A * a, repr(float(a)), -a, a**0.5, a * True
    third = x.item(3), x.item(1, 2), f"{a:.2f}", np.float32(1.5) * a, np.ones(2, np.float32) * a, np.array([a, 1]), a
    return *first, *second, *third, np.maximum(a, b), hash(a), {a: 1}[1.5], str(x), repr(x), f"{x[0]}"


@case(A.astype(np.float32), np.arange(4), np.array([True, False, True, True]))
def dtypes(x, i, m):
    y = np.zeros(4, np.float32)
    y += x[0]
    y[i[1]] = x[0, i[2]]
    first = x * 2, x[0, 0] * x[0, 1], x[:, i], x[:, m], i // 2, i[1] + i[2], i[1] * i[2], i.sum(), ~m, m.sum(), y
    return *first, i[1:3], range(i[3]), [7, 8, 9][i[1]], np.eye(3)[i[:3]], x.astype(int), x.astype(np.float64)


@case(np.array(2.5), np.zeros((0, 3)))
def no_axes_and_no_entries(s, e):
    return (
        s * 2,
        float(s),
        s.sum(),
        e.sum(),
        e.sum(axis=0),
        e.reshape(3, 0),
        list(e),
        s[()],
        np.concatenate([e, e]),
        e.T,
    )


@case(A)
def at(x):
    y = np.zeros(5)
    np.add.at(y, [0, 1, 1, 4], x[0])
    np.subtract.at(y, (np.array([0, 0]),), 1.0)
    np.maximum.at(x, (0, [1, 2]), 9.0)
    return y, x


@case(A)
def flat(x):
    total = 0.0
    for v in x.flat:
        total += v
    x.flat[3] = 7
    x.flat[[0, 1]] = x.flat[[4, 5]]
    x.T.flat[2] = 99.0
    row = x.flat
    first = next(row), next(row), row.index, [*row]
    x.flat = x.ravel()[::-1].copy()
    return total, x, first, np.array(x.flat), x.flat[3], x.flat[1:3], x.T.flat[1], len(x.flat)


@case(A)
def nditer(x):
    total = 0.0
    for v in np.nditer(x):
        total += float(v)
    with np.nditer(x, op_flags=["readwrite"]) as entries:
        for v in entries:
            v[...] = 2 * v
    return total, x, dict(np.ndenumerate(x)), [*np.ndindex(x.shape)]


class Helper:
    """Keeps what it is given."""

    def __init__(self, n):
        self.kept, self.count = np.zeros(n), 0

    def add(self, value):
        self.kept[self.count] += value
        self.count += 1

    @property
    def total(self):
        return self.kept.sum()

    @staticmethod
    def twice(value):
        return value * 2


@case(A)
def classes(x):
    helper = Helper(4)
    for v in x[1]:
        helper.add(Helper.twice(v))
    return helper.kept, helper.total


@case(A)
def closures(x):
    y, k = np.zeros(4), 2

    def put(i, scale=1.0):
        y[i] = x[0, i] * k * scale

    def rows():
        for row in x:
            yield row.sum()

    for i in range(4):
        put(i)
    twice = lambda value, by=2: value * by  # noqa: E731
    return y, twice(x[0, 0]), list(rows()), [x[i, i] for i in range(3)], {i: x[0, i] for i in range(2)}


def _nth(x, n):
    return x[n] if n < 2 else _nth(x, n - 1) + _nth(x, n - 2)


@case(B)
def recursion(x):
    return _nth(x, 6)


def one_more(function):
    @functools.wraps(function)
    def wrapped(*args, **options):
        return function(*args, **options) + 1

    return wrapped


@case(A)
@one_more
def decorated(x):
    y = np.zeros(3)
    for i in range(3):
        y[i] = x[i, 0]
    return y


@case(A)
def makers(x, scale=2.0, *rest, flag=True):
    y, z = numpy.zeros(3), numpy.ones((3, 4))
    a = b = np.zeros(2)
    a[0] = 1
    w = np.zeros(12).reshape(3, 4)
    w[1] = x[1]
    u: np.ndarray = np.full(2, scale)
    v = np.array([[value * 2 for value in row] for row in x])
    x = np.zeros_like(x)
    x[0] = 1
    return (
        y + z[:, 0],
        a is b,
        a,
        w,
        u,
        v,
        x,
        np.asarray(x) is x,
        np.array(x) is x,
        np.ascontiguousarray(x.T),
        flag,
        rest,
    )


@case(A)
def assertions(x):
    assert x.shape == (3, 4)
    assert x[0, 0] == 0.5
    assert np.all(x > 0)
    assert isinstance(x, np.ndarray)
    assert isinstance(x[0, 0], float)
    assert x[0, 0] > 1, f"too small: {x[0]}"


@case(A)
def an_index_out_of_bounds(x):
    y = np.zeros(3)
    for i in range(5):
        y[i] = x[0, i % 4]


@case(A)
def shapes_that_do_not_fit(x):
    return x @ x


Pair = collections.namedtuple("Pair", "a b")


@case(A)
def functions(x):
    first = Pair(x[0], x[1, 1]), np.split(x, 3), np.hstack([x, x]), np.vstack((x, x)), np.stack([x[0], x[1]])
    second = np.where(x > 2, x, 0), np.take(x, [0, 1], axis=1), np.repeat(x, 2, axis=0), np.roll(x, 1), np.tile(x, 2)
    third = np.rot90(x), np.tril(x[:, :3]), np.diag(x[:, :3]), np.diag(x[0]), np.flip(x), np.append(x[0], 5.0)
    fourth = np.delete(x, 1, axis=0), np.insert(x, 1, 0, axis=1), np.take_along_axis(x, np.argsort(x, axis=1), 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2)), np.lib.stride_tricks.as_strided(x, (2, 2), (8, 8))
    fifth = (
        np.broadcast_to(x[0], (2, 4)),
        np.unique(x),
        np.sort(x),
        np.maximum(x, 3),
        np.isnan(x).any(),
        np.meshgrid(x[0]),
    )
    sixth = (
        np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
        np.unravel_index(x.argmax(), x.shape),
        np.vectorize(abs)(x),
    )
    seventh = (
        np.apply_along_axis(lambda row: row.sum(), 1, x),
        np.convolve(x[0], x[1]),
        np.gradient(x[0]),
        np.pi,
        np.inf,
    )
    return *first, *second, *third, *fourth, *windows, *fifth, *sixth, *seventh, x.take([1]), x.repeat(2), x.flatten()


@case(A)
def writers(x):
    y = np.zeros((3, 4))
    np.copyto(y, x)
    np.fill_diagonal(y, 7)
    np.put(y, [1, 2], 9)
    y.put([5], 4)
    np.putmask(y, y > 8, 0)
    np.place(y, y == 4, [6])
    x.sort(axis=0)
    z, w, p = y.view(), y.ravel(), y.reshape(4, 3)
    z[0], w[3] = 5, 8
    p[0] += 1
    above, below = np.split(x, [1])
    above[0, 0] = 44
    below.fill(2)
    return y, x, z, w, p, np.diagonal(y)


STATE = {"calls": 0}


@case(A)
def state(x):
    STATE["calls"] += 1
    return x[0] * (STATE["calls"] > 0)

"""Operations that are more than sums of products: for each pass its tensors from the engine, or in plain NumPy."""

from dataclasses import dataclass, field
from functools import cached_property, partial
from types import MappingProxyType

import numpy as np

import tinycnn as tc
import tinycnn.functional as F
from tests.inspect.trace.browser import convolutions
from tests.inspect.trace.browser.cases import Case, halves, others
from tests.inspect.trace.browser.passes import Pass, summed
from tinycnn.inspect.trace.lessons.optimizer import sgd
from tinycnn.inspect.trace.record import Trace, made_record, run_lesson
from tinycnn.kernels.numpy.winograd_transform import transform


@dataclass
class Shown:
    """What a pass shows.

    Attributes
    ----------
    name, result
        Of the pass, and of the tensor that it makes.
    tensors
        All that may be seen, as they are in the end.
    stops
        How many.
    writes
        Places of the result that each stop may write.
    reads
        Places of some tensors that each stop reads.
    states
        The result after each stop; None where an entry that has been written changes no more.
    scratch
        Other tensors that the pass makes on its way.
    before
        Of tensors that are changed in place: what they were.
    padding
        What stands in cells of padding.
    """

    name: str
    result: str
    tensors: dict
    stops: int
    writes: list[set]
    reads: dict = field(default_factory=dict)
    states: list | None = None
    scratch: frozenset = frozenset()
    before: dict = field(default_factory=dict)
    padding: str = "0"


def one_by_one(size):
    """A stop for each entry."""
    return [{i} for i in range(size)]


def part_of_gradient(case, count):
    """dx as the engine gives it when only so many entries of the upstream gradient, from the first on, are not 0."""
    upstream = case.upstream.copy()
    upstream.ravel()[count:] = 0
    x = tc.Tensor(case.arrays[0], requires_grad=True)
    case.function(x).backward(upstream)
    return x.grad


def windows(x_shape, y_shape, kernel, stride, padding):
    """The cells of x in the window of each entry of y."""
    N, C, H, W = x_shape
    found = []
    for n, c, p, q in np.ndindex(y_shape):
        cells = ((p * stride[0] + r - padding[0], q * stride[1] + s - padding[2]) for r, s in np.ndindex(kernel))
        found.append({((n * C + c) * H + h) * W + w for h, w in cells if 0 <= h < H and 0 <= w < W})
    return found


def pooling(kernel, stride, padding, is_average, case):
    got, (x,) = case.results, case.arrays
    pair, four = convolutions.pair, convolutions.four
    y = got["y"]
    cells = windows(x.shape, y.shape, pair(kernel), pair(kernel if stride is None else stride), four(padding))
    tensors = {"x": x, **got}
    won = [max(sorted(each), key=lambda place: x.ravel()[place]) for each in cells]  # the first of those alike
    tensors["winner"] = np.array(won) % np.prod(x.shape[2:])
    tensors["count"] = np.full(y.shape[2:], np.prod(pair(kernel)))
    forward = Shown("forward", "y", tensors, y.size, one_by_one(y.size), {"x": cells}, scratch=frozenset({"winner"}))
    forward.padding = "0" if is_average else "−∞"
    reached = cells if is_average else [{place} for place in won]
    states = [part_of_gradient(case, count + 1) for count in range(y.size)]
    return [forward, Shown("backward", "dx", tensors, y.size, reached, {"dy": one_by_one(y.size)}, states)]


def entrywise(case):
    got, (x,) = case.results, case.arrays
    tensors = {"x": x, "mask": got["y"] != 0, **got}  # of dropout
    each = one_by_one(x.size)
    forward = Shown("forward", "y", tensors, x.size, each, {"x": each})
    return [forward, Shown("backward", "dx", tensors, x.size, each, {"dy": each})]


def response_norm(size, alpha, beta, k, case):
    got, (x,) = case.results, case.arrays
    C = x.shape[1]
    total = np.zeros_like(x)
    for c in range(C):
        near = slice(max(0, c - size // 2), c + (size - 1) // 2 + 1)
        total[:, c] = (x[:, near] ** 2).sum(1)
    d = k + alpha / size * total
    shared, summands = np.zeros_like(x), case.upstream * x * d ** (-beta - 1)
    for c in range(C):
        shared[:, c] = summands[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1].sum(1)
    tensors = {"x": x, "d": d, "shared": shared, **got}
    each = one_by_one(x.size)
    results = {"denominator": "d", "forward": "y", "shared": "shared", "backward": "dx"}
    return [Shown(name, result, tensors, x.size, each) for name, result in results.items()]


def cross_entropy(labels, case):
    got, (z,) = case.results, case.arrays
    e = np.exp(z - z.max(1, keepdims=True))
    q = np.eye(z.shape[1])[labels]
    p = e / e.sum(1, keepdims=True)
    tensors = {"z": z, "p": p, "q": q, "loss": got["y"], "dloss": got["dy"], "dz": got["dx"]}
    tensors |= {"maximum": z.max(1), "exponential": e, "total": e.sum(1), "total_q": q.sum(1)}
    N, C = z.shape
    rows = [set(range(n * C, n * C + C)) for n in range(N)]
    totals_first = [stop for row in rows for stop in (set(), *({place} for place in sorted(row)))]
    return [
        Shown("softmax", "p", tensors, N, rows, {"z": rows}, scratch=frozenset({"maximum", "exponential", "total"})),
        Shown("forward", "loss", tensors, N, one_by_one(N)),
        Shown("backward", "dz", tensors, N + N * C, totals_first, scratch=frozenset({"total_q"})),
    ]


def linear(case) -> list[Pass]:
    x, weight, bias = case.arrays
    dy = case.upstream
    (N, C), K = x.shape, len(weight)
    terms = dict(zip("nck", np.indices((N, C, K)).reshape(3, -1), strict=True))
    rows = dict(zip("nk", np.indices((N, K)).reshape(2, -1), strict=True))
    W, X, DY = ("weight", weight, "kc"), ("x", x, "nc"), ("dy", dy, "nk")
    return [
        summed("forward", terms, "nkc", 2, ("y", dy.shape, "nk"), (W, X), {}, ("bias", bias, "k")),
        summed("backward_input", terms, "nck", 2, ("dx", x.shape, "nc"), (DY, W), {}),
        summed("backward_weight", terms, "kcn", 2, ("dw", weight.shape, "kc"), (DY, X), {}),
        summed("backward_bias", rows, "kn", 1, ("db", bias.shape, "k"), (DY,), {}),
    ]


def winograd(options, case):
    """One tile of the first image."""
    x, weight, *rest = case.arrays
    parameters = case.trace.operations[0]["parameters"]
    (m, _), (p, q) = parameters["tile"], parameters["tile_start"]
    matrices = transform(m, 3, x.dtype)
    G, BT, AT = matrices.G, matrices.BT, matrices.AT
    a, (K, C) = len(BT), weight.shape[:2]
    pad = convolutions.four(options.get("padding", 0))
    around = np.pad(x[0], ((0, 0), (pad[0], pad[1] + a), (pad[2], pad[3] + a)))
    d = around[:, p : p + a, q : q + a]
    u, v = G @ weight @ G.T, BT @ d @ BT.T
    total = np.einsum("kcij,cij->kij", u, v)
    y = case.results["y"][0, :, p : p + m, q : q + m]
    tensors = {"x": x, "weight": weight, "G": G, "BT": BT, "AT": AT, "u": u, "v": v, "m": total, "y": y}
    tensors |= {"Gg": G @ weight, "BTd": BT @ d, "ATm": (AT @ total)[:, : y.shape[1]]}
    tensors |= {"bias": rest[0]} if rest else {}

    def rows(tensor):
        """Two products of matrices: for each plane first those of the first, row by row, then those of the second."""
        (*planes, height, width) = tensors[tensor].shape
        each = [set(range(i * width, i * width + width)) for i in range(int(np.prod(planes)) * height)]
        return [stop for i in range(0, len(each), height) for stop in ([set()] * height + each[i : i + height])]

    return [
        Shown("transform_weight", "u", tensors, 2 * K * C * a, rows("u"), scratch=frozenset({"Gg"})),
        Shown("transform_input", "v", tensors, 2 * C * a, rows("v"), scratch=frozenset({"BTd"})),
        Shown("product", "m", tensors, total.size, one_by_one(total.size)),
        Shown("transform_output", "y", tensors, 2 * K * y.shape[1], rows("y"), scratch=frozenset({"ATm"})),
    ]


def poolings():
    geometries = {
        "2x2 windows that overlap": ((1, 1, 3, 4), {"kernel_size": 2, "stride": 1}),
        "stride 2 and padding 1, two channels": ((1, 2, 5, 5), {"kernel_size": 3, "stride": 2, "padding": 1}),
        "H ≠ W, R ≠ S, two images": ((2, 1, 4, 6), {"kernel_size": (2, 3)}),
        "padding on each side another": ((1, 1, 4, 4), {"kernel_size": (3, 2), "padding": (1, 0, 0, 1), "stride": 2}),
    }
    for average, operation in ((False, F.max_pool2d), (True, F.avg_pool2d)):
        for name, (shape, options) in geometries.items():
            passes = partial(pooling, options["kernel_size"], options.get("stride"), options.get("padding", 0), average)
            yield Case(f"{operation.__name__}: {name}", partial(operation, **options), (halves(shape, 11),), passes)
    yield Case(
        "max_pool2d: only negative numbers under padding",
        partial(F.max_pool2d, kernel_size=3, stride=2, padding=1),
        (-abs(halves((1, 1, 4, 4), 12)),),
        partial(pooling, 3, 2, 1, False),
    )


def norms():
    for size, k in ((3, 1.0), (2, 2.0)):
        options = {"size": size, "alpha": 1.0, "beta": 0.75, "k": k}
        function = partial(F.local_response_norm, **options)
        yield Case(
            f"local_response_norm: {size} channels",
            function,
            (others((1, 4, 2, 2), 13),),
            partial(response_norm, *options.values()),
        )


class SgdCase(Case):
    """The second step of an optimiser, which has a velocity from the first."""

    options = MappingProxyType({"lr": 0.25, "momentum": 0.5})

    @cached_property
    def results(self):
        start, *grads = self.arrays
        tensor = tc.Tensor(start.copy(), requires_grad=True)
        optimizer = tc.optim.SGD([tensor], weight_decay=0.5, nesterov=self.name.endswith("Nesterov"), **self.options)
        found = []
        for grad in grads:
            tensor.grad = grad.copy()
            optimizer.step()
            found += [tensor.data.copy(), optimizer.buffer("velocity", 0).copy()]
        return dict(zip(("before", "velocity before", "parameter", "velocity"), found, strict=True))

    @cached_property
    def trace(self):
        before, velocity = self.results["before"], self.results["velocity before"]
        nesterov = self.name.endswith("Nesterov")
        lesson = sgd(before, self.arrays[2], velocity, weight_decay=0.5, nesterov=nesterov, **self.options)
        return Trace(made_record("sgd", [run_lesson(lesson)]))


def step(case):
    got, grad = case.results, case.arrays[2]
    tensors = {"parameter": got["parameter"], "velocity": got["velocity"], "grad": grad}
    tensors["g"] = grad + 0.5 * got["before"]
    each = one_by_one(grad.size)
    before = {"parameter": got["before"], "velocity": got["velocity before"]}
    return [
        Shown("step", "parameter", tensors, grad.size, each, {"grad": each}, None, frozenset({"g", "velocity"}), before)
    ]


def dropped(x):
    """The same entries each time."""
    tc.manual_seed(5)
    return F.dropout(x, p=0.25)


def steps():
    for kind in ("momentum", "Nesterov"):
        yield SgdCase(f"sgd: {kind}", None, tuple(halves((2, 3), seed) for seed in (20, 21, 22)), step)


EXTREMES = np.array(
    [123456.7, -99999.96, 99999.96, 1.23456e-5, -1e-7, 1e-300, -0.0, 1.000049, 1e21, np.nan, np.inf, -np.inf]
)
LABELS = np.array([2, 0])

CASES = [
    *convolutions.made("conv2d_winograd", convolutions.WINOGRAD, winograd, algorithm="winograd"),
    *poolings(),
    Case("relu: two images", F.relu, (halves((2, 1, 2, 3), 14),), entrywise),
    Case("relu: large, small, not finite and rounded to 0", F.relu, (EXTREMES,), entrywise),
    *(Case(f"{f.__name__}: a row", f, (others((5,), 23),), entrywise) for f in (F.leaky_relu, F.tanh, F.sigmoid)),
    Case("dropout: a quarter", dropped, (halves((1, 2, 3, 4), 15),), entrywise),
    *norms(),
    *steps(),
    Case(
        "cross_entropy: two rows",
        lambda z: F.cross_entropy(z, LABELS, reduction="none"),
        (others((2, 4), 16),),
        partial(cross_entropy, LABELS),
    ),
    Case("linear: three rows", F.linear, (halves((3, 4), 17), halves((2, 4), 18), halves((2,), 19)), linear),
]

"""The recorded walk back: what the engine did, held against the engine, and what a walk without waiting would give."""

from pathlib import Path

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.function import Function
from tinycnn.inspect.trace import TooLargeError, graph, trace
from tinycnn.inspect.trace.run import run
from tinycnn.texts import missing

WORDS = Path(graph.__file__).parent / "words" / "graph"


def diamond(x, w):
    r = F.relu(x)
    return r * w + (r + 2)


def twice(a):
    b = a * 3
    return b + b


def micrograd(a, b):  # the example of micrograd's readme, as far as it goes without divisions
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + F.relu(b + a)
    d = d + 3 * d + F.relu(b - a)
    e = c - d
    return e**2


def late_in_a_chain(x):
    y = x * x
    for _ in range(3):
        y = F.relu(y) + y * 0.5
    return y


GRAPHS = {
    "a*b + a": (lambda a, b: a * b + a, 2),
    "a + a": (lambda a: a + a, 1),
    "diamond": (diamond, 2),
    "b + b": (twice, 1),
    "micrograd": (micrograd, 2),
    "late in a chain": (late_in_a_chain, 1),
    "broadcast": (lambda a, b: (a * b.sum() + a).sum(), 2),
}
WRONG_WITHOUT_WAITING = {
    "a*b + a": [],
    "a + a": [],
    "diamond": ["x"],
    "b + b": ["a"],
    "micrograd": ["a", "b"],
    "late in a chain": ["x"],
    "broadcast": [],
}


def drawn(count):
    rng = np.random.default_rng(7)
    return [rng.standard_normal((2, 3)) for _ in range(count)]


def made(name):
    """The graph in the record, and the same computation by the engine alone: inputs, output, upstream gradient."""
    fn, count = GRAPHS[name]
    arrays = drawn(count)
    tensors = [tc.Tensor(array, requires_grad=True) for array in arrays]
    with tc.use_backend("numpy"):
        output = fn(*tensors)
    upstream = np.random.default_rng(8).standard_normal(output.shape)
    return trace(fn, *arrays, upstream=upstream).record["graph"], tensors, output, upstream


def recursed(output, upstream):
    """Gradients of leaves by plain recursion: a node runs when it is first reached, and never again."""
    gradients, reached = {}, set()

    def visit(tensor, grad):
        if tensor.creator is None:
            gradients[tensor] = gradients.get(tensor, 0) + grad
        elif tensor.creator not in reached:
            reached.add(tensor.creator)
            parts = tensor.creator.backward(grad)
            for each, part in zip(tensor.creator.inputs, parts if isinstance(parts, tuple) else (parts,), strict=True):
                if each.requires_grad:
                    visit(each, part)

    visit(output, upstream)
    return gradients


@pytest.mark.parametrize("name", GRAPHS)
def test_gradients_of_leaves_are_those_of_the_engine(name):
    recorded, tensors, output, upstream = made(name)
    output.backward(upstream)
    assert [leaf["gradient"] for leaf in recorded["leaves"]] == [tensor.grad.ravel().tolist() for tensor in tensors]


@pytest.mark.parametrize("name", GRAPHS)
def test_the_order_is_the_one_in_which_the_engine_walked(name):
    recorded, _, output, upstream = made(name)
    walked = []
    with tc.use_backend("numpy"), tc.hooks.watch(walked.append):
        output.backward(upstream)
    operations = {node["id"]: node["operation"] for node in recorded["nodes"]}
    lessons = {"relu": "ReLU"}
    seen = [operations[step["node"]] for step in recorded["walk"]]
    assert [lessons.get(each, each) for each in seen] == [type(call.function).__name__ for call in walked]
    assert [s["gradient"]["values"] for s in recorded["walk"]] == [c.inputs[0].ravel().tolist() for c in walked]
    assert len(walked) == len(recorded["nodes"])
    assert recorded["walk"][0]["node"] == recorded["root"]


@pytest.mark.parametrize("name", GRAPHS)
def test_a_node_runs_when_all_parts_have_arrived_and_what_is_ready_waits(name):
    recorded, *_ = made(name)
    consumers = {node["id"]: node["consumers"] for node in recorded["nodes"]}
    arrived, sums, have_run = dict.fromkeys(consumers, 0), {}, set()
    for step in recorded["walk"]:
        assert arrived[step["node"]] == consumers[step["node"]]
        have_run.add(step["node"])
        assert step["ready"] == [i for i in consumers if arrived[i] == consumers[i] and i not in have_run]
        for send in step["sends"]:
            (to,) = send["to"].values()
            sums[to] = np.add(sums.get(to, 0), send["values"])
            np.testing.assert_allclose(send["sum"]["values"], sums[to], rtol=1e-12)
            np.testing.assert_allclose(send["norm"], np.sqrt(np.sum(np.square(send["values"]))), rtol=1e-12)
            if "node" in send["to"]:
                arrived[to] += 1
                assert send["arrived"] == arrived[to]
                assert send["of"] == consumers[to]
            assert send["is_complete"] == (send["arrived"] == send["of"])


@pytest.mark.parametrize("name", GRAPHS)
def test_without_waiting_the_gradients_are_those_of_a_plain_recursion(name):
    recorded, tensors, output, upstream = made(name)
    gradients = recursed(output, upstream)
    if not WRONG_WITHOUT_WAITING[name]:
        assert recorded["naive"] is None
        right = [leaf["gradient"] for leaf in recorded["leaves"]]
        np.testing.assert_allclose([gradients[tensor].ravel() for tensor in tensors], right)
        return
    naive = recorded["naive"]
    assert naive["differs"] == WRONG_WITHOUT_WAITING[name]
    for leaf, tensor in zip(naive["leaves"], tensors, strict=True):
        np.testing.assert_allclose(leaf["gradient"], gradients[tensor].ravel(), rtol=1e-12)


def test_without_waiting_parts_that_come_late_are_told():
    naive = made("diamond")[0]["naive"]
    told = [(step["node"], [next(iter(send["to"].values())) for send in step["sends"]]) for step in naive["walk"]]
    # the root begins with the product, which reaches relu; only then comes the sum, too late for it
    assert told == [(3, [1]), (1, [0]), (0, ["x"]), (1, ["w"]), (3, [2]), (2, [0])]
    first, late = naive["walk"][1]["sends"][0], naive["walk"][5]["sends"][0]
    assert (first["arrived"], late["arrived"], late["of"]) == (1, 2, 2)
    assert naive["walk"][2]["gradient"]["values"] == first["values"]


def test_sums_by_hand():
    recorded = trace(lambda a, b: a * b + a, np.array(3.0), np.array(-2.0)).record["graph"]
    assert [(leaf["name"], leaf["uses"], leaf["gradient"]) for leaf in recorded["leaves"]] == [
        ("a", 2, [-1]),
        ("b", 1, [3]),
    ]
    assert [(n["operation"], n["consumers"], n["shape"]) for n in recorded["nodes"]] == [("Mul", 1, []), ("Add", 0, [])]
    total, product = recorded["walk"]
    assert [(s["to"], s["sum"]["values"]) for s in total["sends"]] == [({"node": 0}, [1]), ({"leaf": "a"}, [1])]
    assert [(s["to"], s["sum"]["values"]) for s in product["sends"]] == [({"leaf": "a"}, [-1]), ({"leaf": "b"}, [3])]


def test_a_single_operation_needs_no_graph():
    assert trace(F.relu, drawn(1)[0]).record["graph"] is None
    assert trace(lambda x: F.relu(F.relu(x)), drawn(1)[0], backward=False).record["graph"] is None
    with pytest.raises(ValueError, match="nothing here can be stepped through: Exp"):
        trace(lambda x: x.exp(), drawn(1)[0])


def test_nodes_know_their_lessons():
    nodes = trace(diamond, *drawn(2)).record["graph"]["nodes"]
    assert [(n["operation"], n["lesson"]) for n in nodes] == [("relu", 0), ("Mul", None), ("Add", None), ("Add", None)]
    assert nodes[2]["inputs"] == [{"node": 0}, {"leaf": "2", "shape": [], "asked": False}]


def test_lenet():
    net = tc.models.lenet5()
    image = np.random.default_rng(3).random((1, 1, 32, 32))
    kept = {name: np.full_like(parameter.data, 5) for name, parameter in net.named_parameters()}
    for name, parameter in net.named_parameters():
        parameter.grad = kept[name]

    def loss(image):
        return F.cross_entropy(net(image.astype(np.float32)), np.array([3]))

    with tc.use_backend("numpy"):
        recorded = graph.made_graph(run(loss, (image,)), loss, {})
        assert all(parameter.grad is kept[name] for name, parameter in net.named_parameters())
        net.zero_grad()
        x = tc.Tensor(image, requires_grad=True)
        loss(x).backward()
    leaves = {"image": x, **{f"net.{name}": parameter for name, parameter in net.named_parameters()}}
    assert [leaf["name"] for leaf in recorded["leaves"]] == list(leaves)
    assert recorded["naive"] is None  # a chain: nothing has to wait
    norms = {
        send["to"]["leaf"]: send["norm"] for step in recorded["walk"] for send in step["sends"] if "leaf" in send["to"]
    }
    for leaf in recorded["leaves"]:
        grad = leaves[leaf["name"]].grad
        assert leaf["shape"] == list(grad.shape)
        assert leaf["gradient"] == (grad.ravel().tolist() if grad.size <= graph.VALUES else None)
        assert norms[leaf["name"]] == float(np.linalg.norm(grad))


def test_leaves_without_a_name_are_told_apart():
    def product(*given):
        return given[0] * given[1] * tc.Tensor([2.0, 3.0], requires_grad=True) * tc.Tensor([4.0], requires_grad=True)

    leaves = trace(product, np.ones(2), np.ones(2)).record["graph"]["leaves"]
    assert [leaf["name"] for leaf in leaves] == ["input 0", "input 1", "b", "b (2)"]


def test_a_gradient_that_was_not_sent_is_found():
    class Doubled(Function):
        def forward(self, x):
            return x * 1

        def backward(self, grad):
            return grad * 1

        def input_gradients(self, grad):
            return [2 * gradient for gradient in super().input_gradients(grad)]

    for fn in (lambda x: Doubled()(x) + x, lambda x: Doubled()(x * 0)):  # at a leaf; at a node, and at no leaf
        with pytest.raises(AssertionError, match="please report it"):
            trace(fn, drawn(1)[0])


def test_numbers_that_are_not_finite_are_told_in_words():
    recorded = trace(lambda a, b: a * b + b, np.array([np.inf, 1.0]), np.ones(2)).record["graph"]
    assert recorded["leaves"][1]["gradient"][0] == "-inf"


def test_too_many_nodes():
    def long(x):
        for _ in range(graph.NODES + 1):
            x = x + 1
        return x

    with pytest.raises(TooLargeError, match="201 nodes, and 200 can be shown"):
        trace(long, np.ones(2))


def test_english_and_korean_have_the_same_words():
    assert not missing(WORDS, "ko")

"""The walk of backward through a graph, as it ran, and as it would have run without waiting.

A node may run when all parts of its output's gradient have arrived: one from each use of the output. Backward passes on
what it is given, so a node that runs at the first part passes on too little, and what comes later is lost. A record
holds both walks, so that the two can be held against each other, number by number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.function import Function
from tinycnn.inspect.trace.leaves import leaf_names
from tinycnn.inspect.trace.record import TOLERANCE, TooLargeError, json_number
from tinycnn.inspect.trace.run import Run
from tinycnn.tensor import Tensor

NODES = 200
"""The most that a page can show."""

VALUES = 64
"""Entries of the largest gradient that is written out; of larger ones there is the norm."""

Target = Function | Tensor
"""Where a gradient goes: a node, or a leaf."""


class Opened(NamedTuple):
    """The lesson of a node: its place among the record's operations, and its name."""

    place: int
    operation: str


def made_graph(seen: Run, fn: Callable[..., Any], lessons: Mapping[Function, Opened]) -> dict[str, Any] | None:
    """The graph behind a result, the walk back through it, and the walk without waiting where that goes wrong.

    Parameters
    ----------
    seen
        A run with its backward pass.
    fn
        What ran: it knows the names of its parameters.
    lessons
        Of the nodes that can be stepped through.

    Returns
    -------
    dict or None
        As a record has it. None where nothing was walked, or where a single node sends each leaf one gradient: there
        any order is right.

    Raises
    ------
    TooLargeError
        When there are more nodes than a page can show.
    AssertionError
        When the gradients that nodes sent do not add up to those that arrived: then the engine is wrong.
    """
    if seen.upstream is None:
        return None
    graph = _Graph(seen, seen.upstream, fn)
    if len(graph.ids) < 2 and all(uses == 1 for uses in graph.uses.values()):
        return None
    if len(graph.ids) > NODES:
        raise TooLargeError(f"the graph has {len(graph.ids):,} nodes, and {NODES:,} can be shown: trace a part of it")
    walk, sums = _walk(graph)
    return {
        "nodes": [graph.node(function, lessons.get(function)) for function in graph.ids],
        "root": graph.ids[graph.root],
        "leaves": [
            {"name": name, "shape": list(leaf.shape), "uses": graph.uses[leaf], "gradient": _values(sums[leaf])}
            for leaf, name in graph.asked_leaves().items()
        ],
        "walk": walk,
        "naive": _naive(graph, sums),
    }


class _Graph:
    """Nodes that backward ran, numbered as the forward pass made them, and how often each output and leaf is used."""

    def __init__(self, seen: Run, upstream: Array, fn: Callable[..., Any]):
        ran = set(seen.order)
        self.seen, self.upstream = seen, upstream
        self.ids = {function: i for i, function in enumerate(each for each in seen.calls if each in ran)}
        self.uses = Counter(target for function in self.ids for _, target in self.targets(function))
        copies = [self.copy(function) for function in self.ids]
        used = [(copy, place) for copy in copies for place in range(len(copy.inputs))]
        self.names = leaf_names(fn, seen.given, [u for u in used if u[0].inputs[u[1]].creator not in self.ids])

    @property
    def root(self) -> Function:
        """The node that made the result."""
        return self.seen.order[0]

    def copy(self, function: Function) -> Function:
        """A node from before it was freed."""
        return self.seen.calls[function].function

    def targets(self, function: Function) -> Iterator[tuple[int, Target]]:
        """Inputs by their place to which a node sends a gradient."""
        copy = self.copy(function)
        for place, (tensor, needed) in enumerate(zip(copy.inputs, copy.needs_input_grad, strict=True)):
            if needed:
                yield place, tensor.creator or tensor

    def asked_leaves(self) -> dict[Tensor, str]:
        """Leaves that have a gradient, and their names."""
        return {tensor: name for tensor, name in self.names.items() if tensor in self.uses}

    def name(self, target: Target) -> dict[str, Any]:
        """How a record names a node or a leaf."""
        return {"leaf": self.names[target]} if isinstance(target, Tensor) else {"node": self.ids[target]}

    def node(self, function: Function, opened: Opened | None) -> dict[str, Any]:
        """A node as a record has it."""
        inputs = []
        for tensor in self.copy(function).inputs:
            if tensor.creator in self.ids:
                inputs.append(self.name(tensor.creator))
            else:
                inputs.append({**self.name(tensor), "shape": list(tensor.shape), "asked": tensor in self.uses})
        return {
            "id": self.ids[function],
            "operation": opened.operation if opened else type(function).__name__,
            "shape": list(self.seen.calls[function].output.shape),
            "inputs": inputs,
            "consumers": self.uses[function],
            "lesson": opened.place if opened else None,
        }


class _Arrivals:
    """What has arrived so far, at nodes and leaves."""

    def __init__(self, graph: _Graph):
        self.graph = graph
        self.sums: dict[Target, Array] = {graph.root: graph.upstream}
        self.counts: Counter[Target] = Counter()

    def send(self, target: Target, gradient: Array) -> dict[str, Any]:
        """Add a part, and tell what came of it."""
        self.sums[target] = self.sums[target] + gradient if target in self.sums else gradient
        self.counts[target] += 1
        return {
            "to": self.graph.name(target),
            **_shown(gradient),
            "sum": _shown(self.sums[target]),
            "arrived": self.counts[target],
            "of": self.graph.uses[target],
            "is_complete": self.is_complete(target),
        }

    def is_complete(self, target: Target) -> bool:
        """Whether nothing more will come."""
        return self.counts[target] == self.graph.uses[target]


def _walk(graph: _Graph) -> tuple[list[dict[str, Any]], Mapping[Target, Array]]:
    """The walk as the engine did it, from the gradients that were seen, and what arrived in the end."""
    arrivals = _Arrivals(graph)
    steps: list[dict[str, Any]] = []
    waiting = dict(graph.ids)
    for function in graph.seen.order:
        call = graph.seen.calls[function]
        _hold(arrivals.is_complete(function), arrivals.sums[function], call.grad)
        del waiting[function]
        ready = [i for each, i in waiting.items() if arrivals.is_complete(each)]
        sends = []
        for place, target in graph.targets(function):
            gradient = np.asarray(call.gradients[place]).astype(call.function.inputs[place].dtype, copy=False)
            sends.append(arrivals.send(target, gradient))
        steps.append(_step(graph, function, arrivals.sums[function], ready, sends))
    for leaf in graph.asked_leaves():
        _hold(arrivals.is_complete(leaf), arrivals.sums[leaf], graph.seen.gradients.get(leaf))
    return steps, arrivals.sums


def _hold(is_complete: bool, arrived: Array, used: Array | None) -> None:
    if not is_complete or used is None or not np.array_equal(arrived, used, equal_nan=True):
        raise AssertionError("backward used another gradient than what nodes sent adds up to: please report it")


def _naive(graph: _Graph, right: Mapping[Target, Array]) -> dict[str, Any] | None:
    """The walk of a recursion that runs a node at the first part of its gradient, where leaves come out wrong by it.

    Nodes appear in the order in which they run. A node appears again with what it had left to send, where the recursion
    into the first receivers came in between.
    """
    arrivals = _Arrivals(graph)
    steps: list[dict[str, Any]] = []
    running: list[tuple[dict[str, Any], Iterator[tuple[Target, Array]]]] = []
    have_run: set[Target] = set()

    def begin(function: Function) -> None:
        have_run.add(function)
        grad = arrivals.sums[function]
        gradients = graph.copy(function).input_gradients(grad)
        sends = [(target, gradients[place]) for place, target in graph.targets(function)]
        steps.append(_step(graph, function, grad, [], []))
        running.append((steps[-1], iter([(target, sent) for target, sent in sends if sent is not None])))

    begin(graph.root)
    while running:
        step, left = running[-1]
        target, gradient = next(left, (None, None))
        if target is None or gradient is None:
            running.pop()
            continue
        if steps[-1]["node"] != step["node"]:
            steps.append({**step, "sends": []})
        steps[-1]["sends"].append(arrivals.send(target, gradient))
        if isinstance(target, Function) and target not in have_run:
            begin(target)
    leaves = graph.asked_leaves()
    differs = [name for leaf, name in leaves.items() if not _are_close(arrivals.sums[leaf], right[leaf])]
    if not differs:
        return None
    wrong = [{"name": name, "gradient": _values(arrivals.sums[leaf])} for leaf, name in leaves.items()]
    return {"walk": steps, "leaves": wrong, "differs": differs}


def _are_close(wrong: Array, right: Array) -> bool:
    """Whether they differ by no more than the order of their additions makes."""
    allowed = TOLERANCE[str(right.dtype)] * float(np.max(np.abs(right[np.isfinite(right)]), initial=0.0))
    return bool(np.allclose(wrong, right, rtol=0.0, atol=allowed, equal_nan=True))


def _step(graph: _Graph, function: Function, grad: Array, ready: list[int], sends: list[Any]) -> dict[str, Any]:
    gradient = {"shape": list(grad.shape), **_shown(grad)}
    return {"node": graph.ids[function], "ready": ready, "gradient": gradient, "sends": sends}


def _shown(gradient: Array) -> dict[str, Any]:
    return {"norm": json_number(float(np.linalg.norm(gradient))), "values": _values(gradient)}


def _values(gradient: Array) -> list[float | int | str] | None:
    return [json_number(value) for value in gradient.ravel().tolist()] if gradient.size <= VALUES else None

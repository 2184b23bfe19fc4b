"""The walk back through a graph in lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tinycnn.inspect.trace.entries import number_text
from tinycnn.inspect.trace.stops import WORDS
from tinycnn.texts import Texts

FEW = 4
"""Numbers of a gradient that are written out."""


def walk_lines(graph: Mapping[str, Any], language: str = "en") -> list[str]:
    """Tell a walk step by step, and then how one without waiting goes wrong.

    Parameters
    ----------
    graph
        Of a record.
    language
        One of `tinycnn.texts.LANGUAGES`.

    Returns
    -------
    list of str
        Lines, the last one empty.
    """
    telling = _Telling(graph, Texts(WORDS / "graph", language))
    lines = [telling.words["title"], "", *telling.nodes(), "", *telling.walk(graph["walk"], is_naive=False)]
    if graph["naive"] is not None:
        lines += ["", telling.words["controls.naive"], *telling.walk(graph["naive"]["walk"], is_naive=True)]
    return [*lines, ""]


class _Telling:
    def __init__(self, graph: Mapping[str, Any], words: Texts):
        self.graph, self.words = graph, words
        names = [node["operation"] for node in graph["nodes"]]
        seen: Counter[str] = Counter()
        self.labels = []
        for name in names:
            seen[name] += 1
            self.labels.append(name if names.count(name) == 1 else f"{name} #{seen[name]}")

    def nodes(self) -> Iterator[str]:
        """Each node with what it takes."""
        for node, label in zip(self.graph["nodes"], self.labels, strict=True):
            yield f"  {label}({', '.join(map(self.name, node['inputs']))})"

    def name(self, target: Mapping[str, Any]) -> str:
        """Of a node or a leaf."""
        return str(target["leaf"]) if "leaf" in target else self.labels[target["node"]]

    def gradient(self, given: Mapping[str, Any]) -> str:
        """A gradient in a few characters: its numbers where they are few, else its norm."""
        values = given["values"]
        if values is not None and len(values) == 1:
            return number_text(values[0])
        if values is not None and len(values) <= FEW:
            return f"[{', '.join(map(number_text, values))}]"
        return self.words.say("picture.norm", value=number_text(given["norm"]))

    def walk(self, steps: list[Mapping[str, Any]], is_naive: bool) -> Iterator[str]:
        """The sentences of a walk, numbered."""
        first = self.labels[self.graph["root"]]
        yield self.words.say("sentence.start", node=first, gradient=self.gradient(steps[0]["gradient"]))
        arrived: Counter[str] = Counter()
        ran: dict[str, int] = {}
        for number, step in enumerate(steps, 1):
            node = self.labels[step["node"]]
            of = self.graph["nodes"][step["node"]]["consumers"]
            kind = (
                "again" if node in ran else "runs_early" if arrived[node] < of else "runs_summed" if of > 1 else "runs"
            )
            count = ran.setdefault(node, arrived[node])
            gradient = self.gradient(step["gradient"])
            said = self.words.say(f"sentence.{kind}", node=node, gradient=gradient, arrived=count, of=of)
            yield f"{number}. {said}"
            for send in step["sends"]:
                target = self.name(send["to"])
                arrived[target] = send["arrived"]
                yield f"   {self._sent(send, target, target in ran)}"
        yield self._end(steps) if is_naive else str(self.words["sentence.end"])

    def _sent(self, send: Mapping[str, Any], target: str, is_late: bool) -> str:
        is_last = send["arrived"] == send["of"]
        kind = "late" if is_late else "sends" if send["of"] == 1 else "sends_last" if is_last else "sends_part"
        sums = {"sum": self.gradient(send["sum"]), "arrived": send["arrived"], "of": send["of"]}
        return self.words.say(f"sentence.{kind}", gradient=self.gradient(send), target=target, **sums)

    def _end(self, steps: list[Mapping[str, Any]]) -> str:
        wrong = []
        for name in self.graph["naive"]["differs"]:
            got, right = (self._last_sum(walk, name) for walk in (steps, self.graph["walk"]))
            wrong.append(self.words.say("sentence.wrong", name=name, gradient=got, right=right))
        return self.words.say("sentence.end_wrong", wrong="; ".join(wrong))

    def _last_sum(self, steps: list[Mapping[str, Any]], name: str) -> str:
        sends = [send for step in steps for send in step["sends"] if send["to"].get("leaf") == name]
        return self.gradient(sends[-1]["sum"])

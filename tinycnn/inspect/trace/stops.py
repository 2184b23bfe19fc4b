"""Stops: a pass cut into windows, the tensors as they are at a step, and what is said of it.

The page's script does the same in the browser; the sheet and the terminal read it from here.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from tinycnn.choices import look_up
from tinycnn.inspect.trace.entries import Access, Value, index_of, number_text, place_name, put_in
from tinycnn.texts import LANGUAGES, Texts

WORDS = Path(__file__).parent / "words"
OF_FEW = {0: "written", 1: "one"}
"""Sentences of a stop that reads no number, or one."""
READ = re.compile(r"\{(\d+)\}")
NAME = re.compile(r"(?<![.\w])[A-Za-z]\w*")


def stops_of(phase: Mapping[str, Any]) -> list[range]:
    """Cut the steps of a pass into stops: those that follow one another with one setting of the loop variables.

    Returns
    -------
    list of range
        The numbers of each stop's steps.
    """

    def setting(number: int) -> tuple[Any, ...]:
        return tuple(phase["steps"][number]["loops"].get(name) for name in phase["stops"])

    groups = (list(group) for _, group in groupby(range(len(phase["steps"])), setting))
    return [range(group[0], group[-1] + 1) for group in groups]


class History:
    """What a pass writes into each entry, and when."""

    def __init__(self, phase: Mapping[str, Any]):
        self._writes: dict[Access, tuple[list[int], list[Value]]] = {}
        self._before: dict[Access, Value] = {}
        for number, step in enumerate(phase["steps"]):
            for tensor, place, value in step["reads"]:
                if (tensor, place) not in self._writes:
                    self._before.setdefault((tensor, place), value)
            for tensor, place, value in step["writes"]:
                numbers, values = self._writes.setdefault((tensor, place), ([], []))
                numbers.append(number)
                values.append(value)

    def is_written(self, tensor: str, place: int) -> bool:
        """Whether the pass ever writes this entry."""
        return (tensor, place) in self._writes

    def value(self, tensor: str, place: int, count: int) -> Value | None:
        """What stands in an entry that the pass writes, after so many steps; None where that is not known."""
        numbers, values = self._writes[tensor, place]
        written = bisect_left(numbers, count)
        return values[written - 1] if written else self._before.get((tensor, place))

    def writers(self, tensor: str, place: int) -> list[int]:
        """Numbers of the steps that write an entry, in order."""
        return self._writes.get((tensor, place), ([], []))[0]


class Pass:
    """One pass of an operation, ready to be walked through.

    Parameters
    ----------
    operation, phase
        Of a record.
    """

    def __init__(self, operation: Mapping[str, Any], phase: Mapping[str, Any]):
        self.operation, self.phase = operation, phase
        self.stops = stops_of(phase)
        self.history = History(phase)

    def moment(self, stop: int, step: int | None = None) -> Moment:
        """What is seen at a stop, or at a single step of it."""
        return Moment(self, stop, step)


@dataclass(frozen=True)
class Moment:
    """A stop of a pass, or a single step of it.

    Parameters
    ----------
    walked
        The pass.
    stop
        Its number, from 0.
    step
        Number of the step within the stop; None for all of them at once.
    """

    walked: Pass
    stop: int
    step: int | None = None

    @cached_property
    def steps(self) -> list[Mapping[str, Any]]:
        """Those of the stop; none where a pass has none."""
        stops = self.walked.stops
        return [self.walked.phase["steps"][number] for number in stops[self.stop]] if stops else []

    @cached_property
    def running(self) -> Mapping[str, Any] | None:
        """The step that has just run; of a whole stop the last one that writes its result."""
        if not self.steps or self.step is not None:
            return self.steps[self.step or 0] if self.steps else None
        entry = self.result and self.result[:2]
        own = [step for step in self.steps if any(tuple(write[:2]) == entry for write in step["writes"])]
        return (own or self.steps)[-1]

    @property
    def count(self) -> int:
        """How many steps of the pass have run."""
        if not self.steps:
            return 0
        numbers = self.walked.stops[self.stop]
        return numbers.stop if self.step is None else numbers.start + self.step + 1

    @cached_property
    def loops(self) -> dict[str, int]:
        """Loop variables: those that a stop stands for, or all of a step."""
        loops = dict(self.running["loops"]) if self.running else {}
        names = self.walked.phase["stops"]
        return loops if self.step is not None else {name: at for name, at in loops.items() if name in names}

    @cached_property
    def result(self) -> tuple[str, int, Value] | None:
        """The entry that the stop computes: of the result if it writes one, else the last that it writes at all."""
        writes: list[tuple[str, int, Value]] = [tuple(write) for step in self.steps for write in step["writes"]]
        own = [write for write in writes if write[0] == self.walked.phase["result"]]
        return (own or writes)[-1] if writes else None

    @cached_property
    def read(self) -> set[Access]:
        """What the stop reads."""
        return {(tensor, place) for step in self.steps for tensor, place, _ in step["reads"]}

    @cached_property
    def written(self) -> set[Access]:
        """What the stop writes."""
        return {(tensor, place) for step in self.steps for tensor, place, _ in step["writes"]}

    @cached_property
    def now(self) -> set[Access]:
        """What a single step reads and writes."""
        if self.step is None or self.running is None:
            return set()
        return {(tensor, place) for tensor, place, _ in (*self.running["reads"], *self.running["writes"])}

    def text(self, tensor: str, place: int) -> str:
        """What is written in the cell of an entry; nothing before its value is known."""
        history = self.walked.history
        if history.is_written(tensor, place):
            value = history.value(tensor, place, self.count)
        else:
            value = self.walked.operation["tensors"][tensor]["values"][place]
        return "" if value is None else number_text(value)

    def is_later(self, tensor: str, place: int) -> bool:
        """Whether the pass writes an entry, and has not done so yet."""
        writers = self.walked.history.writers(tensor, place)
        return bool(writers) and writers[0] >= self.count

    def covers(self, tensor: str, plane: tuple[int, ...], row: int, column: int) -> bool:
        """Whether the window of the stop lies over a cell, also of padding.

        Parameters
        ----------
        tensor, plane
            The view, and the index of a plane in it that the stop reads or writes.
        row, column
            Of the drawn cell, counted from the first one of the padding.
        """
        return (tensor, plane) in self._planes and self._window is not None and self._window(row, column)

    @cached_property
    def _planes(self) -> set[tuple[str, tuple[int, ...]]]:
        tensors = self.walked.operation["tensors"]
        touched = {(tensor, place) for tensor, place in self.read | self.written if tensor in tensors and place >= 0}
        padded = {view["tensor"] for view in self.walked.phase["views"] if any(view["padding"])}
        return {(t, index_of(tensors[t]["shape"], place)[:-2]) for t, place in touched if t in padded}

    @cached_property
    def _window(self) -> Any:
        parameters, tensors = self.walked.operation["parameters"], self.walked.operation["tensors"]
        size = parameters.get("kernel_size") or tensors.get("weight", {}).get("shape", [])[2:]
        loops = self.running["loops"] if self.running else {}
        padded = [view["padding"] for view in self.walked.phase["views"] if any(view["padding"])]
        if not (padded and "stride" in parameters and len(size) == 2 and "p" in loops and "q" in loops):
            return None
        starts = [loops[name] * stride for name, stride in zip("pq", parameters["stride"], strict=True)]
        spread = parameters.get("dilation", [1, 1])

        def covers(*cell: int) -> bool:
            parts = (divmod(at - start, by) for at, start, by in zip(cell, starts, spread, strict=True))
            return all(not rest and 0 <= part < n for (part, rest), n in zip(parts, size, strict=True))

        return covers


class Sayings:
    """What is said of a record in one language.

    Parameters
    ----------
    language
        One of `tinycnn.texts.LANGUAGES`.

    Raises
    ------
    ValueError
        When there are no words in this language.
    """

    def __init__(self, language: str):
        look_up("language", language, {name: name for name in LANGUAGES})
        self.page, self.own, self._operations = (
            Texts(WORDS / part, language) for part in ("page", "terminal", "operations")
        )

    def title(self, operation: Mapping[str, Any]) -> str:
        """Of an operation."""
        name = operation["operation"]
        return str(self._operations[f"{name}.title"] or name)

    def of_pass(self, walked: Pass) -> Mapping[str, str]:
        """The texts of a pass, at least its title."""
        name = walked.phase["name"]
        found = self._operations[f"{walked.operation['operation']}.{name}"]
        return {"title": name, **(found or {})}

    def position(self, moment: Moment) -> str:
        """Which stop of how many."""
        stops = len(moment.walked.stops)
        if not stops:
            return str(self.page["position.none"])
        if moment.step is None:
            return self.page.say("position.stop", stop=moment.stop + 1, stops=stops)
        steps = len(moment.steps)
        return self.page.say("position.step", stop=moment.stop + 1, stops=stops, step=moment.step + 1, steps=steps)

    def parameters(self, operation: Mapping[str, Any]) -> str:
        """The shapes of what is given and the parameters, in a line."""
        shapes = [
            f"{name} ({', '.join(map(str, tensor['shape']))})"
            for name, tensor in operation["tensors"].items()
            if tensor["role"] not in ("scratch", "gradient")
        ]
        return " · ".join(shapes + [f"{name} {_parameter(value)}" for name, value in operation["parameters"].items()])

    def sentence(self, moment: Moment) -> str:
        """What happens at a stop or a step."""
        running, result = moment.running, moment.result
        if running is None:
            return str(self.page["sentence.nothing"])
        own = result and result[0]
        reads = sum(access[0] != own for step in moment.steps for access in step["reads"])
        values = {
            "result": place_name(moment.walked.operation, result[0], result[1]) if result else "",
            "value": number_text(result[2]) if result else "",
            "count": sum(len(step["products"]) for step in moment.steps) or reads,
            "stop": moment.stop + 1,
            "stops": len(moment.walked.stops),
            "line": running["line"],
            "formula": self.formula(moment, running),
        }
        kind = "step" if moment.step is not None or result is None else "sentence"
        fallback = self.page[f"sentence.{'step' if kind == 'step' else OF_FEW.get(values['count'], 'stop')}"]
        return str(self.of_pass(moment.walked).get(kind, fallback)).format(**values)

    def formula(self, moment: Moment, step: Mapping[str, Any]) -> str:
        """The line of a step with its numbers put in, such as ``y[0, 0] = 1 + 0.5 · 2 = 2``."""
        operation, phase = moment.walked.operation, moment.walked.phase
        expression = phase["expressions"].get(str(step["line"]))
        reads = [value for _, _, value in step["reads"]]
        sides = []
        if step["writes"]:
            sides.append(place_name(operation, step["writes"][0][0], step["writes"][0][1], self.padding))
        if expression and READ.search(expression):
            signs = expression.replace(" * ", " · ").replace("-", "−")
            signs = re.sub(r"\b(\d+)\.0\b", r"\1", signs)
            named = NAME.sub(lambda found: put_in(signs, found, _parameter_text(operation, step, found[0])), signs)
            sides.append(READ.sub(lambda found: put_in(named, found, _read_text(reads, int(found[1]))), named))
        if step["writes"]:
            sides.append(number_text(step["writes"][0][2]))
        elif not expression:
            return ", ".join(self.reads(moment, step["reads"]))
        if len(sides) > 2 and sides[-1] == sides[-2]:
            sides.pop()
        return " = ".join(sides)

    def reads(self, moment: Moment, reads: Iterable[Any]) -> list[str]:
        """Entries with their values."""
        operation = moment.walked.operation
        return [f"{place_name(operation, t, place, self.padding)} = {number_text(value)}" for t, place, value in reads]

    def terms(self, moment: Moment) -> list[tuple[str, str, str]]:
        """For each step of a stop what it reads, its products, and what then stands in what it writes."""
        rows = []
        for step in moment.steps:
            written = step["writes"][0] if step["writes"] else None
            reads = [read for read in step["reads"] if written is None or read[:2] != written[:2]]
            products = ", ".join(map(number_text, step["products"]))
            rows.append(("  ".join(self.reads(moment, reads)), products, number_text(written[2]) if written else ""))
        return rows

    @property
    def padding(self) -> str:
        """What an entry outside of all tensors is called."""
        return str(self.page["parts.padding"])


def _read_text(reads: list[Value], place: int) -> str:
    return number_text(reads[place]) if place < len(reads) else "…"


def _parameter_text(operation: Mapping[str, Any], step: Mapping[str, Any], name: str) -> str:
    """A name in a formula: its number where it is a parameter of the operation."""
    value = None if name in step["loops"] else operation["parameters"].get(name)
    return number_text(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else name


def _parameter(value: Any) -> str:
    if isinstance(value, list):
        return number_text(value[0]) if len(set(value)) == 1 else "×".join(map(str, value))
    return number_text(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)

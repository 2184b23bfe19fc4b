"""Trace: the versioned record of what was stepped through, and the forms in which it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.frame import notebook_frame
from tinycnn.inspect.trace.lesson import Lesson, Phase
from tinycnn.inspect.trace.recorder import LIMIT, Recorder, TooManyStepsError
from tinycnn.storage import write_text
from tinycnn.version import __version__

FORMAT, VERSION = "tinycnn-trace", 1

TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
"""How far a backend may be from the loops, of the largest entry."""


class TooLargeError(ValueError):
    """What is to be stepped through takes more steps than a page holds."""


@dataclass(frozen=True)
class Trace:
    """What was done, step by step.

    Attributes
    ----------
    record
        As the JSON schema has it (docs/trace.schema.json).
    """

    record: dict[str, Any]

    @property
    def operations(self) -> list[dict[str, Any]]:
        """Those that were stepped through, in the order of the forward pass."""
        return list(self.record["operations"])

    def __len__(self) -> int:
        return sum(len(phase["steps"]) for operation in self.operations for phase in operation["phases"])

    def __repr__(self) -> str:
        return f"Trace of {self.record['title']}: {len(self):,} steps"

    def to_json(self, path: str | Path | None = None) -> str:
        """The record as JSON, also written to a file where one is named."""
        text = json.dumps(self.record, allow_nan=False, separators=(",", ":"))
        if path is not None:
            write_text(Path(path), text)
        return text

    def to_html(self, path: str | Path | None = None, language: str = "en") -> str:
        """The page on which the steps are walked through, also written to a file where one is named.

        Raises
        ------
        TooLargeError
            When the page would be larger than a page may be.
        """
        from tinycnn.inspect.trace.page import page

        made = page(self.record, language)
        if path is not None:
            write_text(Path(path), made)
        return made

    def to_svg(
        self,
        path: str | Path | None = None,
        language: str = "en",
        operation: int = 0,
        phase: int = 0,
        stop: int | None = None,
    ) -> str:
        """One stop on a sheet to print, as SVG, also written to a file where one is named.

        Parameters
        ----------
        path
            Of the file.
        language
            One of `tinycnn.texts.LANGUAGES`.
        operation, phase, stop
            Their numbers, from 0; the stop in the middle where None.

        Raises
        ------
        ValueError
            When the record has no such operation, pass or stop.
        """
        from tinycnn.inspect.trace.sheet import sheet_svg

        made = sheet_svg(self.record, language, operation, phase, stop)
        if path is not None:
            write_text(Path(path), made)
        return made

    def to_png(
        self, path: str | Path, language: str = "en", operation: int = 0, phase: int = 0, stop: int | None = None
    ) -> None:
        """The same sheet as PNG.

        Raises
        ------
        ModuleNotFoundError
            When Matplotlib is not installed.
        ValueError
            When the record has no such operation, pass or stop, or a font lacks.
        """
        from tinycnn.inspect.trace.png import write_png
        from tinycnn.inspect.trace.sheet import sheet

        write_png(sheet(self.record, language, operation, phase, stop), Path(path))

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        return notebook_frame(self.to_html(), repr(self))

    @classmethod
    def from_json(cls, text: str) -> Trace:
        """Read a record.

        Raises
        ------
        ValueError
            When it is none, lacks something, or is of another version.
        """
        try:
            record = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"this is no trace, as it is no JSON: {error}") from error
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise ValueError(f'this is no trace: "format" should be "{FORMAT}"')
        if record.get("version") != VERSION:
            raise ValueError(
                f"this trace is of version {record.get('version')}, and tinycnn {__version__} reads version {VERSION}: "
                "record it anew"
            )
        _require_whole(record)
        return cls(record)


def _require_whole(record: dict[str, Any]) -> None:
    """Refuse a record without what every form of it shows."""
    _require(record, "the record", "title", "made_by", "operations", "graph")
    for operation in _list(record, "operations"):
        _require(operation, "an operation", "operation", "parameters", "agrees", "tensors", "phases")
        _require(operation["tensors"], "the tensors")
        for tensor in operation["tensors"].values():
            _require(tensor, "a tensor", "shape", "axes", "role", "values")
        for phase in _list(operation, "phases"):
            _require(phase, "a pass", "name", "function", "first_line", "expressions", "result")
            for view in _list(phase, "views"):
                _require(view, "a view", "kind", "tensor", "rows", "columns", "padding")
            for step in _list(phase, "steps"):
                _require(step, "a step", "line", "loops", "reads", "writes", "products")
            _list(phase, "source")
            _list(phase, "stops")
    if record["graph"] is not None:
        _require(record["graph"], "the graph", "nodes", "root", "leaves", "walk", "naive")


def _require(told: Any, what: str, *keys: str) -> None:
    if not isinstance(told, dict):
        raise ValueError(f"this trace is damaged, as {what} is {type(told).__name__} and no object: record it anew")
    for key in keys:
        if key not in told:
            raise ValueError(f'this trace is damaged, as {what} lacks "{key}": record it anew')


def _list(of: dict[str, Any], key: str) -> list[Any]:
    found = of.get(key)
    if not isinstance(found, list):
        raise ValueError(f'this trace is damaged, as "{key}" is no list: record it anew')
    return found


def made_record(title: str, operations: list[dict[str, Any]], graph: dict[str, Any] | None = None) -> dict[str, Any]:
    """A record of these operations."""
    made_by = {"tinycnn": __version__, "numpy": np.__version__}
    head = {"format": FORMAT, "version": VERSION, "title": title, "made_by": made_by}
    return {**head, "operations": operations, "graph": graph}


def run_lesson(lesson: Lesson, limit: int = LIMIT) -> dict[str, Any]:
    """Run the loops of a lesson on recording arrays and hold what they give against the backends.

    Returns
    -------
    dict
        The operation, as a record has it.

    Raises
    ------
    TooLargeError
        When there are more steps than ``limit``.
    AssertionError
        When a backend gives something else: then the engine is wrong, or the loops are.
    """
    size = sum(phase.size for phase in lesson.phases)
    if size > limit:
        raise _too_large(lesson, f"about {size:,} steps", limit)
    tensors: dict[str, dict[str, Any]] = {}
    phases, agrees = [], []
    results: dict[str, Array] = {}
    for phase in lesson.phases:
        recorder = Recorder()
        given = {**phase.arguments, **{name: results[name] for name in phase.uses}}
        try:
            result = recorder.run(phase.function, **{name: _in_double(value) for name, value in given.items()})
        except TooManyStepsError as error:
            raise _too_large(lesson, str(error), limit) from None
        if recorder.raised is not None:
            raise recorder.raised
        result = result[0] if isinstance(result, tuple) else result
        results |= {**recorder.arrays, phase.result: result}
        agrees += list(_compared(lesson, phase, result))
        for name, array in recorder.arrays.items():
            tensors.setdefault(name, _tensor(lesson, name, array))
        phases.append(_phase(phase, recorder))
    for name, array in lesson.companions.items():
        tensors.setdefault(name, _tensor(lesson, name, array))
    return {
        "operation": lesson.operation,
        "parameters": dict(lesson.parameters),
        "agrees": agrees,
        "tensors": tensors,
        "phases": phases,
    }


def _too_large(lesson: Lesson, taken: str, limit: int) -> TooLargeError:
    return TooLargeError(
        f"{lesson.operation} takes {taken} here, and {limit:,} can be shown: make the input smaller, "
        "or show some of the outputs, with tc.inspect.trace_part"
    )


def _in_double(value: Any) -> Any:
    """An argument of the loops, which compute in float64 whatever the backend did."""
    return np.asarray(value, np.float64) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _tensor(lesson: Lesson, name: str, array: Array) -> dict[str, Any]:
    return {
        "shape": list(array.shape),
        "axes": lesson.axes.get(name, ""),
        "role": lesson.roles.get(name, "scratch"),
        "values": [json_number(value) for value in array.ravel().tolist()],
    }


def _phase(phase: Phase, recorder: Recorder) -> dict[str, Any]:
    inside = range(recorder.first_line, recorder.first_line + len(recorder.source))
    steps = [step.as_dict() for step in recorder.steps]
    for step in steps:
        for access in (*step["reads"], *step["writes"]):
            access[2] = json_number(access[2])
        step["products"] = [json_number(value) for value in step["products"]]
    return {
        "name": phase.name,
        "function": f"{phase.function.__module__.removeprefix('tinycnn.')}.{phase.function.__name__}",
        "source": recorder.source,
        "first_line": recorder.first_line,
        "expressions": {str(line): text for line, text in recorder.expressions.items() if line in inside},
        "result": phase.result,
        "stops": list(phase.stops),
        "views": [view.as_dict() for view in phase.views],
        "steps": steps,
    }


def _compared(lesson: Lesson, phase: Phase, result: Array) -> Iterator[dict[str, Any]]:
    for backend, expected in phase.expected.items():
        difference = largest_difference(result, expected)
        scale = max(1.0, float(np.max(np.abs(result), initial=0.0, where=np.isfinite(result))))
        if not difference <= TOLERANCE[str(expected.dtype)] * scale:
            raise AssertionError(
                f"{lesson.operation}, {phase.name}: {backend} differs from the loops by {difference:g}; "
                "one of them is wrong: please report it"
            )
        yield {"backend": backend, "phase": phase.name, "largest_difference": difference}


def largest_difference(found: Array, expected: Array) -> float:
    """Between two entries at one place; none where both are the same infinity, or no number."""
    is_same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    return float(np.max(np.abs(found[~is_same] - expected[~is_same]), initial=0.0))


def json_number(value: float) -> float | int | str:
    """A number as JSON can have it: whole ones without a point, what is not finite in words."""
    if isinstance(value, bool):
        return int(value)
    if value != value or value in (float("inf"), float("-inf")):
        return {float("inf"): "inf", float("-inf"): "-inf"}.get(value, "nan")
    return int(value) if value == int(value) and abs(value) < 2**53 else value

"""Run a learner's file on the calls of a job: ``python worker.py JOB OUT FILE``.

It runs by itself, on the standard library and NumPy, so that nothing of the library is loaded that the learner's code
did not load. What it hands back are arrays and words, never objects: whoever reads them need not trust them.

JOB holds ``job.json`` and ``arguments.npz``; OUT receives ``result.json`` and ``results.npz``, and a line in
``progress`` before each call, by which a call that never ends is known. Where the job asks for steps, the first call
runs on arrays that record, and OUT receives ``steps.json`` too.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.util
import io
import json
import resource
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

PRINTED = 2000
"""Characters of what a call prints that are kept."""


def main(job_folder: Path, out: Path, file: Path) -> None:
    """Do the job."""
    job = json.loads((job_folder / "job.json").read_text(encoding="utf-8"))
    with np.load(job_folder / "arguments.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    sys.path[:0] = job["path"]
    if job["memory"]:
        resource.setrlimit(resource.RLIMIT_AS, (job["memory"], job["memory"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    results: dict[str, Any] = {}
    report: dict[str, Any] = {"load": None, "cases": []}
    module, report["load"] = _load(file, job)
    if module is not None:
        namespace: dict[str, Any] = {"np": np}
        exec(compile(job["call"], "call", "exec"), namespace)
        stepping = _Stepping(module, job) if job["steps"] else None
        for number, case in enumerate(job["cases"]):
            with (out / "progress").open("a") as progress:
                progress.write(f"{number}\n")
            told = _run(namespace["call"], stepping or module, file, number, case, arrays, results)
            report["cases"].append(told)
        if stepping is not None and stepping.recorder is not None:
            (out / "steps.json").write_text(json.dumps(stepping.told(results)), encoding="utf-8")
    report["modules"] = sorted(name for name in sys.modules if name.partition(".")[0] == "tinycnn")
    np.savez(out / "results.npz", **results)
    (out / "result.json").write_text(json.dumps(report), encoding="utf-8")


def _load(file: Path, job: dict[str, Any]) -> tuple[ModuleType | None, dict[str, Any] | None]:
    """The learner's file as a module, or what is wrong with it."""
    try:
        source = file.read_text(encoding="utf-8")
        tree = ast.parse(source, str(file))
    except SyntaxError as error:
        return None, {
            "kind": "syntax",
            "message": str(error.msg),
            "line": error.lineno,
            "text": (error.text or "").rstrip(),
        }
    except (OSError, ValueError) as error:
        return None, {"kind": "unreadable", "message": str(error), "line": None, "text": ""}
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        within = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        names = [within + alias.name for alias in node.names]
        for name in names:
            if _is_forbidden(name, job):
                line = source.splitlines()[node.lineno - 1].strip()
                return None, {"kind": "import", "message": name, "line": node.lineno, "text": line}
    spec = importlib.util.spec_from_file_location("learner", file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["learner"] = module
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            # Not by the import system, which may have kept what stood in the file a moment ago.
            exec(compile(tree, str(file), "exec"), module.__dict__)
    except BaseException as error:
        return None, {"kind": "raised", **_where(error, file)}
    for name in job["functions"]:
        found = getattr(module, name, None)
        if found is None:
            return None, {"kind": "missing", "message": name, "line": None, "text": ""}
        code = getattr(found, "__code__", None) or getattr(getattr(found, "py_func", None), "__code__", None)
        is_own = Path(code.co_filename) == file if code else getattr(found, "__module__", "learner") == "learner"
        if not is_own:
            return None, {"kind": "not yours", "message": name, "line": None, "text": ""}
    return module, None


def _is_forbidden(name: str, job: dict[str, Any]) -> bool:
    parts = name.split(".")
    prefixes = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
    return bool(prefixes & set(job["forbidden"])) and not prefixes & set(job["allowed"])


class _Stepping:
    """The learner's module, of which the first function that is called runs on arrays that record."""

    def __init__(self, module: ModuleType, job: dict[str, Any]):
        # A package of another name around the files, so that tinycnn itself is not imported.
        package = ModuleType("recording")
        package.__path__ = [job["recorder"]]
        sys.modules["recording"] = package
        self._tools = importlib.import_module("recording.recorder")
        self._module, self._limit = module, job["steps"]
        self.recorder: Any = None
        self._parts: list[Any] = []
        self._is_cut = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        is_function = hasattr(getattr(found, "py_func", found), "__code__")
        return functools.partial(self._record, found) if is_function and self.recorder is None else found

    def _record(self, function: Any, *arguments: Any) -> Any:
        self.recorder = self._tools.Recorder(self._limit)
        try:
            returned = self.recorder.run(function, *arguments)
        except self._tools.TooManyStepsError as error:
            self._is_cut = True
            raise RuntimeError(str(error)) from None
        if self.recorder.raised is not None:
            raise self.recorder.raised
        self._parts = list(returned) if isinstance(returned, tuple) else [returned]
        return returned

    def told(self, results: dict[str, Any]) -> dict[str, Any]:
        """What was recorded, as JSON."""
        recorder = self.recorder
        entries = {
            name.partition("/")[2]: recorder.returned[place]
            for name, array in results.items()
            for place, part in enumerate(self._parts)
            if part is array and recorder.returned[place] is not None
        }
        return {
            "lines": recorder.file.lines,
            "first_line": recorder.first_line,
            "length": len(recorder.source),
            "expressions": {str(line): text for line, text in recorder.expressions.items()},
            "tensors": {
                name: {"shape": array.shape, "values": [_number(value) for value in array.ravel().tolist()]}
                for name, array in recorder.arrays.items()
            },
            "arguments": recorder.arguments,
            "steps": [_step(step.as_dict()) for step in recorder.steps],
            "entries": entries,
            "is_cut": self._is_cut,
        }


def _step(step: dict[str, Any]) -> dict[str, Any]:
    for access in (*step["reads"], *step["writes"]):
        access[2] = _number(access[2])
    return {**step, "products": [_number(value) for value in step["products"]]}


def _number(value: Any) -> Any:
    """A number as JSON can have it."""
    if value != value or value in (float("inf"), float("-inf")):
        return {float("inf"): "inf", float("-inf"): "-inf"}.get(value, "nan")
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _run(
    call: Any,
    module: ModuleType | _Stepping,
    file: Path,
    number: int,
    case: dict[str, Any],
    arrays: Any,
    results: dict[str, Any],
) -> dict[str, Any]:
    """One call: its results go to ``results``, the rest is returned."""
    arguments = {name: _decoded(value, arrays, number, name) for name, value in case.items()}
    kept = {name: value.copy() for name, value in arguments.items() if isinstance(value, np.ndarray)}
    printed, start = io.StringIO(), time.perf_counter()
    told: dict[str, Any] = {"results": {}, "raised": None}
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), np.errstate(all="ignore"):
            returned = call(module, **arguments)
        for name, value in returned.items():
            told["results"][name] = _encoded(value, f"{number}/{name}", results)
    except BaseException as error:
        told["raised"] = _where(error, file)
    told["seconds"] = time.perf_counter() - start
    told["printed"] = printed.getvalue()[:PRINTED]
    told["damaged"] = [
        name
        for name, before in kept.items()
        if not np.array_equal(arguments[name], before, equal_nan=before.dtype.kind == "f")
    ]
    return told


def _where(error: BaseException, file: Path) -> dict[str, Any]:
    """What was raised, and at which line of the learner's file."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    last = frames[-1] if frames else None
    return {
        "type": type(error).__name__,
        "message": str(error)[:500],
        "line": last.lineno if last else None,
        "text": (last.line or "") if last else "",
    }


def _decoded(value: Any, arrays: Any, number: int, name: str) -> Any:
    if value == "array":
        return arrays[f"{number}/{name}"].copy()
    return tuple(value["tuple"]) if isinstance(value, dict) and "tuple" in value else value["value"]


def _encoded(value: Any, key: str, results: dict[str, Any]) -> dict[str, Any]:
    """A result as an array in ``results``, or as a word that says what it is instead."""
    if value is None or isinstance(value, str):
        return {"kind": "none" if value is None else "text", "text": value}
    try:
        array = np.asarray(value)
    except Exception:
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        return {"kind": "other", "text": type(value).__name__}
    results[key] = array
    return {"kind": "array", "text": type(value).__name__}


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:4]))

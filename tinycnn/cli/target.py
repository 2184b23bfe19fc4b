"""The function that a word such as ops.py:my_relu stands for."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinycnn.choices import look_up
from tinycnn.function import Function
from tinycnn.nn import Module


def is_target(word: str) -> bool:
    """Whether a word names a function in a file."""
    return ".py:" in word or word.endswith(".py")


def target(word: str) -> Callable[..., Any]:
    """Load the function from its file.

    Parameters
    ----------
    word
        FILE.py:NAME, of a function on Tensors, a Module, or a Function; classes are called without arguments.

    Raises
    ------
    ValueError
        When there is no such file or name, or the file does not run; the sentence says where.
    """
    file, _, name = word.rpartition(":") if not word.endswith(".py") else (word, "", "")
    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {file}: write FILE.py:FUNCTION, such as ops.py:my_relu")
    names = {key: value for key, value in vars(_loaded(path)).items() if not key.startswith("_")}
    if not name:
        raise ValueError(f"{file} names no function: write {file}:FUNCTION")
    found = look_up(f"name in {path.name}", name, names)
    if isinstance(found, type) and issubclass(found, Module):
        _require_no_arguments(found, name)
        return found()
    if isinstance(found, type) and issubclass(found, Function):
        _require_no_arguments(found, name)
        return found
    if not callable(found):
        raise ValueError(f"{name} in {path.name} is a {type(found).__name__}, not a function on Tensors")
    return found


def _require_no_arguments(kind: type[Any], name: str) -> None:
    parameters = list(inspect.signature(kind).parameters.values())
    asked = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if asked:
        raise ValueError(
            f"{name} asks for {', '.join(asked)}: wrap it, def {name.lower()}(x): return {name}({', '.join(asked)})(x)"
        )


def _loaded(path: Path) -> Any:
    """Run the file as a module, with its folder to import from, as python FILE.py would."""
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules.setdefault(path.stem, module)  # dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == spec.origin]
        line = error.lineno if isinstance(error, SyntaxError) else own[-1] if own else "?"
        raise ValueError(f"{path} does not run: {type(error).__name__} at line {line}: {error}") from error
    return module

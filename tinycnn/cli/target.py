"""The function that a word such as ops.py:my_relu stands for."""

from __future__ import annotations

import importlib.util
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
    if isinstance(found, type) and issubclass(found, (Function, Module)):
        return _called(found, name)
    if not callable(found):
        raise ValueError(f"{name} in {path.name} is a {type(found).__name__}, not a function on Tensors")
    return found


def _called(kind: type[Any], name: str) -> Callable[..., Any]:
    try:
        made = kind()
    except TypeError as error:
        raise ValueError(
            f"{name} takes arguments ({error}): wrap it, def {name.lower()}(x): return {name}(…)(x)"
        ) from None
    return made if isinstance(made, Module) else lambda *inputs: kind()(*inputs)


def _loaded(path: Path) -> Any:
    """Run the file as a module, with its folder to import from, as python FILE.py would."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        if isinstance(error, SyntaxError):
            line = error.lineno
        raise ValueError(f"{path} does not run: {type(error).__name__} at line {line}: {error}") from error
    finally:
        sys.path.pop(0)
    return module

"""An exercise: a folder with its source, its checks, its wrong solutions and its texts."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import tinycnn.tutorials
from tinycnn.choices import look_up
from tinycnn.learn import markers
from tinycnn.learn.case import Case, Mutant
from tinycnn.texts import Texts

FOLDER = Path(tinycnn.tutorials.__file__ or "").parent / "exercises"
HIDDEN = 0x5EED
"""What sets a teacher's seeds apart from the learner's."""


class Exercise:
    """One exercise.

    Attributes
    ----------
    folder
        With ``exercise.py``, ``check.py``, ``mutants.py`` and a ``.toml`` for each language.
    name
        Such as ``01_cross_correlation``; the learner's file is called so.
    """

    def __init__(self, folder: Path):
        self.folder, self.name = folder, folder.name

    @property
    def number(self) -> int:
        """Its place in the order."""
        return int(self.name.partition("_")[0])

    @cached_property
    def source(self) -> str:
        """With solutions and stubs."""
        return (self.folder / "exercise.py").read_text(encoding="utf-8")

    @property
    def stub(self) -> str:
        """What the learner gets, but for the task, which is said in the learner's language."""
        return markers.stub(self.source)

    @property
    def solution(self) -> str:
        """The whole file, solved."""
        return markers.solution(self.source)

    def file(self, language: str) -> str:
        """What the learner gets, with the task as its docstring."""
        texts = self.texts(language)
        body = self.stub
        start = body.index('"""', body.index('"""') + 3) + 3
        task = str(texts["task"]).strip().replace("\\", "\\\\").replace('"""', "'''")
        return f'"""{texts["title"]}\n\n{task}\n"""{body[start:]}'

    def texts(self, language: str) -> Texts:
        """Title, task, hints and misconceptions in a language."""
        return Texts(self.folder, language)

    @cached_property
    def check(self) -> ModuleType:
        """The module of ``check.py``."""
        return _loaded(self.folder / "check.py", f"tinycnn_check_{self.name}")

    @cached_property
    def mutants(self) -> tuple[Mutant, ...]:
        """The named wrong solutions."""
        module = _loaded(self.folder / "mutants.py", f"tinycnn_mutants_{self.name}")
        return tuple(module.MUTANTS)

    def cases(self, seed: int, hidden: bool = False) -> tuple[Case, ...]:
        """The calls to make, the smallest first; ``hidden`` ones differ from those that a learner sees."""
        return _cases(self, seed, hidden)

    @property
    def functions(self) -> Sequence[str]:
        """What the learner's file must define."""
        return tuple(self.check.FUNCTIONS)

    @property
    def tolerance(self) -> float:
        """Relative, of a result's largest number."""
        return float(getattr(self.check, "TOLERANCE", 1e-9))

    @property
    def seconds(self) -> float:
        """How long all cases may take."""
        return float(getattr(self.check, "SECONDS", 5))

    @property
    def allowed(self) -> Sequence[str]:
        """Modules of the library that may be imported."""
        return tuple(getattr(self.check, "ALLOWED", ()))

    @property
    def needs(self) -> Sequence[str]:
        """Programs and modules without which it cannot be done."""
        return tuple(getattr(self.check, "NEEDS", ()))

    def expected(self, case: Case) -> dict[str, Any]:
        """The results of one case, by name."""
        return dict(self.check.expected(**case.arguments))

    def call(self, module: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call the functions of a module that is trusted, such as a wrong solution of ours."""
        call: Callable[..., dict[str, Any]] | None = getattr(self.check, "call", None)
        if call is not None:
            return dict(call(module, **arguments))
        return {"result": getattr(module, self.functions[0])(*arguments.values())}


@lru_cache(maxsize=64)
def _cases(exercise: Exercise, seed: int, hidden: bool) -> tuple[Case, ...]:
    rng = np.random.default_rng((seed, HIDDEN) if hidden else seed)
    return tuple(exercise.check.cases(rng))


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises by name, in order."""
    found = sorted(folder for folder in FOLDER.iterdir() if (folder / "exercise.py").is_file())
    return {folder.name: Exercise(folder) for folder in found}


def exercise(word: str) -> Exercise:
    """The exercise of a name, or of a number.

    Raises
    ------
    ValueError
        When there is none, with the nearest name.
    """
    for name, found in exercises().items():
        if word.isdigit() and int(word) == found.number:
            return found
        if Path(word).stem == name:
            return found
    return look_up("exercise", word, exercises())


def _loaded(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

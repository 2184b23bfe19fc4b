"""Bugs planted in CUDA sources: a wrong text in the place of a right one, in what the compiler is given."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.planted_bugs import Bug
from tinycnn.kernels.cuda import launch


def assert_source_bug_caught(bug: Bug) -> None:
    """The bug's test passes without it and fails with it; ``where`` is the source, without ``.cu``."""
    bug.caught_by(*bug.arguments)
    with planted(bug.where, bug.right, bug.wrong), pytest.raises(bug.error):
        bug.caught_by(*bug.arguments)


@contextmanager
def planted(file: str, right: str, wrong: str) -> Iterator[None]:
    """Compile one source, and what it includes, with the wrong text until the end of the block."""
    original = launch.source

    def source(name: str, real: str) -> str:
        text = original(name, real)
        assert name != file or right in text, f"{file}.cu no longer contains {right!r}: plant this bug another way"
        return text.replace(right, wrong) if name == file else text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "source", source)
        _forget_compiled()
        try:
            yield
        finally:
            _forget_compiled()


def _forget_compiled() -> None:
    launch._module.cache_clear()
    launch._function.cache_clear()

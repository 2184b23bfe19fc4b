"""Bugs planted on purpose: a wrong line in the place of a right one, and the test that must notice.

A test that cannot fail proves nothing. Each row of a table names a classic mistake, where it is planted, and one test;
the test must pass on the code as it is and fail on the code with the mistake.
"""

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import Phase, settings

from tests.backends import running
from tinycnn import geometry
from tinycnn.backend import load_kernels


class Bug(NamedTuple):
    """A mistake, as a text replaced in the source of one function, and the test that catches it."""

    name: str
    where: str  # "module:function" or "module:Class.method", below tinycnn
    right: str
    wrong: str
    caught_by: Callable[..., None]
    arguments: tuple[Any, ...] = ()  # of the test, where it is parametrised
    error: type[Exception] | tuple[type[Exception], ...] = AssertionError


def rows(bugs: list[Bug]) -> pytest.MarkDecorator:
    """Parametrise a test over the table."""
    return pytest.mark.parametrize("bug", bugs, ids=[bug.name for bug in bugs])


def assert_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug's test passes without it and fails with it."""
    _passes(bug.caught_by, bug.arguments)
    forget_geometries()
    plant(bug, monkeypatch)
    # What overflows because of the bug shall reach the test's own assertion, not end in NumPy's warning.
    with running("numpy"), np.errstate(all="ignore"), pytest.raises(bug.error), _without_shrinking(bug.caught_by):
        _call(bug.caught_by, bug.arguments)
    forget_geometries()


def forget_geometries() -> None:
    """What right code has worked out would hide the wrong code, and the other way round."""
    geometry._taps.cache_clear()
    geometry._conv_geometry.cache_clear()
    geometry._pool_axis.cache_clear()


def plant(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the function, wherever it is referred to, by its own source with the wrong text in it."""
    module_name, _, path = bug.where.partition(":")
    owner: Any = import_module(f"tinycnn.{module_name}")
    *classes, name = path.split(".")
    namespace = dict(vars(owner))  # the wrong function sees its module's names, and the module does not see it
    for class_name in classes:
        owner = getattr(owner, class_name)
    original = inspect.getattr_static(owner, name)
    source = textwrap.dedent(inspect.getsource(_function(original)))
    assert bug.right in source, f"{bug.where} no longer contains {bug.right!r}: plant this bug another way"
    exec("from __future__ import annotations\n" + source.replace(bug.right, bug.wrong), namespace)
    mutant = namespace[name]
    if isinstance(mutant, cached_property):
        mutant.__set_name__(owner, name)
    monkeypatch.setattr(owner, name, mutant)
    for holder in [load_kernels("numpy"), *(m for n, m in sys.modules.items() if n.partition(".")[0] == "tinycnn")]:
        for attribute, value in list(vars(holder).items()):
            if value is original:
                monkeypatch.setattr(holder, attribute, mutant)


@contextmanager
def _without_shrinking(test: Callable[..., None]) -> Iterator[None]:
    """Let Hypothesis stop at the first case that fails: nobody will read it."""
    kept = "_hypothesis_internal_use_settings"
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(test, kept):
            patch.setattr(test, kept, settings(getattr(test, kept), phases=(Phase.explicit, Phase.generate)))
        yield


def _function(attribute: Any) -> Callable[..., Any]:
    """The function behind a property, or the function itself."""
    if isinstance(attribute, property):
        return attribute.fget
    return attribute.func if isinstance(attribute, cached_property) else attribute


@cache
def _passes(test: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    with running("numpy"):
        _call(test, arguments)


def _call(test: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Call a test with the values of its parameters, in order, and a monkeypatch of its own where it asks for one."""
    parameters = [name for name in inspect.signature(test).parameters if name not in ("backend", "monkeypatch")]
    given = dict(zip(parameters, arguments, strict=False))
    if "monkeypatch" not in inspect.signature(test).parameters:
        test(**given)
        return
    with pytest.MonkeyPatch.context() as patch:
        test(monkeypatch=patch, **given)

"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
from types import ModuleType

import numpy as np
import pytest

import tinycnn
from tests.oracles import program
from tests.test_structure import SOURCES

# Parts that need an extra are skipped where it is not installed.
EXTRAS = {"cupy", "jinja2", "matplotlib", "numba", "PIL", "pooch", "scipy", "threadpoolctl"}
PROGRAMS = {"tinycnn.kernels.cuda.emulate": "g++"}  # what the examples of a module run
MODULES = [name for name in SOURCES if not name.endswith("__main__")]


def needs_extra(name: str) -> str:
    """Why a module cannot be imported here, where that is a missing extra; otherwise nothing."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in EXTRAS:
            return str(error)
        raise
    return ""


def run(module: ModuleType) -> doctest.TestResults:
    """Run a module's examples, each docstring's in a namespace of its own."""
    runner = doctest.DocTestRunner(verbose=False)
    for test in doctest.DocTestFinder().find(module):
        runner.run(test)
    return runner.summarize(verbose=False)


@pytest.fixture(autouse=True)
def _settings_of_a_fresh_start():
    tinycnn.manual_seed(0)
    with np.printoptions():
        yield


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if missing := needs_extra(name):
        pytest.skip(missing)
    if name in PROGRAMS:
        program(PROGRAMS[name])
    result = run(importlib.import_module(name))
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples; each is printed above"


def test_there_are_examples():
    found = [
        test
        for name in MODULES
        if not needs_extra(name)
        for test in doctest.DocTestFinder().find(importlib.import_module(name))
    ]
    examples = [example for test in found for example in test.examples if not example.options.get(doctest.SKIP)]
    assert len(examples) > 150


def test_every_operation_has_an_example():
    # Elementary arithmetic is told in one line; all else shows what it does.
    elementary = {f"tinycnn.functional.{module}" for module in ("arithmetic", "reduction", "shape")}
    operations = [getattr(tinycnn.functional, name) for name in tinycnn.functional.__all__]
    operations = [operation for operation in operations if operation.__module__ not in elementary]
    assert len(operations) > 20
    assert not [operation.__name__ for operation in operations if ">>> " not in (operation.__doc__ or "")]


def test_a_wrong_example_is_noticed(capsys):
    module = ModuleType("planted")
    module.__doc__ = ">>> 1 + 1\n3\n"
    assert run(module).failed == 1
    assert "Expected:\n    3" in capsys.readouterr().out

"""The count of what was launched notices a kernel that never was, and a call that CuPy does not take."""

import json
import sys
import types

import numpy as np
import pytest

from tests import launches


@pytest.fixture
def cupy(monkeypatch):
    """A module that has two functions and a ufunc."""
    found = types.SimpleNamespace(__version__="0", ufunc=np.ufunc, exp=np.exp, ndarray=np.ndarray)
    found.pad = lambda array, pad_width, **options: None
    found.sort = lambda array, axis=-1: None
    monkeypatch.setitem(sys.modules, "cupy", found)
    return found


def test_a_call_that_cupy_does_not_take_is_told(cupy):
    right = [("exp", "out"), ("exp",), ("sort", "axis"), ("pad", "constant_values"), ("ndarray.sum",)]
    wrong = [("exp", "where"), ("sort", "kind"), ("argsort",), ("linalg.qr",)]
    assert list(launches.not_in_cupy(right, cupy)) == []
    assert list(launches.not_in_cupy(wrong, cupy)) == [
        "cupy.exp is a ufunc that takes no where",
        "cupy.sort takes no kind",
        "cupy has no argsort",
        "cupy has no linalg.qr",
    ]


class Compiled:
    __doc__ = "_ndarray_base.sum(self, axis=None, dtype=None, keepdims=False) -> _ndarray_base"

    def __call__(self):
        pass

    @property
    def __signature__(self):
        raise ValueError("no signature found")


def test_parameters_of_what_is_compiled_are_read_from_its_docstring():
    assert launches.parameters(Compiled()) == {"self", "axis", "dtype", "keepdims"}


def test_every_kernel_must_have_been_launched_in_some_process(cupy, tmp_path, capsys):
    known = launches.kernels()
    assert ("pooling", "avg_pool2d_forward", "double") in known
    assert not any(file.endswith("_tf32") and real == "double" for file, _, real in known)
    half = len(known) // 2
    for number, part in enumerate((known[:half], known[half:])):
        record = {"launched": [[*kernel, 2] for kernel in part], "called": [["exp"]]}
        (tmp_path / f"{number}.json").write_text(json.dumps(record))
    assert launches.main(str(tmp_path)) == 0
    assert f"launched: {len(known)} of {len(known)}" in capsys.readouterr().out
    (tmp_path / "1.json").write_text(json.dumps(record | {"launched": record["launched"][1:]}))
    assert launches.main(str(tmp_path)) == 1
    file, name, real = known[half]
    assert f"never launched: {file}.cu {name} with {real}" in capsys.readouterr().out
    (tmp_path / "1.json").write_text(json.dumps(record | {"called": [["argsort"]]}))
    assert launches.main(str(tmp_path)) == 1
    assert "cupy has no argsort" in capsys.readouterr().out


def test_without_cupy_it_is_said_that_nothing_was_looked_up(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(launches, "REQUIRED", False)
    launches.main(str(tmp_path))
    assert "CuPy is not installed" in capsys.readouterr().out
    monkeypatch.setattr(launches, "REQUIRED", True)
    with pytest.raises(ModuleNotFoundError):
        launches.main(str(tmp_path))

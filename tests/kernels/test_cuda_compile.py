"""Every CUDA source compiles for three generations of GPUs without a warning, and is called as it declares itself.

By nvcc where there is one, and by NVRTC, which is what CuPy calls, where CuPy is installed; neither needs a GPU.
"""

import ast
import importlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import oracles
from tests.kernels.processes import NAMES, ROOT
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.cuda.emulate import _DTYPES as DTYPES
from tinycnn.kernels.cuda.source import FOLDER, kernels_in, reals, source, sources

ARCHITECTURES = ("75", "80", "90")
MADE = [(name, real) for name in sources() for real in reals(name)]
LAUNCHERS = sorted(FOLDER.glob("*.py"))


def architectures(name: str) -> tuple[str, ...]:
    """Those that a source is for; TF32 begins with the second."""
    return ARCHITECTURES[1:] if name.endswith("_tf32") else ARCHITECTURES


def literal(module: str, name: str):
    """What a module assigns to a name, without importing it, which may need CuPy."""
    tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    return next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == name)


OPTIONS = literal("launch", "OPTIONS")


# Compiling


def by_nvcc(name: str, text: str, folder: Path) -> str:
    (folder / f"{name}.cu").write_text(text)
    code = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in architectures(name)]
    command = ["nvcc", *OPTIONS, "-Werror", "all-warnings", *code, "-fatbin", "-o", os.devnull, f"{name}.cu"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr + (f"exit status {done.returncode}" if done.returncode else "")


def by_nvrtc(name: str, text: str, folder: Path) -> str:
    done = nvrtc([(f"{name}.cu", text, [*OPTIONS, f"-arch=sm_{number}"]) for number in architectures(name)])
    assert done.returncode == 0, done.stderr
    return "".join(json.loads(done.stdout))


def nvrtc(programs: list) -> subprocess.CompletedProcess[str]:
    """In a process of its own: in this one, a stand-in may be what is called cupy, and sanitizers may watch."""
    environment = {name: value for name, value in os.environ.items() if name not in (*NAMES, "LD_PRELOAD")}
    command = [sys.executable, "-m", "tests.kernels.nvrtc_driver"]
    given = json.dumps(programs)
    return subprocess.run(command, cwd=ROOT, env=environment, input=given, capture_output=True, text=True, check=False)


@cache
def missing(compiler: str) -> str:
    """Why there is no such compiler here; nothing where there is one."""
    if compiler == "nvcc":
        return "" if shutil.which("nvcc") else "there is no nvcc on the PATH"
    done = nvrtc([("nothing.cu", "", [])])
    return "" if done.returncode == 0 else f"no NVRTC, pip install 'tinycnn[nvrtc]': {done.stderr.splitlines()[-1]}"


COMPILERS = {"nvcc": by_nvcc, "nvrtc": by_nvrtc}


@pytest.fixture(params=COMPILERS)
def said(request, tmp_path):
    """What a compiler says of a source; nothing where it is content."""
    if reason := missing(request.param):
        pytest.skip(reason)
    return lambda name, text: COMPILERS[request.param](name, text, tmp_path)


def test_there_is_a_compiler():
    reasons = [missing(compiler) for compiler in COMPILERS]
    if all(reasons):
        assert not oracles.REQUIRED, reasons
        pytest.skip("; ".join(reasons))


@pytest.mark.parametrize(("name", "real"), MADE)
def test_a_source_compiles_without_a_word(said, name, real):
    assert said(name, source(name, real)) == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("int unused;", r'variable .?"unused".? was declared but never referenced'),
        ("int i; *y = i;", r'variable .?"i".? is used before its value is set'),
        ("*y = missing;", r'identifier .?"missing".? is undefined'),
        ("*y = 1", r'expected a .?";".?'),
    ],
)
def test_a_planted_fault_is_told_with_its_line(said, line, words):
    planted = f'#line 7 "planted.cu"\nextern "C" __global__ void planted(int* y) {{ {line} }}\n'
    log = said("activation", source("activation", "float") + planted)
    assert re.search(words, log), log
    assert "planted.cu(7)" in log


def test_an_instruction_of_a_later_gpu_is_noticed(said):
    text = 'extern "C" __global__ void later(int* y) { asm volatile("griddepcontrol.wait;"); *y = 1; }\n'
    assert said("later", text)


# Calling


def names_in(code: str) -> set[str]:
    """Patterns of the strings that a module holds, the gaps of f-strings being any word."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(re.escape(node.value))
        elif isinstance(node, ast.JoinedStr):
            parts = [re.escape(p.value) if isinstance(p, ast.Constant) else r"\w+" for p in node.values]
            if any(isinstance(p, ast.Constant) for p in node.values):
                found.add("".join(parts))
    return found


def uncalled(name: str, kernels: list[str], modules: list[str]) -> list[str]:
    """The kernels of a source that no module names together with the source."""
    patterns = [names_in(code) for code in modules]

    def names(wanted: str) -> set[int]:
        return {i for i, found in enumerate(patterns) if any(re.fullmatch(pattern, wanted) for pattern in found)}

    return [kernel for kernel in kernels if not names(name) & names(kernel)]


def test_there_are_sources():
    assert {"activation", "pooling"} <= set(sources())
    assert kernels_in(source("pooling", "float"))["avg_pool2d_backward"] == [
        "const real*", "real*", "long long", "const Geometry", "int"
    ]  # fmt: skip


@pytest.mark.parametrize("name", sources())
def test_every_kernel_is_called_by_a_launcher(name):
    kernels = list(kernels_in(source(name, reals(name)[0])))
    assert kernels
    assert not uncalled(name, kernels, [path.read_text(encoding="utf-8") for path in LAUNCHERS])


def test_a_kernel_that_nobody_calls_is_noticed():
    modules = ['launch("a", "one")', 'launch("b", "two")\nlaunch("b", f"three_{phase}")']
    assert uncalled("a", ["one", "two"], modules) == ["two"]
    assert uncalled("b", ["two", "three_forward", "four"], modules) == ["four"]


def numbers_of(text: str) -> Iterator[tuple[str, str]]:
    """Each parameter of each kernel that is no array: kernel and type."""
    for kernel, types in kernels_in(text).items():
        yield from ((kernel, type_) for type_ in types if not type_.endswith("*"))


def fields_of(struct: str, text: str) -> list[tuple[str, str, int]]:
    """The members of a plain struct in a source, in their order: (name, type, how many)."""
    body = re.search(rf"struct {struct} {{([^{{}}]*)}}", re.sub(r"//[^\n]*", "", text))
    lines = re.findall(r"((?:long )*\w+) (\w+(?:\[\d+\])?(?:, \w+(?:\[\d+\])?)*);", body[1]) if body else []
    members = ((type_, one.partition("[")) for type_, names in lines for one in names.split(", "))
    return [(name, type_, int(count.rstrip("]") or 1)) for type_, (name, _, count) in members]


def records(real: str) -> dict[str, Any]:
    """What launchers pass for the structs, by the structs' names."""
    from tinycnn.kernels.cuda import conv_winograd, launch

    three_by_three = ConvGeometry(Axis(5, 3), Axis(5, 3), 1, 1, 1)
    transform, tiles = conv_winograd._constants(three_by_three, {"float": "f", "double": "d"}[real])
    return {"Geometry": launch.RECORD, "Transform": transform.dtype, "Tiles": tiles.dtype}


@pytest.mark.parametrize(("name", "real"), MADE)
def test_numbers_are_passed_with_the_size_that_is_declared(name, real):
    oracles.oracle("cupy")
    launch = importlib.import_module("tinycnn.kernels.cuda.launch")
    like = np.zeros(0, {"float": np.float32, "double": np.float64}[real])
    text = source(name, real)
    for kernel, type_ in numbers_of(text):
        where = f"{kernel} takes a {type_}"
        if fields := fields_of(type_.removeprefix("const "), text):
            record = records(real)[type_.removeprefix("const ")]
            bases = {"int": np.dtype(np.int32), "real": like.dtype}
            passed = [(field, record[field].base, math.prod(record[field].shape)) for field in record.names]
            assert passed == [(field, bases[base], count) for field, base, count in fields], where
            assert record.itemsize == sum(base.itemsize * count for _, base, count in passed), where
        else:
            wanted = like.dtype if type_ == "real" else DTYPES[type_]
            assert launch._number(1, type_, like).dtype == wanted, where


def test_an_argument_of_another_size_would_be_noticed():
    text = (
        'struct A {\n    int b, c;\n    long long d;\n};\nextern "C" __global__ void k(A a, float f, const int* p) {}'
    )
    assert list(numbers_of(text)) == [("k", "A"), ("k", "float")]
    assert fields_of("A", text) == [("b", "int", 1), ("c", "int", 1), ("d", "long long", 1)]
    assert not fields_of("B", text)
    pytest.importorskip("cupy")
    launch = importlib.import_module("tinycnn.kernels.cuda.launch")
    assert launch._number(1, "float", np.zeros(0)).dtype != DTYPES["float"]


@pytest.mark.parametrize(("name", "real"), MADE)
def test_arrays_are_of_types_that_are_checked(name, real):
    text = source(name, real)
    pointed = {
        t.removeprefix("const ").rstrip("* ") for types in kernels_in(text).values() for t in types if t[-1] == "*"
    }
    assert pointed <= {"real", *DTYPES}

"""The CUDA sources as texts that a compiler takes: `real` is float or double, and what is included stands in them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
REALS = {"f": "float", "d": "double"}
"""What `real` is, by the character of the arrays' dtype."""

_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)
_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)")


def sources() -> tuple[str, ...]:
    """Names of the files that hold kernels, without ``.cu``."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.cu")))


@cache
def source(name: str, real: str) -> str:
    """The text of ``name.cu`` for one type of numbers.

    CuPy keeps compiled kernels by their text, and would not see that an included file has changed; so what is included
    is put in its place, once, and lines are numbered as they are in their files.

    Parameters
    ----------
    name
        Of the file, without ``.cu``.
    real
        ``"float"`` or ``"double"``.
    """
    return f"typedef {real} real;\n" + _numbered(f"{name}.cu", (FOLDER / f"{name}.cu").read_text(), set())


def reals(name: str) -> tuple[str, ...]:
    """The types of numbers that a file is made for: what tensor cores multiply as TF32 is float."""
    return ("float",) if name.endswith("_tf32") else tuple(REALS.values())


def kernels_in(text: str) -> dict[str, list[str]]:
    """The kernels of a source, each with the types of its parameters: ``{"add": ["const real*", "int"]}``."""
    uncommented = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    found = _KERNEL.findall(uncommented)
    return {name: [_type(p) for p in parameters.split(",") if p.strip()] for name, parameters in found}


def real_of(dtype: np.dtype[np.generic]) -> str:
    """``"float"`` or ``"double"``, for arrays of this dtype."""
    return REALS[dtype.char]


def _numbered(name: str, text: str, seen: set[str]) -> str:
    """The text with included files in their places, each once, and told where its lines are from."""

    def included(match: re.Match[str]) -> str:
        if match[1] in seen:
            return ""
        seen.add(match[1])
        line = text.count("\n", 0, match.start()) + 2
        # nvcc warns of #pragma once in what is no header
        inner = (FOLDER / match[1]).read_text().replace("#pragma once\n", "\n")
        return _numbered(match[1], inner, seen) + f'#line {line} "{name}"'

    return f'#line 1 "{name}"\n' + _INCLUDE.sub(included, text)


def _type(parameter: str) -> str:
    """The type in front of a parameter's name: ``const real* __restrict__ x`` is a ``const real*``."""
    words = re.sub(r"\s*\*\s*", "* ", parameter.replace("__restrict__", "")).split()
    return " ".join(words[:-1])

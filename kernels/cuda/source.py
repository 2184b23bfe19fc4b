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
    is put in its place, and lines are numbered as they are in their files.

    Parameters
    ----------
    name
        Of the file, without ``.cu``.
    real
        ``"float"`` or ``"double"``.
    """
    return f"typedef {real} real;\n" + _numbered(f"{name}.cu", (FOLDER / f"{name}.cu").read_text())


def reals(name: str) -> tuple[str, ...]:
    """The types of numbers that a file is made for: what tensor cores multiply as TF32 is float."""
    return ("float",) if name.endswith("_tf32") else tuple(REALS.values())


def kernels_in(text: str) -> dict[str, list[str]]:
    """The kernels of a source, each with the types of its parameters: ``{"add": ["const real*", "int"]}``."""
    uncommented = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    return {name: [_type(p) for p in parameters.split(",")] for name, parameters in _KERNEL.findall(uncommented)}


def real_of(dtype: np.dtype[np.generic]) -> str:
    """``"float"`` or ``"double"``, for arrays of this dtype."""
    return REALS[dtype.char]


def _numbered(name: str, text: str) -> str:
    """The text with included files in their places, and told where its lines are from."""

    def included(match: re.Match[str]) -> str:
        line = text.count("\n", 0, match.start()) + 2
        return _numbered(match[1], (FOLDER / match[1]).read_text()) + f'#line {line} "{name}"'

    return f'#line 1 "{name}"\n' + _INCLUDE.sub(included, text)


def _type(parameter: str) -> str:
    """The type in front of a parameter's name: ``const real* __restrict__ x`` is a ``const real*``."""
    words = re.sub(r"\s*\*\s*", "* ", parameter.replace("__restrict__", "")).split()
    return " ".join(words[:-1])

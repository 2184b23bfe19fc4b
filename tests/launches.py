"""What tests asked of the stand-in for CuPy, from all processes together: kernels launched, functions called.

Each process writes into the folder that TINYCNN_TEST_LAUNCHES names. ``python -m tests.launches FOLDER`` reads it,
prints how often kernels were launched, and fails where one never was, for one of its types of numbers, or where the
real CuPy, if it is installed, has no function of a name that was called, or not with those arguments.
"""

import inspect
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.oracles import REQUIRED
from tinycnn.kernels.cuda.source import kernels_in, reals, source, sources

Kernel = tuple[str, str, str]  # file, name, type of numbers


def write(folder: str) -> None:
    """Write down what was asked for in this process."""
    from tests.cupy_stand_in import CALLED, LAUNCHED

    launched = [[*kernel, times] for kernel, times in LAUNCHED.items()]
    called = [[name, *sorted(options)] for name, options in CALLED]
    path = Path(folder, f"{os.getpid()}.json")
    path.write_text(json.dumps({"launched": launched, "called": sorted(called)}), encoding="utf-8")


def read(folder: str) -> tuple[Counter[Kernel], set[tuple[str, ...]]]:
    """What was asked for in all processes."""
    launched, called = Counter[Kernel](), set[tuple[str, ...]]()
    for path in Path(folder).glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        for file, kernel, real, times in record["launched"]:
            launched[file, kernel, real] += times
            launched[file, kernel, "any"] += times
        called |= {tuple(call) for call in record["called"]}
    return launched, called


def kernels() -> list[Kernel]:
    """Every kernel that there is, for each type of numbers where it takes some."""
    found = []
    for file in sources():
        for kernel, types in kernels_in(source(file, "float")).items():
            some = any("real" in type_.split() or "real*" in type_.split() for type_ in types)
            found += [(file, kernel, real) for real in (reals(file) if some else ("any",))]
    return found


def not_in_cupy(called: Iterable[tuple[str, ...]], cupy: Any) -> Iterator[str]:
    """Calls that the real CuPy does not take."""
    for name, *options in called:
        function = cupy
        for part in name.split("."):
            function = getattr(function, part, None)
        if function is None:
            yield f"cupy has no {name}"
        elif isinstance(function, cupy.ufunc):
            if unknown := set(options) - {"out", "dtype", "casting"}:
                yield f"cupy.{name} is a ufunc that takes no {', '.join(sorted(unknown))}"
        elif (known := parameters(function)) and (unknown := set(options) - {"like"} - known):
            yield f"cupy.{name} takes no {', '.join(sorted(unknown))}"


def parameters(function: Any) -> set[str]:
    """Names of a function's parameters, of compiled ones from their docstring; none where any name will do."""
    try:
        found = inspect.signature(function).parameters
        return set() if any(p.kind is p.VAR_KEYWORD for p in found.values()) else set(found)
    except ValueError:
        declared = (function.__doc__ or "").strip().partition("\n")[0].partition("(")[2].rpartition(")")[0]
        return {parameter.partition("=")[0].split()[-1] for parameter in declared.split(",") if parameter.strip()}


def main(folder: str) -> int:
    """Print what was launched; the exit status."""
    launched, called = read(folder)
    known = kernels()
    missing = [kernel for kernel in known if not launched[kernel]]
    names = {kernel[:2] for kernel in known}
    print(f"{len(names)} kernels in {len(sources())} sources, {len(known)} with their types of numbers")
    times = sum(count for (_, _, real), count in launched.items() if real != "any")
    print(f"launched: {len(known) - len(missing)} of {len(known)}, {times:,} launches in all")
    faults = [f"never launched: {file}.cu {kernel} with {real}" for file, kernel, real in missing]
    try:
        import cupy
    except ModuleNotFoundError:
        if REQUIRED:
            raise
        print("CuPy is not installed: what was called of it is not looked up")
    else:
        faults += not_in_cupy(sorted(called), cupy)
        print(f"called: {len(called)} of CuPy's functions, by name and arguments, looked up in CuPy {cupy.__version__}")
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

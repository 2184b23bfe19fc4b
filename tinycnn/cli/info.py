"""``tinycnn info``."""

from __future__ import annotations

import json as json_format
from importlib.metadata import packages_distributions, version
from typing import Any

from tinycnn import tuning
from tinycnn.backend import algorithm_table, available_backends, load_kernels
from tinycnn.cli.status import DONE
from tinycnn.data import data_directory
from tinycnn.gpu import problem
from tinycnn.threads import cores
from tinycnn.training.environment import environment
from tinycnn.wording import readable_bytes

OPTIONAL = ("numba", "cupy", "matplotlib", "PIL", "pooch", "jinja2")  # modules: CuPy's package has many names
PASSES = ("_forward", "_backward")


def info(*, json: bool = False) -> int:
    """Show versions, the BLAS and its threads, the GPU, the backends, who has which kernel, and any tuned table.

    Parameters
    ----------
    json
        Print all of it as one JSON object on the last line.
    """
    surroundings = environment() | {"cores": cores(), "data": str(data_directory())}
    distributions = packages_distributions()
    optional = {name: version(distributions[name][0]) if name in distributions else None for name in OPTIONAL}
    kernels, tuned = _kernels(), _tuned()
    for name, value in surroundings.items():
        print(f"{name:10} {value}")
    gpu = _gpu()
    print("gpu       ", _told(gpu) if gpu else f"none: {problem()}")
    counts = [f"{count} passes for {where}" for where, count in tuned["stored"].items()]
    print("tuned     ", f"{', '.join(counts) or 'nothing for this machine'}, in {tuned['path']}")
    print("optional  ", ", ".join(f"{name} {found or 'not installed'}" for name, found in optional.items()))
    backends = available_backends()
    width = max(map(len, kernels))
    print(f"\n{'kernel':{width}}  {'  '.join(backends)}")
    for kernel, having in kernels.items():
        otherwise = "numpy's" if "numpy" in having else "none"
        marks = [("yes" if name in having else otherwise).ljust(len(name)) for name in backends]
        print(f"{kernel:{width}}  {'  '.join(marks)}".rstrip())
    if json:
        found = {
            "gpu": gpu,
            "gpu_problem": problem() or None,
            "tuned": tuned,
            "optional": optional,
            "backends": backends,
            "kernels": kernels,
        }
        print(json_format.dumps(surroundings | found))
    return DONE


def _gpu() -> dict[str, Any] | None:
    """What `tinycnn.kernels.cuda.device.facts` says, where there is a GPU."""
    if problem():
        return None
    from tinycnn.kernels.cuda import device

    return device.facts()


def _told(gpu: dict[str, Any]) -> str:
    return f"{gpu['name']}, {readable_bytes(gpu['memory'])}, driver for CUDA {gpu['driver']}, CuPy {gpu['cupy']}"


def _tuned() -> dict[str, Any]:
    """Where `tinycnn bench tune` stores, what there is for this machine, and whether it is in use as things stand."""
    stored = {
        f"{backend} on {threads} thread{'s' if threads > 1 else ''}": count
        for (backend, threads), count in tuning.stored_here().items()
    }
    return {"path": str(tuning.table_path()), "in_use": algorithm_table().startswith("tuned"), "stored": stored}


def _kernels() -> dict[str, list[str]]:
    """For each kernel, forward and backward under one name, the backends that have it of their own."""
    from tinycnn.kernels import numpy as reference

    found: dict[str, list[str]] = {}
    algorithms = (f"conv_{name}" for backend in available_backends() for name in load_kernels(backend).algorithms)
    for kernel in dict.fromkeys((*reference.__all__, *algorithms)):
        name = kernel
        for ending in PASSES:
            name = name.removesuffix(ending)
        having = [backend for backend in available_backends() if load_kernels(backend).implements(kernel)]
        found[name] = [backend for backend in found.get(name, having) if backend in having]
    return found

"""Independent implementations to be held against, programs, and real data: skipped where absent, required in CI."""

import importlib
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

REQUIRED = os.environ.get("TINYCNN_REQUIRE_ORACLES") == "1"


def oracle(module: str) -> ModuleType:
    """Import an oracle such as torch or onnx, or skip the test (module) that needs it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        if REQUIRED:
            raise
        package = {"cupy": "'tinycnn[nvrtc]'"}.get(module, module)
        pytest.skip(f"{module} is not installed: pip install {package}", allow_module_level=True)


def program(name: str) -> str:
    """The path of a program such as g++, or skip the test (module) that needs it."""
    path = shutil.which(name)
    if path is None:
        if REQUIRED:
            raise FileNotFoundError(name)
        pytest.skip(f"there is no {name}: install it", allow_module_level=True)
    return path


def data_file(name: str) -> Path:
    """A file of real data under TINYCNN_DATA, or skip the test that needs it."""
    path = Path(os.environ.get("TINYCNN_DATA", Path.home() / ".cache" / "tinycnn")) / name
    if not path.is_file():
        if REQUIRED:
            raise FileNotFoundError(path)
        pytest.skip(f"{name} is not in TINYCNN_DATA")
    return path

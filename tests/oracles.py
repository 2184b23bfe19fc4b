"""Independent implementations to be held against, and real data: skipped where absent, but required in CI."""

import importlib
import os
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
        pytest.skip(f"{module} is not installed: pip install {module}", allow_module_level=True)


def data_file(name: str) -> Path:
    """A file of real data under TINYCNN_DATA, or skip the test that needs it."""
    path = Path(os.environ.get("TINYCNN_DATA", Path.home() / ".cache" / "tinycnn")) / name
    if not path.is_file():
        if REQUIRED:
            raise FileNotFoundError(path)
        pytest.skip(f"{name} is not in TINYCNN_DATA")
    return path

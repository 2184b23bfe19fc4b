"""Other engines to be measured against, each in a process of its own, where it is installed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.util import find_spec

from tinycnn.choices import look_up

NEEDS = {"torch": ("torch",), "onnxruntime": ("onnx", "onnxruntime"), "dezero": ("dezero",)}
HOPELESS = 2.0
"""Times as slow as a peer's fastest way: such a way is not measured further."""


def require_peers(names: Sequence[str], known: Collection[str]) -> None:
    """Refuse peers that there are not, or not here.

    Raises
    ------
    ValueError
        With the nearest name, or with what to install.
    """
    for name in names:
        look_up("peer", name, dict.fromkeys(known))
        missing = [package for package in NEEDS[name] if find_spec(package) is None]
        if missing:
            packages = " ".join(missing)
            raise ValueError(f"--against {name} needs {packages}, which is not installed: pip install {packages}")
